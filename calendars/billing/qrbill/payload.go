package qrbill

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

const maxPayload = 997 // characters

// Payload returns what the code of a bill says, lines parted by LF, none after the last:
//
//	 1–3   SPC, 0200, 1: Swiss payments code, version, UTF-8
//	 4     IBAN
//	 5–11  creditor: S, name, street, number, postcode, town, country
//	12–18  ultimate creditor, always empty
//	19–20  amount, currency
//	21–27  debtor, as the creditor, or all empty
//	28–29  kind of reference, reference
//	30–31  message, EPD
//	32–34  billing information, alternative schemes; left out at the end when unused
//
// It fails with a [FieldError] when the bill isn't right.
func Payload(b Bill) (string, error) {
	if err := b.Check(); err != nil {
		return "", err
	}
	kind, err := CheckReference(b.Reference)
	if err != nil {
		return "", err
	}
	lines := make([]string, 0, 34)
	lines = append(lines, "SPC", "0200", "1", b.IBAN)
	lines = append(lines, b.Creditor.payload()...)
	lines = append(lines, "", "", "", "", "", "", "", decimal(b.Rappen), "CHF")
	if b.Debtor != nil {
		lines = append(lines, b.Debtor.payload()...)
	} else {
		lines = append(lines, "", "", "", "", "", "", "")
	}
	lines = append(lines, string(kind), b.Reference, b.Message, "EPD")
	if b.Info != "" || len(b.Schemes) > 0 {
		lines = append(lines, b.Info)
		lines = append(lines, b.Schemes...)
	}
	s := strings.Join(lines, "\n")
	if n := utf8.RuneCountInString(s); n > maxPayload {
		return "", fail(ErrTooLong, "payload", "%d characters, at most %d", n, maxPayload)
	}
	return s, nil
}

func (a Address) payload() []string {
	return []string{"S", a.Name, a.Street, a.Number, a.Zip, a.Town, a.Country}
}

// ParsePayload reads what [Payload] writes, also with CRLF between the lines. Anything
// the guide doesn't allow is refused with a [FieldError], so a bill that comes back is
// written the same again.
func ParsePayload(s string) (Bill, error) {
	var b Bill
	if utf8.RuneCountInString(s) > maxPayload {
		return b, fail(ErrTooLong, "payload", "at most %d characters", maxPayload)
	}
	if n := strings.Count(s, "\r\n"); n > 0 && n == strings.Count(s, "\n") {
		s = strings.ReplaceAll(s, "\r\n", "\n")
	}
	lines := strings.Split(s, "\n")
	switch {
	case len(lines) < 31 || len(lines) > 34:
		return b, fail(ErrFormat, "payload", "%d lines, want 31 to 34", len(lines))
	case lines[0] != "SPC" || lines[1] != "0200" || lines[2] != "1":
		return b, fail(ErrFormat, "header", "want SPC, 0200 and 1")
	case lines[30] != "EPD":
		return b, fail(ErrFormat, "trailer", "line 31 must be EPD")
	case strings.Join(lines[11:18], "") != "":
		return b, fail(ErrFormat, "ultimate creditor", "must be empty")
	case lines[19] != "CHF":
		return b, fail(ErrFormat, "currency", "want CHF")
	case len(lines) > 31 && lines[len(lines)-1] == "":
		return b, fail(ErrFormat, "payload", "ends with an empty line")
	}
	b.IBAN, b.Reference, b.Message = lines[3], lines[28], lines[29]
	var err error
	if b.Creditor, err = parseAddress("creditor", lines[4:11]); err != nil {
		return Bill{}, err
	}
	if strings.Join(lines[20:27], "") != "" {
		debtor, err := parseAddress("debtor", lines[20:27])
		if err != nil {
			return Bill{}, err
		}
		b.Debtor = &debtor
	}
	if b.Rappen, err = parseDecimal(lines[18]); err != nil {
		return Bill{}, err
	}
	if len(lines) > 31 {
		b.Info = lines[31]
	}
	if len(lines) > 32 {
		b.Schemes = lines[32:]
	}
	if err := b.Check(); err != nil {
		return Bill{}, err
	}
	if kind, err := CheckReference(b.Reference); err != nil || string(kind) != lines[27] {
		return Bill{}, fail(ErrReference, "reference", "is not of the kind the payload says")
	}
	return b, nil
}

func parseAddress(who string, lines []string) (Address, error) {
	if lines[0] != "S" {
		return Address{}, fail(ErrFormat, who, "want a structured address, type S")
	}
	return Address{Name: lines[1], Street: lines[2], Number: lines[3], Zip: lines[4], Town: lines[5], Country: lines[6]}, nil
}

// parseDecimal reads 1949.75, and nothing that is written otherwise.
func parseDecimal(s string) (int64, error) {
	whole, cents, ok := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole+cents, 10, 64)
	if !ok || err != nil || len(cents) != 2 || decimal(n) != s {
		return 0, fail(ErrAmount, "amount", "want francs and two decimals, such as 1949.75")
	}
	return n, nil
}
