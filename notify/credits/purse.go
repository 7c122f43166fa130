package credits

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations/due"
	"rappel/migrations/ledger"
)

// Levels of an account's credit.
const (
	enough  = 0
	low     = 1 // below what the account wants to be told of
	waiting = 2 // texts wait
)

// purse is an account's credits while it is locked. Whoever changes credits locks it
// first, so what it says stays true until the transaction ends.
type purse struct {
	account    int64
	today      time.Time // a date
	zone       *time.Location
	lots       []Lot // with something available or held, in the order of use
	ended      []Lot // like lots, but their day has come and they aren't marked as ended yet
	free       bool  // credits are counted and not charged
	alertBelow int64
	level      int
	lastSMS    time.Time // a date; zero: none yet
}

// kind tells whether an account is charged.
type kind struct {
	Billing string `db:"billing"`
	Zone    string `db:"zone"`
}

func kindTx(ctx context.Context, q sqlx.QueryerContext, account int64) (kind, *time.Location, error) {
	var k kind
	if err := sqlx.GetContext(ctx, q, &k, `SELECT billing, zone FROM accounts WHERE account_id = $1`, account); err != nil {
		return k, nil, fmt.Errorf("look up account %d: %w", account, err)
	}
	zone, err := time.LoadLocation(k.Zone)
	if err != nil {
		return k, nil, fmt.Errorf("zone of account %d: %w", account, err)
	}
	return k, zone, nil
}

const lockPurse = `SELECT alert_below, level, last_sms_on FROM credit_accounts WHERE account_id = $1 FOR UPDATE`

// lockTx locks an account's credits, making their row if there is none, and reads them.
func (c *Credits) lockTx(ctx context.Context, tx *sqlx.Tx, account int64, now time.Time) (*purse, error) {
	k, zone, err := kindTx(ctx, tx, account)
	if err != nil {
		return nil, err
	}
	p := &purse{account: account, today: dateIn(now, zone), zone: zone, free: k.Billing == "free"}
	var row struct {
		AlertBelow int64      `db:"alert_below"`
		Level      int        `db:"level"`
		LastSMS    *time.Time `db:"last_sms_on"`
	}
	err = tx.GetContext(ctx, &row, lockPurse, account)
	if errors.Is(err, sql.ErrNoRows) {
		if _, err = tx.ExecContext(ctx, `INSERT INTO credit_accounts (account_id) VALUES ($1) ON CONFLICT (account_id) DO NOTHING`, account); err == nil {
			err = tx.GetContext(ctx, &row, lockPurse, account)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("lock the credits of account %d: %w", account, err)
	}
	p.alertBelow, p.level = row.AlertBelow, row.Level
	if row.LastSMS != nil {
		p.lastSMS = utc(*row.LastSMS)
	}
	return p, p.readTx(ctx, tx)
}

// utc makes a date of the driver's one of ours.
func utc(d time.Time) time.Time {
	return time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, time.UTC)
}

const lotColumns = `l.id, l.source, l.priority, l.granted_on, l.expires_on, l.ended_on`

// lotBalances are what lots l have by balances b.
const lotBalances = `CAST(COALESCE(sum(b.balance) FILTER (WHERE b.name = 'available'), 0) AS bigint) AS available,
	CAST(COALESCE(sum(b.balance) FILTER (WHERE b.name = 'held'), 0) AS bigint) AS held`

// readTx reads the lots with something in them that aren't marked as ended.
func (p *purse) readTx(ctx context.Context, tx *sqlx.Tx) error {
	var lots []Lot
	if err := tx.SelectContext(ctx, &lots, `SELECT `+lotColumns+`, `+lotBalances+`
		FROM ledger_balances b JOIN credit_lots l ON l.account_id = b.account_id AND l.id = b.item
		WHERE b.account_id = $1 AND l.account_id = $1 AND b.unit = 'SMS' AND b.name IN ('available', 'held') AND b.balance > 0 AND l.ended_on IS NULL
		GROUP BY l.account_id, l.id`, p.account); err != nil {
		return fmt.Errorf("read the lots of account %d: %w", p.account, err)
	}
	p.sort(lots)
	return nil
}

