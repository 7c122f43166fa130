package billing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/due"
	"rappel/migrations/ledger"
)

// Payment is money that came.
type Payment struct {
	Account     int64
	Invoice     int64  // which it is for; 0 = the oldest open
	Provider    string // bank, stripe, manual …
	ProviderRef string // the provider's own id: counts once, over all accounts
	Amount      int64  // Rappen, above 0
	At          time.Time
	Note        string
	Of          string // of a refund: the provider's reference of the payment it gives back, which is drawn on first
}

// Recorded is what became of a payment.
type Recorded struct {
	ID     int64
	Fresh  bool  // else it was recorded before, and nothing happened
	Credit int64 // what the account has to its credit now, in Rappen
}

// InvoiceForPayment is what is to be paid of an invoice, by whatever means. ErrUnknown
// when there is none; Open is 0 when nothing is to be paid.
func (s *Service) InvoiceForPayment(ctx context.Context, ref DocumentRef) (Document, error) {
	return DocumentTx(ctx, s.DB, ref)
}

// RecordPaymentTx notes a payment and what it pays: the invoice it names, then the
// oldest open one, and the rest is to the account's credit. It is idempotent by provider
// and reference, and works in a transaction of the owner that may be bound to the account.
//
// ErrForeign when the provider's payment is known as another account's, ErrKeyReused
// when as another amount, ErrAmount when the amount is nothing.
func (s *Service) RecordPaymentTx(ctx context.Context, tx *sqlx.Tx, p Payment) (r Recorded, err error) {
	return s.receive(ctx, tx, p, "payment", "received")
}

// receive records money to an account's credit, from where it comes.
func (s *Service) receive(ctx context.Context, tx *sqlx.Tx, p Payment, kind, from string) (r Recorded, err error) {
	if p.Amount <= 0 || p.Provider == "" || p.ProviderRef == "" {
		return r, errAmount("a payment needs an amount, a provider and its reference")
	}
	payer, err := lockPayer(ctx, tx, p.Account)
	if err != nil {
		return r, err
	}
	id, fresh, err := insertPayment(ctx, tx, payer, p, kind, nil)
	if err != nil {
		return r, err
	}
	r.ID, r.Fresh = id, fresh
	if fresh {
		now := s.Now()
		if err := post(ctx, tx, p.Account, kind, id, p.Note, now, ledger.Move(p.Amount, place("customer_credit", 0), place(from, 0))); err != nil {
			return r, err
		}
		if err := revive(ctx, tx, DocumentRef{p.Account, p.Invoice}, p.Amount, now); err != nil {
			return r, err
		}
		if err := payFrom(ctx, tx, source{account: p.Account, payment: id}, p.Invoice, now); err != nil {
			return r, err
		}
		if err := settleTx(ctx, tx, p.Account, now); err != nil {
			return r, err
		}
		if _, err := s.tryFollowUp(ctx, tx, payer); err != nil {
			return r, err
		}
		if err := due.Raise(ctx, tx, DueKind, p.Account, now); err != nil {
			return r, err
		}
	}
	r.Credit, err = CreditTx(ctx, tx, p.Account)
	return r, err
}

