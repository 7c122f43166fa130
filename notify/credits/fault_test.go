package credits_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/notify"
	"rappel/notify/credits"
)

// faults is a database that goes away at one chosen statement, BEGIN and COMMIT counted.
type faults struct {
	mu    sync.Mutex
	count int
	at    int  // which; 0 = none
	after bool // of COMMIT: only the answer is lost
	hit   bool
}

var errGone = errors.New("the database went away")

func (f *faults) arm(at int, after bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count, f.at, f.after, f.hit = 0, at, after, false
}

func (f *faults) step(s dbtest.Step) (before, after error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count++; f.count != f.at {
		return nil, nil
	}
	f.hit = true
	if f.after && s == dbtest.Commit {
		return nil, errGone
	}
	return errGone, nil
}

// state is everything credits may write, without what differs from run to run.
func (b *bench) state() (all []string) {
	b.Helper()
	for _, query := range []string{
		`SELECT concat_ws(' ', 'tx', account_id, key, kind, lines) FROM ledger_tx ORDER BY 1`,
		`SELECT concat_ws(' ', 'entry', e.account_id, t.key, e.name, l.grant_key, e.amount) FROM ledger_entries e
			JOIN ledger_tx t ON t.account_id = e.account_id AND t.id = e.tx_id LEFT JOIN credit_lots l ON l.account_id = e.account_id AND l.id = e.item ORDER BY 1`,
		`SELECT concat_ws(' ', 'lot', account_id, source, granted_on, expires_on, grant_key) FROM credit_lots ORDER BY 1`,
		`SELECT concat_ws(' ', 'hold', h.account_id, h.message_id, l.grant_key, h.credits) FROM credit_holds h LEFT JOIN credit_lots l ON l.account_id = h.account_id AND l.id = h.lot_id ORDER BY 1`,
		`SELECT concat_ws(' ', 'settled', account_id, captured, credits, messages) FROM credit_settlements ORDER BY 1`,
		`SELECT concat_ws(' ', 'purse', account_id, alert_below, level, told, last_sms_on) FROM credit_accounts ORDER BY 1`,
		`SELECT concat_ws(' ', 'usage', account_id, month, country, kind, messages, segments, credits) FROM credit_usage ORDER BY 1`,
		`SELECT concat_ws(' ', 'notice', account_id, kind, subject, resolved_at IS NULL) FROM notices ORDER BY 1`,
	} {
		var rows []string
		b.ok(b.db.Select(&rows, query))
		for _, r := range rows {
			all = append(all, settleKeys(r))
		}
	}
	return all
}

// settleKeys leaves out the ids in keys, which a failed try may use up.
func settleKeys(row string) string {
	words := strings.Fields(row)
	for i, w := range words {
		for _, prefix := range []string{"settle/", "repay/settle/", "expire/"} {
			if strings.HasPrefix(w, prefix) {
				words[i] = prefix
			}
		}
	}
	return strings.Join(words, " ")
}

