package segment

import "unicode/utf8"

// Encoding is how a text travels over the air.
type Encoding uint8

const (
	GSM7 Encoding = iota // septets of the GSM 7-bit default alphabet
	UCS2                 // 16-bit code units; in practice UTF-16, big-endian
)

// String returns "GSM-7" or "UCS-2".
func (e Encoding) String() string {
	if e == UCS2 {
		return "UCS-2"
	}
	return "GSM-7"
}

// Reference is the width of the concatenation reference number in the user data
// header of multi-segment messages; a wider one leaves less room for text.
type Reference uint8

const (
	Ref8  Reference = iota // 6-octet header: 153 septets or 67 code units a segment
	Ref16                  // 7-octet header: 152 septets or 66 code units a segment
)

// Options change the counting. The zero value is the usual case.
type Options struct {
	Reference Reference
}

// Limits returns how many units one segment holds: single when the message is
// one segment, per when it is several and each carries a header.
func (o Options) Limits(enc Encoding) (single, per int) {
	switch {
	case enc == GSM7 && o.Reference == Ref16:
		return 160, 152
	case enc == GSM7:
		return 160, 153
	case o.Reference == Ref16:
		return 70, 66
	}
	return 70, 67
}

// Result is what a text costs on the air.
type Result struct {
	Encoding Encoding
	// Units counts septets (GSM-7, extension characters twice) or UTF-16 code
	// units (UCS-2). Unused room at the end of a segment isn't in it.
	Units int
	// Segments is at least 1, also for the empty text.
	Segments int
	// Remaining is how many more units fit before a further segment begins.
	Remaining int
}

// Count reports how many segments body occupies on the air and in which
// encoding, so callers can price and warn before sending.
//
// One segment holds 160 septets of GSM-7 or 70 UTF-16 code units of UCS-2;
// from two segments on, the 6-octet concatenation header leaves 153 or 67.
// Characters of the GSM-7 extension table (such as € and [) cost two septets,
// and no segment may end between the two, nor between two surrogates. The empty
// body is one segment. Every byte that isn't valid UTF-8 counts as one U+FFFD,
// so it forces UCS-2.
//
// Source: 3GPP TS 23.038 §6.2.1, §6.2.3; TS 23.040 §9.2.3.24.1.
func Count(body string) (n int, enc Encoding) {
	r := Options{}.Measure(body)
	return r.Segments, r.Encoding
}

// Measure is Count with all figures and the default options.
func Measure(body string) Result { return Options{}.Measure(body) }

// Measure returns the encoding, units and segments of body in one pass and
// without allocating. See Count for the rules.
func (o Options) Measure(body string) Result {
	_, per := o.Limits(GSM7)
	// pads counts septets left empty because an ESC pair did not fit: only a pair that
	// starts on the last septet of a segment costs one, so looking at pairs alone
	// replaces bookkeeping per character. end is where the segment ends in which the
	// last pair was.
	units, pads, pairs, end := 0, 0, 0, per
	for i := 0; i < len(body); {
		cost := runLength[body[i]]
		if cost == 1 {
			start := i
			i = singles(body, i+1)
			units += i - start
			continue
		}
		size := 1
		if cost == 0 {
			var code byte
			code, size = lookup(body, i)
			if code == notGSM {
				// Everything before is in the BMP: one code unit each.
				return o.measureUCS2(body, i, units-pairs)
			}
			if code&extended == 0 {
				units++
				i += size
				continue
			}
		}
		for end <= units+pads {
			end += per
		}
		if units+pads == end-1 {
			pads++
		}
		units += 2
		pairs++
		i += size
	}
	return o.result(GSM7, units, pads)
}

// lookup returns the septet of the character at body[i], which is not a plain
// ASCII one, and its length in bytes. It decodes only what GSM-7 may hold.
func lookup(body string, i int) (code byte, size int) {
	b := body[i]
	if b < utf8.RuneSelf || i+1 >= len(body) {
		return notGSM, 1
	}
	if c := body[i+1]; b >= 0xC2 && b < 0xE0 && c&0xC0 == 0x80 {
		r := int(b&0x1F)<<6 | int(c&0x3F)
		if r < septetsLen {
			return septets[r], 2
		}
		return notGSM, 2
	}
	if b == 0xE2 && i+2 < len(body) && body[i+1] == 0x82 && body[i+2] == 0xAC {
		return 0x65 | extended, 3
	}
	return notGSM, 1
}

// measureUCS2 goes on from byte i, before which there are units code units, none
// of them a surrogate.
func (o Options) measureUCS2(body string, i, units int) Result {
	_, per := o.Limits(UCS2)
	from, before := i, units
	pads, end := 0, per // as in Measure, for surrogate pairs
	state := uint64(accept)
	for i < len(body) {
		stop := min(i+8, len(body))
		if i+8 <= len(body) {
			w := word(body, i)
			state = check(state, w)
			// Where the segment ends beyond this word, no pair can meet its end.
			if n := codeUnits(w); units+pads+n < end {
				units += n
				i = stop
				continue
			}
		} else {
			for _, b := range []byte(body[i:stop]) {
				state = checkByte(state, b)
			}
		}
		for ; i < stop; i++ {
			cost := leadUnits(body[i])
			for end <= units+pads {
				end += per
			}
			if cost == 2 && units+pads == end-1 {
				pads++
			}
			units += cost
		}
		for end <= units+pads {
			end += per
		}
	}
	if state&63 != accept {
		return o.measureBroken(body, from, before)
	}
	return o.result(UCS2, units, pads)
}

// measureBroken is measureUCS2 for what isn't valid UTF-8.
func (o Options) measureBroken(body string, i, units int) Result {
	_, per := o.Limits(UCS2)
	pads := 0
	for i < len(body) {
		size, cost := wide(body, i)
		if cost == 2 && (units+pads)%per == per-1 {
			pads++
		}
		units += cost
		i += size
	}
	return o.result(UCS2, units, pads)
}

func (o Options) result(enc Encoding, units, pads int) Result {
	single, per := o.Limits(enc)
	if units <= single {
		return Result{Encoding: enc, Units: units, Segments: 1, Remaining: single - units}
	}
	n := (units + pads + per - 1) / per
	return Result{Encoding: enc, Units: units, Segments: n, Remaining: n*per - units - pads}
}
