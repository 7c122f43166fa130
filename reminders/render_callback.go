package reminders

import (
	"slices"
	"strings"
	"unicode"
)

// mark is one character of a body, or one placeholder.
type mark struct {
	r    rune
	name string // of the placeholder; "" for a character
}

// withoutCallback is pieces without the words that only lead to a {callback} that has
// no value: "rufen Sie uns an:" asks for what nobody can do. They reach as far as
// their clause; with it go conditions before it ("Falls Sie verhindert sind, …") and,
// where nothing of the sentence remains, a question it would have answered
// ("Verhindert? …"). A clause that also holds a placeholder with a value stays, but for
// a label just before the number ("Tel."). The placeholder itself stays, for Render to
// mend what is left of it and right of it. If nothing else would remain, nothing goes.
func withoutCallback(pieces []piece, v Vars) []piece {
	if v.get("callback") != "" {
		return pieces
	}
	var marks []mark
	for _, p := range pieces {
		if p.name != "" {
			marks = append(marks, mark{name: p.name})
		}
		for _, r := range p.text {
			marks = append(marks, mark{r: r})
		}
	}
	h := hanging{marks: marks, says: func(m mark) bool { return m.name != "" && v.get(m.name) != "" }}
	for i := len(h.marks) - 1; i >= 0; i-- {
		if h.marks[i].name == "callback" {
			i = h.cut(i)
		}
	}
	if !slices.ContainsFunc(h.marks, func(m mark) bool { return h.says(m) || unicode.IsLetter(m.r) || unicode.IsDigit(m.r) }) {
		return pieces
	}
	var out []piece
	for _, m := range h.marks {
		switch n := len(out); {
		case m.name != "":
			out = append(out, piece{name: m.name})
		case n > 0 && out[n-1].name == "":
			out[n-1].text += string(m.r)
		default:
			out = append(out, piece{text: string(m.r)})
		}
	}
	return out
}

// hanging is a body with what is cut from it.
type hanging struct {
	marks []mark
	says  func(mark) bool // a placeholder with a value
}

// span is a stretch [from, to) of marks.
type span struct{ from, to int }

// cut removes the words around the placeholder at i, but not the placeholder, and
// returns where that is then.
func (h *hanging) cut(i int) int {
	within := h.within(i)
	sentence := h.sentence(i, within)
	clause := h.clause(i, sentence)
	if h.any(clause) {
		from := h.label(i, clause.from)
		h.marks = slices.Delete(h.marks, from, i)
		return from
	}
	for clause.from > sentence.from {
		before := h.clause(clause.from-1, sentence) // clause.from-1 is the separator, which belongs to what it ends
		if h.any(before) || !h.conditional(before) {
			break
		}
		clause.from = before.from
	}
	cut := clause
	rest := h.text(span{sentence.from, clause.from}) + h.text(span{clause.to, sentence.to})
	switch {
	case !h.any(sentence) && strings.Trim(rest, blanks+closers) == "":
		cut = sentence
		for cut.from > within.from {
			last := cut.from - 1
			for last > within.from && strings.ContainsRune(closers+blanks, h.marks[last].r) {
				last--
			}
			before := h.sentence(last, within)
			if h.any(before) || !strings.HasSuffix(strings.TrimRight(h.text(before), blanks), "?") {
				break
			}
			cut.from = before.from
		}
		cut = h.shell(cut, within)
	case clause.from > sentence.from: // the separator before it goes too
		for cut.from > sentence.from && strings.ContainsRune(blanks+joiners, h.marks[cut.from-1].r) {
			cut.from--
		}
	default: // the one after it does
		for cut.to < sentence.to && strings.ContainsRune(blanks+joiners, h.marks[cut.to].r) {
			cut.to++
		}
	}
	h.marks = slices.Concat(h.marks[:cut.from], []mark{h.marks[i]}, h.marks[cut.to:])
	return cut.from
}

// shell widens a cut by what encloses nothing any more: brackets, or the end of a line.
func (h *hanging) shell(cut, within span) span {
	if cut != within {
		return cut
	}
	switch {
	case cut.from > 0 && h.marks[cut.from-1].r != '\n': // an opening bracket
		cut = span{cut.from - 1, cut.to + 1}
		for cut.from > 0 && strings.ContainsRune(blanks, h.marks[cut.from-1].r) {
			cut.from--
		}
	case cut.to < len(h.marks):
		cut.to++
	case cut.from > 0:
		cut.from--
	}
	return cut
}

