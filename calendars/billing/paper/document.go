package paper

import (
	"errors"
	"fmt"
	"time"

	"rappel/calendars/billing/qrbill"
)

// ErrDocument says that a document is incomplete or doesn't add up. It can't be
// printed until whoever made it mends it.
var ErrDocument = errors.New("paper: the document is not right")

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDocument, fmt.Sprintf(format, args...))
}

// Day is a civil date as 2006-01-02. The empty day is none.
type Day string

func (d Day) time() (time.Time, error) {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil || t.Year() < 1980 || t.Year() > 2200 {
		return time.Time{}, wrong("%q is not a day such as 2027-03-01", string(d))
	}
	return t, nil
}

// Party is the seller or a customer.
type Party struct {
	Name    string   `json:"name"`
	Extra   []string `json:"extra,omitempty"` // department, "z. H." and the like
	Street  string   `json:"street,omitempty"`
	Number  string   `json:"number,omitempty"`
	Zip     string   `json:"zip"`
	Town    string   `json:"town"`
	Country string   `json:"country"`       // ISO 3166-1; CH if empty
	UID     string   `json:"uid,omitempty"` // CHE-123.456.789 MWST
	Email   string   `json:"email,omitempty"`
	Phone   string   `json:"phone,omitempty"`
	Web     string   `json:"web,omitempty"`
}

// Address is the party as a QR-bill has it, made fit by [qrbill.Clean].
func (p Party) Address() qrbill.Address {
	a := qrbill.Address{Name: p.Name, Street: p.Street, Number: p.Number, Zip: p.Zip, Town: p.Town, Country: p.Country}.Cleaned()
	if a.Country == "" {
		a.Country = "CH"
	}
	return a
}

func (p Party) lines() []string {
	lines := append([]string{p.Name}, p.Extra...)
	a := qrbill.Address{Street: p.Street, Number: p.Number, Zip: p.Zip, Town: p.Town, Country: p.Country}
	return append(lines, a.Lines()...)
}

func (p Party) check(who string) error {
	if p.Name == "" || p.Zip == "" || p.Town == "" {
		return wrong("%s: name, postcode and town are needed", who)
	}
	return nil
}

// Kind of an invoice.
type Kind string

// Kinds of invoices.
const (
	KindInvoice    Kind = "invoice"
	KindCreditNote Kind = "credit_note"
)

// Line is one thing sold, or credited.
type Line struct {
	Text     string `json:"text"`
	Detail   string `json:"detail,omitempty"` // a second line, smaller
	From     Day    `json:"from,omitempty"`   // service, half-open; both or none
	To       Day    `json:"to,omitempty"`
	Quantity int64  `json:"quantity,omitempty"` // 0 = not told
	Unit     int64  `json:"unit,omitempty"`     // Rappen each; 0 = not told, as for graduated prices
	Net      int64  `json:"net"`                // Rappen
	Rate     int64  `json:"rate"`               // VAT in basis points
}

// Tax is the VAT of all lines of one rate.
type Tax struct {
	Rate int64 `json:"rate"` // basis points
	Net  int64 `json:"net"`
	Tax  int64 `json:"tax"`
}

// Applied is what pays a part of an invoice before it is sent, such as a balance in the
// customer's favour.
type Applied struct {
	Text   string `json:"text"`
	Rappen int64  `json:"rappen"`
}

// Invoice is an invoice or a credit note, frozen.
type Invoice struct {
	Kind     Kind      `json:"kind"`
	Language string    `json:"language"`
	Number   string    `json:"number"` // as printed, such as 2027-000017
	IssuedOn Day       `json:"issued_on"`
	DueOn    Day       `json:"due_on,omitempty"`
	From     Day       `json:"from,omitempty"` // of all services, half-open; both or none
	To       Day       `json:"to,omitempty"`
	Credits  string    `json:"credits,omitempty"`         // number of the invoice a credit note is about
	Customer int64     `json:"customer_number,omitempty"` // 0 = not told
	Seller   Party     `json:"seller"`
	Buyer    Party     `json:"buyer"`
	Lines    []Line    `json:"lines"`
	Taxes    []Tax     `json:"taxes"`
	Net      int64     `json:"net"`
	Tax      int64     `json:"tax"`
	Rounding int64     `json:"rounding,omitempty"` // to 5 Rappen, −2 to 2
	Total    int64     `json:"total"`
	Applied  []Applied `json:"applied,omitempty"`
	Due      int64     `json:"due"`            // Total less Applied
	Note     string    `json:"note,omitempty"` // a sentence below the sum
	// Account and reference for payment; empty IBAN: no slip, as on credit notes and where
	// nothing is due.
	IBAN      string `json:"iban,omitempty"`
	Reference string `json:"reference,omitempty"`
}

// Check reports what is missing or doesn't add up, as [ErrDocument], or as the error of
// package qrbill when the slip would be wrong.
func (d Invoice) Check() error {
	if d.Kind != KindInvoice && d.Kind != KindCreditNote {
		return wrong("kind %q", d.Kind)
	}
	if d.Number == "" || len(d.Lines) == 0 {
		return wrong("number and lines are needed")
	}
	if err := errors.Join(d.Seller.check("seller"), d.Buyer.check("buyer"), days(d.IssuedOn), optional(d.DueOn), span(d.From, d.To)); err != nil {
		return err
	}
	var net, byRate, tax int64
	for _, l := range d.Lines {
		net += l.Net
		if err := span(l.From, l.To); err != nil {
			return err
		}
	}
	for _, t := range d.Taxes {
		byRate, tax = byRate+t.Net, tax+t.Tax
	}
	due := d.Total
	for _, a := range d.Applied {
		due -= a.Rappen
	}
	switch {
	case net != d.Net:
		return wrong("lines come to %d, net is %d", net, d.Net)
	case byRate != d.Net || tax != d.Tax:
		return wrong("rates come to %d and %d, net is %d and tax %d", byRate, tax, d.Net, d.Tax)
	case d.Net+d.Tax+d.Rounding != d.Total:
		return wrong("%d and tax %d and rounding %d are not %d", d.Net, d.Tax, d.Rounding, d.Total)
	case due != d.Due:
		return wrong("%d is due, not %d", due, d.Due)
	}
	if b := d.bill(); b != nil {
		return b.Check()
	}
	return nil
}

