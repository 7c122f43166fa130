package phone

import (
	"bytes"
	"fmt"
)

// Parse reads a field that holds one number and nothing else, such as that of a
// form or an import: written at home in region or with its country code, with or
// without the national prefix, with any separators. An extension is dropped.
//
// A refusal is a Why, to be told apart with errors.Is; an unknown region is
// ErrRegion.
func Parse(raw, region string) (Number, error) {
	h, ok := newHome(region)
	if !ok {
		return Number{}, fmt.Errorf("%w: %q", ErrRegion, region)
	}
	return h.parse(raw)
}

// Parse is the function Parse for the Finder's region, without the cost of
// looking that up. Ignored numbers are refused with Ignored.
func (f *Finder) Parse(raw string) (Number, error) {
	n, err := f.home.parse(raw)
	if err == nil && f.ignored[n.E164] {
		return Number{}, Ignored
	}
	return n, err
}

func (h *home) parse(raw string) (Number, error) {
	if len(raw) > 250 {
		return Number{}, Invalid
	}
	var p plain
	p.read(raw)
	t := bytes.TrimSpace(p.text)
	for { // tel:, Natel, Mobile: …
		word := wordAfter(t, 0)
		if len(word) == 0 || kind(word) != phoneWord {
			break
		}
		t = bytes.TrimLeft(t[len(word):], " .:-")
	}
	var digits []byte
	plus, letterO := false, false
	for i, b := range t {
		switch {
		case isDigit(b):
			digits = append(digits, b)
		case b == '+' && len(digits) == 0:
			plus = true
		case isSeparator(b) && b != '+':
		case b == 'o' && (i+1 < len(t) && isDigit(t[i+1]) || i > 0 && isDigit(t[i-1])):
			digits = append(digits, '0')
			letterO = true
		case len(digits) >= fewestDigits && extension(t, i):
			t = nil
		default:
			return Number{}, Invalid
		}
		if t == nil {
			break
		}
	}
	if len(digits) < 4 || len(digits) > 20 {
		return Number{}, Invalid
	}
	found := h.read(digits, plus)
	if found.kind == Invalid && !plus {
		// Without a plus but with a country code, as many systems export.
		if found = international(digits); found.either {
			found = nothing // a ten-digit American number may begin with any code
		}
	}
	switch {
	case found.kind != "":
		if found.kind == Invalid {
			if why := h.oneDigitOff(digits, plus); why != "" {
				return Number{}, why
			}
		}
		return Number{}, found.kind
	case letterO:
		return Number{}, LetterO
	}
	return Number{E164: found.e164, Region: found.region, End: len(raw), Raw: raw}, nil
}

// read reads digits, with a plus before them or not.
func (h *home) read(digits []byte, plus bool) finding {
	if rest, abroad := h.abroad(digits, plus); abroad {
		return international(rest)
	}
	return h.national(digits)
}

// abroad reports whether digits are written for calling from abroad, and
// returns them from the country code on. The plus in "+ 079" is an "and".
func (h *home) abroad(digits []byte, plus bool) ([]byte, bool) {
	switch {
	case bytes.HasPrefix(digits, []byte("00")):
		return digits[2:], true
	case plus && digits[0] != '0':
		return digits, true
	case h.exit != "00" && bytes.HasPrefix(digits, []byte(h.exit)):
		return digits[len(h.exit):], true
	}
	return digits, false
}

// oneDigitOff says whether one digit more or less at the end makes a mobile
// number; it returns DigitMissing, DigitExtra or nothing.
func (h *home) oneDigitOff(digits []byte, plus bool) Why {
	if len(digits) < 6 {
		return ""
	}
	for _, d := range []byte{'0', '5'} {
		if h.read(append(bytes.Clone(digits), d), plus).kind == "" {
			return DigitMissing
		}
	}
	if h.read(digits[:len(digits)-1], plus).kind == "" {
		return DigitExtra
	}
	return ""
}

// extension reports whether an extension begins at i: x12, ext. 12, #12, int 12.
func extension(t []byte, i int) bool {
	if t[i] == ',' || t[i] == ';' {
		i++
	}
	for i < len(t) && t[i] == ' ' {
		i++
	}
	switch word := string(wordAfter(t, i)); word {
	case "x", "ext", "extn", "extension", "int", "intern", "durchwahl", "dw", "poste", "xt":
		i += len(word)
	case "":
		if i >= len(t) || t[i] != '#' {
			return false
		}
		i++
	default:
		return false
	}
	for i < len(t) && (t[i] == ' ' || t[i] == '.' || t[i] == ':' || t[i] == '=') {
		i++
	}
	n, _ := number(t, i, 6)
	return n > 0 && (i+n == len(t) || !isWordByte(t[i+n]))
}
