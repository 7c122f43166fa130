package billing

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/due"
	"rappel/migrations/ledger"
)

// Correction is what an admin orders beside changes of a subscription. Each has a key,
// that makes it happen once, a reason, and is audited.
type Correction struct {
	Account int64
	Key     string
	Actor   string
	Reason  string
	Second  string // who agrees to amounts above the seller's limit: another one than Actor
}

// agreed answers ErrFourEyes when amount takes a second person and there is none.
func (c Correction) agreed(ctx context.Context, tx *sqlx.Tx, amount int64) error {
	seller, err := SellerOf(ctx, tx)
	if err != nil {
		return err
	}
	if amount > seller.FourEyes && (c.Second == "" || c.Second == c.Actor) {
		return fmt.Errorf("%w: above %s", ErrFourEyes, CHF(seller.FourEyes))
	}
	return nil
}

func (c Correction) check() error {
	if c.Key == "" || c.Actor == "" || c.Reason == "" {
		return fmt.Errorf("%w: key, actor and reason are needed", ErrReason)
	}
	return nil
}

// Corrected is what a correction made.
type Corrected struct {
	Document int64 `json:"document,omitempty"` // credit note or invoice
	Payment  int64 `json:"payment,omitempty"`  // goodwill, refund or reversal
	Again    bool  `json:"-"`                  // it was done before
}

// correct runs do once, in a transaction bound to the account, which it locks first, and
// then what a payment would bring about.
func (s *Service) correct(ctx context.Context, c Correction, action string, request any, do func(tx *sqlx.Tx, payer Payer, now time.Time) (Corrected, error)) (r Corrected, err error) {
	return s.once(ctx, c, action, request, func(tx *sqlx.Tx, payer Payer, now time.Time) (Corrected, error) {
		r, err := do(tx, payer, now)
		if err == nil {
			_, err = s.tryFollowUp(ctx, tx, payer)
		}
		return r, err
	})
}

// once is correct without what would follow from a payment.
func (s *Service) once(ctx context.Context, c Correction, action string, request any, do func(tx *sqlx.Tx, payer Payer, now time.Time) (Corrected, error)) (r Corrected, err error) {
	if err := c.check(); err != nil {
		return r, err
	}
	now := s.Now()
	err = migrations.InAccount(ctx, s.DB, c.Account, func(tx *sqlx.Tx) error {
		payer, err := lockPayer(ctx, tx, c.Account)
		if err != nil {
			return err
		}
		a := audit{account: c.Account, key: c.Key, actor: c.Actor, action: action, reason: c.Reason, request: request}
		if again, err := a.done(ctx, tx, &r); err != nil || again {
			r.Again = again
			return err
		}
		if r, err = do(tx, payer, now); err != nil {
			return err
		}
		if err := due.Raise(ctx, tx, DueKind, c.Account, now); err != nil {
			return err
		}
		a.after = r
		return a.write(ctx, tx, now)
	})
	if err != nil {
		return Corrected{}, err
	}
	return r, s.align(ctx, c.Account)
}

// Credit makes a credit note for net amounts, in Rappen, of an invoice's lines, by the
// lines' ids; with none, for all that is left of it. ErrAmount when a line has not that
// much left.
func (s *Service) Credit(ctx context.Context, c Correction, invoice int64, net map[int64]int64) (Corrected, error) {
	return s.correct(ctx, c, "credit_note", map[string]any{"invoice": invoice, "net": net}, func(tx *sqlx.Tx, payer Payer, now time.Time) (r Corrected, err error) {
		sc, err := s.read(ctx, tx, payer)
		if err != nil {
			return r, err
		}
		list, err := billedTx(ctx, tx, c.Account, []int64{invoice}, sc.Catalogue.Taxes)
		if err != nil {
			return r, err
		}
		if len(list) == 0 {
			return r, fmt.Errorf("%w: invoice %d", ErrUnknown, invoice)
		}
		var d *Draft
		if len(net) == 0 {
			d, err = list[0].CreditAll(c.Reason)
		} else {
			d, err = list[0].CreditLines(net, c.Reason)
		}
		if err != nil {
			return r, err
		}
		for i := range d.Lines {
			d.Lines[i].Key, d.Lines[i].Part = "command/"+c.Key, i+1
		}
		ids, err := s.press(ctx, tx, sc, []*Draft{d}, 0, now)
		if err != nil {
			return r, err
		}
		return Corrected{Document: ids[0]}, nil
	})
}

