package billing

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/due"
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
