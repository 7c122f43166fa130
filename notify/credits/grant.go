package credits

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations/ledger"
	"rappel/notify"
)

// Grant is credits an account gets.
type Grant struct {
	Account int64
	Key     string // idempotency key, unique to the account
	Source  Source
	Credits int64
	// ExpiresOn is the first day, a date at 00:00 UTC, on which they are of no use. The zero
	// value: a year without a text.
	ExpiresOn time.Time
	Note      string // the reason a person gave, "" = none
}

// Keys of what is given once per account.
const (
	keySignUp       = "gift/signup"
	keyFirstPackage = "gift/first_package"
)

// GrantTx adds credits, once for each key, and has waiting messages asked about again. The
// first package an account gets brings a gift. It needs the owner's or an operator's pool.
//
// It fails with ErrRequest, and with ErrKey where the key was used for something else.
func (c *Credits) GrantTx(ctx context.Context, tx *sqlx.Tx, g Grant) error {
	if g.Account <= 0 || g.Credits <= 0 || g.Source.priority() == 0 {
		return fmt.Errorf("grant: %w", ErrRequest)
	}
	if g.Key == "" {
		return fmt.Errorf("grant: %w: it is missing", ErrKey)
	}
	now := c.cfg.Now()
	p, err := c.lockTx(ctx, tx, g.Account, now)
	if err != nil {
		return err
	}
	fresh, err := c.addTx(ctx, tx, p, g, p.today, "granted", "grant", now)
	if err != nil || !fresh {
		return err
	}
	if g.Source == Bought {
		if err := c.firstPackageTx(ctx, tx, p, now); err != nil {
			return err
		}
	}
	return p.toppedUpTx(ctx, tx, "grant/"+g.Key, now)
}

// SignUpTx gives what an account gets for signing up, once.
func (c *Credits) SignUpTx(ctx context.Context, tx *sqlx.Tx, account int64) error {
	n, err := giftTx(ctx, tx, "signup", c.cfg.Now())
	if err != nil || n == 0 {
		return err
	}
	return c.GrantTx(ctx, tx, Grant{Account: account, Key: keySignUp, Source: Gift, Credits: n})
}

// firstPackageTx gives what the first package brings, once, and says so by mail.
func (c *Credits) firstPackageTx(ctx context.Context, tx *sqlx.Tx, p *purse, now time.Time) error {
	known, err := lotOfTx(ctx, tx, p.account, keyFirstPackage)
	if err != nil || known != nil {
		return err
	}
	n, err := giftTx(ctx, tx, "first_package", now)
	if err != nil || n == 0 {
		return err
	}
	if _, err := c.addTx(ctx, tx, p, Grant{Account: p.account, Key: keyFirstPackage, Source: Gift, Credits: n}, p.today, "granted", "grant", now); err != nil {
		return err
	}
	return c.mailTx(ctx, tx, Mail{Account: p.account, Occasion: MailBonus, Key: keyFirstPackage, Credits: n, At: now})
}

// giftTx is how many credits an occasion brings now; 0: none.
func giftTx(ctx context.Context, tx *sqlx.Tx, occasion string, now time.Time) (n int64, err error) {
	err = tx.GetContext(ctx, &n, `SELECT credits FROM sms_gifts WHERE occasion = $1 AND valid_from <= $2 ORDER BY valid_from DESC LIMIT 1`, occasion, now)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look up the gift for %s: %w", occasion, err)
	}
	return n, nil
}

// lotOfTx returns the lot a key brought, nil if there is none.
func lotOfTx(ctx context.Context, tx *sqlx.Tx, account int64, key string) (*Lot, error) {
	var l Lot
	err := tx.GetContext(ctx, &l, `SELECT `+lotColumns+`, 0 AS available FROM credit_lots l WHERE l.account_id = $1 AND l.grant_key = $2`, account, key)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up a grant of account %d: %w", account, err)
	}
	l.clean()
	return &l, nil
}

// addTx adds a lot that comes from an account of the chart. fresh is false if its key is
// known; then nothing is added.
func (c *Credits) addTx(ctx context.Context, tx *sqlx.Tx, p *purse, g Grant, grantedOn time.Time, from, kind string, now time.Time) (fresh bool, err error) {
	known, err := lotOfTx(ctx, tx, p.account, g.Key)
	if err != nil {
		return false, err
	}
	if known != nil {
		return false, p.sameTx(ctx, tx, *known, g, from, kind)
	}
	l := Lot{Source: g.Source, Priority: g.Source.priority(), GrantedOn: grantedOn}
	if !g.ExpiresOn.IsZero() {
		day := utc(g.ExpiresOn)
		l.ExpiresOn = &day
	}
	if err := tx.GetContext(ctx, &l.ID, `INSERT INTO credit_lots AS l (account_id, source, priority, granted_on, expires_on, grant_key)
		VALUES ($1, $2, $3, CAST($4 AS date), CAST($5 AS date), $6) RETURNING l.id`,
		p.account, l.Source, l.Priority, l.GrantedOn, l.ExpiresOn, g.Key); err != nil {
		return false, fmt.Errorf("add a lot to account %d: %w", p.account, err)
	}
	if err := p.bookTx(ctx, tx, kind+"/"+g.Key, kind, g.Note, ledger.Move(g.Credits, sms(from, l.ID), sms("available", l.ID)), now); err != nil {
		return false, err
	}
	p.put(l, g.Credits)
	return true, nil
}

// sameTx fails with ErrKey if what a key brought isn't what it is asked for now.
func (p *purse) sameTx(ctx context.Context, tx *sqlx.Tx, l Lot, g Grant, from, kind string) error {
	_, fresh, err := ledger.PostTx(ctx, tx, ledger.Tx{Account: p.account, Key: kind + "/" + g.Key, Kind: kind,
		Entries: ledger.Move(g.Credits, sms(from, l.ID), sms("available", l.ID)), At: midnight(p.today, p.zone)})
	if errors.Is(err, ledger.ErrKey) || err == nil && (fresh || l.Source != g.Source) {
		return fmt.Errorf("grant to account %d: %w: %q", p.account, ErrKey, g.Key)
	}
	return err
}

// toppedUpTx does what follows when credits were added.
func (p *purse) toppedUpTx(ctx context.Context, tx *sqlx.Tx, key string, now time.Time) error {
	if err := p.repayTx(ctx, tx, key, now); err != nil {
		return err
	}
	if err := p.setTx(ctx, tx, p.toppedUp(), p.lastSMS); err != nil {
		return err
	}
	return p.raiseTx(ctx, tx, map[string]time.Time{DueKind: p.nextEnd(), notify.DueHeld: now})
}
