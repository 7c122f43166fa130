package segment

import (
	"regexp"
	"strings"
)

// link finds what a phone would make tappable: addresses with a scheme or www,
// bare host names with a path, e-mail addresses. A Unicode space ends one.
var link = regexp.MustCompile(`(?i)(?:[a-z][a-z0-9+.-]*://|www\.)[^\s\p{Z}<>]+` +
	`|[\pL\pN][\pL\pN-]*(?:\.[\pL\pN-]+)*\.[a-z]{2,}(?::\d+)?/[^\s\p{Z}<>]*` +
	`|[^\s\p{Z}<>"()\[\],;:@“”„«»‘’]+@[\pL\pN][\pL\pN-]*(?:\.[\pL\pN-]+)+`)

// trailing are signs that end the sentence or the quotation rather than the link.
var trailing = regexp.MustCompile(`[.,;:!?)\]}'"»«›‹”“„’‘‚…–—\x{200B}-\x{200F}\x{2060}\x{FEFF}\x{00AD}]+$`)

type spans [][]int

// overlap reports whether [start,end) touches one of the spans.
func (s spans) overlap(start, end int) bool {
	for _, span := range s {
		if start < span[1] && span[0] < end {
			return true
		}
	}
	return false
}

// links returns the byte spans of body whose characters must arrive unchanged.
func links(body string) spans {
	if !strings.ContainsAny(body, "/@") && !strings.Contains(body, "www.") && !strings.Contains(body, "WWW.") && !strings.Contains(body, "Www.") {
		return nil
	}
	found := link.FindAllStringIndex(body, -1)
	for _, span := range found {
		if cut := trailing.FindStringIndex(body[span[0]:span[1]]); cut != nil {
			span[1] = span[0] + cut[0]
		}
	}
	return found
}
