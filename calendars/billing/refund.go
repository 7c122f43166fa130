package billing

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations/ledger"
)

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