// press makes documents that follow from no change of the subscription.
func (s *Service) press(ctx context.Context, tx *sqlx.Tx, sc scene, drafts []*Draft, dueOn Date, now time.Time) ([]int64, error) {
	return s.pressPaid(ctx, tx, sc, drafts, dueOn, 0, now)
}

// pressPaid is press for invoices of which paid came already, in Rappen.
func (s *Service) pressPaid(ctx context.Context, tx *sqlx.Tx, sc scene, drafts []*Draft, dueOn Date, paid int64, now time.Time) ([]int64, error) {
	if err := sc.seller.Check(); err != nil {
		return nil, err
	}
	if err := sc.payer.Check(); err != nil {
		return nil, err
	}
	p := press{service: s, tx: tx, scene: sc, dueOn: dueOn, paid: paid, now: now}
	for _, d := range drafts {
		if err := p.draft(ctx, d); err != nil {
			return nil, err
		}
	}
	if err := p.settle(ctx); err != nil {
		return nil, err
	}
	return p.ids(), p.number(ctx)
}

// Bill is an invoice for something else than the subscription.
type Bill struct {
	Account int64
	Key     string // makes its lines unique: nothing is billed twice
	Lines   []BillLine
	DueOn   Date // 0 = by the terms
	// Paid is what came for it already, in Rappen, and is recorded in the same transaction
	// after it: the document asks for the rest only.
	Paid int64
}

// BillLine is one thing sold.
type BillLine struct {
	Kind     LineKind // LinePackage or LineManual
	Text     string   // as printed, in the account's language
	Quantity int64
	Net      int64  // Rappen, for all of it
	Service  Period // the zero Period = today
	Tax      string // code of the rate; "" = StandardTax
}

// BillTx invoices b once and returns the invoice's id. What the account has to its
// credit pays it as far as it goes. It works in a transaction of the owner that may be
// bound to the account.
func (s *Service) BillTx(ctx context.Context, tx *sqlx.Tx, b Bill) (invoice int64, err error) {
	if b.Key == "" || len(b.Lines) == 0 {
		return 0, errAmount("an invoice needs a key and a line")
	}
	payer, err := lockPayer(ctx, tx, b.Account)
	if err != nil {
		return 0, err
	}
	var had []int64
	if err := tx.SelectContext(ctx, &had, `SELECT l.invoice_id FROM invoice_lines l WHERE l.account_id = $1 AND l.billing_key = $2 ORDER BY l.id LIMIT 1`, b.Account, "bill/"+b.Key); err != nil {
		return 0, fmt.Errorf("look up bill %s: %w", b.Key, err)
	}
	if len(had) > 0 {
		return had[0], nil
	}
	sc, err := s.read(ctx, tx, payer)
	if err != nil {
		return 0, err
	}
	now := s.Now()
	today := payer.Today(now)
	var lines []Line
	for _, l := range b.Lines {
		if l.Net < 0 || l.Text == "" || l.Kind != LinePackage && l.Kind != LineManual {
			return 0, errAmount("a line needs a text, a kind and an amount that is not negative")
		}
		if l.Service.Empty() {
			l.Service = Period{today, today + 1}
		}
		code := l.Tax
		if code == "" {
			code = StandardTax
		}
		rate, err := sc.Catalogue.Taxes.At(code, l.Service.From)
		if err != nil {
			return 0, err
		}
		lines = append(lines, Line{Kind: l.Kind, Key: "bill/" + b.Key, Part: len(lines) + 1, Text: l.Text, Quantity: l.Quantity, Service: l.Service, Seq: NoPeriod, Net: l.Net, Tax: rate})
	}
	ids, err := s.pressPaid(ctx, tx, sc, []*Draft{newInvoice(lines, sc.Round)}, b.DueOn, b.Paid, now)
	if err != nil {
		return 0, err
	}
	return ids[0], due.Raise(ctx, tx, DueKind, b.Account, now)
}

// Quote is what a bill will come to, without making it.
func (b Bill) Quote(c Catalogue, round bool, today Date) (*Draft, error) {
	var lines []Line
	for _, l := range b.Lines {
		code, from := l.Tax, l.Service.From
		if code == "" {
			code = StandardTax
		}
		if l.Service.Empty() {
			from = today
		}
		rate, err := c.Taxes.At(code, from)
		if err != nil {
			return nil, err
		}
		lines = append(lines, Line{Kind: l.Kind, Text: l.Text, Quantity: l.Quantity, Seq: NoPeriod, Net: l.Net, Tax: rate})
	}
	return newInvoice(lines, round), nil
}

