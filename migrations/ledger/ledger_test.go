package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"pgregory.net/rapid"

	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/migrations/ledger"
)

var epoch = time.Date(2027, 3, 11, 9, 0, 0, 0, time.UTC)

func addAccounts(t testing.TB, db *sqlx.DB, n int) {
	t.Helper()
	if _, err := db.Exec(`INSERT INTO accounts (account_id, business, created_at) SELECT i, 'Practice ' || i, $1 FROM generate_series(1, $2) AS i`, epoch, n); err != nil {
		t.Fatal(err)
	}
}

func lot(name string, item int64) ledger.Place {
	return ledger.Place{Unit: ledger.SMS, Name: name, Item: item}
}

func move(key string, amount int64, from, to ledger.Place) ledger.Tx {
	return ledger.Tx{Account: 1, Key: key, Kind: "test", At: epoch, Entries: ledger.Move(amount, from, to)}
}

func post(db *sqlx.DB, t ledger.Tx) (id int64, fresh bool, err error) {
	err = migrations.InTx(context.Background(), db, func(tx *sqlx.Tx) (err error) {
		id, fresh, err = ledger.PostTx(context.Background(), tx, t)
		return err
	})
	return id, fresh, err
}

func balance(t testing.TB, db *sqlx.DB, account int64, p ledger.Place) int64 {
	t.Helper()
	n, err := ledger.BalanceTx(context.Background(), db, account, p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPostTx(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	addAccounts(t, db, 1)
	granted, available, held := lot("granted", 7), lot("available", 7), lot("held", 7)
	first, fresh, err := post(db, move("grant", 10, granted, available))
	if err != nil || !fresh {
		t.Fatalf("PostTx = %d, %t, %v", first, fresh, err)
	}
	again, fresh, err := post(db, move("grant", 10, granted, available))
	if err != nil || fresh || again != first {
		t.Errorf("the same again = %d, %t, %v; want %d, not fresh", again, fresh, err, first)
	}
	for name, tt := range map[string]struct {
		tx   ledger.Tx
		want error
	}{
		"the key for another amount":   {move("grant", 11, granted, available), ledger.ErrKey},
		"no key":                       {move("", 1, granted, available), ledger.ErrKey},
		"more than there is":           {move("x", 11, available, held), ledger.ErrShort},
		"no such account of the chart": {move("x", 1, lot("nowhere", 0), available), ledger.ErrEntries},
		"one unit only in part":        {ledger.Tx{Account: 1, Key: "x", Kind: "test", At: epoch, Entries: []ledger.Entry{{available, 1}, {held, 1}}}, ledger.ErrEntries},
		"nothing":                      {ledger.Tx{Account: 1, Key: "x", Kind: "test", At: epoch}, ledger.ErrEntries},
		"nothing after all":            {move("x", 1, available, available), ledger.ErrEntries},
		"too much to count":            {ledger.Tx{Account: 1, Key: "x", Kind: "test", At: epoch, Entries: []ledger.Entry{{available, 1 << 62}, {available, 1 << 62}}}, ledger.ErrEntries},
	} {
		if _, _, err := post(db, tt.tx); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	if got := balance(t, db, 1, available); got != 10 {
		t.Errorf("available %d, want 10", got)
	}
	rows, err := ledger.ListTx(t.Context(), db, ledger.Query{Account: 1, Unit: ledger.SMS, Name: "available"})
	if err != nil || len(rows) != 2 || rows[0].TxID != first || rows[0].Place != available || rows[1].Amount != -10 {
		t.Errorf("ListTx = %+v, %v", rows, err)
	}
	if err := ledger.CheckTx(t.Context(), db, 1); err != nil {
		t.Error(err)
	}
}

func TestReverseTx(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	addAccounts(t, db, 1)
	granted, available, held := lot("granted", 7), lot("available", 7), lot("held", 7)
	id, _, err := post(db, move("grant", 10, granted, available))
	if err != nil {
		t.Fatal(err)
	}
	reverse := func(key string, id int64) (fresh bool, err error) {
		err = migrations.InTx(t.Context(), db, func(tx *sqlx.Tx) (err error) {
			_, fresh, err = ledger.ReverseTx(t.Context(), tx, ledger.Reversal{Account: 1, TxID: id, Key: key, Kind: "undo", Note: "entered twice", At: epoch})
			return err
		})
		return fresh, err
	}
	if _, _, err := post(db, move("hold", 4, available, held)); err != nil {
		t.Fatal(err)
	}
	if _, err := reverse("undo", id); !errors.Is(err, ledger.ErrShort) {
		t.Errorf("reversing what is used: %v, want ErrShort", err)
	}
	if _, _, err := post(db, move("release", 4, held, available)); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} {
		if fresh, err := reverse("undo", id); err != nil || fresh != want {
			t.Errorf("reversal %d: fresh %t, %v", i+1, fresh, err)
		}
	}
	if _, err := reverse("undo anew", id); !errors.Is(err, ledger.ErrReversed) {
		t.Errorf("a second reversal: %v, want ErrReversed", err)
	}
	if _, err := reverse("undo", 999); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("reversing nothing: %v, want ErrNotFound", err)
	}
	if got := balance(t, db, 1, available); got != 0 {
		t.Errorf("available %d, want 0", got)
	}
}

// What the package would never ask for, the database refuses all the same.
func TestSchema_refuses(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	addAccounts(t, db, 2)
	id, _, err := post(db, move("grant", 10, lot("granted", 7), lot("available", 7)))
	if err != nil {
		t.Fatal(err)
	}
	const head = `INSERT INTO ledger_tx (account_id, id, key, kind, lines, booked_at) VALUES (1, 900, 'k', 'test', 2, '2027-01-01T00:00:00Z');`
	line := func(tx int64, line int, name string, amount int64) string {
		return fmt.Sprintf(`INSERT INTO ledger_entries (account_id, tx_id, line, unit, name, item, amount) VALUES (1, %d, %d, 'SMS', '%s', 7, %d);`, tx, line, name, amount)
	}
	for name, tt := range map[string]struct{ sql, state string }{
		"a sum other than zero":           {head + line(900, 1, "granted", -2) + line(900, 2, "available", 1), "RP002"},
		"a transaction without entries":   {head, "RP002"},
		"a line too few":                  {head + line(900, 1, "granted", -1), "RP002"},
		"lines added later":               {line(id, 3, "granted", -1) + line(id, 4, "available", 1), "RP002"},
		"a balance below its minimum":     {head + line(900, 1, "available", -11) + line(900, 2, "held", 11), "RP001"},
		"an entry of nothing":             {head + line(900, 1, "available", 0) + line(900, 2, "held", 0), "23514"},
		"the same key again":              {`INSERT INTO ledger_tx (account_id, key, kind, lines, booked_at) VALUES (1, 'grant', 'test', 2, '2027-01-01T00:00:00Z')`, "23505"},
		"a changed entry":                 {`UPDATE ledger_entries SET amount = amount`, "42501"},
		"a deleted entry":                 {`DELETE FROM ledger_entries`, "42501"},
		"a changed transaction":           {`UPDATE ledger_tx SET note = 'x'`, "42501"},
		"a deleted transaction":           {`DELETE FROM ledger_tx`, "42501"},
		"a written balance":               {`UPDATE ledger_balances SET balance = 100`, "42501"},
		"an invented balance":             {`INSERT INTO ledger_balances (account_id, unit, name, item, balance) VALUES (2, 'SMS', 'available', 1, 5)`, "42501"},
		"a deleted balance":               {`DELETE FROM ledger_balances`, "42501"},
		"emptied books":                   {`TRUNCATE ledger_tx CASCADE`, "42501"},
		"emptied balances":                {`TRUNCATE ledger_balances`, "42501"},
		"an account gone with its books":  {`DELETE FROM accounts WHERE account_id = 1`, "23503"},
		"a reversal of another's booking": {fmt.Sprintf(`INSERT INTO ledger_tx (account_id, key, kind, lines, reverses_id, booked_at) VALUES (2, 'r', 'test', 2, %d, '2027-01-01T00:00:00Z')`, id), "23503"},
	} {
		_, err := db.Exec(tt.sql)
		if pq.As(err, pqerror.Code(tt.state)) == nil {
			t.Errorf("%s: %v, want SQLSTATE %s", name, err, tt.state)
		}
	}
	if err := ledger.CheckTx(t.Context(), db, 1); err != nil {
		t.Error(err)
	}
}

// N take one each of B at the same time: exactly B of them get it.
func TestPostTx_concurrently(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	addAccounts(t, db, 1)
	const n, b = 40, 13
	if _, _, err := post(db, move("grant", b, lot("granted", 7), lot("available", 7))); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			_, _, errs[i] = post(db, move(fmt.Sprintf("hold %d", i), 1, lot("available", 7), lot("held", 7)))
		})
	}
	wg.Wait()
	got := 0
	for _, err := range errs {
		if err == nil {
			got++
		} else if !errors.Is(err, ledger.ErrShort) {
			t.Error(err)
		}
	}
	if left := balance(t, db, 1, lot("available", 7)); got != b || left != 0 {
		t.Errorf("%d got one, %d left; want %d and 0", got, left, b)
	}
}

