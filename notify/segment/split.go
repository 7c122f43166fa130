package segment

// MaxParts is how many segments one message can have: the header numbers them in an
// octet.
const MaxParts = 255

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
//
// More than MaxParts segments can't be one message: there are no parts then, and the
// Result says how many it would take.
func Split(body string, o Options) (Result, []Part) { return AppendParts(nil, body, o) }

// AppendParts is Split into a slice of the caller's. Where that has room, nothing is
// allocated.
func AppendParts(dst []Part, body string, o Options) (Result, []Part) {
	enc := GSM7
	_, per := o.Limits(enc)
	c := cutter{dst: dst, base: len(dst), per: per}
	if !c.gsm7(body) {
		enc = UCS2
		_, per = o.Limits(enc)
		if c = (cutter{dst: c.dst[:c.base], base: c.base, per: per}); !c.ucs2(body) {
			c = cutter{dst: c.dst[:c.base], base: c.base, per: per}
			c.broken(body)
		}
	}
	r := c.finish(body, enc, o)
	if parts := c.dst[c.base:]; len(parts) > 1 {
		keepClusters(parts, body, enc, per)
	}
	return r, c.dst
}