// Invoice makes a bill an admin entered by hand.
func (s *Service) Invoice(ctx context.Context, c Correction, lines []BillLine) (Corrected, error) {
	return s.correct(ctx, c, "invoice", lines, func(tx *sqlx.Tx, _ Payer, _ time.Time) (r Corrected, err error) {
		r.Document, err = s.BillTx(ctx, tx, Bill{Account: c.Account, Key: "command/" + c.Key, Lines: lines})
		return r, err
	})
}

// GiveCredit gives amount Rappen without an invoice. It pays open invoices first.
// ErrFourEyes above the seller's limit without a second person.
func (s *Service) GiveCredit(ctx context.Context, c Correction, amount int64) (Corrected, error) {
	return s.correct(ctx, c, "goodwill", map[string]any{"amount": amount, "second": c.Second}, func(tx *sqlx.Tx, _ Payer, now time.Time) (r Corrected, err error) {
		if err := c.agreed(ctx, tx, amount); err != nil {
			return r, err
		}
		got, err := s.receive(ctx, tx, Payment{Account: c.Account, Provider: "goodwill", ProviderRef: fmt.Sprintf("%d/%s", c.Account, c.Key), Amount: amount, At: now, Note: c.Reason}, "goodwill", "goodwill")
		return Corrected{Payment: got.ID}, err
	})
}

// Refund notes that amount Rappen of the account's credit went back by provider, whose
// own reference makes it count once. ErrAmount when the credit is less, ErrFourEyes as in
// GiveCredit.
func (s *Service) Refund(ctx context.Context, c Correction, p Payment) (Corrected, error) {
	request := map[string]any{"provider": p.Provider, "ref": p.ProviderRef, "amount": p.Amount, "second": c.Second}
	if p.Of != "" {
		request["of"] = p.Of
	}
	return s.correct(ctx, c, "refund", request, func(tx *sqlx.Tx, payer Payer, now time.Time) (r Corrected, err error) {
		if err := c.agreed(ctx, tx, p.Amount); err != nil {
			return r, err
		}
		p.Account, p.Note = c.Account, c.Reason
		if p.At.IsZero() {
			p.At = now
		}
		r.Payment, err = s.payOut(ctx, tx, payer, p, "refund", nil)
		return r, err
	})
}

// payOut books money that goes back: from the given source alone, else from the payment
// p names, then from the oldest.
func (s *Service) payOut(ctx context.Context, tx *sqlx.Tx, payer Payer, p Payment, kind string, only *source) (id int64, err error) {
	if p.Amount <= 0 || p.Provider == "" || p.ProviderRef == "" {
		return 0, errAmount("money that goes back needs an amount, a provider and its reference")
	}
	now := s.Now()
	var reverses *int64
	var from []source
	if only != nil {
		reverses, from = &only.payment, []source{*only}
	} else if from, err = sourcesFor(ctx, tx, p); err != nil {
		return 0, err
	}
	id, fresh, err := insertPayment(ctx, tx, payer, p, kind, reverses)
	if err != nil || !fresh {
		return id, err
	}
	rest := p.Amount
	for _, f := range from {
		left, err := f.left(ctx, tx)
		if err != nil {
			return 0, err
		}
		if n := min(left, rest); n > 0 {
			if err := allocate(ctx, tx, f, allocation{out: id, amount: n}, now, nil); err != nil {
				return 0, err
			}
			rest -= n
		}
	}
	if rest > 0 {
		return 0, errAmount("%s of it is not there to go back", CHF(rest))
	}
	return id, post(ctx, tx, p.Account, kind, id, p.Note, now, ledger.Move(p.Amount, place("received", 0), place("customer_credit", 0)))
}

// sourcesFor are all that a refund can draw on, the payment it gives back first: the bank
// or the card's owner may still take back what is left of that one.
func sourcesFor(ctx context.Context, tx *sqlx.Tx, p Payment) ([]source, error) {
	all, err := sources(ctx, tx, p.Account)
	if err != nil || p.Of == "" {
		return all, err
	}
	var ids []int64
	if err := tx.SelectContext(ctx, &ids, `SELECT p.id FROM payments p WHERE p.account_id = $1 AND p.provider = $2 AND p.provider_ref = $3 AND p.kind = 'payment'`,
		p.Account, p.Provider, p.Of); err != nil {
		return nil, fmt.Errorf("read a payment: %w", err)
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%w: no such payment of account %d", ErrUnknown, p.Account)
	}
	slices.SortStableFunc(all, func(a, b source) int {
		first := func(s source) int {
			if s.payment == ids[0] {
				return 0
			}
			return 1
		}
		return cmp.Compare(first(a), first(b))
	})
	return all, nil
}

