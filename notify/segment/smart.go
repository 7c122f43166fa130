package segment

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Tier says how far smart encoding may go to keep a text in GSM-7.
type Tier uint8

const (
	// Off leaves every text alone.
	Off Tier = iota
	// Typographic replaces signs by plainer ones of the same meaning: quotes,
	// dashes, dots, spaces; and drops what can't be seen.
	Typographic
	// Accents also writes letters without the marks GSM-7 lacks: ê as e, ç as c,
	// È as E, œ as oe. It may change a word, so it is for those who ask for it.
	Accents
)

// Change is one replacement Smart made, for showing it to the author.
type Change struct {
	Start int    // byte offset in the original text
	Unit  int    // the same in UTF-16 code units: an index into a JavaScript string
	From  string // what stood there
	To    string // what is sent; empty where an invisible character was dropped
}

// Smart returns body so that it fits GSM-7, with the changes in order, or body
// itself and no change where that isn't possible: one character left over would
// cost UCS-2 anyway, and a half-changed text would cost the reader's goodwill
// for nothing. So it is with a character inside a URL or e-mail address, which
// must arrive as written. A text that is GSM-7 already is returned as it is.
//
// The text may grow ("…" becomes "..."): measure the outcome, not the original.
func Smart(body string, tier Tier) (text string, changes []Change) {
	if tier == Off || (Options{}).Measure(body).Encoding == GSM7 {
		return body, nil
	}
	var out strings.Builder
	out.Grow(len(body) + 8)
	verbatim := links{body: body}
	units := 0
	for i := 0; i < len(body); {
		if cost := runLength[body[i]]; cost != 0 && nextIsASCII(body, i) {
			out.WriteByte(body[i])
			i++
			units++
			continue
		}
		unit := body[i : i+normUnit(body, i)]
		if to, needed, ok := convert(unit, tier); needed || !ok {
			if !ok {
				return body, nil
			}
			if verbatim.overlap(i, i+len(unit)) {
				return body, nil
			}
			changes = append(changes, Change{Start: i, Unit: units, From: unit, To: to})
			out.WriteString(to)
		} else {
			out.WriteString(unit)
		}
		i += len(unit)
		units += utf16Len(unit)
	}
	return out.String(), changes
}

// utf16Len counts code units.
func utf16Len(s string) (n int) {
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// nextIsASCII reports whether the ASCII character at i stands alone, that is, no
// combining mark can follow it.
func nextIsASCII(body string, i int) bool {
	return i+1 == len(body) || body[i+1] < utf8.RuneSelf
}

// normUnit is the length of the piece at i that is normalised by itself: a
// character and the marks that combine with it.
func normUnit(body string, i int) int {
	if n := norm.NFC.NextBoundaryInString(body[i:], true); n > 0 {
		return n
	}
	return 1
}

// convert returns what to send for one unit. needed is false where unit is
// GSM-7 as it stands; ok is false where tier knows no way.
func convert(unit string, tier Tier) (to string, needed, ok bool) {
	if isGSM7(unit) {
		return unit, false, true
	}
	composed := norm.NFC.String(unit)
	if isGSM7(composed) {
		return composed, true, true
	}
	var b strings.Builder
	for _, r := range composed {
		switch s, ok := replacement(r, tier); {
		case ok:
			b.WriteString(s)
		case IsGSM7(r):
			b.WriteRune(r)
		case tier >= Accents && unicode.Is(unicode.Mn, r) && b.Len() > 0:
			// A mark that composes with nothing: the letter goes without it.
		default:
			return "", true, false
		}
	}
	return b.String(), true, true
}

func isGSM7(s string) bool {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if !IsGSM7(r) {
			return false
		}
		i += size
	}
	return true
}

// replacement returns the GSM-7 text for a single character outside GSM-7.
func replacement(r rune, tier Tier) (string, bool) {
	if tier == Off || r == utf8.RuneError {
		return "", false
	}
	if s, ok := typographic[r]; ok {
		return s, true
	}
	switch {
	case r >= 0xFF01 && r <= 0xFF5E: // full-width ASCII
		plain := r - 0xFF01 + '!'
		if s, ok := typographic[plain]; ok {
			return s, true
		}
		return string(plain), IsGSM7(plain)
	case unicode.Is(unicode.Zs, r):
		return " ", true
	case r > unicode.MaxASCII && unicode.In(r, unicode.Cf, unicode.Variation_Selector):
		return "", true // bidirectional marks, joiners, soft hyphen: invisible
	}
	if tier < Accents {
		return "", false
	}
	if s, ok := letters[r]; ok {
		return s, true
	}
	return withoutMarks(r)
}

// withoutMarks takes a letter apart and puts back the marks GSM-7 has: ê gives
// e, but ǖ gives ü.
func withoutMarks(r rune) (string, bool) {
	parts := []rune(norm.NFD.String(string(r)))
	base := parts[0]
	if len(parts) == 1 {
		return "", false
	}
	for _, mark := range parts[1:] {
		if !unicode.Is(unicode.Mn, mark) {
			return "", false
		}
		whole := []rune(norm.NFC.String(string([]rune{base, mark})))
		if len(whole) != 1 || !IsGSM7(whole[0]) {
			break
		}
		base = whole[0]
	}
	if s, ok := letters[base]; ok { // ǿ is taken apart to ø, but ǽ to æ: both are GSM-7
		return s, true
	}
	return string(base), IsGSM7(base)
}
