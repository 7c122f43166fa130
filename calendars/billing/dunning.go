package billing

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// The steps of dunning, in their order. After the last comes the suspension.
const (
	FirstReminder  = 1
	SecondReminder = 2
	LastWarning    = 3 // says when the service will be suspended
)

// SmallestDebt is the least, in Rappen, that is charged or reminded of: no card is charged
// less, and a letter costs more. What is open below it waits for other money.
//
// Source: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts (CHF 0.50).
const SmallestDebt = 50

// DunningTerms say how long who pays late is waited for, in days.
type DunningTerms struct {
	First  int // after the day it was due
	Second int // after the first reminder
	Grace  int // overdue at least this long before a suspension
	Warn   int // from the last warning to the suspension
}

// Terms are the seller's.
func (s Seller) Terms() DunningTerms {
	return DunningTerms{First: s.FirstReminder, Second: s.SecondReminder, Grace: s.GraceDays, Warn: s.WarnDays}
}

// Dunned is how far an overdue invoice has come.
type Dunned struct {
	DueOn Date
	Taken [LastWarning]Date // when each step was taken; 0 = not yet
	After Date              // nothing happens before; 0 = no pause
}

// NextStep is what comes next for an overdue invoice and the first day it may: a step,
// or 0 for the suspension. Each keeps its distance from the one before as it was really
// taken, so that after an outage nobody gets two reminders and a suspension at once.
func (t DunningTerms) NextStep(d Dunned) (level int, on Date) {
	suspend := d.DueOn + 1 + Date(t.Grace)
	switch {
	case d.Taken[0] == 0:
		level, on = FirstReminder, d.DueOn+Date(t.First)
	case d.Taken[1] == 0:
		level, on = SecondReminder, d.Taken[0]+Date(t.Second)
	case d.Taken[2] == 0:
		level, on = LastWarning, max(suspend-Date(t.Warn), d.Taken[1]+1)
	default:
		level, on = 0, max(suspend, d.Taken[2]+Date(t.Warn))
	}
	return level, max(on, d.After)
}

// SuspendOn is the first day of the suspension if nothing is paid, as far as it is known.
func (t DunningTerms) SuspendOn(d Dunned) Date {
	for {
		level, on := t.NextStep(d)
		if level == 0 {
			return on
		}
		d.Taken[level-1] = on
	}
}

// late is an overdue invoice on which it is worth to insist.
type late struct {
	Invoice int64 `db:"id"`
	Sub     bool  `db:"of_subscription"`
	Round   int   `db:"reopened"` // how often its payment went back: reminders count anew
	Dunned
}

// overdue lists open invoices whose last day to pay is before today, oldest first: those
// of subscriptions, which alone can suspend one.
func overdue(ctx context.Context, q sqlx.QueryerContext, account int64, today Date) ([]late, error) {
	all, err := overdueAll(ctx, q, account, today)
	var out []late
	for _, l := range all {
		if l.Sub {
			out = append(out, l)
		}
	}
	return out, err
}

// overdueAll lists all of them. One of which less than [SmallestDebt] is open is not late.
func overdueAll(ctx context.Context, q sqlx.QueryerContext, account int64, today Date) ([]late, error) {
	var rows []struct {
		ID    int64 `db:"id"`
		Sub   bool  `db:"of_subscription"`
		Round int   `db:"reopened"`
		DueOn Date  `db:"due_on"`
	}
	if err := sqlx.SelectContext(ctx, q, &rows, `SELECT i.id, i.subscription_id IS NOT NULL AS of_subscription, i.reopened, i.due_on FROM invoices i
		JOIN ledger_balances b ON b.account_id = i.account_id AND b.unit = 'CHF' AND b.name = 'receivable' AND b.item = i.id AND b.balance >= $3
		WHERE i.account_id = $1 AND i.kind = 'invoice' AND i.status = 'open' AND i.due_on < $2 ORDER BY i.due_on, i.id`, account, today, SmallestDebt); err != nil {
		return nil, fmt.Errorf("read overdue invoices of account %d: %w", account, err)
	}
	var steps []struct {
		Invoice int64 `db:"invoice_id"`
		Round   int   `db:"round"`
		Level   int   `db:"level"`
		On      Date  `db:"taken_on"`
	}
	if err := sqlx.SelectContext(ctx, q, &steps, `SELECT d.invoice_id, d.round, d.level, d.taken_on FROM dunning_steps d WHERE d.account_id = $1`, account); err != nil {
		return nil, fmt.Errorf("read reminders of account %d: %w", account, err)
	}
	var out []late
	for _, r := range rows {
		l := late{Invoice: r.ID, Sub: r.Sub, Round: r.Round, Dunned: Dunned{DueOn: r.DueOn}}
		for _, s := range steps {
			if s.Invoice == r.ID && s.Round == r.Round {
				l.Taken[s.Level-1] = s.On
			}
		}
		out = append(out, l)
	}
	return out, nil
}