// Reversal is a payment that was taken back: a chargeback, a returned transfer.
type Reversal struct {
	Account     int64
	Payment     int64  // id of the payment; 0 = found by Provider and Of
	Provider    string // of the payment
	Of          string // the provider's reference of the payment
	ProviderRef string // the provider's reference of the reversal: counts once
	At          time.Time
	Note        string
}

// ReversePaymentTx takes a payment back as a whole: what it paid is open again. It is
// idempotent by the provider's reference. ErrUnknown without such a payment, ErrState when
// it went back already, ErrAmount when its money was refunded meanwhile.
func (s *Service) ReversePaymentTx(ctx context.Context, tx *sqlx.Tx, v Reversal) (id int64, err error) {
	payer, err := lockPayer(ctx, tx, v.Account)
	if err != nil {
		return 0, err
	}
	var rows []struct {
		ID       int64  `db:"id"`
		Provider string `db:"provider"`
		Amount   int64  `db:"amount"`
	}
	if err := tx.SelectContext(ctx, &rows, `SELECT p.id, p.provider, p.amount FROM payments p WHERE p.account_id = $1 AND p.kind = 'payment'
		AND (p.id = $2 OR $2 = 0 AND p.provider = $3 AND p.provider_ref = $4)`, v.Account, v.Payment, v.Provider, v.Of); err != nil {
		return 0, fmt.Errorf("read a payment: %w", err)
	}
	if len(rows) != 1 {
		return 0, fmt.Errorf("%w: no such payment of account %d", ErrUnknown, v.Account)
	}
	from := source{account: v.Account, payment: rows[0].ID}
	now := s.Now()
	var known []int64
	if err := tx.SelectContext(ctx, &known, `SELECT p.id FROM payments p WHERE p.account_id = $1 AND p.provider = $2 AND p.provider_ref = $3`, v.Account, rows[0].Provider, v.ProviderRef); err != nil {
		return 0, fmt.Errorf("look up a reversal: %w", err)
	}
	if len(known) == 0 {
		if err := s.release(ctx, tx, from, now); err != nil {
			return 0, err
		}
	}
	id, err = s.payOut(ctx, tx, payer, Payment{Account: v.Account, Provider: rows[0].Provider, ProviderRef: v.ProviderRef, Amount: rows[0].Amount, At: v.At, Note: v.Note}, "reversal", &from)
	if err != nil {
		return 0, err
	}
	if err := settleTx(ctx, tx, v.Account, now); err != nil {
		return 0, err
	}
	return id, due.Raise(ctx, tx, DueKind, v.Account, now)
}

// release takes back all a source paid: those invoices are open again.
func (s *Service) release(ctx context.Context, tx *sqlx.Tx, from source, now time.Time) error {
	var paid []struct {
		Invoice int64 `db:"invoice_id"`
		Amount  int64 `db:"amount"`
	}
	if err := tx.SelectContext(ctx, &paid, `SELECT a.invoice_id, CAST(sum(a.amount) AS bigint) AS amount FROM payment_allocations a
		WHERE a.account_id = $1 AND a.payment_id = $2 AND a.invoice_id IS NOT NULL GROUP BY a.invoice_id HAVING sum(a.amount) <> 0 ORDER BY 1`, from.account, from.payment); err != nil {
		return fmt.Errorf("read what a payment paid: %w", err)
	}
	for _, p := range paid {
		if err := allocate(ctx, tx, from, allocation{invoice: p.Invoice, amount: -p.Amount}, now, ledger.Move(p.Amount, place("customer_credit", 0), place("receivable", p.Invoice))); err != nil {
			return err
		}
		if err := reopen(ctx, tx, DocumentRef{from.account, p.Invoice}, p.Amount, now); err != nil {
			return err
		}
	}
	return nil
}

