package notify

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/due"
)

// HoldsConfig is what Holds works with.
type HoldsConfig struct {
	DB       *sqlx.DB // the owner's pool
	Policy   *Policy
	Observer Observer // nil: nobody listens
	// Count is as in Config, with no carrier.
	Count func(carrier string, to Status, n int)
	Now   func() time.Time
	Log   *slog.Logger
}

// Holds lets messages go that were held back, or ends them: on a reviewer's, an operator's
// or the credits' word, and by itself when they expire. Any number of them may work over
// one database.
type Holds struct {
	cfg  HoldsConfig
	book *book
}

// NewHolds fails with ErrConfig.
func NewHolds(cfg HoldsConfig) (*Holds, error) {
	if cfg.DB == nil || cfg.Policy == nil {
		return nil, fmt.Errorf("%w: holds need a database and a policy", ErrConfig)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Holds{cfg: cfg, book: &book{observer: cfg.Observer, log: cfg.Log, count: cfg.Count}}, nil
}

// settleTx ends what expired and lets go or ends what needn't be held any more, for
// whatever reason nobody did so. next is when to look again, zero if nothing is held.
func (h *Holds) settleTx(ctx context.Context, tx *sqlx.Tx, account int64, now time.Time) (worked int, next time.Time, err error) {
	for {
		rows, were, _, err := h.lockTx(ctx, tx, Held{AccountID: account}, `AND h.expires_at <= $6`, now)
		if err != nil {
			return worked, next, err
		}
		if len(rows) == 0 {
			break
		}
		if err := h.end(ctx, tx, account, rows, were, Expired, ReasonTooLate, WhatExpired, now); err != nil {
			return worked, next, err
		}
		worked += len(rows)
	}
	var groups []struct {
		Reason  Reason `db:"reason"`
		Country string `db:"country"`
		Sender  string `db:"sender"`
	}
	if err := tx.SelectContext(ctx, &groups, `SELECT DISTINCT h.reason, CASE WHEN h.reason = 'registration' THEN h.country ELSE '' END AS country,
		CASE WHEN h.reason = 'registration' THEN lower(h.sender) ELSE '' END AS sender
		FROM held h WHERE h.account_id = $1 ORDER BY 1, 2, 3`, account); err != nil {
		return worked, next, fmt.Errorf("look what is held: %w", err)
	}
	if len(groups) == 0 {
		return worked, time.Time{}, nil
	}
	h.cfg.Policy.Forget(account)
	v, err := h.cfg.Policy.view(ctx, tx, account)
	if err != nil {
		return worked, next, err
	}
	a := v.accounts[account]
	for _, g := range groups {
		s := Held{AccountID: account, Reason: g.Reason, Country: g.Country, Sender: g.Sender}
		state := a.registrations[registrationOf(g.Country, g.Sender)]
		switch {
		case g.Reason == ReasonReview && a.review != ReviewFirst, g.Reason == ReasonCredit,
			g.Reason == ReasonRegistration && state == RegistrationApproved:
			err = h.allTx(ctx, tx, s, true, now)
		case g.Reason == ReasonRegistration && state != RegistrationPending:
			err = h.allTx(ctx, tx, s, false, now)
		}
		if err != nil {
			return worked, next, err
		}
	}
	var expires *time.Time
	if err := tx.GetContext(ctx, &expires, `SELECT min(h.expires_at) FROM held h WHERE h.account_id = $1`, account); err != nil {
		return worked, next, fmt.Errorf("look what is still held: %w", err)
	}
	switch {
	case expires == nil:
	case expires.Before(now.Add(recheck)):
		next = *expires
	default:
		next = now.Add(recheck)
	}
	return worked, next, nil
}

// leaseHeld is how long an account is leased for settling what it holds.
const leaseHeld = time.Minute

// Tick settles all accounts whose turn it is. worked counts the accounts.
func (h *Holds) Tick(ctx context.Context) (worked int, err error) {
	owner := due.NewOwner()
	for ctx.Err() == nil {
		accounts, e := due.Lease(ctx, h.cfg.DB, DueHeld, owner, h.cfg.Now(), 1, leaseHeld)
		if e != nil || len(accounts) == 0 {
			if err == nil {
				err = e
			}
			return worked, err
		}
		if e := h.settle(ctx, owner, accounts[0]); e != nil && err == nil {
			err = e
		}
		worked++
	}
	return worked, err
}

// settle settles one account and gives it back.
func (h *Holds) settle(ctx context.Context, owner string, account int64) error {
	now := h.cfg.Now()
	var next time.Time
	err := migrations.InAccount(ctx, h.cfg.DB, account, func(tx *sqlx.Tx) (err error) {
		_, next, err = h.settleTx(ctx, tx, account, now)
		return err
	})
	if err != nil {
		next = now.Add(recheck)
		err = fmt.Errorf("settle what account %d holds: %w", account, err)
	}
	if e := due.Release(context.WithoutCancel(ctx), h.cfg.DB, DueHeld, owner, account, next); e != nil && err == nil {
		err = e
	}
	return err
}

// Run settles until ctx ends.
func (h *Holds) Run(ctx context.Context) error {
	for {
		if _, err := h.Tick(ctx); err != nil && ctx.Err() == nil {
			h.cfg.Log.ErrorContext(ctx, "settle held messages", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(holdsPoll):
		}
	}
}

// holdsPoll is the pause between looks. It is real time: nothing is decided by it.
const holdsPoll = 5 * time.Second
