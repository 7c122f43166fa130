package reminders

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// piece is a stretch of literal text, or one placeholder.
type piece struct {
	text string // literal; "" for a placeholder
	name string // of the placeholder; "" for a literal
}

// parse splits body into pieces. It goes on after an error, so that a person sees
// all of them at once.
//
//	{name}  a placeholder: exactly one of Placeholders
//	{{  }}  a literal { or }
//
// Any other brace is an error. Spaces and capitals inside braces are errors with a
// suggestion rather than being forgiven: what is stored is what the documentation shows.
func parse(body string) ([]piece, []FieldError) {
	var pieces []piece
	var bad []FieldError
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			pieces = append(pieces, piece{text: lit.String()})
			lit.Reset()
		}
	}
	for i := 0; i < len(body); {
		switch body[i] {
		case '{':
			if strings.HasPrefix(body[i:], "{{") {
				lit.WriteByte('{')
				i += 2
				continue
			}
			end := strings.IndexAny(body[i+1:], "{}\n")
			if end < 0 || body[i+1+end] != '}' {
				bad = append(bad, at(body, i, CodeUnclosedBrace, nil))
				i++
				continue
			}
			name := body[i+1 : i+1+end]
			if e, ok := checkName(body, i, name); !ok {
				bad = append(bad, e)
			} else {
				flush()
				pieces = append(pieces, piece{name: name})
			}
			i += end + 2
		case '}':
			if strings.HasPrefix(body[i:], "}}") {
				lit.WriteByte('}')
				i += 2
				continue
			}
			bad = append(bad, at(body, i, CodeStrayBrace, nil))
			i++
		default:
			n := strings.IndexAny(body[i:], "{}")
			if n < 0 {
				n = len(body) - i
			}
			lit.WriteString(body[i : i+n])
			i += n
		}
	}
	flush()
	return pieces, bad
}

func checkName(body string, i int, name string) (FieldError, bool) {
	word := strings.ToLower(strings.TrimSpace(name))
	switch {
	case word == "":
		return at(body, i, CodeEmptyPlaceholder, nil), false
	case slices.Contains(Placeholders(), name):
		return FieldError{}, true
	case privatePlaceholders[word]:
		return at(body, i, CodePrivatePlaceholder, map[string]any{"name": name}), false
	}
	return at(body, i, CodeUnknownPlaceholder, map[string]any{"name": name, "suggestion": suggest(word)}), false
}

// at places an error at byte offset i of body.
func at(body string, i int, code string, params map[string]any) FieldError {
	before := body[:i]
	line := strings.Count(before, "\n") + 1
	begin := strings.LastIndexByte(before, '\n') + 1
	return FieldError{
		Field: "body", Code: code, Params: params,
		Offset: i, Line: line, Column: utf8.RuneCountInString(before[begin:]) + 1,
	}
}

// suggest names the placeholder that was probably meant, "" when none comes near.
func suggest(word string) string {
	word = strings.ReplaceAll(strings.ReplaceAll(word, "-", "_"), " ", "_")
	if slices.Contains(Placeholders(), word) {
		return word
	}
	if w, ok := otherWords[word]; ok {
		return w
	}
	// Two slips in a long word, one in a short one.
	best, dist := "", 3
	for _, p := range Placeholders() {
		if d := distance(word, p); d < dist && d*3 <= len(p) {
			best, dist = p, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two short words, in runes. Words longer
// than any placeholder could be mistyped are not compared.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > 2*len(y) {
		return len(x)
	}
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		diag := row[0]
		row[0] = i + 1
		for j := range y {
			cost := diag
			if x[i] != y[j] {
				cost++
			}
			diag = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(y)]
}
