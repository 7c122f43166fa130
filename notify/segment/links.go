package segment

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// link finds what a phone would make tappable: addresses with a scheme or www, host
// names with or without a path, e-mail addresses. None holds a space.
var link = regexp.MustCompile(`(?i)(?:[a-z][a-z0-9+.-]*://|www\.)[^\s\p{Z}<>]+` +
	`|[\pL\pN][\pL\pN-]*(?:\.[\pL\pN-]+)*\.[a-z]{2,}(?::\d+)?/[^\s\p{Z}<>]*` +
	`|[^\s\p{Z}<>"()\[\],;:@“”„«»‘’]+@[\pL\pN][\pL\pN-]*(?:\.[\pL\pN-]+)+` +
	`|[\pL\pN][\pL\pN\pM-]*(?:\.[\pL\pN][\pL\pN\pM-]*)*\.[a-z]{2,}`)

// trailing are signs that end the sentence or the quotation rather than the link.
var trailing = regexp.MustCompile(`[.,;:!?)\]}'"»«›‹”“„’‘‚…–—\x{200B}-\x{200F}\x{2060}\x{FEFF}\x{00AD}]+$`)

// links knows the links around places of one text, asked for in ascending order. Only
// words in which something would change are looked at.
type links struct {
	body       string
	start, end int // the word looked at last
	spans      [][]int
}

// overlap reports whether [start,end) touches a link.
func (l *links) overlap(start, end int) bool {
	if start >= l.end {
		l.look(start)
	}
	for _, span := range l.spans {
		if start < l.start+span[1] && l.start+span[0] < end {
			return true
		}
	}
	return false
}

// look finds the links of the word around byte i.
func (l *links) look(i int) {
	l.start = 1 + strings.LastIndexFunc(l.body[:i], separates)
	if l.start > 0 { // the separator may be longer than a byte
		_, size := utf8.DecodeRuneInString(l.body[l.start-1:])
		l.start += size - 1
	}
	l.end = len(l.body)
	if n := strings.IndexFunc(l.body[i:], separates); n >= 0 {
		l.end = i + n
	}
	l.spans = nil
	if l.end <= i { // a separator itself
		l.end = i + 1
		return
	}
	word := l.body[l.start:l.end]
	if !strings.ContainsAny(word, "./@") {
		return
	}
	l.spans = link.FindAllStringIndex(word, -1)
	for _, span := range l.spans {
		if cut := trailing.FindStringIndex(word[span[0]:span[1]]); cut != nil {
			span[1] = span[0] + cut[0]
		}
	}
}

// separates reports whether r ends words and so links.
func separates(r rune) bool {
	return r == '<' || r == '>' || unicode.IsSpace(r) || unicode.Is(unicode.Z, r)
}
