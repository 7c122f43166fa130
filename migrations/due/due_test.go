package due_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"
	"pgregory.net/rapid"

	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/migrations/due"
)

const kind = "remind"

var epoch = time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)

// addAccounts makes accounts 1 to n.
func addAccounts(t testing.TB, db *sqlx.DB, n int) {
	t.Helper()
	_, err := db.Exec(`INSERT INTO accounts (account_id, business, created_at)
		SELECT i, 'Clinic', $2 FROM generate_series(1, $1) i`, n, epoch)
	if err != nil {
		t.Fatal(err)
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	later, soon := epoch.Add(time.Hour), epoch.Add(time.Minute)
	tests := []struct {
		name   string
		raised time.Time // during the lease
		next   time.Time // what the holder knows
		want   time.Time // when there is work again, zero: never
	}{
		{"nothing known, nothing raised", time.Time{}, time.Time{}, time.Time{}},
		{"the holder knows the next", time.Time{}, later, later},
		{"raised meanwhile", soon, time.Time{}, soon},
		{"raised earlier than the holder knows", soon, later, soon},
		{"raised later than the holder knows", later, soon, soon},
		{"raised for now", epoch, later, epoch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, db := t.Context(), dbtest.New(t)
			addAccounts(t, db, 1)
			must(t, due.Raise(ctx, db, kind, 1, epoch))
			got, err := due.Lease(ctx, db, kind, "a", epoch, 10, 2*time.Hour)
			if err != nil || !slices.Equal(got, []int64{1}) {
				t.Fatalf("Lease = %v, %v", got, err)
			}
			if !tt.raised.IsZero() {
				must(t, due.Raise(ctx, db, kind, 1, tt.raised))
			}
			if err := due.Release(ctx, db, kind, "b", 1, tt.next); !errors.Is(err, due.ErrLost) {
				t.Fatalf("a stranger's Release = %v, want ErrLost", err)
			}
			must(t, due.Release(ctx, db, kind, "a", 1, tt.next))
			if err := due.Release(ctx, db, kind, "a", 1, tt.next); !errors.Is(err, due.ErrLost) {
				t.Fatalf("second Release = %v, want ErrLost", err)
			}
			var never bool
			must(t, db.Get(&never, `SELECT due_at = 'infinity' FROM due`))
			if never != tt.want.IsZero() {
				t.Fatalf("never due = %t, want %t", never, tt.want.IsZero())
			}
			if never {
				return
			}
			early, err := due.Lease(ctx, db, kind, "a", tt.want.Add(-time.Microsecond), 10, time.Hour)
			if err != nil || len(early) != 0 {
				t.Fatalf("leased too early: %v, %v", early, err)
			}
			then, err := due.Lease(ctx, db, kind, "a", tt.want, 10, time.Hour)
			if err != nil || len(then) != 1 {
				t.Fatalf("Lease at %v = %v, %v", tt.want, then, err)
			}
		})
	}
}

func TestRaise_joinsTheTransaction(t *testing.T) {
	t.Parallel()
	ctx, db := t.Context(), dbtest.New(t)
	addAccounts(t, db, 1)
	oops := errors.New("oops")
	err := migrations.InTx(ctx, db, func(tx *sqlx.Tx) error {
		must(t, due.Raise(ctx, tx, kind, 1, epoch))
		return oops
	})
	if !errors.Is(err, oops) {
		t.Fatal(err)
	}
	if got, err := due.Lease(ctx, db, kind, "a", epoch, 1, time.Hour); err != nil || len(got) != 0 {
		t.Fatalf("a rolled back Raise was leased: %v, %v", got, err)
	}
}

func TestRaise_asTheWeb(t *testing.T) {
	t.Parallel()
	ctx, dsn := t.Context(), dbtest.NewDSN(t)
	db, web := dbtest.Open(t, dsn), dbtest.Web(t, dsn)
	addAccounts(t, db, 1)
	for _, at := range []time.Time{epoch.Add(time.Hour), epoch} {
		must(t, migrations.InAccount(ctx, web, 1, func(tx *sqlx.Tx) error { return due.Raise(ctx, tx, kind, 1, at) }))
	}
	if got, err := due.Lease(ctx, db, kind, "a", epoch, 1, time.Hour); err != nil || len(got) != 1 {
		t.Fatalf("Lease = %v, %v", got, err)
	}
}

func TestLease_kindsAreApart(t *testing.T) {
	t.Parallel()
	ctx, db := t.Context(), dbtest.New(t)
	addAccounts(t, db, 1)
	must(t, due.Raise(ctx, db, "sync", 1, epoch))
	if got, err := due.Lease(ctx, db, "dispatch", "a", epoch, 1, time.Hour); err != nil || len(got) != 0 {
		t.Fatalf("Lease of another kind = %v, %v", got, err)
	}
}

