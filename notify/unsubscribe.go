package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/notify/links"
)

// Unsubscriber is the far end of the links behind marketing texts.
type Unsubscriber struct {
	db     *sqlx.DB
	outbox *Outbox
	now    func() time.Time
}

// NewUnsubscriber returns an Unsubscriber on the owner's pool that confirms through
// outbox where a country wants that.
func NewUnsubscriber(db *sqlx.DB, outbox *Outbox) *Unsubscriber {
	return &Unsubscriber{db: db, outbox: outbox, now: outbox.now}
}

// Subscription is what a link is about.
type Subscription struct {
	links.Person
	Business string // the account's name
	Stopped  bool   // they get no texts any more
}

// Find returns what a link with token is about, or ErrNotFound.
func (u *Unsubscriber) Find(ctx context.Context, token string) (Subscription, error) {
	p, err := links.Find(ctx, u.db, token)
	if errors.Is(err, links.ErrNotFound) {
		return Subscription{}, fmt.Errorf("unsubscribe: %w", ErrNotFound)
	}
	if err != nil {
		return Subscription{}, fmt.Errorf("unsubscribe: %w", err)
	}
	s := Subscription{Person: p}
	err = migrations.InAccount(ctx, u.db, p.AccountID, func(tx *sqlx.Tx) error {
		return tx.QueryRowxContext(ctx, `SELECT a.business, EXISTS (SELECT 1 FROM opt_outs o WHERE o.account_id = $1 AND o.recipient = $2)
			FROM accounts a WHERE a.account_id = $1`, p.AccountID, p.Recipient).Scan(&s.Business, &s.Stopped)
	})
	if err != nil {
		return Subscription{}, fmt.Errorf("unsubscribe: %w", err)
	}
	return s, nil
}

// Stop opts the person out that a link with token is about. Doing so again changes
// nothing. Fails with ErrNotFound.
func (u *Unsubscriber) Stop(ctx context.Context, token string) error {
	s, err := u.Find(ctx, token)
	if err != nil || s.Stopped {
		return err
	}
	return migrations.InAccount(ctx, u.db, s.AccountID, func(tx *sqlx.Tx) error {
		_, err := u.outbox.OptOutTx(ctx, tx, OptOut{AccountID: s.AccountID, Recipient: s.Recipient, Source: SourcePage}, u.now())
		return err
	})
}
