package qrbill

import "strings"

// CheckIBAN reports what is wrong with an account number: 21 letters and digits
// without spaces, from Switzerland or Liechtenstein, check digits by ISO 7064 mod 97-10.
// The error is an [ErrIBAN].
func CheckIBAN(iban string) error {
	switch {
	case len(iban) != 21:
		return fail(ErrIBAN, "iban", "want 21 letters and digits without spaces, got %d", len(iban))
	case iban[:2] != "CH" && iban[:2] != "LI":
		return fail(ErrIBAN, "iban", "only accounts in CH and LI can be paid to by a QR-bill")
	case !all(iban[2:9], digit) || !all(iban[9:], alnum):
		return fail(ErrIBAN, "iban", "want CH, 7 digits, then 12 digits or capital letters")
	case mod97(iban[4:]+iban[:4]) != 1:
		return fail(ErrIBAN, "iban", "its check digits don't fit; was a digit mistyped?")
	}
	return nil
}

// IsQRIBAN reports whether a valid iban wants QR references: its institution number,
// digits 5 to 9, lies between 30000 and 31999.
func IsQRIBAN(iban string) bool {
	return len(iban) == 21 && iban[4:9] >= "30000" && iban[4:9] <= "31999"
}

// FormatIBAN sets an IBAN in groups of four, as it is printed.
func FormatIBAN(iban string) string { return groups(iban, 4, 4) }

// groups puts a space after the first head characters and then after each n.
func groups(s string, head, n int) string {
	var b strings.Builder
	for i, r := range s { // callers pass ASCII
		if i == head || i > head && (i-head)%n == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
func alnum(c byte) bool { return digit(c) || 'A' <= c && c <= 'Z' }

func all(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

// mod97 is the remainder of digits and capital letters, A counting as 10.
func mod97(s string) int {
	rest := 0
	for i := range len(s) {
		if c := s[i]; digit(c) {
			rest = (rest*10 + int(c-'0')) % 97
		} else {
			rest = (rest*100 + int(c-'A') + 10) % 97
		}
	}
	return rest
}
