package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/notify"
	"rappel/notify/links"
)

// What a clinic's first marketing waits for can be given from the command line.
func TestReview(t *testing.T) {
	t.Parallel()
	dsn := dbtest.NewDSN(t)
	db := dbtest.Open(t, dsn)
	for _, q := range []string{
		`INSERT INTO accounts (account_id, business, sender, review, created_at) VALUES (1, 'Praxis am See', 'Praxis', 'first', now())`,
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	newOutbox := func() *notify.Outbox {
		l, err := links.New("rpl.ch/u", []byte("0123456789abcdef0123456789abcdef"))
		if err != nil {
			t.Fatal(err)
		}
		policy, err := notify.NewPolicy(notify.PolicyConfig{DB: db, Links: l})
		if err != nil {
			t.Fatal(err)
		}
		return notify.NewPolicyOutbox(time.Now, policy)
	}
	outbox := newOutbox()
	enqueue := func(reference string, kind notify.Kind, to string) {
		t.Helper()
		err := migrations.InAccount(t.Context(), db, 1, func(tx *sqlx.Tx) error {
			_, err := outbox.EnqueueTx(t.Context(), tx, notify.NewMessage{AccountID: 1, Kind: kind, Reference: reference, Origin: notify.OriginAPI,
				Recipient: to, Sender: "Praxis", Body: "Neue Öffnungszeiten", Expires: time.Now().Add(10 * 24 * time.Hour)})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	base := databaseConfig{dsn}
	run := func(c interface {
		Run(ctx context.Context, std stdio) error
	}) (string, error) {
		var out bytes.Buffer
		err := c.Run(t.Context(), stdio{strings.NewReader(""), &out, &out})
		return out.String(), err
	}
	want := func(c interface {
		Run(ctx context.Context, std stdio) error
	}, words ...string) {
		t.Helper()
		out, err := run(c)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range words {
			if !strings.Contains(out, w) {
				t.Errorf("%q doesn't say %q", out, w)
			}
		}
		if strings.Contains(out, "+41791234567") {
			t.Errorf("%q names a recipient", out)
		}
	}
	queued := func() (n int) {
		t.Helper()
		if err := db.Get(&n, `SELECT count(*) FROM queue`); err != nil {
			t.Fatal(err)
		}
		return n
	}
	want(reviewListCmd{databaseConfig: base, Texts: 3}, "nothing is held")
	enqueue("a", notify.Marketing, "+41791234567")
	want(reviewListCmd{databaseConfig: base, Texts: 3}, "clinic 1, Praxis am See", "review", "Neue Öffnungszeiten")
	if n := queued(); n != 0 {
		t.Fatalf("%d messages queued before the review", n)
	}
	want(reviewReleaseCmd{base, 1}, "released: 1 held messages of clinic 1")
	if n := queued(); n != 1 {
		t.Errorf("%d messages queued after the review, want 1", n)
	}
	want(reviewSenderCmd{databaseConfig: base, Account: 1, Country: "DE", Sender: "Praxis", State: "pending"}, "pending in DE")
	outbox = newOutbox() // one that runs notices within ten seconds
	enqueue("b", notify.Notification, "+4915123456789")
	want(reviewListCmd{databaseConfig: base, Texts: 3}, "registration", "DE")
	want(reviewSenderCmd{databaseConfig: base, Account: 1, Country: "DE", Sender: "Praxis", State: "approved"}, "approved in DE")
	if n := queued(); n != 2 {
		t.Errorf("%d messages queued after the registration, want 2", n)
	}
	want(reviewRejectCmd{base, 1}, "turned down: 0 held messages")
	if _, err := run(reviewReleaseCmd{base, 99}); err == nil || !strings.Contains(err.Error(), "no clinic 99") {
		t.Errorf("an unknown clinic: %v", err)
	}
	if _, err := run(reviewSenderCmd{databaseConfig: base, Account: 1, Country: "Italia", Sender: "Praxis", State: "approved"}); err == nil {
		t.Error("a country in words is taken")
	}
}
