package qrbill

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxRappen is the greatest amount a bill can ask for.
const MaxRappen = 99_999_999_999

// Address is a structured address. Street and Number may be empty.
type Address struct {
	Name    string `json:"name"`
	Street  string `json:"street,omitempty"`
	Number  string `json:"number,omitempty"`
	Zip     string `json:"zip"`
	Town    string `json:"town"`
	Country string `json:"country"` // ISO 3166-1, two capital letters
}

// Cleaned returns the address with every field made fit for a bill by [Clean].
func (a Address) Cleaned() Address {
	return Address{Name: Clean(a.Name, 70), Street: Clean(a.Street, 70), Number: Clean(a.Number, 16),
		Zip: Clean(a.Zip, 16), Town: Clean(a.Town, 35), Country: strings.ToUpper(Clean(a.Country, 2))}
}

// Lines sets the address as it is printed below an account: name, street and number,
// postcode and town. The country is told where it isn't Switzerland's or Liechtenstein's.
func (a Address) Lines() []string {
	var lines []string
	town := strings.TrimSpace(a.Zip + " " + a.Town)
	if a.Country != "CH" && a.Country != "LI" && a.Country != "" {
		town = a.Country + " - " + town
	}
	for _, l := range []string{a.Name, strings.TrimSpace(a.Street + " " + a.Number), town} {
		if l != "" {
			lines = append(lines, l)
		}
	}
	return lines
}

// Check reports what keeps the address from standing on a bill, as a [FieldError].
func (a Address) Check() error { return a.check("address") }

func (a Address) check(who string) error {
	for _, f := range []struct {
		name, value string
		max         int
		must        bool
	}{
		{"name", a.Name, 70, true}, {"street", a.Street, 70, false}, {"number", a.Number, 16, false},
		{"zip", a.Zip, 16, true}, {"town", a.Town, 35, true}, {"country", a.Country, 2, true},
	} {
		if f.must && f.value == "" {
			return fail(ErrAddress, who+"."+f.name, "is empty")
		}
		if err := checkText(who+"."+f.name, f.value, f.max); err != nil {
			return err
		}
	}
	if len(a.Country) != 2 || a.Country[0] < 'A' || a.Country[0] > 'Z' || a.Country[1] < 'A' || a.Country[1] > 'Z' {
		return fail(ErrAddress, who+".country", "want two capital letters such as CH")
	}
	return nil
}

// Bill is one demand for payment in Swiss francs.
type Bill struct {
	IBAN      string   `json:"iban"` // without spaces
	Creditor  Address  `json:"creditor"`
	Rappen    int64    `json:"rappen"`              // 1 to [MaxRappen]
	Debtor    *Address `json:"debtor,omitempty"`    // nil: the payer fills it in
	Reference string   `json:"reference,omitempty"` // without spaces; QRR with a QR-IBAN, else SCOR or ""
	Message   string   `json:"message,omitempty"`   // unstructured; at most 140 characters together with Info
	Info      string   `json:"info,omitempty"`      // structured billing information, begins with //
	Schemes   []string `json:"schemes,omitempty"`   // alternative schemes, at most two of 100 characters
}

// Check reports the first thing wrong with b, as a [FieldError].
func (b Bill) Check() error {
	if err := CheckIBAN(b.IBAN); err != nil {
		return err
	}
	if err := b.Creditor.check("creditor"); err != nil {
		return err
	}
	if b.Rappen < 1 || b.Rappen > MaxRappen {
		return fail(ErrAmount, "amount", "%d Rappen", b.Rappen)
	}
	if b.Debtor != nil {
		if err := b.Debtor.check("debtor"); err != nil {
			return err
		}
	}
	kind, err := CheckReference(b.Reference)
	switch {
	case err != nil:
		return err
	case IsQRIBAN(b.IBAN) != (kind == KindQRR):
		return fail(ErrReference, "reference", "a QR-IBAN wants a reference of 27 digits, another IBAN can't have one")
	}
	if err := checkText("message", b.Message, 140); err != nil {
		return err
	}
	if err := checkText("info", b.Info, 140); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(b.Message) + utf8.RuneCountInString(b.Info); n > 140 {
		return fail(ErrTooLong, "message", "with the billing information it has %d characters, at most 140", n)
	}
	if b.Info != "" && !strings.HasPrefix(b.Info, "//") {
		return fail(ErrText, "info", "must begin with // and a prefix such as S1")
	}
	if len(b.Schemes) > 2 {
		return fail(ErrTooLong, "schemes", "at most two alternative schemes")
	}
	for _, s := range b.Schemes {
		if s == "" {
			return fail(ErrText, "schemes", "an alternative scheme is empty")
		}
		if err := checkText("schemes", s, 100); err != nil {
			return err
		}
	}
	return nil
}

// decimal writes Rappen as the payload has them, such as 1949.75.
func decimal(rappen int64) string { return fmt.Sprintf("%d.%02d", rappen/100, rappen%100) }

// FormatAmount writes Rappen as they are printed on a slip, such as 1 949.75. rappen
// must not be negative.
func FormatAmount(rappen int64) string {
	whole := fmt.Sprint(rappen / 100)
	head := len(whole) % 3
	if head == 0 {
		head = 3
	}
	return fmt.Sprintf("%s.%02d", groups(whole, head, 3), rappen%100)
}
