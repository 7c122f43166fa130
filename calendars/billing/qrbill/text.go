package qrbill

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// allowed reports whether a character may stand on a QR-bill: printable ASCII, Latin-1,
// Latin Extended-A, the Romanian letters with comma below, the euro sign.
func allowed(r rune) bool {
	switch {
	case 0x20 <= r && r <= 0x7e, 0xa0 <= r && r <= 0xff, 0x100 <= r && r <= 0x17f:
		return true
	}
	return strings.ContainsRune("ȘșȚț€", r)
}

// checkText reports what is wrong with one line of at most max characters.
func checkText(field, s string, max int) error {
	if !utf8.ValidString(s) {
		return fail(ErrText, field, "not UTF-8")
	}
	for _, r := range s {
		if !allowed(r) {
			return fail(ErrText, field, "%U", r)
		}
	}
	if n := utf8.RuneCountInString(s); n > max {
		return fail(ErrTooLong, field, "%d characters, at most %d", n, max)
	}
	if s != strings.TrimSpace(s) {
		return fail(ErrText, field, "begins or ends with a space")
	}
	return nil
}

// near are letters of other alphabets' typography that people paste.
var near = map[rune]string{
	'‘': "'", '’': "'", '‚': "'", '‹': "'", '›': "'", '“': `"`, '”': `"`, '„': `"`, '–': "-", '—': "-", '‐': "-", '‑': "-", '…': "...", '•': "-", '™': "(TM)", 'ẞ': "SS",
}

// Clean makes of a text that somebody typed a line of at most max characters that may
// stand on a bill: composed letters, one space for many, a near letter where there is
// one, nothing where there is none, cut at the end. max counts characters.
func Clean(s string, max int) string {
	var b strings.Builder
	for _, r := range norm.NFC.String(strings.ToValidUTF8(s, "")) {
		switch {
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case allowed(r) && r != '\u00ad': // a soft hyphen is seen by nobody
			b.WriteRune(r)
		case near[r] != "":
			b.WriteString(near[r])
		default:
			for _, d := range norm.NFD.String(string(r)) { // ạ becomes a
				if allowed(d) && !unicode.IsMark(d) {
					b.WriteRune(d)
				}
			}
		}
	}
	runes := []rune(strings.Join(strings.Fields(b.String()), " "))
	return strings.TrimSpace(string(runes[:min(len(runes), max)]))
}
