package notify

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations"
	"rappel/migrations/due"
)

// purgeKind is the kind of due work that deletes what was kept long enough.
const purgeKind = "purge"

const (
	purgeBatch    = 500              // rows of a kind one transaction deletes at most
	purgePause    = time.Second      // between two batches of an account
	purgePostpone = time.Minute      // until the next look while there is something to send
	purgePatience = 24 * time.Hour   // postponed longer than that, a batch goes all the same
	purgeLease    = 5 * time.Minute  // of an account
	purgeAccounts = 50               // leased at once
	purgeLook     = 20 * time.Second // between two looks of Run
	purgeEnlist   = time.Hour        // between two looks for new accounts
	refsBatch     = 2000             // carrier ids looked at in one transaction
	refsRound     = 24 * time.Hour   // between two rounds through them
	refsChore     = "carrier_refs"
)

// PurgerConfig is what a Purger needs. Fields without a remark must be set.
type PurgerConfig struct {
	DB     *sqlx.DB                    // the owner's pool
	Keeper Keeper                      // nil = nobody keeps anything about messages
	Meter  func(what string, rows int) // hears what was deleted: occasions, messages, replies, invalid_numbers, links, carrier_ids; nil = nobody
	Now    func() time.Time            // nil = time.Now
	Log    *slog.Logger                // nil = slog.Default()
}

// Purger deletes what accounts kept long enough, see Retention: each account once a
// night, by its own clock, in small batches with pauses between, and not while anything
// waits to be sent. It is safe in any number of processes.
type Purger struct {
	cfg      PurgerConfig
	owner    string
	enlisted time.Time
	state    map[int64]*purgeState // of accounts this process is at; only a memory, not needed
}

// purgeState is how far an account's purge has come.
type purgeState struct {
	place Cursor
	since time.Time // postponed since; zero = not
}

