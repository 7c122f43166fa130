package segment

import (
	"math/bits"
	"unicode/utf8"
)

// Eight bytes at once: most of a text is dull, and is gone over in words.
const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// word returns the eight bytes of s from i on, the first lowest.
func word(s string, i int) uint64 {
	_ = s[i+7]
	return uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
		uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
}

// allSingle reports whether all eight are characters of one septet. It is false for
// some that are (@, _ and line ends), which their own look will tell.
func allSingle(w uint64) bool {
	folded := w | 0x20*ones          // [\]^ become {|}~, @ becomes `
	tick := folded ^ '`'*ones        // zero where there is one
	high := w | (folded + 0x05*ones) // beyond ASCII, or from { on
	control := ^(w + 0x60*ones)      // below the space
	return (high|control|(tick-ones)&^tick)&highs == 0
}

// codeUnits counts the UTF-16 code units of the characters that begin in w, which is
// part of valid UTF-8.
func codeUnits(w uint64) int {
	later := w >> 7 &^ (w >> 6) & ones                     // 10xxxxxx
	four := w >> 7 & (w >> 6) & (w >> 5) & (w >> 4) & ones // 1111xxxx
	return 8 - bits.OnesCount64(later) + bits.OnesCount64(four)
}

// leadUnits counts the code units of the character b begins; none where b continues
// one. b is part of valid UTF-8.
func leadUnits(b byte) int {
	switch {
	case b&0xC0 == 0x80:
		return 0
	case b >= 0xF0:
		return 2
	}
	return 1
}

// singles returns the end of the run of characters of one septet each that begins at
// i, all ASCII.
func singles(s string, i int) int {
	for i+8 <= len(s) && allSingle(word(s, i)) {
		i += 8
	}
	for i < len(s) && runLength[s[i]] == 1 {
		i++
	}
	return i
}

// UTF-8 is checked by an automaton: the row of a byte, shifted by the state, gives the
// next state in its low six bits. Nothing in it has to be guessed by the processor, which
// is what mixed text makes dear.
const (
	accept  = 6 * iota // between two characters
	invalid            // for good
	tail1              // one more byte of any kind of continuation
	tail2
	tail3
	afterE0 // no overlong form
	afterED // no surrogate
	afterF0 // no overlong form
	afterF4 // nothing beyond U+10FFFF
	states
)

var utf8Rows = buildUTF8Rows()

// Source: The Unicode Standard, table 3-7.
func buildUTF8Rows() (rows [256]uint64) {
	for b := range rows {
		next := func(state int) int {
			c := b >= 0x80 && b < 0xC0
			switch {
			case state == accept && b < 0x80, state == tail1 && c:
				return accept
			case state == accept && b >= 0xC2 && b < 0xE0, state == tail2 && c,
				state == afterE0 && c && b >= 0xA0, state == afterED && c && b < 0xA0:
				return tail1
			case state == accept && b == 0xE0:
				return afterE0
			case state == accept && b == 0xED:
				return afterED
			case state == accept && b >= 0xE1 && b < 0xF0, state == tail3 && c,
				state == afterF0 && c && b >= 0x90, state == afterF4 && c && b < 0x90:
				return tail2
			case state == accept && b == 0xF0:
				return afterF0
			case state == accept && b >= 0xF1 && b < 0xF4:
				return tail3
			case state == accept && b == 0xF4:
				return afterF4
			}
			return invalid
		}
		for state := accept; state < states; state += 6 {
			rows[b] |= uint64(next(state)) << state
		}
	}
	return rows
}

// check runs the automaton over w.
func check(state, w uint64) uint64 {
	state = utf8Rows[w&0xFF] >> (state & 63)
	state = utf8Rows[w>>8&0xFF] >> (state & 63)
	state = utf8Rows[w>>16&0xFF] >> (state & 63)
	state = utf8Rows[w>>24&0xFF] >> (state & 63)
	state = utf8Rows[w>>32&0xFF] >> (state & 63)
	state = utf8Rows[w>>40&0xFF] >> (state & 63)
	state = utf8Rows[w>>48&0xFF] >> (state & 63)
	return utf8Rows[w>>56] >> (state & 63)
}

// checkByte runs the automaton over b.
func checkByte(state uint64, b byte) uint64 { return utf8Rows[b] >> (state & 63) }

// wide returns the length in bytes and in code units of the character at i.
func wide(s string, i int) (size, cost int) {
	if s[i] < utf8.RuneSelf {
		return 1, 1
	}
	_, size = utf8.DecodeRuneInString(s[i:])
	return size, 1 + size>>2 // four bytes lie beyond the BMP
}
