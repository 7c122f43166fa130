package billing

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations/due"
)

// write puts a quote down as it is. Numbers come last, so that they are held for as
// short as can be: a writer waits for whoever took one before until that has committed.
//
// before is called once all but the numbers is written, with the documents' ids.
func (s *Service) write(ctx context.Context, tx *sqlx.Tx, sc scene, q *Quote, actor string, now time.Time, before func(docs []int64) error) (docs []int64, err error) {
	if q.Invoice != nil || len(q.Credits) > 0 {
		if err := sc.seller.Check(); err != nil {
			return nil, err
		}
		if err := sc.payer.Check(); err != nil {
			return nil, err
		}
	}
	sub := &q.After
	sub.Version = sc.Sub.Version + 1
	if q.Change.Kind == Start {
		err = insertSubscription(ctx, tx, sub)
	} else {
		err = updateSubscription(ctx, tx, sub)
	}
	if err != nil {
		return nil, err
	}
	if err := writePeriods(ctx, tx, sc, *q, actor, now); err != nil {
		return nil, err
	}
	if m := q.Movement; m != nil {
		if _, err := tx.ExecContext(ctx, `INSERT INTO mrr_movements AS m (account_id, subscription_id, moved_on, kind, before_rappen, after_rappen)
			VALUES ($1, $2, $3, $4, $5, $6) RETURNING m.id`, sub.AccountID, sub.ID, m.On, m.Kind, m.Before, m.After); err != nil {
			return nil, fmt.Errorf("note how revenue moved: %w", err)
		}
	}
	p := press{service: s, tx: tx, scene: sc, sub: sub.ID, now: now}
	for _, d := range q.Credits {
		if err := p.draft(ctx, d); err != nil {
			return nil, err
		}
	}
	if q.Invoice != nil {
		if err := p.draft(ctx, q.Invoice); err != nil {
			return nil, err
		}
	}
	if err := p.settle(ctx); err != nil {
		return nil, err
	}
	if q.Invoice != nil {
		if open, err := openOf(ctx, tx, DocumentRef{sub.AccountID, p.docs[len(p.docs)-1].id}); err != nil {
			return nil, err
		} else if open != q.Due { // rather no invoice than another one than was shown
			return nil, fmt.Errorf("the invoice would leave %s to pay where %s was reckoned", CHF(open), CHF(q.Due))
		}
	}
	cur := q.Begin
	if cur == nil && q.Cut == 0 {
		cur = sc.Current
	}
	if err := s.grantMonth(ctx, tx, sc, sub, cur, now); err != nil {
		return nil, err
	}
	if err := due.Raise(ctx, tx, DueKind, sub.AccountID, now); err != nil {
		return nil, err
	}
	if err := before(p.ids()); err != nil {
		return nil, err
	}
	return p.ids(), p.number(ctx)
}

func insertSubscription(ctx context.Context, tx *sqlx.Tx, sub *Subscription) error {
	rows, err := sqlx.NamedQueryContext(ctx, tx, `INSERT INTO subscriptions AS s (account_id, status, plan_code, billing_interval, quantity, anchor_date, next_month,
		next_seq, next_on, granted_until, trial_end, cancel_on, started_on, ended_on, pending_quantity, pending_interval, version)
		VALUES (:account_id, :status, :plan_code, :billing_interval, :quantity, :anchor_date, :next_month,
		:next_seq, :next_on, :granted_until, :trial_end, :cancel_on, :started_on, :ended_on, :pending_quantity, :pending_interval, :version) RETURNING s.id`, sub)
	if err != nil {
		return fmt.Errorf("insert subscription: %w", err)
	}
	for rows.Next() {
		if err := rows.Scan(&sub.ID); err != nil {
			return fmt.Errorf("insert subscription: %w", err)
		}
	}
	if err := rows.Close(); err != nil {
		return fmt.Errorf("insert subscription: %w", err)
	}
	return rows.Err()
}

