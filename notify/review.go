package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// ReviewTx settles the review of account's first marketing: released, everything held for
// it goes and nothing more is held; turned down, it ends, and what comes next is held
// again. It needs the owner's pool.
func (h *Holds) ReviewTx(ctx context.Context, tx *sqlx.Tx, account int64, release bool, now time.Time) error {
	if release {
		if _, err := tx.ExecContext(ctx, `UPDATE accounts SET review = 'cleared' WHERE account_id = $1 AND review = 'first'`, account); err != nil {
			return fmt.Errorf("clear account %d: %w", account, err)
		}
		h.cfg.Policy.Forget(account)
	}
	return h.allTx(ctx, tx, Held{AccountID: account, Reason: ReasonReview}, release, now)
}

// RegisterTx writes down how far a registration is, and does with what it held as it
// says. It needs the owner's pool. Fails with ErrRequest or ErrSender.
func (h *Holds) RegisterTx(ctx context.Context, tx *sqlx.Tx, r Registration, now time.Time) error {
	if err := registerTx(ctx, tx, r, now); err != nil {
		return err
	}
	h.cfg.Policy.Forget(r.AccountID)
	if r.State == RegistrationPending {
		return nil
	}
	return h.allTx(ctx, tx, Held{AccountID: r.AccountID, Reason: ReasonRegistration, Country: r.Country, Sender: r.Sender},
		r.State == RegistrationApproved, now)
}

// allTx releases or turns down everything s selects, batch by batch.
func (h *Holds) allTx(ctx context.Context, tx *sqlx.Tx, s Held, release bool, now time.Time) error {
	for {
		do := h.RejectTx
		if release {
			do = h.ReleaseTx
		}
		n, more, err := do(ctx, tx, s, now)
		if err != nil {
			return err
		}
		if n > 0 {
			h.cfg.Log.InfoContext(ctx, "held messages settled", "account_id", s.AccountID, "reason", string(s.Reason), "released", release, "messages", n)
		}
		if !more {
			return nil
		}
	}
}
