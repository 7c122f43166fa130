package paper

import (
	"strconv"

	"rappel/calendars/billing/qrbill"
)

func customer(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// PDF prints the invoice or credit note, with a slip where something is due and the
// account is known. The same invoice gives the same bytes. It fails as Check does.
func (d Invoice) PDF() ([]byte, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	w := wordsOf(d.Language)
	title := w.invoice
	if d.Kind == KindCreditNote {
		title = w.credit
	}
	title += " " + d.Number
	s, err := newSheet(d.Language, title, d.IssuedOn, d.Seller)
	if err != nil {
		return nil, err
	}
	s.head(title, d.Buyer)
	facts := [][2]string{{w.issued, day(s.lang, d.IssuedOn)}, {w.customer, customer(d.Customer)}, {w.about, d.Credits}}
	if d.From != "" {
		facts = append(facts, [2]string{w.period, between(s.lang, d.From, d.To)})
	}
	if d.Kind == KindInvoice && d.DueOn != "" && d.Due > 0 {
		facts = append(facts, [2]string{w.due, day(s.lang, d.DueOn)})
	}
	s.facts(facts)
	s.table(d.Lines, [2]Day{d.From, d.To})
	s.room(float64(len(d.Taxes)+len(d.Applied))*5.6 + 40) // the sums stay together
	s.sumLine(w.subtotal, chf(d.Net), false)
	for _, t := range d.Taxes {
		s.sumLine(fill(w.vatOf, "rate", percent(t.Rate), "net", chf(t.Net)), chf(t.Tax), false)
	}
	if d.Rounding != 0 {
		s.sumLine(w.rounding, chf(d.Rounding), false)
	}
	final := w.open
	switch {
	case d.Kind == KindCreditNote:
		final = w.credited
	case len(d.Applied) > 0:
		s.sumLine(w.total, chf(d.Total), true)
		for _, a := range d.Applied {
			s.sumLine(a.Text, chf(-a.Rappen), false)
		}
	}
	s.sumBox(final, chf(d.Due))
	bill := d.bill()
	switch {
	case d.Kind == KindCreditNote:
		s.para(9.5, "", soft, w.creditText)
	case d.Due <= 0:
		s.para(9.5, "", soft, w.settled)
	case bill != nil && d.DueOn != "":
		s.para(9.5, "", soft, fill(w.payBy, "day", day(s.lang, d.DueOn)))
	default:
		s.para(9.5, "", soft, w.balance)
	}
	if d.Note != "" {
		s.y += 1.5
		s.para(9.5, "", soft, d.Note)
	}
	if err := s.slip(bill); err != nil {
		return nil, err
	}
	return s.bytes()
}

// PDF prints the reminder, with a slip for what is open. The same reminder gives the
// same bytes. It fails as Check does.
func (d Reminder) PDF() ([]byte, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	w := wordsOf(d.Language)
	title := w.reminder
	if d.Level > 1 {
		title = strconv.Itoa(d.Level) + ". " + title
	}
	s, err := newSheet(d.Language, title+" "+d.Number, d.WrittenOn, d.Seller)
	if err != nil {
		return nil, err
	}
	s.head(title, d.Buyer)
	s.facts([][2]string{{w.issued, day(s.lang, d.WrittenOn)}, {w.customer, customer(d.Customer)}, {w.due, day(s.lang, d.PayBy)}})
	s.para(10, "", ink, w.dear)
	s.y += 2.5
	s.para(10, "", ink, fill(w.remind[min(d.Level, len(w.remind))-1], "day", day(s.lang, d.PayBy)))
	s.y += 4
	s.rule(left, s.y, width, 0.4, brand)
	s.y += 3
	s.sumWide(w.invoiceNumber+" "+d.Number+", "+w.invoiceDate+" "+day(s.lang, d.IssuedOn)+", "+w.dueDate+" "+day(s.lang, d.DueOn), chf(d.Total))
	if d.Paid != 0 {
		s.sumWide(w.paid, chf(-d.Paid))
	}
	s.y += 1
	s.sumBox(w.open, chf(d.Open))
	if d.SuspendOn != "" {
		s.para(10, "B", ink, fill(w.suspend, "day", day(s.lang, d.SuspendOn)))
		s.y += 2.5
	}
	s.para(10, "", ink, w.crossed)
	s.y += 3
	s.para(10, "", ink, w.greeting)
	s.para(10, "", ink, d.Seller.Name)
	if err := s.slip(d.bill()); err != nil {
		return nil, err
	}
	return s.bytes()
}

// sumWide writes an amount with a label across.
func (s *sheet) sumWide(label, amount string) {
	s.put(left, s.y, 130, 10, "", ink, "L", label)
	s.put(columns[3].x, s.y, columns[3].w, 10, "", ink, "R", amount)
	s.y += 5.6
}

// PDF prints the order form. The same form gives the same bytes. It fails as Check does.
func (d Order) PDF() ([]byte, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	w := wordsOf(d.Language)
	title := w.order + " " + d.Number
	s, err := newSheet(d.Language, title, d.OfferedOn, d.Seller)
	if err != nil {
		return nil, err
	}
	s.head(title, d.Buyer)
	s.facts([][2]string{{w.issued, day(s.lang, d.OfferedOn)}, {w.customer, customer(d.Customer)}, {w.validTo, day(s.lang, d.ValidTo)}})
	s.para(10, "", ink, w.orderIntro)
	s.y += 3
	s.table(d.Lines, [2]Day{})
	s.sumBox(w.beforeTax, chf(d.Net))
	s.para(10, "B", ink, w.notInvoice)
	s.y += 6
	s.room(78)
	for i, step := range w.howTo {
		s.SetFillColor(brand[0], brand[1], brand[2])
		s.Circle(left+2.6, s.y+2.4, 2.6, "F")
		s.put(left, s.y+0.6, 5.2, 8.5, "B", [3]int{255, 255, 255}, "C", strconv.Itoa(i+1))
		s.put(left+8, s.y, width-8, 10, "", ink, "L", step)
		s.y += 7.4
	}
	s.y += 16
	w3 := (width - 12) / 3
	for i, label := range []string{w.place, w.name, w.signature} {
		x := left + float64(i)*(w3+6)
		s.rule(x, s.y, w3, 0.3, soft)
		s.put(x, s.y+1.5, w3, 8, "", soft, "L", label)
	}
	s.y += 14
	if d.IBAN != "" && d.Reference != "" {
		s.para(8.5, "", soft, w.prepay)
		s.para(8.5, "", soft, fill(w.prepayTo, "iban", qrbill.FormatIBAN(d.IBAN), "reference", qrbill.FormatReference(d.Reference)))
	}
	return s.bytes()
}