func updateSubscription(ctx context.Context, tx *sqlx.Tx, sub *Subscription) error {
	_, err := sqlx.NamedExecContext(ctx, tx, `UPDATE subscriptions SET status = :status, billing_interval = :billing_interval, quantity = :quantity,
		anchor_date = :anchor_date, next_month = :next_month, next_seq = :next_seq, next_on = :next_on, granted_until = :granted_until, trial_end = :trial_end,
		cancel_on = :cancel_on, ended_on = :ended_on, pending_quantity = :pending_quantity, pending_interval = :pending_interval,
		past_due_since = :past_due_since, suspended_on = :suspended_on, suspended_by = :suspended_by, dunning_after = :dunning_after, version = :version
		WHERE account_id = :account_id AND id = :id`, sub)
	if err != nil {
		return fmt.Errorf("update subscription %d: %w", sub.ID, err)
	}
	return nil
}

// writePeriods ends the period that is cut, adds a step to the one that goes on and
// begins the next.
func writePeriods(ctx context.Context, tx *sqlx.Tx, sc scene, q Quote, actor string, now time.Time) error {
	account, sub := q.After.AccountID, q.After.ID
	if q.Cut != 0 {
		if _, err := tx.ExecContext(ctx, `UPDATE subscription_periods SET ends_on = $4 WHERE account_id = $1 AND subscription_id = $2 AND seq = $3`,
			account, sub, sc.Current.Seq, q.Cut); err != nil {
			return fmt.Errorf("end period %d of subscription %d: %w", sc.Current.Seq, sub, err)
		}
	}
	step := func(seq, n int, s Step) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO quantity_events (account_id, subscription_id, period_seq, seq, effective_on, quantity, actor, at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, account, sub, seq, n, s.On, s.Quantity, actor, now); err != nil {
			return fmt.Errorf("note the quantity of subscription %d: %w", sub, err)
		}
		return nil
	}
	if q.Step != nil {
		if err := step(sc.Current.Seq, len(sc.Current.Steps), *q.Step); err != nil {
			return err
		}
	}
	if b := q.Begin; b != nil {
		if _, err := tx.ExecContext(ctx, `INSERT INTO subscription_periods (account_id, subscription_id, seq, from_month, starts_on, ends_on, full_days, price_id)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, account, sub, b.Seq, b.Month, b.Span.From, b.Span.To, b.Full, b.Price.ID); err != nil {
			return fmt.Errorf("begin period %d of subscription %d: %w", b.Seq, sub, err)
		}
		return step(b.Seq, 0, b.Steps[0])
	}
	return nil
}

// grantMonth gives the free SMS of the month of the subscription that runs now. Days for
// which the account got them already, by this subscription or one before, are left out: a
// new anchor or a new beginning brings the rest of its month, once that has come. Months of
// a downtime that are over by now are not made up: what they gave has lapsed.
func (s *Service) grantMonth(ctx context.Context, tx *sqlx.Tx, sc scene, sub *Subscription, cur *Current, now time.Time) error {
	if s.Granter == nil || cur == nil || cur.Price.FreeSMS == 0 || sub.Status != Active && sub.Status != PastDue {
		return nil
	}
	today := sc.payer.Today(now)
	month, ok := monthOf(*sub, cur, today)
	days := Period{max(month.From, sc.Granted), month.To}
	if !ok || !days.Contains(today) {
		return nil
	}
	if n := MulDiv(cur.Price.FreeSMS, days.Days(), month.Days()); n > 0 {
		if err := s.Granter.GrantTx(ctx, tx, Grant{Account: sub.AccountID, Key: fmt.Sprintf("free/%s", days.From), Source: "monthly", Credits: n, ExpiresOn: days.To, At: now}); err != nil {
			return fmt.Errorf("grant the free SMS from %s: %w", days.From, err)
		}
	}
	sub.GrantedUntil = days.To
	if _, err := tx.ExecContext(ctx, `UPDATE subscriptions SET granted_until = $3 WHERE account_id = $1 AND id = $2`, sub.AccountID, sub.ID, days.To); err != nil {
		return fmt.Errorf("note the free SMS from %s: %w", days.From, err)
	}
	return nil
}

// monthOf is the month of the subscription, counted from its anchor, that day lies in.
func monthOf(sub Subscription, cur *Current, day Date) (month Period, ok bool) {
	if !cur.Span.Contains(day) {
		return Period{}, false
	}
	for n := cur.Month; n < sub.NextMonth; n++ {
		if month = (Period{AddMonths(sub.Anchor, n), AddMonths(sub.Anchor, n+1)}); month.Contains(day) {
			return month, true
		}
	}
	return Period{}, false
}
