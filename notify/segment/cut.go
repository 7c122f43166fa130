package segment

// cutter fills segments one after the other as the text goes by, so that the cuts of
// a text come out of the pass that counts it.
type cutter struct {
	dst   []Part
	base  int // parts in dst that are the caller's
	per   int // units one segment of several holds
	units int // in the text so far

	start, filled int // the segment being filled: its first byte, the units in it
	cuts          int // segments ended so far
}

// take puts a character of cost units at byte i into the segment, or cuts before it.
func (c *cutter) take(i, cost int) {
	if c.filled+cost > c.per {
		c.cut(i)
	}
	c.filled += cost
	c.units += cost
}

// run puts n characters of one byte and one unit each, from byte i on, into as many
// segments as they need.
func (c *cutter) run(i, n int) {
	c.units += n
	for c.filled+n > c.per {
		room := c.per - c.filled
		i += room
		n -= room
		c.filled = c.per
		c.cut(i)
	}
	c.filled += n
}

// cut ends the segment before byte i. Beyond MaxParts it only counts, since the parts
// are thrown away then.
func (c *cutter) cut(i int) {
	if c.cuts < MaxParts {
		c.dst = append(c.dst, Part{Start: c.start, End: i, Units: c.filled})
	}
	c.cuts++
	c.start, c.filled = i, 0
}

// gsm7 cuts body for GSM-7. It is false when body isn't that; what c holds is then
// worth nothing.
func (c *cutter) gsm7(body string) bool {
	for i := 0; i < len(body); {
		cost := int(runLength[body[i]])
		if cost == 1 {
			start := i
			i = singles(body, i+1)
			c.run(start, i-start)
			continue
		}
		size := 1
		if cost == 0 {
			var code byte
			code, size = lookup(body, i)
			if code == notGSM {
				return false
			}
			cost = 1 + int(code>>7) // the flag extended
		}
		c.take(i, cost)
		i += size
	}
	return true
}

// ucs2 cuts body for UCS-2. It is false when body isn't valid UTF-8; what c holds is
// then worth nothing.
func (c *cutter) ucs2(body string) bool {
	state := uint64(accept)
	i := 0
	for ; i+8 <= len(body); i += 8 {
		w := word(body, i)
		state = check(state, w)
		if n := codeUnits(w); c.filled+n <= c.per {
			c.filled += n
			c.units += n
			continue
		}
		for j := i; j < i+8; j++ {
			if cost := leadUnits(body[j]); cost > 0 {
				c.take(j, cost)
			}
		}
	}
	for ; i < len(body); i++ {
		state = checkByte(state, body[i])
		if cost := leadUnits(body[i]); cost > 0 {
			c.take(i, cost)
		}
	}
	return state&63 == accept
}

// broken cuts a body for UCS-2 that isn't valid UTF-8.
func (c *cutter) broken(body string) {
	for i := 0; i < len(body); {
		size, cost := wide(body, i)
		c.take(i, cost)
		i += size
	}
}

// finish ends the last segment, and drops the cuts where one segment holds all.
func (c *cutter) finish(body string, enc Encoding, o Options) Result {
	single, per := o.Limits(enc)
	if c.units <= single {
		c.dst = append(c.dst[:c.base], Part{End: len(body), Units: c.units})
		return Result{Encoding: enc, Units: c.units, Segments: 1, Remaining: single - c.units}
	}
	r := Result{Encoding: enc, Units: c.units, Remaining: per - c.filled}
	c.cut(len(body))
	if r.Segments = c.cuts; r.Segments > MaxParts {
		c.dst = c.dst[:c.base]
	}
	return r
}
