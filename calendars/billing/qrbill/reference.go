package qrbill

import (
	"fmt"
	"strings"
)

// Body is what our QR references are made of, so that a reference leads to its document
// even where somebody reads it from paper.
type Body struct {
	Bank     int64 // the bank's id of the customer, up to 6 digits; 0 where the bank gives none
	Account  int64 // up to 8 digits
	Document int64 // up to 12 digits
}

// QRR returns the 27 digits of the reference: 6 of the bank, 8 of the account, 12 of
// the document, and the check digit. It fails with [ErrReference] when a number has no
// room, or when all are zero, which the guide forbids.
func (b Body) QRR() (string, error) {
	if b.Bank < 0 || b.Bank > 999_999 || b.Account < 0 || b.Account > 99_999_999 || b.Document < 0 || b.Document > 999_999_999_999 || b == (Body{}) {
		return "", fail(ErrReference, "reference", "want a bank id of 6 digits, an account of 8 and a document of 12")
	}
	return QRR(fmt.Sprintf("%06d%08d%012d", b.Bank, b.Account, b.Document))
}

// For returns the reference of the kind the account wants: QRR for a QR-IBAN, else a
// creditor reference such as RF…K1042D17. The bank's id has no place in the latter.
func (b Body) For(iban string) (string, error) {
	if IsQRIBAN(iban) {
		return b.QRR()
	}
	if _, err := b.QRR(); err != nil { // the same limits
		return "", err
	}
	return SCOR(fmt.Sprintf("K%dD%d", b.Account, b.Document))
}

// BodyOf reads what [Body] wrote; ok is false for a reference that isn't one of ours by
// its form. Spaces and small letters must be gone, see [NormalReference].
func BodyOf(reference string) (b Body, ok bool) {
	kind, err := CheckReference(reference)
	switch {
	case err != nil:
		return Body{}, false
	case kind == KindQRR:
		return Body{Bank: number(reference[:6]), Account: number(reference[6:14]), Document: number(reference[14:26])}, true
	case kind == KindSCOR && strings.HasPrefix(reference[4:], "K"):
		account, document, found := strings.Cut(reference[5:], "D")
		if !found || !all(account+document, digit) || account == "" || document == "" || len(account) > 8 || len(document) > 12 {
			return Body{}, false
		}
		b = Body{Account: number(account), Document: number(document)}
		again, err := b.For("")
		return b, err == nil && again == reference
	}
	return Body{}, false
}

// number reads digits, few enough to fit.
func number(digits string) (n int64) {
	for i := range len(digits) {
		n = n*10 + int64(digits[i]-'0')
	}
	return n
}

// QRR returns a reference of up to 26 digits filled with zeros in front, and its check
// digit behind: modulo 10, recursive. It fails with [ErrReference].
func QRR(digits string) (string, error) {
	if len(digits) == 0 || len(digits) > 26 || !all(digits, digit) || strings.Trim(digits, "0") == "" {
		return "", fail(ErrReference, "reference", "want up to 26 digits that are not all zero")
	}
	s := strings.Repeat("0", 26-len(digits)) + digits
	return s + string(mod10(s)), nil
}

// mod10 is the check digit of the recursive modulo 10.
//
// Source: guidelines, annex B.
func mod10(digits string) byte {
	const table = "0946827135"
	carry := 0
	for i := range len(digits) {
		carry = int(table[(carry+int(digits[i]-'0'))%10] - '0')
	}
	return byte('0' + (10-carry)%10)
}

// SCOR returns a creditor reference: RF, two check digits by ISO 7064 mod 97-10, and up
// to 21 digits and capital letters. It fails with [ErrReference].
//
// Source: ISO 11649.
func SCOR(body string) (string, error) {
	if len(body) == 0 || len(body) > 21 || !all(body, alnum) {
		return "", fail(ErrReference, "reference", "want up to 21 digits and capital letters")
	}
	return fmt.Sprintf("RF%02d%s", 98-mod97(body+"RF00"), body), nil
}

// Kind of a reference, as line 28 of the payload has it.
type Kind string

// Kinds of references.
const (
	KindQRR  Kind = "QRR"
	KindSCOR Kind = "SCOR"
	KindNON  Kind = "NON" // there is no reference
)

// CheckReference tells the kind of a reference without spaces and whether its check
// digits fit; else it fails with [ErrReference]. The empty reference is of kind NON.
func CheckReference(ref string) (Kind, error) {
	switch {
	case ref == "":
		return KindNON, nil
	case len(ref) == 27 && all(ref, digit):
		if strings.Trim(ref, "0") == "" || mod10(ref[:26]) != ref[26] {
			return "", fail(ErrReference, "reference", "its check digit doesn't fit")
		}
		return KindQRR, nil
	case strings.HasPrefix(ref, "RF"):
		if len(ref) < 5 || len(ref) > 25 || !all(ref, alnum) || !all(ref[2:4], digit) {
			return "", fail(ErrReference, "reference", "want RF, two digits and up to 21 digits and capital letters")
		}
		if want, err := SCOR(ref[4:]); err != nil || want != ref {
			return "", fail(ErrReference, "reference", "its check digits don't fit")
		}
		return KindSCOR, nil
	}
	return "", fail(ErrReference, "reference", "want 27 digits, or RF and up to 23 digits and capital letters")
}

// NormalReference takes from a reference what people and banks add to it: spaces,
// small letters. It says nothing about whether the reference is right.
func NormalReference(ref string) string {
	return strings.ToUpper(strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '\u00a0' {
			return -1
		}
		return r
	}, ref))
}

// FormatReference sets a reference in groups, as it is printed: 27 digits as two and
// five fives, others in fours.
func FormatReference(ref string) string {
	if len(ref) == 27 {
		return groups(ref, 2, 5)
	}
	return groups(ref, 4, 4)
}
