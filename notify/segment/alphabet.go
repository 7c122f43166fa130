package segment

import "unicode/utf8"

// basicTable is the GSM 7-bit default alphabet in the order of its codes, and
// the zero rune where the code is ESC, which is no character of its own.
//
// Source: 3GPP TS 23.038 §6.2.1.
var basicTable = [128]rune{
	'@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å',
	'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', 0, 'Æ', 'æ', 'ß', 'É',
	' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
	'0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?',
	'¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
	'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§',
	'¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
	'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
}

// extensionTable holds the characters sent as ESC and one more septet. FF is
// "page break" there.
//
// Source: 3GPP TS 23.038 §6.2.1.1.
var extensionTable = map[byte]rune{
	0x0A: '\f', 0x14: '^', 0x28: '{', 0x29: '}', 0x2F: '\\',
	0x3C: '[', 0x3D: '~', 0x3E: ']', 0x40: '|', 0x65: '€',
}

const (
	esc      = 0x1B
	notGSM   = 0xFF // no septet is this large
	extended = 0x80 // flag: the septet follows an ESC
	euro     = '€'  // the only GSM character beyond septets' range

	septetsLen = 0x3C0 // just beyond Ξ and Ω, the highest of the default alphabet
)

var (
	// septets gives a rune's septet, with the flag extended where it needs an
	// ESC, or notGSM. The euro sign is looked up apart, to keep this in cache.
	septets = buildSeptets()
	// runLength gives what one byte costs in GSM-7: 1, 2 after an ESC, 0 where
	// the byte is no ASCII character of GSM-7 and needs a closer look.
	runLength = buildRunLength()
	// extensionRune is extensionTable by septet, zero where there is none.
	extensionRune = buildExtensionRunes()
)

func buildSeptets() (t [septetsLen]byte) {
	for i := range t {
		t[i] = notGSM
	}
	for code, r := range basicTable {
		if code != esc {
			t[r] = byte(code)
		}
	}
	for code, r := range extensionTable {
		if r != euro {
			t[r] = code | extended
		}
	}
	return t
}

func buildRunLength() (t [256]uint8) {
	for b := range utf8.RuneSelf {
		switch c := septets[b]; {
		case c == notGSM:
		case c&extended != 0:
			t[b] = 2
		default:
			t[b] = 1
		}
	}
	return t
}

func buildExtensionRunes() (t [128]rune) {
	for code, r := range extensionTable {
		t[code] = r
	}
	return t
}

// septet returns r's entry of septets; the euro sign included.
func septet(r rune) byte {
	if uint32(r) < septetsLen {
		return septets[r]
	}
	if r == euro {
		return 0x65 | extended
	}
	return notGSM
}

// IsGSM7 reports whether r can be sent in GSM-7, alone or after an ESC.
// ESC itself cannot.
func IsGSM7(r rune) bool { return septet(r) != notGSM }
