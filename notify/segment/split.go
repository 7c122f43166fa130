package segment

import (
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// Part is one segment of a text: text[Start:End].
type Part struct {
	Start, End int // byte offsets
	Units      int // septets or UTF-16 code units, as Result.Units
}

// Text returns the part's piece of the text it was cut from.
func (p Part) Text(body string) string { return body[p.Start:p.End] }

// Split cuts body into its segments: as many as Measure counts, at least one,
// in order, which joined give body again. No ESC pair and no surrogate pair is
// cut. What a reader sees as one character (an emoji with skin tone or joiners,
// a flag, a letter with combining marks, CR LF) stays whole wherever this costs
// no further segment.
func Split(body string, o Options) (Encoding, []Part) {
	return AppendParts(nil, body, o)
}

// AppendParts is Split into a slice of the caller's.
func AppendParts(dst []Part, body string, o Options) (Encoding, []Part) {
	m := o.Measure(body)
	if m.Segments == 1 {
		return m.Encoding, append(dst, Part{End: len(body), Units: m.Units})
	}
	_, per := o.Limits(m.Encoding)
	c := cutter{body: body, enc: m.Encoding, per: per}
	var earliest []int // computed when first needed, which is seldom
	clusters := clusterWalk{rest: body, state: -1, crlfOnly: m.Encoding == GSM7}

	start, left := 0, m.Units
	for k := 1; k < m.Segments; k++ {
		end, units := c.fill(start)
		// The text after the cut must still fit the segments left, so the cut
		// may be moved back to earliest[k] and no further. The latest possible
		// cut is always the best for the cuts after it.
		if cut := clusters.lastBoundary(body, end); cut != end && cut > start {
			if earliest == nil {
				earliest = c.earliestStarts(m.Segments)
			}
			if cut >= earliest[k] {
				units -= c.units(cut, end)
				end = cut
			}
		}
		dst = append(dst, Part{Start: start, End: end, Units: units})
		start = end
		left -= units
	}
	return m.Encoding, append(dst, Part{Start: start, End: len(body), Units: left})
}

// cutter knows the cost of the characters of one text.
type cutter struct {
	body string
	enc  Encoding
	per  int
}

// next returns the length in bytes and the cost in units of the character at i.
func (c *cutter) next(i int) (size, cost int) {
	r, size := utf8.DecodeRuneInString(c.body[i:])
	return size, c.cost(r)
}

func (c *cutter) cost(r rune) int {
	switch {
	case c.enc == GSM7 && septet(r)&extended != 0, c.enc == UCS2 && r > 0xFFFF:
		return 2
	}
	return 1
}

// fill returns the end of the fullest segment that begins at start.
func (c *cutter) fill(start int) (end, units int) {
	for end = start; end < len(c.body); {
		size, cost := c.next(end)
		if units+cost > c.per {
			break
		}
		units += cost
		end += size
	}
	return end, units
}

func (c *cutter) units(start, end int) (n int) {
	for i := start; i < end; {
		size, cost := c.next(i)
		n += cost
		i += size
	}
	return n
}

// earliestStarts returns for each segment k the smallest byte offset at which it
// may begin for segments k to n-1 to hold all the rest, found by filling from
// the end.
func (c *cutter) earliestStarts(n int) []int {
	starts := make([]int, n)
	i := len(c.body)
	for k := n - 1; k > 0; k-- {
		units := 0
		for i > 0 {
			r, size := utf8.DecodeLastRuneInString(c.body[:i])
			cost := c.cost(r)
			if units+cost > c.per {
				break
			}
			units += cost
			i -= size
		}
		starts[k] = i
	}
	return starts
}

// clusterWalk steps once through the grapheme clusters of a text, for cuts asked
// in ascending order.
type clusterWalk struct {
	rest     string
	pos      int // where rest begins
	prev     int // the boundary before pos
	state    int
	crlfOnly bool // GSM-7 has no other cluster of several characters
}

// lastBoundary returns the last cluster boundary at or before end.
func (w *clusterWalk) lastBoundary(body string, end int) int {
	if w.crlfOnly {
		if end > 0 && end < len(body) && body[end-1] == '\r' && body[end] == '\n' {
			return end - 1
		}
		return end
	}
	for w.pos < end && w.rest != "" {
		var cluster string
		cluster, w.rest, _, w.state = uniseg.FirstGraphemeClusterInString(w.rest, w.state)
		w.prev = w.pos
		w.pos += len(cluster)
	}
	if w.pos == end {
		return end
	}
	return w.prev
}