// dun takes the steps that are due, sets the subscription past due and, in the end,
// suspends it. It returns the next day it has work, 0 when it has none. failed is what
// keeps the subscription from following a payment; what else is to be done goes on.
func (s *Service) dun(ctx context.Context, tx *sqlx.Tx, payer Payer, now time.Time) (next Date, failed, err error) {
	today := payer.Today(now)
	sc, err := s.read(ctx, tx, payer)
	if err != nil {
		return 0, nil, err
	}
	list, err := overdueAll(ctx, tx, payer.Account, today)
	if err != nil {
		return 0, nil, err
	}
	suspend := false
	for _, l := range list {
		l.After = sc.Sub.DunningAfter
		level, on := sc.seller.Terms().NextStep(l.Dunned)
		switch {
		case on > today:
			next = earliest(next, on)
		case level == 0:
			suspend = suspend || l.Sub
		case level == LastWarning && !(l.Sub && sc.Sub.Status.Live()):
			// Nothing can be suspended, so there is nothing to warn of.
		default:
			if err := takeStep(ctx, tx, payer.Account, l, level, today, now); err != nil {
				return 0, nil, err
			}
			l.Taken[level-1] = today
			if _, on := sc.seller.Terms().NextStep(l.Dunned); on > today {
				next = earliest(next, on)
			}
		}
	}
	owing := false
	for _, l := range list {
		owing = owing || l.Sub
	}
	var kind ChangeKind
	switch {
	case !owing:
		failed, err = s.tryFollowUp(ctx, tx, payer)
		return next, failed, err
	case suspend && (sc.Sub.Status == PastDue || sc.Sub.Status == Active):
		kind = Suspend
	case sc.Sub.Status == Active:
		kind = FallBehind
	default:
		return next, nil, nil
	}
	done, err := s.apply(ctx, tx, sc, Change{Kind: kind}, s.bySystem(sc.Sub, kind))
	if err != nil || kind != Suspend {
		return next, nil, err
	}
	return next, nil, addJob(ctx, tx, Job{Account: payer.Account, Kind: JobNotice, What: NoticeSuspended,
		Key: fmt.Sprintf("sub/%d/%d/suspended", done.Subscription.ID, done.Subscription.Version)}, now)
}

func earliest(a, b Date) Date {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// takeStep notes a step and has its letter sent, once.
func takeStep(ctx context.Context, tx *sqlx.Tx, account int64, l late, level int, today Date, now time.Time) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO dunning_steps (account_id, invoice_id, round, level, taken_on, at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		account, l.Invoice, l.Round, level, today, now); err != nil {
		return fmt.Errorf("note reminder %d of invoice %d: %w", level, l.Invoice, err)
	}
	key := fmt.Sprintf("document/%d/dunning/%d", l.Invoice, level)
	if l.Round > 0 {
		key = fmt.Sprintf("%s/round/%d", key, l.Round)
	}
	return addJob(ctx, tx, Job{Account: account, Kind: JobDunning, Invoice: &l.Invoice, What: fmt.Sprint(level), Key: key}, now)
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