// Many at once: every account goes to exactly one, no call takes more than its limit.
func TestLease_concurrently(t *testing.T) {
	t.Parallel()
	const accounts, limit = 200, 7
	ctx, db := t.Context(), dbtest.New(t)
	addAccounts(t, db, accounts)
	for a := range int64(accounts) {
		must(t, due.Raise(ctx, db, kind, a+1, epoch))
	}
	var mu sync.Mutex
	var all []int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			owner := due.NewOwner()
			for {
				got, err := due.Lease(ctx, db, kind, owner, epoch, limit, time.Hour)
				if err != nil || len(got) > limit {
					t.Errorf("Lease = %d accounts, %v", len(got), err)
					return
				}
				mu.Lock()
				all = append(all, got...)
				mu.Unlock()
				// Rows others hold are skipped, so an empty answer may come early.
				if mu.Lock(); len(got) == 0 && len(all) >= accounts {
					mu.Unlock()
					return
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(all)
	want := make([]int64, accounts)
	for i := range want {
		want[i] = int64(i + 1)
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("leased accounts (-want +got):\n%s", diff)
	}
}

// row is the model of one account: when it has work, and who holds it.
type row struct {
	at    time.Time // zero: no word
	owner string
	until time.Time
}

// Whatever is raised, leased, extended, given back or forgotten by a crash: a lease
// brings exactly the accounts with due work that nobody alive holds, and in the end
// nothing raised was lost.
func TestLease_model(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), dbtest.New(t)
	const accounts = 5
	addAccounts(t, db, accounts)
	rapid.Check(t, func(t *rapid.T) {
		if _, err := db.Exec(`DELETE FROM due`); err != nil {
			t.Fatal(err)
		}
		now := epoch
		model := map[int64]*row{}
		account := rapid.Int64Range(1, accounts)
		owner := rapid.SampledFrom([]string{"a", "b", "c"})
		offset := rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.IntRange(-30, 300).Draw(t, "seconds")) * time.Second
		})
		takes := func(t *rapid.T, who string, limit int, leaseFor time.Duration) {
			var want []int64
			for a, r := range model {
				if r.owner == "" && !r.at.IsZero() && !r.at.After(now) || r.owner != "" && !r.until.After(now) {
					want = append(want, a)
				}
			}
			got, err := due.Lease(ctx, db, kind, who, now, limit, leaseFor)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range got {
				if !slices.Contains(want, a) {
					t.Fatalf("leased account %d, which has no due work or is held: %+v at %v", a, model[a], now)
				}
				model[a] = &row{owner: who, until: now.Add(leaseFor)}
			}
			slices.Sort(got)
			if len(got) != min(limit, len(want)) || len(slices.Compact(got)) != len(got) {
				t.Fatalf("leased %v with limit %d of %v", got, limit, want)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"raise": func(t *rapid.T) {
				a, at := account.Draw(t, "account"), now.Add(offset.Draw(t, "offset"))
				must(t, due.Raise(ctx, db, kind, a, at))
				r := model[a]
				if r == nil {
					r = &row{}
					model[a] = r
				}
				if r.at.IsZero() || at.Before(r.at) {
					r.at = at
				}
			},
			"lease": func(t *rapid.T) {
				takes(t, owner.Draw(t, "owner"), rapid.IntRange(1, accounts).Draw(t, "limit"),
					time.Duration(rapid.IntRange(1, 120).Draw(t, "lease"))*time.Second)
			},
			"release": func(t *rapid.T) {
				a, who := account.Draw(t, "account"), owner.Draw(t, "owner")
				var next time.Time
				if rapid.Bool().Draw(t, "knows") {
					next = now.Add(offset.Draw(t, "next"))
				}
				err := due.Release(ctx, db, kind, who, a, next)
				r := model[a]
				if r == nil || r.owner != who {
					if !errors.Is(err, due.ErrLost) {
						t.Fatalf("Release without the lease = %v, want ErrLost", err)
					}
					return
				}
				must(t, err)
				r.owner, r.until = "", time.Time{}
				if !next.IsZero() && (r.at.IsZero() || next.Before(r.at)) {
					r.at = next
				}
			},
			"extend": func(t *rapid.T) {
				a, who, until := account.Draw(t, "account"), owner.Draw(t, "owner"), now.Add(time.Minute)
				err := due.Extend(ctx, db, kind, who, a, until)
				r := model[a]
				if r == nil || r.owner != who {
					if !errors.Is(err, due.ErrLost) {
						t.Fatalf("Extend without the lease = %v, want ErrLost", err)
					}
					return
				}
				must(t, err)
				r.until = until
			},
			// A crash is a holder that never comes back: time goes on, nothing else.
			"time passes": func(t *rapid.T) { now = now.Add(max(0, offset.Draw(t, "passed"))) },
		})
		// Long after: all leases are dead, all instants past. Every account with word
		// or with a dead lease must turn up (takes checks that it is exactly those).
		now = now.Add(24 * time.Hour)
		takes(t, "z", accounts, time.Minute)
	})
}

func must(t interface {
	Helper()
	Fatal(...any)
}, err error,
) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A process told to stop while it leases either gets the account, or leaves it to others.
func TestLease_whileStopping(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	addAccounts(t, db, 1)
	for range 200 {
		must(t, due.Raise(t.Context(), db, kind, 1, epoch))
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(stop)
		got, err := due.Lease(ctx, db, kind, "a", epoch, 1, time.Hour)
		wg.Wait()
		if err != nil {
			if got, err := due.Lease(t.Context(), db, kind, "b", epoch, 1, time.Hour); err != nil || len(got) != 1 {
				t.Fatalf("the account is lost to the others: %v, %v", got, err)
			}
			must(t, due.Release(t.Context(), db, kind, "b", 1, time.Time{}))
			continue
		}
		if len(got) != 1 {
			t.Fatal("neither an account nor an error")
		}
		must(t, due.Release(t.Context(), db, kind, "a", 1, time.Time{}))
	}
}