// sort tells the lots that can be used from those that have ended.
func (p *purse) sort(lots []Lot) {
	p.lots, p.ended = nil, nil
	for _, l := range lots {
		l.clean()
		if l.EndsOn(p.lastSMS).After(p.today) {
			p.lots = append(p.lots, l)
		} else {
			p.ended = append(p.ended, l)
		}
	}
	order(p.lots, p.lastSMS)
	order(p.ended, p.lastSMS)
}

// clean makes the dates of the driver's ours.
func (l *Lot) clean() {
	l.GrantedOn = utc(l.GrantedOn)
	for _, day := range []**time.Time{&l.ExpiresOn, &l.EndedOn} {
		if *day != nil {
			d := utc(**day)
			*day = &d
		}
	}
}

// available is what can be used.
func (p *purse) available() (n int64) {
	for _, l := range p.lots {
		n += l.Available
	}
	return n
}

// put adds credits to a lot that is in the purse, or was.
func (p *purse) put(l Lot, n int64) {
	all := slices.Concat(p.lots, p.ended)
	if i := slices.IndexFunc(all, func(known Lot) bool { return known.ID == l.ID }); i >= 0 {
		all[i].Available += n
	} else {
		l.Available = n
		all = append(all, l)
	}
	p.sort(all)
}

// sms is a place in the books of credits.
func sms(name string, item int64) ledger.Place {
	return ledger.Place{Unit: ledger.SMS, Name: name, Item: item}
}

// moves books portions from one account of the chart to another, lot by lot.
func moves(portions []portion, from, to string) (entries []ledger.Entry) {
	for _, t := range portions {
		entries = append(entries, ledger.Move(t.credits, sms(from, t.lot), sms(to, t.lot))...)
	}
	return entries
}

// bookTx books entries if there are any.
func (p *purse) bookTx(ctx context.Context, tx *sqlx.Tx, key, kind, note string, entries []ledger.Entry, now time.Time) error {
	if len(entries) == 0 {
		return nil
	}
	_, fresh, err := ledger.PostTx(ctx, tx, ledger.Tx{Account: p.account, Key: key, Kind: kind, Note: note, Entries: entries, At: now})
	if err == nil && !fresh {
		err = fmt.Errorf("%w: %s of account %d was booked before", ErrKey, kind, p.account)
	}
	return err
}

// setTx writes the level and the day of the last text, if they are other than before.
func (p *purse) setTx(ctx context.Context, tx *sqlx.Tx, level int, lastSMS time.Time) error {
	if level == p.level && lastSMS.Equal(p.lastSMS) {
		return nil
	}
	p.level, p.lastSMS = level, lastSMS
	day := sql.NullTime{Time: lastSMS, Valid: !lastSMS.IsZero()}
	if _, err := tx.ExecContext(ctx, `UPDATE credit_accounts SET level = $2, last_sms_on = CAST($3 AS date) WHERE account_id = $1`, p.account, level, day); err != nil {
		return fmt.Errorf("write the credit level of account %d: %w", p.account, err)
	}
	return nil
}

// fallen is the level once credits were used or lapsed: it rises only by a top-up.
func (p *purse) fallen() int {
	if p.level == enough && p.available() < p.alertBelow {
		return low
	}
	return p.level
}

// toppedUp is the level once credits were added.
func (p *purse) toppedUp() int {
	if p.available() < p.alertBelow {
		return low
	}
	return enough
}

// DueKind is the kind of due work the Credits lease: lots end.
const DueKind = "credits"

// grace is how long after midnight lots are marked as ended: a text accepted right before
// may be recorded right after, and keeps them alive. They aren't used meanwhile.
const grace = 5 * time.Minute

// nextEnd is when the next lot is to be ended, zero if none is.
func (p *purse) nextEnd() (next time.Time) {
	for _, l := range slices.Concat(p.lots, p.ended) {
		if at := midnight(l.EndsOn(p.lastSMS), p.zone).Add(grace); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// raiseTx says when lots end, and that messages may go that wait for credit.
func (p *purse) raiseTx(ctx context.Context, tx *sqlx.Tx, kinds map[string]time.Time) error {
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		if at := kinds[kind]; !at.IsZero() {
			if err := due.Raise(ctx, tx, kind, p.account, at); err != nil {
				return err
			}
		}
	}
	return nil
}
