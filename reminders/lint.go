package reminders

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"rappel/notify/segment"
)

// Codes of a [Warning]. The web words them.
const (
	WarnSpecialty    = "specialty_word" // Params: word; says on a locked screen what the visit is about
	WarnUnicode      = "unicode"        // Params: char; this character makes the text UCS-2: 70 instead of 160
	WarnManySegments = "many_segments"  // Params: segments; costs that many texts with the values given
	WarnNoDate       = "no_date"        // says no day
	WarnNoTime       = "no_time"        // says no time
	WarnNoBusiness   = "no_business"    // does not say who writes
)

// Warning is advice about a text that can be saved all the same.
type Warning struct {
	Code   string
	Params map[string]any
	Offset int // bytes, for specialty_word and unicode; else 0
	Line   int // from 1; 0 where there is no place
	Column int // runes, from 1; 0 where there is no place
}

// specialties are beginnings of words that tell what kind of visit it is. Compared in
// lower case without accents.
var specialties = []string{
	"onkolog", "oncolog", "krebs", "cancer", "cancro", "tumor", "tumeur", "chemotherap", "chimiotherap", "psychiatr", "psichiatr",
	"psycholog", "psicolog", "psychotherap", "psicoterap", "hiv", "aids", "urolog", "gynakolog", "gynaekolog", "gynecolog", "ginecolog",
	"frauenarzt", "sucht", "addict", "addiction", "dipendenz", "methadon", "schwanger", "grossesse", "gravidanz", "pregnan", "abtreib",
	"avortement", "abort", "dialys", "dialis", "proktolog", "proctolog", "venerolog", "geschlechtskrank", "fertilit", "kinderwunsch",
	"neurolog", "kardiolog", "cardiolog", "hepat", "diabet", "infektiolog", "infectiolog", "palliativ", "diagnos", "befund",
}

// Lint looks for what would be a pity in a text: words that say too much, characters
// that cost, missing essentials. vars are sample values to count with. It says nothing
// about a body that can't be saved; see CheckBody.
func Lint(body string, vars Vars) []Warning {
	text, err := Render(body, vars)
	if err != nil || strings.TrimSpace(body) == "" {
		return nil
	}
	var out []Warning
	for _, w := range words(body) {
		plain := fold(w.text)
		if slices.ContainsFunc(specialties, func(s string) bool { return strings.HasPrefix(plain, s) }) {
			f := at(body, w.offset, WarnSpecialty, nil)
			out = append(out, Warning{Code: WarnSpecialty, Params: map[string]any{"word": w.text}, Offset: f.Offset, Line: f.Line, Column: f.Column})
		}
	}
	if r := segment.Measure(text); r.Segments > 1 {
		out = append(out, Warning{Code: WarnManySegments, Params: map[string]any{"segments": r.Segments}})
	}
	if i, char := firstCostly(body); i >= 0 {
		f := at(body, i, WarnUnicode, nil)
		out = append(out, Warning{Code: WarnUnicode, Params: map[string]any{"char": char}, Offset: f.Offset, Line: f.Line, Column: f.Column})
	}
	for _, need := range []struct{ name, code string }{{"date", WarnNoDate}, {"time", WarnNoTime}, {"business", WarnNoBusiness}} {
		if !strings.Contains(body, "{"+need.name+"}") {
			out = append(out, Warning{Code: need.code})
		}
	}
	return out
}

// firstCostly finds the first character that only UCS-2 can carry, even after smart
// encoding; -1 when there is none.
func firstCostly(body string) (int, string) {
	smart, _ := segment.Smart(body, segment.Typographic)
	if segment.Measure(smart).Encoding == segment.GSM7 {
		return -1, ""
	}
	for i, r := range body {
		one, _ := segment.Smart(string(r), segment.Typographic)
		if segment.Measure(one).Encoding != segment.GSM7 {
			return i, string(r)
		}
	}
	return -1, ""
}

type word struct {
	text   string
	offset int
}

func words(s string) []word {
	var out []word
	start := -1
	for i, r := range s {
		switch letter := unicode.IsLetter(r); {
		case letter && start < 0:
			start = i
		case !letter && start >= 0:
			out = append(out, word{s[start:i], start})
			start = -1
		}
	}
	if start >= 0 {
		out = append(out, word{s[start:], start})
	}
	return out
}

// fold is s in lower case, the accented letters of our languages without accents.
func fold(s string) string {
	out := make([]byte, 0, len(s))
	for _, r := range strings.ToLower(s) {
		if i := strings.IndexRune("àâäáãéèêëíìîïóòôöõúùûüçñ", r); i >= 0 {
			r = rune("aaaaaeeeeiiiiooooouuuucn"[utf8.RuneCountInString("àâäáãéèêëíìîïóòôöõúùûüçñ"[:i])])
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out)
}
