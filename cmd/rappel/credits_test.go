package main

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"rappel/calendars/billing"
	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/notify"
	"rappel/notify/credits"
)

// The product as it is wired charges a metered clinic: without credit its reminder waits,
// and the owner and the billing contact hear of it by mail; a package as billing brings it
// lets the reminder go; one too late by then has ended.
func TestCredits_areWired(t *testing.T) {
	t.Parallel()
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	keys, err := keysetJSON(handle)
	if err != nil {
		t.Fatal(err)
	}
	var clock handClock
	monday := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	clock.set(monday)
	cfg := Config{databaseConfig: databaseConfig{dbtest.NewDSN(t)}, Keyset: string(keys), Carriers: "sandbox://?receipt=0s", Listen: "127.0.0.1:8080",
		UnansweredWait: time.Minute, LeaseFor: 30 * time.Second, StopAfter: time.Second}
	a, err := newApp(t.Context(), cfg, slog.New(slog.DiscardHandler), extras{now: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := a.pools.owner.Exec(`INSERT INTO accounts (account_id, business, billing, created_at) VALUES (1, 'Praxis', 'metered', $1)`, monday); err != nil {
		t.Fatal(err)
	}
	if _, err := a.pools.owner.Exec(`INSERT INTO users (account_id, email, password_hash, role, created_at)
		SELECT 1, r || '@praxis.example', 'x', r, $1 FROM unnest(CAST('{owner,staff,billing}' AS text[])) AS r`, monday); err != nil {
		t.Fatal(err)
	}
	in := func(db *sqlx.DB, do func(tx *sqlx.Tx) error) {
		t.Helper()
		if err := migrations.InAccount(t.Context(), db, 1, do); err != nil {
			t.Fatal(err)
		}
	}
	remind := func(reference string, worth time.Duration) (e notify.Enqueued) {
		t.Helper()
		in(a.pools.web, func(tx *sqlx.Tx) (err error) {
			e, err = a.outbox.EnqueueTx(t.Context(), tx, notify.NewMessage{AccountID: 1, Kind: notify.Notification, Reference: reference, Origin: notify.OriginReminder,
				Recipient: "+41791234567", Sender: "Praxis", Body: reference, Expires: clock.now().Add(worth)})
			return err
		})
		return e
	}
	work := func() (texts []string) {
		t.Helper()
		if _, err := a.holds.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := a.dispatcher.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := a.credits.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := a.pools.owner.Select(&texts, `SELECT body FROM sandbox_texts WHERE direction = 'to_phone' ORDER BY id`); err != nil {
			t.Fatal(err)
		}
		return texts
	}
	mails := func() (all []string) {
		t.Helper()
		if err := a.pools.owner.Select(&all, `SELECT kind || ' ' || recipient FROM mails WHERE account_id = 1 ORDER BY id`); err != nil {
			t.Fatal(err)
		}
		return all
	}
	late, soon := remind("late", time.Hour), remind("soon", 5*time.Hour)
	if late.Reason != notify.ReasonCredit || soon.Reason != notify.ReasonCredit || soon.Credits != 1 {
		t.Errorf("told %+v and %+v", late, soon)
	}
	if texts := work(); len(texts) != 0 {
		t.Errorf("without credit %q went", texts)
	}
	told := []string{"credit_out owner@praxis.example", "credit_out billing@praxis.example"}
	if diff := cmp.Diff(told, mails()); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
	clock.set(monday.Add(2 * time.Hour))
	for range 2 { // told twice, given once
		in(a.pools.owner, func(tx *sqlx.Tx) error {
			return granter{a.credits}.GrantTx(t.Context(), tx, billing.Grant{Account: 1, Key: "order/1", Source: "package", Credits: 500, At: clock.now()})
		})
	}
	in(a.pools.owner, func(tx *sqlx.Tx) error {
		return granter{a.credits}.GrantTx(t.Context(), tx, billing.Grant{Account: 1, Key: "free/1/2027-03", Source: "monthly", Credits: 20,
			ExpiresOn: billing.NewDate(2027, time.April, 1), At: clock.now()})
	})
	if diff := cmp.Diff([]string{"soon"}, work()); diff != "" {
		t.Errorf("after a package (-want +got):\n%s", diff)
	}
	told = append(told, "credit_bonus owner@praxis.example", "credit_bonus billing@praxis.example")
	if diff := cmp.Diff(told, mails()); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
	in(a.pools.web, func(tx *sqlx.Tx) error {
		b, err := credits.BalanceTx(t.Context(), tx, 1)
		if diff := cmp.Diff(credits.Balance{Available: 1019, AlertBelow: 50}, b); err != nil || diff != "" {
			t.Errorf("balance, %v (-want +got):\n%s", err, diff)
		}
		lots, err := credits.LotsTx(t.Context(), tx, 1)
		if err != nil || len(lots) != 3 || lots[0].Source != credits.Monthly || lots[0].Available != 19 || !lots[0].Ends.Equal(time.Date(2027, 4, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("lots %+v, %v", lots, err)
		}
		return credits.CheckTx(t.Context(), tx, 1)
	})
	d, err := notify.NewStore(a.pools.owner).Get(t.Context(), notify.MessageRef{AccountID: 1, ID: late.ID})
	if err != nil || d.Status != notify.Expired || d.Reason != notify.ReasonTooLate {
		t.Errorf("the late one is %v %q, %v", d.Status, d.Reason, err)
	}
}
