package segment

import (
	"unicode/utf8"
)

// Offender is a character that forces the whole text to UCS-2.
type Offender struct {
	Byte  int  // byte offset
	Index int  // count of characters (runes) before it
	Unit  int  // count of UTF-16 code units before it: an index into a JavaScript string
	Rune  rune // U+FFFD for a byte that is no valid UTF-8
	// Suggestion replaces the character; for a combining mark, the mark and the
	// letter before it. It is empty where the character would be dropped or
	// where there is none: Tier tells the two apart.
	Suggestion string
	// Tier is the lowest at which Smart makes this change, Off where none does.
	Tier Tier
}

// Offenders lists the characters of body that GSM-7 lacks, in order; none means
// that body is GSM-7.
func Offenders(body string) []Offender {
	if (Options{}).Measure(body).Encoding == GSM7 {
		return nil
	}
	var (
		found       []Offender
		index, unit int
		unitEnd     int // end of the current normalisation unit
		whole       string
	)
	for i := 0; i < len(body); {
		if i >= unitEnd {
			unitEnd = i + normUnit(body, i)
			whole = body[i:unitEnd]
		}
		r, size := utf8.DecodeRuneInString(body[i:])
		if !IsGSM7(r) {
			o := Offender{Byte: i, Index: index, Unit: unit, Rune: r}
			for tier := Typographic; tier <= Accents; tier++ {
				if to, _, ok := convert(whole, tier); ok {
					o.Suggestion, o.Tier = to, tier
					break
				}
			}
			found = append(found, o)
		}
		index++
		unit++
		if r > 0xFFFF {
			unit++
		}
		i += size
	}
	return found
}