// bill is what the slip asks for, nil when there is none.
func (d Invoice) bill() *qrbill.Bill {
	if d.IBAN == "" || d.Kind != KindInvoice || d.Due <= 0 {
		return nil
	}
	return slip(d.IBAN, d.Reference, d.Seller, d.Buyer, d.Due, wordsOf(d.Language).invoice+" "+d.Number)
}

// Payload is what the code on the slip says; "" when there is no slip.
func (d Invoice) Payload() (string, error) {
	b := d.bill()
	if b == nil {
		return "", nil
	}
	return qrbill.Payload(*b)
}

// slip is the demand for payment. It names the payer where the code may hold its address:
// an alphabet of its own or a country we can't tell must not keep anybody from being
// billed, so there the field is left to fill in, and the reference says who paid. Where
// only some letters are lost the rest stands: documents already printed stay as they are.
func slip(iban, reference string, seller, buyer Party, rappen int64, message string) *qrbill.Bill {
	b := &qrbill.Bill{IBAN: iban, Reference: reference, Creditor: seller.Address(), Rappen: rappen, Message: qrbill.Clean(message, 140)}
	if debtor := buyer.Address(); debtor.Check() == nil {
		b.Debtor = &debtor
	}
	return b
}

// Reminder asks for an invoice that wasn't paid in time.
type Reminder struct {
	Language  string `json:"language"`
	Level     int    `json:"level"` // 1, 2, …; the last one before SuspendOn is plain about it
	WrittenOn Day    `json:"written_on"`
	Number    string `json:"number"` // of the invoice
	IssuedOn  Day    `json:"issued_on"`
	DueOn     Day    `json:"due_on"`
	PayBy     Day    `json:"pay_by"`
	SuspendOn Day    `json:"suspend_on,omitempty"` // when new reminders stop; none if empty
	Customer  int64  `json:"customer_number,omitempty"`
	Seller    Party  `json:"seller"`
	Buyer     Party  `json:"buyer"`
	Total     int64  `json:"total"`
	Paid      int64  `json:"paid,omitempty"`
	Open      int64  `json:"open"`
	IBAN      string `json:"iban,omitempty"`
	Reference string `json:"reference,omitempty"`
}

// Check is as that of [Invoice].
func (d Reminder) Check() error {
	if d.Number == "" || d.Level < 1 {
		return wrong("number and level are needed")
	}
	if d.Total-d.Paid != d.Open || d.Open <= 0 {
		return wrong("%d less %d is not %d", d.Total, d.Paid, d.Open)
	}
	if err := errors.Join(d.Seller.check("seller"), d.Buyer.check("buyer"), days(d.WrittenOn, d.IssuedOn, d.DueOn, d.PayBy), optional(d.SuspendOn)); err != nil {
		return err
	}
	if b := d.bill(); b != nil {
		return b.Check()
	}
	return nil
}

func (d Reminder) bill() *qrbill.Bill {
	if d.IBAN == "" {
		return nil
	}
	return slip(d.IBAN, d.Reference, d.Seller, d.Buyer, d.Open, wordsOf(d.Language).invoice+" "+d.Number)
}

// Order is a form somebody signs to order. It has no slip and shows no tax.
type Order struct {
	Language  string `json:"language"`
	Number    string `json:"number"` // as printed, such as B-17
	OfferedOn Day    `json:"offered_on"`
	ValidTo   Day    `json:"valid_to"` // last day it may be sent back
	Customer  int64  `json:"customer_number,omitempty"`
	Seller    Party  `json:"seller"`
	Buyer     Party  `json:"buyer"`
	Lines     []Line `json:"lines"` // Net before tax, Rate unused
	Net       int64  `json:"net"`
	IBAN      string `json:"iban,omitempty"` // for who pays in advance
	Reference string `json:"reference,omitempty"`
}

// Check is as that of [Invoice].
func (d Order) Check() error {
	if d.Number == "" || len(d.Lines) == 0 {
		return wrong("number and lines are needed")
	}
	var net int64
	for _, l := range d.Lines {
		net += l.Net
		if err := span(l.From, l.To); err != nil {
			return err
		}
	}
	if net != d.Net {
		return wrong("lines come to %d, net is %d", net, d.Net)
	}
	return errors.Join(d.Seller.check("seller"), d.Buyer.check("buyer"), days(d.OfferedOn, d.ValidTo))
}

func days(all ...Day) error {
	for _, d := range all {
		if _, err := d.time(); err != nil {
			return err
		}
	}
	return nil
}

func optional(d Day) error {
	if d == "" {
		return nil
	}
	return days(d)
}

// span checks a half-open period, which may be left out.
func span(from, to Day) error {
	if from == "" && to == "" {
		return nil
	}
	if err := days(from, to); err != nil {
		return err
	}
	if from >= to {
		return wrong("%s to %s is not a period", from, to)
	}
	return nil
}