// insertPayment adds the row, unless the provider's reference is known.
func insertPayment(ctx context.Context, tx *sqlx.Tx, payer Payer, p Payment, kind string, reverses *int64) (id int64, fresh bool, err error) {
	var owner int64
	if _, err := tx.ExecContext(ctx, `INSERT INTO payment_refs (provider, provider_ref, account_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		p.Provider, p.ProviderRef, p.Account); err != nil {
		return 0, false, fmt.Errorf("note a payment: %w", err)
	}
	if err := tx.GetContext(ctx, &owner, `SELECT account_id FROM payment_refs WHERE provider = $1 AND provider_ref = $2`, p.Provider, p.ProviderRef); err != nil {
		return 0, false, fmt.Errorf("note a payment: %w", err)
	}
	if owner != p.Account {
		return 0, false, fmt.Errorf("%w: account %d", ErrForeign, owner)
	}
	err = tx.GetContext(ctx, &id, `INSERT INTO payments AS p (account_id, kind, provider, provider_ref, amount, reverses_id, note, paid_on, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING p.id`,
		p.Account, kind, p.Provider, p.ProviderRef, p.Amount, reverses, p.Note, payer.Today(p.At), p.At)
	if err == nil {
		return id, true, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return 0, false, fmt.Errorf("note a payment: %w", err)
	}
	var had struct {
		ID     int64  `db:"id"`
		Kind   string `db:"kind"`
		Amount int64  `db:"amount"`
	}
	err = tx.GetContext(ctx, &had, `SELECT id, kind, amount FROM payments WHERE account_id = $1 AND provider = $2 AND provider_ref = $3`, p.Account, p.Provider, p.ProviderRef)
	if err != nil {
		return 0, false, fmt.Errorf("look up a payment: %w", err)
	}
	if had.Kind != kind || had.Amount != p.Amount {
		return 0, false, fmt.Errorf("%w: payment %d is a %s of %s", ErrKeyReused, had.ID, had.Kind, CHF(had.Amount))
	}
	return had.ID, false, nil
}

// post books what belongs to a payment.
func post(ctx context.Context, tx *sqlx.Tx, account int64, kind string, id int64, note string, now time.Time, entries []ledger.Entry) error {
	_, _, err := ledger.PostTx(ctx, tx, ledger.Tx{Account: account, Key: fmt.Sprintf("%s/%d", kind, id), Kind: kind, Note: note, Entries: entries, At: now})
	return err
}

// source is what pays: a payment or goodwill, or a credit note.
type source struct {
	account, payment, note int64
}

// left is what of the source has paid nothing yet.
func (s source) left(ctx context.Context, tx *sqlx.Tx) (n int64, err error) {
	query := `SELECT p.amount - CAST(COALESCE((SELECT sum(x.amount) FROM payment_allocations x WHERE x.account_id = $1 AND x.payment_id = p.id), 0) AS bigint)
		FROM payments p WHERE p.account_id = $1 AND p.id = $2`
	id := s.payment
	if s.note != 0 {
		id = s.note
		query = `SELECT i.total - CAST(COALESCE((SELECT sum(x.amount) FROM payment_allocations x WHERE x.account_id = $1 AND x.credit_note_id = i.id), 0) AS bigint)
			FROM invoices i WHERE i.account_id = $1 AND i.id = $2`
	}
	if err := tx.GetContext(ctx, &n, query, s.account, id); err != nil {
		return 0, fmt.Errorf("what is left of a payment: %w", err)
	}
	return n, nil
}

// sources are all an account has to its credit, oldest first.
func sources(ctx context.Context, tx *sqlx.Tx, account int64) ([]source, error) {
	var rows []struct {
		Payment int64 `db:"payment"`
		Note    int64 `db:"note"`
	}
	if err := tx.SelectContext(ctx, &rows, `SELECT x.payment, x.note FROM (
		SELECT p.id AS payment, CAST(0 AS bigint) AS note, p.at,
		    p.amount - COALESCE((SELECT sum(a.amount) FROM payment_allocations a WHERE a.account_id = $1 AND a.payment_id = p.id), 0) AS rest
		FROM payments p WHERE p.account_id = $1 AND p.kind IN ('payment', 'goodwill')
		UNION ALL
		SELECT 0, i.id, COALESCE(i.finalized_at, 'infinity'),
		    i.total - COALESCE((SELECT sum(a.amount) FROM payment_allocations a WHERE a.account_id = $1 AND a.credit_note_id = i.id), 0)
		FROM invoices i WHERE i.account_id = $1 AND i.kind = 'credit_note') x
		WHERE x.rest > 0 ORDER BY x.at, x.payment, x.note`, account); err != nil {
		return nil, fmt.Errorf("read the credit of account %d: %w", account, err)
	}
	out := make([]source, len(rows))
	for i, r := range rows {
		out[i] = source{account, r.Payment, r.Note}
	}
	return out, nil
}

// payFrom pays what is open of an invoice from one source, as far as it goes. Nothing
// happens without an invoice, or when nothing is open or left.
func payFrom(ctx context.Context, tx *sqlx.Tx, from source, invoice int64, now time.Time) error {
	if invoice == 0 {
		return nil
	}
	ref := DocumentRef{from.account, invoice}
	open, err := openOf(ctx, tx, ref)
	if err != nil || open == 0 {
		return err
	}
	left, err := from.left(ctx, tx)
	if err != nil || left == 0 {
		return err
	}
	n := min(open, left)
	if err := allocate(ctx, tx, from, allocation{invoice: invoice, amount: n}, now, ledger.Move(n, place("receivable", invoice), place("customer_credit", 0))); err != nil {
		return err
	}
	if n < open {
		return nil
	}
	// Where a part stays written off, the rest being paid doesn't make it a paid one.
	if _, err := tx.ExecContext(ctx, `UPDATE invoices SET status = 'paid' WHERE account_id = $1 AND id = $2 AND status IN ('open', 'uncollectible')
		AND total = (SELECT sum(a.amount) FROM payment_allocations a WHERE a.account_id = $1 AND a.invoice_id = $2 AND num_nonnulls(a.payment_id, a.credit_note_id) = 1)`,
		ref.Account, ref.Document); err != nil {
		return fmt.Errorf("set invoice %d paid: %w", ref.Document, err)
	}
	return nil
}

// allocation is what a source pays: an invoice, or money that goes back.
type allocation struct {
	invoice, out int64
	amount       int64 // negative takes back
}

// allocate notes and books one allocation.
func allocate(ctx context.Context, tx *sqlx.Tx, from source, a allocation, now time.Time, entries []ledger.Entry) error {
	var id int64
	if err := tx.GetContext(ctx, &id, `INSERT INTO payment_allocations AS a (account_id, payment_id, credit_note_id, invoice_id, out_id, amount, at)
		VALUES ($1, NULLIF($2, 0), NULLIF($3, 0), NULLIF($4, 0), NULLIF($5, 0), $6, $7) RETURNING a.id`,
		from.account, from.payment, from.note, a.invoice, a.out, a.amount, now); err != nil {
		return fmt.Errorf("allocate: %w", err)
	}
	if len(entries) == 0 {
		return nil
	}
	return post(ctx, tx, from.account, "allocation", id, "", now, entries)
}

// settleTx pays open invoices, the oldest first, from what the account has to its
// credit, the oldest first. So nobody has credit and debts at once.
func settleTx(ctx context.Context, tx *sqlx.Tx, account int64, now time.Time) error {
	open, err := openTx(ctx, tx, account)
	if err != nil || len(open) == 0 {
		return err
	}
	from, err := sources(ctx, tx, account)
	if err != nil {
		return err
	}
	for _, o := range open {
		for _, s := range from {
			if err := payFrom(ctx, tx, s, o.Invoice, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// LostTx is what is written off of an invoice, in Rappen. Money that comes for it brings
// that back first.
func LostTx(ctx context.Context, q sqlx.QueryerContext, ref DocumentRef) (lost int64, err error) {
	if err := sqlx.GetContext(ctx, q, &lost, `SELECT CAST(COALESCE(sum(amount), 0) AS bigint) FROM payment_allocations
		WHERE account_id = $1 AND invoice_id = $2 AND payment_id IS NULL AND credit_note_id IS NULL`, ref.Account, ref.Document); err != nil {
		return 0, fmt.Errorf("read what was written off: %w", err)
	}
	return lost, nil
}

// revive brings back what was written off of an invoice, as far as a payment or credit note
// for it goes.
func revive(ctx context.Context, tx *sqlx.Tx, ref DocumentRef, amount int64, now time.Time) error {
	if ref.Document == 0 {
		return nil
	}
	d, err := DocumentTx(ctx, tx, ref)
	if err != nil {
		return err
	}
	if d.Status != InvoiceUncollectible {
		return nil
	}
	lost, err := LostTx(ctx, tx, ref)
	if err != nil {
		return err
	}
	n := min(lost, amount)
	if n == 0 {
		return nil
	}
	return allocate(ctx, tx, source{account: ref.Account}, allocation{invoice: ref.Document, amount: -n}, now,
		ledger.Move(n, place("loss", 0), place("receivable", ref.Document)))
}

// tryFollowUp is followUp, except that what fails leaves tx as it was: money is booked, and
// so is what an admin orders, also where no invoice can be made yet. The due work tries again.
func (s *Service) tryFollowUp(ctx context.Context, tx *sqlx.Tx, payer Payer) (failed, err error) {
	failed, err = migrations.Attempt(ctx, tx, func() error { return s.followUp(ctx, tx, payer) })
	if failed != nil {
		s.Log.ErrorContext(ctx, "a subscription can't follow its payment", slog.Int64("account_id", payer.Account), slog.Any("error", failed))
	}
	return failed, err
}

// followUp does what a payment brings about: an incomplete subscription begins, one that
// was behind goes on.
func (s *Service) followUp(ctx context.Context, tx *sqlx.Tx, payer Payer) error {
	sc, err := s.read(ctx, tx, payer)
	if err != nil || !sc.Sub.Status.Live() {
		return err
	}
	today := payer.Today(s.Now())
	var kind ChangeKind
	switch sc.Sub.Status {
	case Incomplete:
		q, err := Ask(sc.State, Change{Kind: Activate}, today)
		if err != nil || q.Due > 0 {
			return err // not enough yet
		}
		kind = Activate
	case PastDue, Suspended:
		late, err := overdue(ctx, tx, payer.Account, today)
		if err != nil || len(late) > 0 {
			return err
		}
		kind = CatchUp
		if sc.Sub.Status == Suspended {
			if stays, err := s.staysSuspended(ctx, tx, sc.Sub); err != nil || stays {
				return err
			}
			kind = Resume
		}
	default:
		return nil
	}
	if kind == CatchUp && sc.Current != nil && !sc.Current.Span.Contains(today) {
		return nil // a renewal comes first; the next look sees to it
	}
	_, err = s.apply(ctx, tx, sc, Change{Kind: kind}, s.bySystem(sc.Sub, kind))
	return err
}

// staysSuspended reports whether only an admin ends a suspension: one who ordered it, or as
// long as an invoice of the subscription is written off, which is not the same as paid.
func (s *Service) staysSuspended(ctx context.Context, tx *sqlx.Tx, sub Subscription) (stays bool, err error) {
	if sub.SuspendedBy != System {
		return true, nil
	}
	if err := tx.GetContext(ctx, &stays, `SELECT EXISTS (SELECT 1 FROM invoices i WHERE i.account_id = $1 AND i.subscription_id = $2 AND i.status = 'uncollectible')`, sub.AccountID, sub.ID); err != nil {
		return false, fmt.Errorf("look for what subscription %d had written off: %w", sub.ID, err)
	}
	return stays, nil
}

// bySystem is the audit of what follows by itself, once per version of the subscription.
func (s *Service) bySystem(sub Subscription, kind ChangeKind) audit {
	return audit{account: sub.AccountID, key: fmt.Sprintf("system/%d/%d/%s", sub.ID, sub.Version, kind), actor: System, action: string(kind), request: Change{Kind: kind}}
}

// System is the actor of what follows by itself.
const System = "system"