// The web books for its own account and no other, and can't write a balance.
func TestPostTx_web(t *testing.T) {
	t.Parallel()
	dsn := dbtest.NewDSN(t)
	db, web := dbtest.Open(t, dsn), dbtest.Web(t, dsn)
	addAccounts(t, db, 2)
	err := migrations.InAccount(t.Context(), web, 1, func(tx *sqlx.Tx) error {
		_, _, err := ledger.PostTx(t.Context(), tx, move("grant", 3, lot("granted", 7), lot("available", 7)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, do := range []func(tx *sqlx.Tx) error{
		func(tx *sqlx.Tx) error {
			other := move("grant", 3, lot("granted", 7), lot("available", 7))
			other.Account = 2
			_, _, err := ledger.PostTx(t.Context(), tx, other)
			return err
		},
		func(tx *sqlx.Tx) error { _, err := tx.Exec(`UPDATE ledger_balances SET balance = 9`); return err },
	} {
		if err := migrations.InAccount(t.Context(), web, 1, do); pq.As(err, "42501") == nil {
			t.Errorf("%v, want it refused", err)
		}
	}
	if got := balance(t, db, 1, lot("available", 7)); got != 3 {
		t.Errorf("available %d, want 3", got)
	}
}

// Whatever is booked, reversed or repeated, in whatever order: the balances are those of a
// map that is added to, and the books prove themselves.
func TestLedger_model(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), dbtest.New(t)
	account := int64(0)
	rapid.Check(t, func(t *rapid.T) {
		account++
		if _, err := db.Exec(`INSERT INTO accounts (account_id, business, created_at) VALUES ($1, 'P', $2)`, account, epoch); err != nil {
			t.Fatal(err)
		}
		names := []string{"granted", "available", "held", "owed"}
		floor := map[string]bool{"available": true, "held": true}
		model := map[ledger.Place]int64{}
		type booked struct {
			id      int64
			entries []ledger.Entry
			undone  bool
		}
		var keys []string
		done := map[string]*booked{}
		apply := func(entries []ledger.Entry) bool {
			next := map[ledger.Place]int64{}
			for _, e := range entries {
				if _, ok := next[e.Place]; !ok {
					next[e.Place] = model[e.Place]
				}
				next[e.Place] += e.Amount
			}
			for p, n := range next {
				if floor[p.Name] && n < 0 && n != model[p] {
					return false
				}
			}
			for p, n := range next {
				model[p] = n
			}
			return true
		}
		place := rapid.Custom(func(t *rapid.T) ledger.Place {
			return lot(rapid.SampledFrom(names).Draw(t, "name"), rapid.Int64Range(1, 2).Draw(t, "item"))
		})
		t.Repeat(map[string]func(*rapid.T){
			"book": func(t *rapid.T) {
				from, to := place.Draw(t, "from"), place.Draw(t, "to")
				if from == to {
					return
				}
				key := fmt.Sprintf("k%d", len(keys))
				tx := ledger.Tx{Account: account, Key: key, Kind: "test", At: epoch, Entries: ledger.Move(rapid.Int64Range(1, 9).Draw(t, "amount"), from, to)}
				id, fresh, err := post(db, tx)
				if !apply(tx.Entries) {
					if !errors.Is(err, ledger.ErrShort) {
						t.Fatalf("%v, want ErrShort", err)
					}
					return
				}
				if err != nil || !fresh {
					t.Fatalf("fresh %t, %v", fresh, err)
				}
				keys, done[key] = append(keys, key), &booked{id: id, entries: tx.Entries}
			},
			"repeat": func(t *rapid.T) {
				if len(keys) == 0 {
					return
				}
				key := rapid.SampledFrom(keys).Draw(t, "key")
				id, fresh, err := post(db, ledger.Tx{Account: account, Key: key, Kind: "test", At: epoch, Entries: done[key].entries})
				if err != nil || fresh || id != done[key].id {
					t.Fatalf("repeated: %d, %t, %v", id, fresh, err)
				}
			},
			"reverse": func(t *rapid.T) {
				if len(keys) == 0 {
					return
				}
				key := rapid.SampledFrom(keys).Draw(t, "key")
				b := done[key]
				var fresh bool
				err := migrations.InTx(ctx, db, func(tx *sqlx.Tx) (err error) {
					_, fresh, err = ledger.ReverseTx(ctx, tx, ledger.Reversal{Account: account, TxID: b.id, Key: "undo " + key, Kind: "undo", At: epoch})
					return err
				})
				if b.undone {
					if err != nil || fresh {
						t.Fatalf("reversed again: %t, %v", fresh, err)
					}
					return
				}
				var opposite []ledger.Entry
				for _, e := range b.entries {
					opposite = append(opposite, ledger.Entry{Place: e.Place, Amount: -e.Amount})
				}
				if !apply(opposite) {
					if !errors.Is(err, ledger.ErrShort) {
						t.Fatalf("%v, want ErrShort", err)
					}
					return
				}
				if err != nil || !fresh {
					t.Fatalf("fresh %t, %v", fresh, err)
				}
				b.undone = true
			},
		})
		if err := ledger.CheckTx(ctx, db, account); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			items, err := ledger.ItemsTx(ctx, db, account, ledger.SMS, name)
			if err != nil {
				t.Fatal(err)
			}
			want := map[int64]int64{}
			total := int64(0)
			for p, n := range model {
				if p.Name == name && n != 0 {
					want[p.Item] = n
					total += n
				}
			}
			if diff := cmp.Diff(want, items); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", name, diff)
			}
			if got, err := ledger.TotalTx(ctx, db, account, ledger.SMS, name); err != nil || got != total {
				t.Fatalf("total of %s: %d, %v; want %d", name, got, err, total)
			}
		}
	})
}