// reopen has an invoice open again of which amount is no longer paid. What is written off
// stays so, with that amount more.
func reopen(ctx context.Context, tx *sqlx.Tx, ref DocumentRef, amount int64, now time.Time) error {
	var status InvoiceStatus
	if err := tx.GetContext(ctx, &status, `SELECT status FROM invoices WHERE account_id = $1 AND id = $2`, ref.Account, ref.Document); err != nil {
		return fmt.Errorf("read invoice %d: %w", ref.Document, err)
	}
	switch status {
	case InvoicePaid:
		return setStatus(ctx, tx, ref, InvoiceOpen)
	case InvoiceUncollectible:
		return allocate(ctx, tx, source{account: ref.Account}, allocation{invoice: ref.Document, amount: amount}, now,
			ledger.Move(amount, place("receivable", ref.Document), place("loss", 0)))
	}
	return nil
}

// WriteOff gives up what is open of an invoice. It resumes nothing: who was suspended for
// it stays so until it is paid or an admin says otherwise. A payment that comes all the
// same brings it back.
func (s *Service) WriteOff(ctx context.Context, c Correction, invoice int64) (Corrected, error) {
	return s.once(ctx, c, "write_off", map[string]any{"invoice": invoice}, func(tx *sqlx.Tx, _ Payer, now time.Time) (r Corrected, err error) {
		ref := DocumentRef{c.Account, invoice}
		d, err := DocumentTx(ctx, tx, ref)
		if err != nil {
			return r, err
		}
		if d.Status != InvoiceOpen || d.Open == 0 {
			return r, fmt.Errorf("%w: invoice %d is %s", ErrState, invoice, d.Status)
		}
		if err := allocate(ctx, tx, source{account: c.Account}, allocation{invoice: invoice, amount: d.Open}, now,
			ledger.Move(d.Open, place("receivable", invoice), place("loss", 0))); err != nil {
			return r, err
		}
		return Corrected{Document: invoice}, setStatus(ctx, tx, ref, InvoiceUncollectible)
	})
}

// Void takes an invoice back of which nothing was paid or credited. Its lines stay: what
// they stand for is not billed again by itself.
func (s *Service) Void(ctx context.Context, c Correction, invoice int64) (Corrected, error) {
	return s.correct(ctx, c, "void", map[string]any{"invoice": invoice}, func(tx *sqlx.Tx, _ Payer, now time.Time) (r Corrected, err error) {
		ref := DocumentRef{c.Account, invoice}
		d, err := DocumentTx(ctx, tx, ref)
		if err != nil {
			return r, err
		}
		var credited bool
		if err := tx.GetContext(ctx, &credited, `SELECT EXISTS (SELECT 1 FROM invoices n WHERE n.account_id = $1 AND n.credits_invoice_id = $2)`, c.Account, invoice); err != nil {
			return r, fmt.Errorf("look for credit notes: %w", err)
		}
		if d.Kind != Invoice || d.Status != InvoiceOpen || d.Open != d.Total || credited {
			return r, fmt.Errorf("%w: invoice %d is %s and %s of %s is open; credit it instead", ErrState, invoice, d.Status, CHF(d.Open), CHF(d.Total))
		}
		var booked int64
		if err := tx.GetContext(ctx, &booked, `SELECT id FROM ledger_tx WHERE account_id = $1 AND key = $2`, c.Account, fmt.Sprintf("document/%d", invoice)); err != nil {
			return r, fmt.Errorf("find how invoice %d was booked: %w", invoice, err)
		}
		if _, _, err := ledger.ReverseTx(ctx, tx, ledger.Reversal{Account: c.Account, TxID: booked, Key: fmt.Sprintf("void/%d", invoice), Kind: "void", Note: c.Reason, At: now}); err != nil {
			return r, err
		}
		return Corrected{Document: invoice}, setStatus(ctx, tx, ref, InvoiceVoid)
	})
}

// PauseDunning lets reminders and the suspension rest until a day; the zero Date ends
// the pause.
func (s *Service) PauseDunning(ctx context.Context, c Correction, until Date) (Corrected, error) {
	return s.correct(ctx, c, "pause_dunning", map[string]any{"until": until}, func(tx *sqlx.Tx, _ Payer, _ time.Time) (r Corrected, err error) {
		res, err := tx.ExecContext(ctx, `UPDATE subscriptions SET dunning_after = $2, version = version + 1 WHERE account_id = $1 AND status NOT IN ('canceled', 'expired')`, c.Account, until)
		if err != nil {
			return r, fmt.Errorf("pause dunning: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return r, fmt.Errorf("%w: account %d", ErrNone, c.Account)
		}
		return r, nil
	})
}
