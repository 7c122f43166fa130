package billing

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing/paper"
	"rappel/migrations"
)

// Letter is a mail to somebody who sees to a clinic's money.
type Letter struct {
	Account  int64
	Key      string // queued once only
	Kind     string // billing_mail, billing_dunning, billing_notice
	Language string
	To       string // e-mail address
	Subject  string
	Text     string
	FileName string // of the PDF; "" = none
	PDF      []byte
}

// Mailer queues letters within a transaction. The same key queues nothing twice.
type Mailer interface {
	QueueTx(ctx context.Context, tx *sqlx.Tx, l Letter) error
}

// Post is the courier of mails, reminders and notices.
type Post struct {
	service *Service
	mailer  Mailer
}

var _ Courier = (*Post)(nil)

// NewPost returns a Post that hands letters to mailer.
func NewPost(s *Service, mailer Mailer) *Post { return &Post{s, mailer} }

// Deliver implements Courier: a letter with the document goes to the billing address,
// or else to the clinic's owners and billing contacts. A reminder of what has been paid
// by then isn't written. ErrUndeliverable without anybody to write to.
func (p *Post) Deliver(ctx context.Context, j Job) error {
	return migrations.InAccount(ctx, p.service.DB, j.Account, func(tx *sqlx.Tx) error {
		payer, err := payerOf(ctx, tx, j.Account)
		if err != nil {
			return err
		}
		l := Letter{Account: j.Account, Kind: "billing_" + j.Kind, Language: payer.Language}
		send, err := p.compose(ctx, tx, payer, j, &l)
		if err != nil || !send {
			return err
		}
		to, err := recipients(ctx, tx, payer)
		if err != nil {
			return err
		}
		for i, address := range to {
			l.To, l.Key = address, fmt.Sprintf("billing/%s/%d", j.Key, i)
			if err := p.mailer.QueueTx(ctx, tx, l); err != nil {
				return fmt.Errorf("queue a letter: %w", err)
			}
		}
		return nil
	})
}

// recipients are who a letter to payer goes to.
func recipients(ctx context.Context, tx *sqlx.Tx, payer Payer) (to []string, err error) {
	if payer.Email != "" {
		return []string{payer.Email}, nil
	}
	if err := tx.SelectContext(ctx, &to, `SELECT u.email FROM users u WHERE u.account_id = $1 AND u.role IN ('owner', 'billing') ORDER BY u.id`, payer.Account); err != nil {
		return nil, fmt.Errorf("read who sees to money: %w", err)
	}
	if len(to) == 0 {
		return nil, fmt.Errorf("%w: account %d has no billing address by e-mail and no owner", ErrUndeliverable, payer.Account)
	}
	return to, nil
}

// compose writes l; send is false when there is nothing to say any more.
func (p *Post) compose(ctx context.Context, tx *sqlx.Tx, payer Payer, j Job, l *Letter) (send bool, err error) {
	w := lettersOf(payer.Language)
	seller, err := SellerOf(ctx, tx)
	if err != nil {
		return false, err
	}
	fill := func(d letterWords, doc Document, extra ...string) {
		r := strings.NewReplacer(append([]string{"{number}", doc.Name(), "{total}", CHF(doc.Total), "{open}", CHF(doc.Open), "{due}", swissDay(doc.DueOn), "{seller}", seller.Name}, extra...)...)
		l.Subject, l.Text = r.Replace(d.subject), r.Replace(d.text)+"\n\n"+seller.Name+"\n"
	}
	if j.Kind == JobNotice {
		d, ok := w.notices[j.What]
		if !ok {
			return false, fmt.Errorf("%w: notice %q", ErrUndeliverable, j.What)
		}
		fill(d, Document{})
		return true, nil
	}
	if j.Invoice == nil {
		return false, fmt.Errorf("%w: a %s without a document", ErrUndeliverable, j.Kind)
	}
	doc, err := DocumentTx(ctx, tx, DocumentRef{j.Account, *j.Invoice})
	if err != nil {
		return false, err
	}
	frozen, err := doc.Paper()
	if err != nil {
		return false, err
	}
	if j.Kind == JobDunning {
		return p.remind(ctx, tx, seller, doc, frozen, j, l, fill)
	}
	if l.PDF, err = frozen.PDF(); err != nil {
		return false, fmt.Errorf("print document %d: %w", doc.ID, err)
	}
	l.FileName = doc.Name() + ".pdf"
	sum := sha256.Sum256(l.PDF)
	if err := printedTx(ctx, tx, DocumentRef{j.Account, doc.ID}, sum[:]); err != nil {
		return false, err
	}
	switch {
	case doc.Kind == CreditNote:
		fill(w.creditNote, doc)
	case doc.Open == 0:
		fill(w.paid, doc)
	default:
		fill(w.invoice, doc)
	}
	return true, nil
}

// payWithin is how long a reminder gives, in days.
const payWithin = 7

// remind composes a reminder with a new slip for what is open.
func (p *Post) remind(ctx context.Context, tx *sqlx.Tx, seller Seller, doc Document, frozen paper.Invoice, j Job, l *Letter, fill func(letterWords, Document, ...string)) (bool, error) {
	if doc.Open == 0 || doc.Status != InvoiceOpen {
		return false, nil
	}
	level, err := strconv.Atoi(j.What)
	if err != nil || level < FirstReminder || level > LastWarning {
		return false, fmt.Errorf("%w: reminder %q", ErrUndeliverable, j.What)
	}
	var on Date
	err = tx.GetContext(ctx, &on, `SELECT d.taken_on FROM dunning_steps d JOIN invoices i ON i.account_id = $1 AND i.id = d.invoice_id AND i.reopened = d.round
		WHERE d.account_id = $1 AND d.invoice_id = $2 AND d.level = $3`, j.Account, doc.ID, level)
	if errors.Is(err, sql.ErrNoRows) {
		return false, fmt.Errorf("%w: reminder %d of invoice %d was never due", ErrUndeliverable, level, doc.ID)
	}
	if err != nil {
		return false, fmt.Errorf("read reminder %d of invoice %d: %w", level, doc.ID, err)
	}
	r := paper.Reminder{Language: frozen.Language, Level: level, WrittenOn: paper.Day(on.String()), Number: frozen.Number, IssuedOn: frozen.IssuedOn, DueOn: frozen.DueOn,
		PayBy: paper.Day((on + payWithin).String()), Customer: frozen.Customer, Seller: frozen.Seller, Buyer: frozen.Buyer,
		Total: doc.Total, Paid: doc.Total - doc.Open, Open: doc.Open, IBAN: frozen.IBAN, Reference: doc.Reference}
	suspend := ""
	if level == LastWarning {
		by := on + Date(seller.WarnDays)
		r.PayBy, r.SuspendOn, suspend = paper.Day((by - 1).String()), paper.Day(by.String()), swissDay(by)
	}
	if l.PDF, err = r.PDF(); err != nil {
		return false, fmt.Errorf("print reminder %d of invoice %d: %w", level, doc.ID, err)
	}
	l.FileName = fmt.Sprintf("%s-%d.pdf", doc.Name(), level)
	fill(lettersOf(l.Language).reminders[level-1], doc, "{suspend}", suspend)
	return true, nil
}

// swissDay is a day as Switzerland writes it in all its languages: 31.03.2027.
func swissDay(d Date) string {
	if d == 0 {
		return ""
	}
	y, m, day := d.Civil()
	return fmt.Sprintf("%02d.%02d.%d", day, m, y)
}
