package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/notify"
)

// The product as it is wired keeps to the rules: marketing waits for Monday and carries a
// link that leads to our own page, whose button stops the next text; a STOP from France is
// confirmed by one text.
func TestPolicy_isWired(t *testing.T) {
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
	sunday := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock.set(sunday)
	cfg := Config{databaseConfig: databaseConfig{dbtest.NewDSN(t)}, Keyset: string(keys), Carriers: "sandbox://?receipt=0s", Listen: "127.0.0.1:8080",
		LinkBase: "rpl.ch/u", UnansweredWait: time.Minute, LeaseFor: 30 * time.Second, StopAfter: time.Second}
	bad := cfg
	bad.LinkBase = "rpl.ch/[u]"
	if _, err := newApp(t.Context(), bad, slog.New(slog.DiscardHandler), extras{}); err == nil || !strings.Contains(err.Error(), "RAPPEL_LINK_BASE") {
		t.Errorf("a wrong link base: %v", err)
	}
	a, err := newApp(t.Context(), cfg, slog.New(slog.DiscardHandler), extras{now: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := a.pools.owner.Exec(`INSERT INTO accounts (account_id, business, sender, review, created_at) VALUES (1, 'Praxis', '+41435550001', 'none', $1)`, sunday); err != nil {
		t.Fatal(err)
	}
	enqueue := func(reference, to string, kind notify.Kind) {
		t.Helper()
		if err := migrations.InAccount(t.Context(), a.pools.web, 1, func(tx *sqlx.Tx) error {
			_, err := a.outbox.EnqueueTx(t.Context(), tx, notify.NewMessage{AccountID: 1, Kind: kind, Reference: reference, Origin: notify.OriginAPI, Recipient: to,
				Sender: "+41435550001", Body: "Neu bei uns", Expires: clock.now().Add(72 * time.Hour)})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	const patient, frenchwoman = "+41791234567", "+33612345678"
	texts := func(phone string) (all []string) {
		t.Helper()
		if _, err := a.dispatcher.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := a.pools.owner.Select(&all, `SELECT body FROM sandbox_texts WHERE phone = $1 AND direction = 'to_phone' ORDER BY id`, phone); err != nil {
			t.Fatal(err)
		}
		return all
	}
	enqueue("a", patient, notify.Marketing)
	if got := texts(patient); len(got) != 0 {
		t.Fatalf("sent on a Sunday: %q", got)
	}
	clock.set(sunday.Add(20 * time.Hour))
	got := texts(patient)
	if len(got) != 1 || !regexp.MustCompile(`^Neu bei uns STOP rpl\.ch/u/[0-9A-Za-z]{10}-$`).MatchString(got[0]) {
		t.Fatalf("on Monday: %q", got)
	}

	web := httptest.NewServer(a.web)
	defer web.Close()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	path := got[0][strings.Index(got[0], "/u/"):]
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		req, err := http.NewRequestWithContext(t.Context(), method, web.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := (&http.Client{Jar: jar}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d, %v", method, res.StatusCode, err)
		}
		enqueue("after "+method, patient, notify.Notification)
		if want := map[string]int{http.MethodGet: 2, http.MethodPost: 2}[method]; len(texts(patient)) != want {
			t.Errorf("after %s: %q, want %d texts", method, texts(patient), want)
		}
	}

	enqueue("fr", frenchwoman, notify.Notification)
	texts(frenchwoman)
	for i := range 2 {
		if err := a.desk.Inbound(context.Background(), notify.Inbound{Carrier: "sandbox", CarrierID: "mo-" + string(rune('a'+i)), From: frenchwoman, To: "+41435550001", Body: "STOP", At: clock.now()}); err != nil {
			t.Fatal(err)
		}
		if all := texts(frenchwoman); len(all) != 2 || !strings.HasPrefix(all[1], "Praxis: Sie erhalten keine SMS mehr") {
			t.Errorf("after STOP: %q", all)
		}
	}
}
