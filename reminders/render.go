package reminders

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Vars are the values of a template's placeholders. An empty one is left out.
type Vars struct {
	Business     string
	Date         string
	Weekday      string
	Time         string // empty for an all-day appointment
	LocationName string
	Callback     string
	Practitioner string
}

func (v Vars) get(name string) string {
	s := ""
	switch name {
	case "business":
		s = v.Business
	case "date":
		s = v.Date
	case "weekday":
		s = v.Weekday
	case "time":
		s = v.Time
	case "location_name":
		s = v.LocationName
	case "callback":
		s = v.Callback
	case "practitioner":
		s = v.Practitioner
	}
	return strings.Join(strings.Fields(s), " ")
}

// Render fills body with v.
//
// A placeholder without a value disappears together with what only made sense
// beside it. What stood left and right of it is joined like this:
//
//   - a pair of brackets or quotes around it goes too: "Praxis ({location_name})" is "Praxis";
//   - at the end of a line or bracket the joiner before it goes (comma, colon,
//     semicolon, dash, slash, bar), at the beginning of one the joiner after it;
//   - before a closing mark (.,;:!?) the joiner before it goes, and of two full stops
//     one: "am {date}, {time}." is "am 1.6.";
//   - between words one space remains, and of two joiners the first.
//
// Without a {callback}, the clause that leads to it goes as well: "Falls Sie verhindert
// sind, rufen Sie uns an: {callback}." says nothing without the number.
//
// Text without an empty placeholder beside it stays as it was typed. A body that
// does not parse gives an *[Invalid].
func Render(body string, v Vars) (string, error) {
	pieces, bad := parse(body)
	if len(bad) > 0 {
		return "", fmt.Errorf("render: %w", invalid(bad))
	}
	pieces = withoutCallback(pieces, v)
	out := ""
	gap := false // an empty placeholder stands between out and what follows
	value := func(p piece) string {
		if p.name != "" {
			return v.get(p.name)
		}
		return p.text
	}
	for i, p := range pieces {
		s := value(p)
		// What only separates two that are left out goes with them.
		between := gap && p.name == "" && i+1 < len(pieces) && value(pieces[i+1]) == "" && strings.Trim(s, blanks+joiners) == ""
		if s == "" || between {
			gap = true
			continue
		}
		if gap {
			out = mend(out, s)
			gap = false
		} else {
			out += s
		}
	}
	if gap {
		out = mend(out, "")
	}
	return strings.TrimSpace(out), nil
}

const (
	blanks  = " \t\u00a0\u202f"
	joiners = ",;:-–—/|·"
	closers = ".,;:!?"
)

var brackets = map[string]string{"(": ")", "[": "]", "«": "»", "\"": "\"", "“": "”", "„": "“"}

// mend joins left and right where an empty placeholder stood between them.
func mend(left, right string) string {
	l := strings.TrimRight(left, blanks)
	r := strings.TrimLeft(right, blanks)
	for open, shut := range brackets {
		if strings.HasSuffix(l, open) && strings.HasPrefix(r, shut) {
			return mend(strings.TrimSuffix(l, open), strings.TrimPrefix(r, shut))
		}
	}
	switch {
	case l == "" || strings.ContainsRune("\n([«„", last(l)):
		return l + strings.TrimLeft(r, joiners+blanks)
	case r == "" || strings.ContainsRune("\n)]»“", first(r)):
		return dropJoiner(l) + r
	case strings.ContainsRune(closers, first(r)) && !joinsOn(r):
		l = dropJoiner(l)
		if strings.HasSuffix(l, ".") && strings.HasPrefix(r, ".") {
			r = r[1:]
		}
		return l + r
	}
	if strings.TrimRight(l, joiners) != l { // a joiner on the left is enough
		r = strings.TrimLeft(r, joiners+blanks)
		return l + " " + r
	}
	if strings.ContainsRune(closers, first(r)) || !touches(left, right) {
		return l + spaceUnless(closers, r) + r
	}
	return l + r
}

// touches reports whether the placeholder stood glued between two other characters.
func touches(left, right string) bool {
	return strings.TrimRight(left, blanks) == left && strings.TrimLeft(right, blanks) == right
}

func spaceUnless(marks, r string) string {
	if strings.ContainsRune(marks, first(r)) {
		return ""
	}
	return " "
}

// joinsOn reports whether r begins with a mark that goes on to further words, as
// the comma in "{practitioner}, {business}", rather than ending the sentence.
func joinsOn(r string) bool {
	return strings.ContainsRune(",;:", first(r)) && strings.IndexFunc(r, unicode.IsLetter) >= 0
}

func dropJoiner(l string) string {
	return strings.TrimRight(strings.TrimRight(l, joiners+blanks), blanks)
}

func last(s string) rune {
	r, _ := utf8.DecodeLastRuneInString(s)
	return r
}

func first(s string) rune {
	for _, r := range s {
		return r
	}
	return 0
}
