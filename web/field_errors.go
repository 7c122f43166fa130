package web

import (
	"rappel/reminders"
)

// fieldWords puts one mistake in a form into words, with its place in the text.
func (r *request) fieldWords(e reminders.FieldError) string {
	pairs := paramPairs(e.Params)
	key := "field." + e.Code
	if s, ok := e.Params["suggestion"].(string); ok && s != "" {
		key += ".perhaps"
	}
	words := r.say(key, pairs...)
	if e.Line > 0 {
		words = r.say("field.at", "Line", e.Line, "Column", e.Column) + " " + words
	}
	return words
}

// fieldErrors words every mistake of a form by field; of several in one field the
// first is shown, for it often causes the others.
func (r *request) fieldErrors(bad *reminders.Invalid) map[string]string {
	words := map[string]string{}
	for _, e := range bad.Fields {
		if words[e.Field] == "" {
			words[e.Field] = r.fieldWords(e)
		}
	}
	return words
}

// paramPairs hands a code's parameters to say, with capitals as words files use them.
func paramPairs(params map[string]any) []any {
	var pairs []any
	for name, value := range params {
		key := []rune(name)
		if len(key) > 0 && key[0] >= 'a' && key[0] <= 'z' {
			key[0] -= 'a' - 'A'
		}
		pairs = append(pairs, string(key), value)
	}
	return pairs
}
