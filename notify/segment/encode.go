package segment

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// EncodeGSM7 appends s to dst as septets, one to an octet (unpacked), extension
// characters as 0x1B and one more: the form SMPP's data_coding 0 takes. It fails
// with ErrNotGSM7 on the first character GSM-7 lacks and then returns dst as it
// was.
func EncodeGSM7(dst []byte, s string) ([]byte, error) {
	out := dst
	for i, r := range s {
		code := septet(r)
		switch {
		case code == notGSM:
			return dst, fmt.Errorf("%w: %U at byte %d", ErrNotGSM7, r, i)
		case code&extended != 0:
			out = append(out, esc, code&^extended)
		default:
			out = append(out, code)
		}
	}
	return out, nil
}

// DecodeGSM7 reads unpacked septets. As the standard asks of a receiver, an ESC
// followed by an unknown code gives that code's character of the default
// alphabet, and ESC ESC or an ESC at the end a space. Octets above 0x7F fail
// with ErrNotGSM7.
//
// Source: 3GPP TS 23.038 §6.2.1.1, notes 1 and 3.
func DecodeGSM7(b []byte) (string, error) {
	var out strings.Builder
	out.Grow(len(b))
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == esc {
			i++
			if i == len(b) || b[i] == esc {
				out.WriteByte(' ')
				continue
			}
			if c = b[i]; c < 0x80 && extensionRune[c] != 0 {
				out.WriteRune(extensionRune[c])
				continue
			}
		}
		if c >= 0x80 {
			return "", fmt.Errorf("%w: octet 0x%02X at %d", ErrNotGSM7, c, i)
		}
		out.WriteRune(basicTable[c])
	}
	return out.String(), nil
}

// EncodeUCS2 appends s to dst as UTF-16, big-endian, without a byte order mark:
// SMPP's data_coding 8. Each byte that is no valid UTF-8 becomes U+FFFD.
func EncodeUCS2(dst []byte, s string) []byte {
	for _, r := range s {
		if r > 0xFFFF {
			hi, lo := utf16.EncodeRune(r)
			dst = append(dst, byte(hi>>8), byte(hi), byte(lo>>8), byte(lo))
			continue
		}
		dst = append(dst, byte(r>>8), byte(r))
	}
	return dst
}

// DecodeUCS2 reads UTF-16, big-endian. A surrogate without its partner, as
// senders leave it who cut a pair in two, becomes U+FFFD; octets of odd number
// fail with ErrOddLength.
func DecodeUCS2(b []byte) (string, error) {
	if len(b)%2 != 0 {
		return "", fmt.Errorf("%w: %d octets", ErrOddLength, len(b))
	}
	var out strings.Builder
	out.Grow(len(b))
	for i := 0; i < len(b); i += 2 {
		r := rune(b[i])<<8 | rune(b[i+1])
		if utf16.IsSurrogate(r) {
			pair := utf8.RuneError
			if i+3 < len(b) {
				pair = utf16.DecodeRune(r, rune(b[i+2])<<8|rune(b[i+3]))
			}
			if r = pair; pair != utf8.RuneError {
				i += 2
			}
		}
		out.WriteRune(r)
	}
	return out.String(), nil
}

// AppendUDH appends the user data header that makes octets the segment seq
// (from 1) of total of the message ref. An 8-bit reference uses the low octet.
//
// Source: 3GPP TS 23.040 §9.2.3.24.1, §9.2.3.24.8.
func (o Options) AppendUDH(dst []byte, ref uint16, total, seq uint8) []byte {
	if o.Reference == Ref16 {
		return append(dst, 6, 0x08, 4, byte(ref>>8), byte(ref), total, seq)
	}
	return append(dst, 5, 0x00, 3, byte(ref), total, seq)
}