// NewPurger returns a Purger, or ErrConfig.
func NewPurger(cfg PurgerConfig) (*Purger, error) {
	if cfg.DB == nil {
		return nil, fmt.Errorf("%w: purger without database", ErrConfig)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Meter == nil {
		cfg.Meter = func(string, int) {}
	}
	return &Purger{cfg: cfg, owner: due.NewOwner(), state: map[int64]*purgeState{}}, nil
}

// Run purges until ctx ends.
func (p *Purger) Run(ctx context.Context) error {
	for {
		worked, err := p.Tick(ctx)
		if err != nil && ctx.Err() == nil {
			p.cfg.Log.ErrorContext(ctx, "purge failed", slog.Any("err", err))
		}
		pause := purgeLook
		if worked > 0 {
			pause = purgePause
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// Tick does the next batch of each account that is due, and of the carrier ids, and
// returns how many rows went. One account's trouble doesn't stop the others.
func (p *Purger) Tick(ctx context.Context) (worked int, err error) {
	now := p.cfg.Now()
	if now.Sub(p.enlisted) >= purgeEnlist {
		if err := p.enlist(ctx, now); err != nil {
			return 0, err
		}
		p.enlisted = now
	}
	accounts, err := due.Lease(ctx, p.cfg.DB, purgeKind, p.owner, now, purgeAccounts, purgeLease)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, account := range accounts {
		n, next, err := p.guarded(ctx, account)
		worked += n
		if err != nil {
			errs, next = append(errs, err), p.cfg.Now().Add(time.Hour)
		}
		errs = append(errs, due.Release(context.WithoutCancel(ctx), p.cfg.DB, purgeKind, p.owner, account, next))
	}
	n, err := p.refs(ctx)
	return worked + n, errors.Join(append(errs, err)...)
}

// enlist sees that every account is due some night.
func (p *Purger) enlist(ctx context.Context, now time.Time) error {
	var missing []struct {
		Account int64  `db:"account_id"`
		Zone    string `db:"zone"`
	}
	if err := p.cfg.DB.SelectContext(ctx, &missing, `SELECT a.account_id, a.zone FROM accounts a
		WHERE NOT EXISTS (SELECT 1 FROM due d WHERE d.account_id = a.account_id AND d.kind = $1)`, purgeKind); err != nil {
		return fmt.Errorf("look for accounts to purge: %w", err)
	}
	for _, m := range missing {
		if err := migrations.InAccount(ctx, p.cfg.DB, m.Account, func(tx *sqlx.Tx) error {
			return due.Raise(ctx, tx, purgeKind, m.Account, nextNight(now, m.Zone, m.Account))
		}); err != nil {
			return err
		}
	}
	if _, err := p.cfg.DB.ExecContext(ctx, `INSERT INTO chores (name, due_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, refsChore, now.Add(refsRound)); err != nil {
		return fmt.Errorf("enlist chores: %w", err)
	}
	return nil
}

// nextNight is the first instant after now at which account is purged: some minute
// between two and five in the morning by its own clock, not the same for all. A zone
// nobody knows is UTC.
func nextNight(now time.Time, zone string, account int64) time.Time {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		loc = time.UTC
	}
	y, m, d := now.In(loc).Date()
	minute := int(uint64(account) * 7919 % 180)
	for ; ; d++ {
		if at := time.Date(y, m, d, 2, minute, 0, 0, loc); at.After(now) {
			return at
		}
	}
}

// guarded keeps a panic in one account's work from stopping the others.
func (p *Purger) guarded(ctx context.Context, account int64) (n int, next time.Time, err error) {
	defer func() {
		if r := recover(); r != nil {
			p.cfg.Log.ErrorContext(ctx, "panic while purging", slog.Int64("account_id", account), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("account %d: panic while purging", account)
		}
	}()
	return p.account(ctx, account)
}

// account does the next batch of account and says when it is due again.
func (p *Purger) account(ctx context.Context, account int64) (worked int, next time.Time, err error) {
	now := p.cfg.Now()
	st := p.state[account]
	if st == nil {
		st = &purgeState{}
		p.state[account] = st
	}
	busy, err := p.busy(ctx, now)
	if err != nil {
		return 0, next, err
	}
	if busy {
		if st.since.IsZero() {
			st.since = now
		}
		if now.Sub(st.since) < purgePatience {
			return 0, now.Add(purgePostpone), nil
		}
	} else {
		st.since = time.Time{}
	}
	var zone string
	var more bool
	gone := map[string]int{}
	err = migrations.InAccount(ctx, p.cfg.DB, account, func(tx *sqlx.Tx) error {
		r, err := retentionTx(ctx, tx, account)
		if err != nil {
			return err
		}
		if err := tx.GetContext(ctx, &zone, `SELECT zone FROM accounts WHERE account_id = $1`, account); err != nil {
			return err
		}
		more, err = p.batchTx(ctx, tx, account, r, now, st, gone)
		return err
	})
	if errors.Is(err, ErrNotFound) || errors.Is(err, sql.ErrNoRows) {
		return 0, next, nil // the account is gone
	}
	if err != nil {
		st.place = Cursor{}
		return 0, next, fmt.Errorf("purge account %d: %w", account, err)
	}
	for what, n := range gone {
		worked += n
		p.cfg.Meter(what, n)
	}
	if worked > 0 {
		p.cfg.Log.InfoContext(ctx, "kept long enough, deleted", slog.Int64("account_id", account), slog.Int("occasions", gone["occasions"]),
			slog.Int("messages", gone["messages"]), slog.Int("replies", gone["replies"]), slog.Int("invalid_numbers", gone["invalid_numbers"]), slog.Int("links", gone["links"]))
	}
	switch {
	case more && busy:
		return worked, now.Add(purgePostpone), nil
	case more:
		return worked, now.Add(purgePause), nil
	}
	delete(p.state, account)
	return worked, nextNight(now, zone, account), nil
}

// batchTx deletes one batch. What others keep about messages goes first: as long as a
// promise stands, its message stays.
func (p *Purger) batchTx(ctx context.Context, tx *sqlx.Tx, account int64, r Retention, now time.Time, st *purgeState, gone map[string]int) (more bool, err error) {
	n := 0
	if p.cfg.Keeper != nil && st.place == (Cursor{}) {
		if n, err = p.cfg.Keeper.PurgeTx(ctx, tx, account, r.MessagesBefore(now), purgeBatch); err != nil {
			return false, err
		}
		if gone["occasions"] = n; n >= purgeBatch {
			return true, nil
		}
	}
	if n, st.place, err = purgeMessagesTx(ctx, tx, account, r.MessagesBefore(now), st.place, purgeBatch, p.cfg.Keeper); err != nil {
		return false, fmt.Errorf("messages: %w", err)
	}
	if gone["messages"] = n; st.place != (Cursor{}) {
		return true, nil
	}
	if n, err = purgeTx(ctx, tx, "replies", purgeReplies, account, r.RepliesBefore(now), purgeBatch); err != nil {
		return false, err
	}
	if gone["replies"] = n; n >= purgeBatch {
		return true, nil
	}
	if n, err = purgeTx(ctx, tx, "invalid numbers", purgeInvalid, account, now.Add(-invalidFor), purgeBatch); err != nil {
		return false, err
	}
	if gone["invalid_numbers"] = n; n >= purgeBatch {
		return true, nil
	}
	n, err = purgeTx(ctx, tx, "unsubscribe links", purgeLinks, account, r.MessagesBefore(now), purgeBatch)
	gone["links"] = n
	return n >= purgeBatch, err
}

// busy reports whether anything waits to be sent, or is just being sent.
func (p *Purger) busy(ctx context.Context, now time.Time) (busy bool, err error) {
	if err := p.cfg.DB.GetContext(ctx, &busy, `SELECT EXISTS (SELECT 1 FROM due WHERE kind = ANY($1) AND (due_at <= $2 OR lease_until > $2))`,
		pq.Array([]string{dueKind, bulkKind}), now); err != nil {
		return false, fmt.Errorf("look for due messages: %w", err)
	}
	return busy, nil
}

// refs goes on with the round through the carrier ids, if it is due and nobody else does.
func (p *Purger) refs(ctx context.Context) (removed int, err error) {
	now := p.cfg.Now()
	if busy, err := p.busy(ctx, now); busy || err != nil {
		return 0, err
	}
	err = migrations.InTx(ctx, p.cfg.DB, func(tx *sqlx.Tx) error {
		var place pq.StringArray
		err := tx.GetContext(ctx, &place, `SELECT place FROM chores WHERE name = $1 AND due_at <= $2 FOR UPDATE SKIP LOCKED`, refsChore, now)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		var after RefCursor
		if len(place) == 2 {
			after = RefCursor{place[0], place[1]}
		}
		after, removed, err = purgeRefsTx(ctx, tx, after, refsBatch)
		if err != nil {
			return err
		}
		place, next := pq.StringArray{after.Carrier, after.ID}, now.Add(purgePause)
		if after == (RefCursor{}) {
			place, next = pq.StringArray{}, now.Add(refsRound)
		}
		_, err = tx.ExecContext(ctx, `UPDATE chores SET place = $2, due_at = $3 WHERE name = $1`, refsChore, place, next)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("purge carrier ids: %w", err)
	}
	p.cfg.Meter("carrier_ids", removed)
	return removed, nil
}