// within is the inside of the brackets around i, else its line.
func (h *hanging) within(i int) span {
	line := span{i, i}
	for line.from > 0 && h.marks[line.from-1].r != '\n' {
		line.from--
	}
	for line.to < len(h.marks) && h.marks[line.to].r != '\n' {
		line.to++
	}
	depth := 0
	for open := i - 1; open >= line.from; open-- {
		switch h.marks[open].r {
		case ')', ']':
			depth++
		case '(', '[':
			if depth--; depth >= 0 {
				continue
			}
			shut := map[rune]rune{'(': ')', '[': ']'}[h.marks[open].r]
			for k := i + 1; k < line.to; k++ {
				if h.marks[k].r == shut {
					return span{open + 1, k}
				}
			}
			return line
		}
	}
	return line
}

// sentence is the sentence at i, its end mark and the blanks after it included.
func (h *hanging) sentence(i int, within span) span {
	s := span{i, i}
	for s.from > within.from && !h.endsSentence(s.from-1, within) {
		s.from--
	}
	for s.from < i && strings.ContainsRune(blanks, h.marks[s.from].r) {
		s.from++
	}
	for s.to < within.to && !h.endsSentence(s.to, within) {
		s.to++
	}
	for s.to < within.to && strings.ContainsRune(closers+blanks, h.marks[s.to].r) {
		s.to++
	}
	return s
}

// abbreviations are words whose full stop ends no sentence.
var abbreviations = []string{"tel", "tél", "nr", "no", "num", "fon", "ph", "mob", "dr", "prof", "med", "méd", "st", "str", "bzw", "resp", "ca", "inkl", "evtl", "sig"}

func (h *hanging) endsSentence(i int, within span) bool {
	switch h.marks[i].r {
	case '!', '?', '…':
		return true
	case '.':
	default:
		return false
	}
	if i+1 < within.to && !strings.ContainsRune(blanks, h.marks[i+1].r) {
		return false // 14.30, www.example.ch, or the first of several
	}
	word := ""
	for k := i - 1; k >= within.from && unicode.IsLetter(h.marks[k].r); k-- {
		word = string(unicode.ToLower(h.marks[k].r)) + word
	}
	return len(word) != 1 && !slices.Contains(abbreviations, word)
}

// clause is the part of a sentence at i between separators. Blanks around it and the
// end mark of the sentence are not part of it.
func (h *hanging) clause(i int, sentence span) span {
	c := span{i, i}
	if i > sentence.from && h.separates(i) { // asked for what ends there
		c.from--
	}
	for c.from > sentence.from && !h.separates(c.from-1) {
		c.from--
	}
	for c.to < sentence.to && !h.separates(c.to) {
		c.to++
	}
	for c.to > i+1 && strings.ContainsRune(closers+blanks, h.marks[c.to-1].r) {
		c.to--
	}
	return c
}

// separates reports whether the mark at i stands between clauses. A colon doesn't: what
// is before it announces what is after it. Nor does a hyphen within a word.
func (h *hanging) separates(i int) bool {
	switch r := h.marks[i].r; r {
	case ',', ';', '–', '—', '|', '·', '/':
		return true
	case '-':
		return i > 0 && i+1 < len(h.marks) && strings.ContainsRune(blanks, h.marks[i-1].r) && strings.ContainsRune(blanks, h.marks[i+1].r)
	}
	return false
}

// conditions are how clauses begin that only say when the next one matters.
var conditions = []string{
	"falls ", "wenn ", "sollten ", "bei fragen", "bei rückfragen", "bei verhinderung", "bei absage", "bei unklarheit",
	"si ", "en cas ", "pour tout", "se ", "in caso ", "per domande", "per informazioni",
	"if ", "should ", "in case ", "for questions", "for any ",
}

func (h *hanging) conditional(c span) bool {
	text := strings.ToLower(strings.TrimLeft(h.text(c), blanks)) + " "
	return slices.ContainsFunc(conditions, func(begin string) bool { return strings.HasPrefix(text, begin) })
}

// labels are words that only name the number after them.
var labels = []string{"tel", "tél", "telefon", "téléphone", "telefono", "telephone", "phone", "fon", "ph", "nr", "no", "nummer", "numéro", "numero", "number",
	"unter", "sous", "au", "al", "allo", "on", "at"}

// label is where the labels just before i begin, i without one.
func (h *hanging) label(i, from int) int {
	for at := i; ; {
		k := at
		for k > from && (strings.ContainsRune(blanks, h.marks[k-1].r) || h.marks[k-1].r == '.' || h.marks[k-1].r == ':') {
			k--
		}
		end := k
		for k > from && unicode.IsLetter(h.marks[k-1].r) {
			k--
		}
		if !slices.Contains(labels, strings.ToLower(h.text(span{k, end}))) {
			return at
		}
		at = k
	}
}

func (h *hanging) any(s span) bool { return slices.ContainsFunc(h.marks[s.from:s.to], h.says) }

// text is the characters of s; a placeholder is none.
func (h *hanging) text(s span) string {
	var b strings.Builder
	for _, m := range h.marks[s.from:s.to] {
		if m.name == "" {
			b.WriteRune(m.r)
		}
	}
	return b.String()
}
