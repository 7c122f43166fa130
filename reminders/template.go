package reminders

import (
	"sort"
	"strings"
	"time"
	"unicode/utf8"
)

// Languages lists the languages texts come in, in the order they are offered.
func Languages() []string { return []string{"de", "fr", "it", "en"} }

func isLanguage(s string) bool {
	return s == "de" || s == "fr" || s == "it" || s == "en"
}

// Placeholders lists the names that may stand in braces in a template, in the
// order they are offered.
func Placeholders() []string {
	return []string{"business", "date", "weekday", "time", "location_name", "callback", "practitioner"}
}

// privatePlaceholders are what people look for and must not have: the texts of an
// appointment are health data, and a text message lights up on a locked screen.
var privatePlaceholders = map[string]bool{
	"title": true, "subject": true, "summary": true, "description": true, "notes": true, "event": true,
	"titel": true, "betreff": true, "beschreibung": true, "titre": true, "objet": true, "titolo": true, "oggetto": true,
}

// otherWords are what people write instead of a placeholder's name.
var otherWords = map[string]string{
	"datum": "date", "data": "date", "tag": "weekday", "wochentag": "weekday", "jour": "weekday", "giorno": "weekday", "day": "weekday",
	"zeit": "time", "uhrzeit": "time", "heure": "time", "ora": "time", "hour": "time",
	"praxis": "business", "firma": "business", "klinik": "business", "clinic": "business", "cabinet": "business",
	"studio": "business", "company": "business", "name": "business",
	"telefon": "callback", "telefonnummer": "callback", "rückruf": "callback", "phone": "callback", "tel": "callback",
	"téléphone": "callback", "telefono": "callback", "rappel": "callback",
	"ort": "location_name", "standort": "location_name", "lieu": "location_name", "luogo": "location_name",
	"location": "location_name", "adresse": "location_name", "address": "location_name",
	"arzt": "practitioner", "ärztin": "practitioner", "behandler": "practitioner", "doctor": "practitioner",
	"médecin": "practitioner", "medico": "practitioner", "dr": "practitioner", "therapeut": "practitioner",
}

// Limits of a template.
const (
	MaxName = 80   // runes in a template's name
	MaxBody = 1000 // runes in one text; about seven segments
)

// Template is a message with a name, worded in one or more languages.
type Template struct {
	AccountID, ID int64
	Name          string
	Texts         map[string]string // language → body; at least one
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// Languages lists the languages t is worded in, in the offered order.
func (t Template) Languages() []string {
	var out []string
	for _, l := range Languages() {
		if t.Texts[l] != "" {
			out = append(out, l)
		}
	}
	return out
}

// Pick returns the text in language, else in fallback, else in the first language
// there is, and which it was. ok is false when the template has no text at all.
func (t Template) Pick(language, fallback string) (body, used string, ok bool) {
	for _, l := range append([]string{language, fallback}, Languages()...) {
		if b := t.Texts[l]; b != "" {
			return b, l, true
		}
	}
	return "", "", false
}

// Validate reports everything wrong with t as an *[Invalid], or nil. Fields are
// "name", "texts" and "texts.<language>".
func (t Template) Validate() error {
	var bad []FieldError
	switch n := utf8.RuneCountInString(strings.TrimSpace(t.Name)); {
	case n == 0:
		bad = append(bad, FieldError{Field: "name", Code: CodeRequired})
	case n > MaxName:
		bad = append(bad, FieldError{Field: "name", Code: CodeTooLong, Params: map[string]any{"max": MaxName}})
	}
	if len(t.Texts) == 0 {
		bad = append(bad, FieldError{Field: "texts", Code: CodeRequired})
	}
	langs := make([]string, 0, len(t.Texts))
	for l := range t.Texts {
		langs = append(langs, l)
	}
	sort.Strings(langs)
	for _, l := range langs {
		field := "texts." + l
		if !isLanguage(l) {
			bad = append(bad, FieldError{Field: field, Code: CodeUnknown})
			continue
		}
		for _, e := range CheckBody(t.Texts[l]) {
			e.Field = field
			bad = append(bad, e)
		}
	}
	return invalid(bad)
}

// CheckBody reports everything wrong with one text, in order of position, with
// Field "body". nil means it can be saved.
func CheckBody(body string) []FieldError {
	if strings.TrimSpace(body) == "" {
		return []FieldError{{Field: "body", Code: CodeRequired}}
	}
	var bad []FieldError
	if utf8.RuneCountInString(body) > MaxBody {
		bad = append(bad, FieldError{Field: "body", Code: CodeTooLong, Params: map[string]any{"max": MaxBody}})
	}
	_, errs := parse(body)
	return append(bad, errs...)
}

// DefaultTexts is what a new account starts with: name, date, time, number to
// call, and not a word about what the appointment is for. All four fit GSM-7, so
// that a clinic with a short name pays one segment. The caller may change the map.
func DefaultTexts() map[string]string {
	return map[string]string{
		"de": "Terminerinnerung: {weekday} {date}, {time}. Falls Sie verhindert sind, rufen Sie uns bitte an: {callback}. Freundliche Grüsse, {business}",
		"fr": "Rappel de rendez-vous: {weekday} {date}, {time}. Si vous ne pouvez pas venir, merci de nous appeler: {callback}. Meilleures salutations, {business}",
		"it": "Promemoria appuntamento: {weekday} {date}, {time}. Se non può venire, la preghiamo di chiamarci: {callback}. Cordiali saluti, {business}",
		"en": "Appointment reminder: {weekday} {date}, {time}. If you cannot come, please call us: {callback}. Kind regards, {business}",
	}
}
