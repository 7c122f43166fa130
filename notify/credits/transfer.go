package credits

import (
	"context"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"

	"rappel/migrations/ledger"
)

// Transfer is credits that go from one account to another of the same payer.
type Transfer struct {
	From, To int64
	Credits  int64
	Key      string // idempotency key, unique to the two accounts
	Note     string // the reason a person gave, "" = none
}

// TransferTx moves credits, once for each key. They stay what they were: as long-lived and
// in the same order of use. What is free for a month stays where it is. It needs the owner's
// pool, as two accounts are written. It reports whether it moved them now: not if an
// earlier call with that key had.
//
// It fails with ErrRequest, ErrFamily, ErrShort, or ErrKey where the key was used for
// something else.
func (c *Credits) TransferTx(ctx context.Context, tx *sqlx.Tx, t Transfer) (moved bool, err error) {
	if t.From <= 0 || t.To <= 0 || t.From == t.To || t.Credits <= 0 {
		return false, fmt.Errorf("transfer: %w", ErrRequest)
	}
	if t.Key == "" {
		return false, fmt.Errorf("transfer: %w: it is missing", ErrKey)
	}
	if err := familyTx(ctx, tx, t.From, t.To); err != nil {
		return false, err
	}
	now := c.cfg.Now()
	purses := map[int64]*purse{}
	for _, account := range []int64{min(t.From, t.To), max(t.From, t.To)} { // in order, so that two of these can't wait in a circle
		p, err := c.lockTx(ctx, tx, account, now)
		if err != nil {
			return false, err
		}
		purses[account] = p
	}
	from, to := purses[t.From], purses[t.To]
	if done, err := transferredTx(ctx, tx, t); err != nil || done {
		return false, err
	}
	for more := len(from.ended) > 0; more; { // a text that isn't booked yet may have kept them
		var err error
		if more, err = c.settledTx(ctx, tx, from, now); err != nil {
			return false, err
		}
	}
	lots := slices.DeleteFunc(slices.Clone(from.lots), func(l Lot) bool { return l.Source == Monthly })
	byID := map[int64]Lot{}
	for _, l := range lots {
		byID[l.ID] = l
	}
	taken := take(lots, t.Credits)
	if taken == nil {
		return false, fmt.Errorf("transfer %d from account %d: %w", t.Credits, t.From, ErrShort)
	}
	if err := from.bookTx(ctx, tx, "transfer/"+t.Key, "transfer", t.Note, moves(taken, "available", "transferred"), now); err != nil {
		return false, err
	}
	for _, part := range taken {
		l := byID[part.lot]
		g := Grant{Account: t.To, Key: fmt.Sprintf("transfer/%s/%d", t.Key, l.ID), Source: l.Source, Credits: part.credits, Note: t.Note}
		if l.ExpiresOn != nil {
			g.ExpiresOn = *l.ExpiresOn
		}
		if _, err := c.addTx(ctx, tx, to, g, l.keptFrom(from.lastSMS), "transferred", "receive", now); err != nil {
			return false, err
		}
		from.draw(part)
	}
	if err := from.setTx(ctx, tx, from.fallen(), from.lastSMS); err != nil {
		return false, err
	}
	return true, to.toppedUpTx(ctx, tx, "transfer/"+t.Key, now)
}

// draw takes a portion out of the purse.
func (p *purse) draw(part portion) {
	for i := range p.lots {
		if p.lots[i].ID == part.lot {
			p.lots[i].Available -= part.credits
		}
	}
}

// transferredTx reports whether t was done. The accounts are locked.
func transferredTx(ctx context.Context, tx *sqlx.Tx, t Transfer) (bool, error) {
	entries, err := ledger.ByKeyTx(ctx, tx, t.From, "transfer/"+t.Key)
	if err != nil || len(entries) == 0 {
		return false, err
	}
	var moved int64
	for _, e := range entries {
		if e.Name == "transferred" {
			moved += e.Amount
		}
	}
	// Whom it went to stands in the lots it made there.
	var there bool
	if err := tx.GetContext(ctx, &there, `SELECT EXISTS (SELECT 1 FROM credit_lots WHERE account_id = $1 AND starts_with(grant_key, $2))`,
		t.To, "transfer/"+t.Key+"/"); err != nil {
		return false, fmt.Errorf("look up a transfer to account %d: %w", t.To, err)
	}
	if moved != t.Credits || !there {
		return false, fmt.Errorf("transfer from account %d: %w: %q", t.From, ErrKey, t.Key)
	}
	return true, nil
}

// familyTx fails with ErrFamily unless both accounts have the same payer.
func familyTx(ctx context.Context, tx *sqlx.Tx, a, b int64) error {
	var payers []int64
	if err := tx.SelectContext(ctx, &payers, `SELECT COALESCE(parent_id, account_id) FROM accounts WHERE account_id IN ($1, $2)`, a, b); err != nil {
		return fmt.Errorf("look who pays for accounts %d and %d: %w", a, b, err)
	}
	if len(payers) != 2 || payers[0] != payers[1] {
		return fmt.Errorf("transfer from account %d to %d: %w", a, b, ErrFamily)
	}
	return nil
}
