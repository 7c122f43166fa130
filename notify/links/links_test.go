package links_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/notify/links"
	"rappel/notify/segment"
)

var (
	key   = []byte("0123456789abcdef0123456789abcdef")
	epoch = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
)

func TestNew(t *testing.T) {
	for base, length := range map[string]int{
		"rpl.ch/u": 19, "https://rpl.ch/u/": 19, "r.ch": 19, "rappel.example.ch/u": 30, "127.0.0.1:8080/u": 27,
	} {
		l, err := links.New(base, key)
		if err != nil || l.Length() != length || len(l.Sample()) != length {
			t.Errorf("New(%q): %d characters, %v; want %d", base, l.Length(), err, length)
		}
		if n, enc := segment.Count(l.Sample()); n != 1 || enc != segment.GSM7 || segment.Measure(l.Sample()).Units != length {
			t.Errorf("%q costs more than its characters", l.Sample())
		}
	}
	for _, base := range []string{"", "/", "https://", "rpl.ch/ü", "rpl.ch/[u]", "rpl.ch/u?x=", "rpl.ch/u#", "a@rpl.ch", "rpl.ch/a b", strings.Repeat("a", 120)} {
		if _, err := links.New(base, key); !errors.Is(err, links.ErrBase) {
			t.Errorf("New(%q): %v, want ErrBase", base, err)
		}
	}
	if _, err := links.New("rpl.ch", key[:8]); !errors.Is(err, links.ErrBase) {
		t.Errorf("a short key: %v", err)
	}
}

func FuzzNew(f *testing.F) {
	for _, s := range []string{"rpl.ch/u", "https://rpl.ch", "//", ":", "rpl.ch:8080/u", "%2f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, base string) {
		l, err := links.New(base, key)
		if err != nil {
			return
		}
		if m := segment.Measure(l.Sample()); m.Encoding != segment.GSM7 || m.Units != l.Length() {
			t.Errorf("base %q: %+v for %d characters", base, m, l.Length())
		}
	})
}

func keep(t *testing.T, db *sqlx.DB, l links.Links, people ...links.Person) []string {
	t.Helper()
	var all []string
	if err := migrations.InTx(context.Background(), db, func(tx *sqlx.Tx) (err error) {
		all, err = l.KeepTx(context.Background(), tx, people, epoch)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func token(link string) string { return link[strings.LastIndex(link, "/")+1:] }

func world(t *testing.T) (dsn string, db *sqlx.DB, l links.Links) {
	t.Helper()
	dsn = dbtest.NewDSN(t)
	db = dbtest.Open(t, dsn)
	for id := range 3 {
		if _, err := db.Exec(`INSERT INTO accounts (account_id, business, created_at) VALUES ($1, 'Clinic', $2)`, id+1, epoch); err != nil {
			t.Fatal(err)
		}
	}
	l, err := links.New("rpl.ch/u", key)
	if err != nil {
		t.Fatal(err)
	}
	return dsn, db, l
}

func TestKeepTx(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dsn, db, l := world(t)
	anna, other, berta := links.Person{AccountID: 1, Recipient: "+41791234567"}, links.Person{AccountID: 2, Recipient: "+41791234567"}, links.Person{AccountID: 1, Recipient: "+41791234568"}
	all := keep(t, db, l, anna, other, berta, anna)
	if all[0] != all[3] || all[0] == all[1] || all[0] == all[2] || len(all[0]) != 19 || !strings.HasPrefix(all[0], "rpl.ch/u/") {
		t.Errorf("%v", all)
	}
	if again := keep(t, db, l, berta, anna); again[0] != all[2] || again[1] != all[0] {
		t.Errorf("the second time %v, the first %v", again, all)
	}
	for i, want := range []links.Person{anna, other, berta} {
		for _, end := range []string{"", "-"} { // some phones take the hyphen along
			if got, err := links.Find(ctx, db, token(all[i])+end); err != nil || got != want {
				t.Errorf("Find = %+v, %v; want %+v", got, err, want)
			}
		}
	}
	for _, bad := range []string{"", "-", "0000000000", token(all[0])[:9], token(all[0]) + "x", strings.Repeat("a", 500), strings.ToLower(token(all[0])) + "A"} {
		if _, err := links.Find(ctx, db, bad); !errors.Is(err, links.ErrNotFound) {
			t.Errorf("Find(%q): %v, want ErrNotFound", bad, err)
		}
	}
	// Another key makes other links; the old ones go on working.
	l2, err := links.New("rpl.ch/u", []byte("another key of thirty-two bytes!"))
	if err != nil {
		t.Fatal(err)
	}
	if anew := keep(t, db, l2, anna); anew[0] == all[0] {
		t.Error("the key doesn't matter")
	}
	if got, err := links.Find(ctx, db, token(all[0])); err != nil || got != anna {
		t.Errorf("the old link: %+v, %v", got, err)
	}
	// The web's role keeps its own account's, and sees no other's.
	web := dbtest.Web(t, dsn)
	err = migrations.InAccount(ctx, web, 1, func(tx *sqlx.Tx) error {
		mine, err := l.KeepTx(ctx, tx, []links.Person{anna, {AccountID: 1, Recipient: "+41791234569"}}, epoch)
		if err == nil && mine[0] != all[0] {
			t.Errorf("as the web %v", mine)
		}
		var n int
		if err := tx.Get(&n, `SELECT count(*) FROM unsubscribe_links WHERE account_id <> 1`); err != nil || n != 0 {
			t.Errorf("the web sees %d links of others, %v", n, err)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A token that is another's already is not given again, whether or not we may see whose.
func TestKeepTx_collision(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dsn, db, l := world(t)
	anna := links.Person{AccountID: 1, Recipient: "+41791234567"}
	first := keep(t, db, l, anna)[0]
	if _, err := db.Exec(`UPDATE unsubscribe_links SET account_id = 2, recipient = '+41799999999'`); err != nil {
		t.Fatal(err)
	}
	second := keep(t, db, l, anna)[0]
	if second == first {
		t.Fatal("two people have one link")
	}
	for range 2 {
		if err := migrations.InAccount(ctx, dbtest.Web(t, dsn), 1, func(tx *sqlx.Tx) error {
			got, err := l.KeepTx(ctx, tx, []links.Person{anna}, epoch)
			if err == nil && got[0] != second {
				t.Errorf("as the web %v, want %v", got, second)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := links.Find(ctx, db, token(second)); err != nil || got != anna {
		t.Errorf("Find = %+v, %v", got, err)
	}
}

// Two campaigns to the same people at once wait for each other without a circle.
func TestKeepTx_concurrently(t *testing.T) {
	t.Parallel()
	_, db, l := world(t)
	var people, reversed []links.Person
	for i := range 500 {
		people = append(people, links.Person{AccountID: int64(1 + i%3), Recipient: fmt.Sprintf("+4179%07d", i)})
	}
	for i := range people {
		reversed = append(reversed, people[len(people)-1-i])
	}
	done := make(chan error, 8)
	for i := range 8 {
		go func() {
			who := people
			if i%2 == 1 {
				who = reversed
			}
			done <- migrations.InTx(context.Background(), db, func(tx *sqlx.Tx) error {
				_, err := l.KeepTx(context.Background(), tx, who, epoch)
				return err
			})
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	var n int
	if err := db.Get(&n, `SELECT count(*) FROM unsubscribe_links`); err != nil || n != len(people) {
		t.Errorf("%d links for %d people, %v", n, len(people), err)
	}
}