// Whatever statement of whatever work the database goes away at, nothing of it is left;
// done again, all of it is there, once. If only the answer to COMMIT is lost, doing it
// again changes nothing.
func TestCredits_faultAtEveryStatement(t *testing.T) {
	t.Parallel()
	works := map[string]struct {
		prepare func(b *bench)
		do      func(ctx context.Context, c *credits.Credits, tx *sqlx.Tx) error
		once    bool // doing it again is the caller's to know: a message is queued once
	}{
		"grant": {nil, func(ctx context.Context, c *credits.Credits, tx *sqlx.Tx) error {
			return c.GrantTx(ctx, tx, credits.Grant{Account: 1, Key: "order/1", Source: credits.Bought, Credits: 500})
		}, false},
		"hold": {nil, func(ctx context.Context, c *credits.Credits, tx *sqlx.Tx) error {
			owed := charge(3, 9)
			owed.Owed = true
			_, err := c.HoldTx(ctx, tx, 1, []notify.Charge{charge(1, 2), charge(2, 20), owed})
			return err
		}, true},
		"capture and release": {func(b *bench) {
			_, err := b.hold(1, charge(1, 2), charge(2, 3))
			b.ok(err)
		}, func(ctx context.Context, c *credits.Credits, tx *sqlx.Tx) error {
			return c.SettleTx(ctx, tx, []notify.Settlement{{MessageRef: notify.MessageRef{AccountID: 1, ID: 1}, Captured: true, At: epoch},
				{MessageRef: notify.MessageRef{AccountID: 1, ID: 2}, At: epoch}})
		}, false},
		"booking them": {func(b *bench) {
			_, err := b.hold(1, charge(1, 2), charge(2, 3))
			b.ok(err)
			b.ok(b.settle(1, 1, true))
			b.ok(b.settle(1, 2, false))
		}, func(ctx context.Context, c *credits.Credits, tx *sqlx.Tx) error {
			_, err := c.BookTx(ctx, tx, 1, epoch)
			return err
		}, false},
		"expiry": {func(b *bench) {
			_, err := b.hold(1, charge(1, 2), charge(2, 1))
			b.ok(err)
			b.ok(b.settle(1, 1, false))
			b.clock.set(epoch.AddDate(0, 2, 0))
		}, func(ctx context.Context, c *credits.Credits, tx *sqlx.Tx) error {
			_, err := c.ExpireTx(ctx, tx, 1, epoch.AddDate(0, 2, 0))
			return err
		}, false},
		"transfer": {nil, func(ctx context.Context, c *credits.Credits, tx *sqlx.Tx) error {
			_, err := c.TransferTx(ctx, tx, credits.Transfer{From: 1, To: 2, Credits: 6, Key: "t"})
			return err
		}, false},
		"alert": {func(b *bench) {
			_, err := b.hold(1, charge(1, 99))
			b.ok(err)
		}, func(ctx context.Context, c *credits.Credits, tx *sqlx.Tx) error { return c.TellTx(ctx, tx, 1, epoch) }, false},
	}
	for name, work := range works {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.account(2, 1)
			b.ok(b.grant(credits.Grant{Key: "g", Source: credits.Gift, Credits: 5, ExpiresOn: date(2027, 5, 1)}))
			b.ok(b.grant(credits.Grant{Key: "h", Source: credits.Gift, Credits: 5}))
			if work.prepare != nil {
				work.prepare(b)
			}
			f := &faults{}
			faulty := dbtest.Faulty(t, b.dsn, f.step)
			do := func() error {
				return migrations.InTx(t.Context(), faulty, func(tx *sqlx.Tx) error { return work.do(t.Context(), b.over(faulty), tx) })
			}
			before, statements := b.state(), 0
			for n := 1; ; n++ {
				f.arm(n, false)
				err := do()
				if !f.hit {
					b.ok(err)
					break
				}
				statements++
				if !errors.Is(err, errGone) {
					t.Fatalf("statement %d failed and nobody noticed: %v", n, err)
				}
				if diff := cmp.Diff(before, b.state()); diff != "" {
					t.Fatalf("statement %d failed and left (-before +after):\n%s", n, diff)
				}
			}
			if statements < 3 {
				t.Errorf("only %d statements were tried", statements)
			}
			after := b.state()
			if cmp.Equal(before, after) {
				t.Error("nothing was done")
			}
			if !work.once {
				f.arm(0, false)
				b.ok(do())
				if diff := cmp.Diff(after, b.state()); diff != "" {
					t.Errorf("done again (-once +twice):\n%s", diff)
				}
			}
			b.check(1, 2)
		})
	}
}

// The answer to COMMIT is lost, and whoever asked asks again.
func TestCredits_answerLost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.account(2, 1)
	f := &faults{}
	faulty := dbtest.Faulty(t, b.dsn, f.step)
	c := b.over(faulty)
	do := func(work func(tx *sqlx.Tx) error) {
		t.Helper()
		for n := 1; ; n++ {
			f.arm(n, true)
			err := migrations.InTx(t.Context(), faulty, work)
			if !f.hit {
				b.ok(err)
				break
			}
		}
	}
	do(func(tx *sqlx.Tx) error {
		return c.GrantTx(t.Context(), tx, credits.Grant{Account: 1, Key: "order/1", Source: credits.Bought, Credits: 500})
	})
	do(func(tx *sqlx.Tx) error {
		_, err := c.TransferTx(t.Context(), tx, credits.Transfer{From: 1, To: 2, Credits: 6, Key: "t"})
		return err
	})
	_, err := b.hold(1, charge(1, 4), charge(2, 4))
	b.ok(err)
	do(func(tx *sqlx.Tx) error {
		return c.SettleTx(t.Context(), tx, []notify.Settlement{{MessageRef: notify.MessageRef{AccountID: 1, ID: 1}, Captured: true, At: epoch},
			{MessageRef: notify.MessageRef{AccountID: 1, ID: 2}, At: epoch}})
	})
	do(func(tx *sqlx.Tx) error {
		_, err := c.BookTx(t.Context(), tx, 1, epoch)
		return err
	})
	got := fmt.Sprint(b.balance(1).Available, b.total(1, "consumed"), b.balance(2).Available)
	if got != fmt.Sprint(1000-6-4, 4, 6) {
		t.Errorf("available, consumed, transferred: %s", got)
	}
	b.check(1, 2)
}
