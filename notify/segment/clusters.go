package segment

import (
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// keepClusters moves cuts that break a grapheme cluster before it, where the segments
// left can still hold the rest. parts are the fullest segments possible.
func keepClusters(parts []Part, body string, enc Encoding, per int) {
	w := clusters{body: body, lineEnds: enc == GSM7, state: -1}
	for k := 1; k < len(parts); k++ {
		if end := parts[k-1].End; w.last(end) != end {
			recut(parts, k, w, enc, per)
			return
		}
	}
}

// recut is keepClusters from part k on, before which every cut is well.
//
// The cut before part k may move back to earliest[k] and no further, or what follows
// it doesn't fit. The latest possible cut is always the best for the cuts after it.
func recut(parts []Part, k int, w clusters, enc Encoding, per int) {
	var earliest [MaxParts]int
	earliestStarts(earliest[:len(parts)], w.body, enc, per)
	units := 0
	for _, p := range parts[k-1:] {
		units += p.Units
	}
	for ; k < len(parts); k++ {
		p := &parts[k-1]
		p.End, p.Units = fill(w.body, p.Start, enc, per)
		if cut := w.last(p.End); cut < p.End && cut > p.Start && cut >= earliest[k] {
			for i := cut; i < p.End; {
				size, cost := charAt(w.body, i, enc)
				p.Units -= cost
				i += size
			}
			p.End = cut
		}
		units -= p.Units
		parts[k].Start = p.End
	}
	parts[k-1].Units = units
}

// fill returns the end of the fullest segment that begins at start, and its units.
func fill(body string, start int, enc Encoding, per int) (end, units int) {
	for end = start; end < len(body); {
		size, cost := charAt(body, end, enc)
		if units+cost > per {
			break
		}
		units += cost
		end += size
	}
	return end, units
}

// earliestStarts gives for each segment k the smallest byte offset at which it may
// begin for segments k to the last to hold all the rest, found by filling from the
// end.
func earliestStarts(starts []int, body string, enc Encoding, per int) {
	i := len(body)
	for k := len(starts) - 1; k > 0; k-- {
		units := 0
		for i > 0 {
			r, size := utf8.DecodeLastRuneInString(body[:i])
			cost := costOf(r, enc)
			if units+cost > per {
				break
			}
			units += cost
			i -= size
		}
		starts[k] = i
	}
}

// charAt returns the length in bytes and the units of the character at i.
func charAt(body string, i int, enc Encoding) (size, cost int) {
	r, size := utf8.DecodeRuneInString(body[i:])
	return size, costOf(r, enc)
}

func costOf(r rune, enc Encoding) int {
	if enc == GSM7 && septet(r)&extended != 0 || enc == UCS2 && r > 0xFFFF {
		return 2
	}
	return 1
}

// clusters finds the boundaries of grapheme clusters, asked for in ascending order.
// Between letters, digits, common signs and emoji without additions there is always
// one; only where neither neighbour is so plain does it ask uniseg, from the last
// certain boundary on.
type clusters struct {
	body     string
	lineEnds bool // the text is GSM-7, which has no cluster but CR LF
	pos      int  // a boundary
	state    int  // uniseg's at pos; -1 = none
}

// last returns the last boundary at or before byte end.
func (w *clusters) last(end int) int {
	if end == 0 || end == len(w.body) || certain(w.body, end) {
		return end
	}
	if w.lineEnds {
		return end - 1 // between CR and LF
	}
	i := end
	for i > w.pos && !certain(w.body, i) {
		_, size := utf8.DecodeLastRuneInString(w.body[:i])
		i -= size
	}
	if i > w.pos {
		w.pos, w.state = i, -1
	}
	for w.pos < end {
		cluster, _, _, state := uniseg.FirstGraphemeClusterInString(w.body[w.pos:], w.state)
		if w.pos+len(cluster) > end {
			break
		}
		w.pos, w.state = w.pos+len(cluster), state
	}
	return w.pos
}

// certain reports whether a cluster ends before byte i for sure.
func certain(body string, i int) bool {
	before, after := body[i-1], body[i]
	if before < utf8.RuneSelf && after < utf8.RuneSelf {
		return before != '\r' || after != '\n'
	}
	r, _ := utf8.DecodeLastRuneInString(body[:i])
	if !plain(r) {
		return false
	}
	r, _ = utf8.DecodeRuneInString(body[i:])
	return plain(r)
}

// plain reports whether r neither joins what stands before it nor draws on what
// follows: it is no mark, joiner, Hangul, regional indicator or the like. Not
// everything for which that is true is listed, only what people write most.
//
// Source: Unicode Standard Annex #29, table 2 and GraphemeBreakProperty.txt.
func plain(r rune) bool {
	switch {
	case r < 0x300: // Latin
		return true
	case r < 0x370: // combining marks
		return false
	case r < 0x483: // Greek, Cyrillic
		return true
	case r >= 0x1E00 && r < 0x200B: // more Latin and Greek; spaces
		return true
	case r >= 0x2010 && r < 0x2028, r >= 0x202F && r < 0x2060: // punctuation
		return true
	case r >= 0x20A0 && r < 0x20D0: // currencies
		return true
	case r >= 0x2100 && r < 0x2C00: // letters as signs, arrows, mathematics, dingbats
		return true
	case r >= 0x3041 && r < 0x3097, r >= 0x30A1 && r < 0x3100, r >= 0x4E00 && r < 0xA000: // Kana, Han
		return true
	case r >= 0x1F300 && r < 0x1F3FB, r >= 0x1F400 && r < 0x1FB00: // emoji but skin tones
		return true
	}
	return false
}
