package notify_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/notify"
)

const frenchman = "+33612345678"

// replies is a desk that confirms, and a person who writes to it.
func (w *policied) replies() func(body string) {
	w.t.Helper()
	cfg := w.config()
	cfg.Outbox = w.outbox
	desk, err := notify.NewDesk(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return func(body string) {
		w.t.Helper()
		w.clock.Add(time.Minute)
		if err := desk.Inbound(context.Background(), notify.Inbound{Carrier: "one", From: frenchman, To: "+41435550001", Body: body, At: w.clock.Now()}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// A STOP from France is answered by one last text, which alone still goes to somebody who
// wants none: once for each opt-out, however often they write.
func TestOptOut_isConfirmed(t *testing.T) {
	t.Parallel()
	for language, text := range map[string]string{
		"de": "Praxis Zürich-Höngg: Sie erhalten keine SMS mehr von uns. Wieder anmelden: START",
		"fr": "Praxis Zürich-Höngg: vous ne recevrez plus de SMS de notre part. Pour en recevoir à nouveau: START",
		"it": "Praxis Zürich-Höngg: non riceverà più SMS da parte nostra. Per riceverne di nuovo: START",
		"en": "Praxis Zürich-Höngg: you will get no more texts from us. To get them again: START",
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			w := newPolicied(t, nil)
			w.set(1, `language = $2, business = 'Praxis Zürich-Höngg', sender = '+41435550001', two_way_numbers = '{+41435550001}'`, language)
			write, d := w.replies(), w.dispatcher(nil)
			w.enqueue(func(m *notify.NewMessage) { m.Recipient, m.Sender = frenchman, "+41435550001" })
			w.tick(d)
			later := w.enqueue(func(m *notify.NewMessage) {
				m.Recipient, m.SendAt = frenchman, w.clock.Now().Add(time.Hour)
			})
			write("STOP")
			write("Stop!") // while the confirmation is queued
			w.wantStatus(later, notify.NotAllowed, notify.ReasonOptedOut)
			w.tick(d)
			write("stop")
			w.tick(d)
			sent := w.carrier.sent()
			if len(sent) != 2 {
				t.Fatalf("%d texts, want the reminder and one confirmation", len(sent))
			}
			if got := sent[1]; got.Body != text || got.Recipient != frenchman || got.Sender != "+41435550001" || got.Kind != notify.Notification || got.Segments != 1 {
				t.Errorf("confirmed by %+v, want %q", got.Message, text)
			}
			write("START")
			write("STOP")
			w.tick(d)
			if n := len(w.carrier.sent()); n != 3 {
				t.Errorf("%d texts after another STOP, want 3", n)
			}
			refused := w.enqueue(func(m *notify.NewMessage) { m.Recipient = frenchman })
			w.tick(d)
			w.wantStatus(refused, notify.NotAllowed, notify.ReasonOptedOut)
		})
	}
}

// Who is confirmed to: those who told us themselves, where their country wants it.
func TestOptOut_whoIsConfirmedTo(t *testing.T) {
	t.Parallel()
	w := newPolicied(t, nil)
	w.set(1, `sender = 'Praxis', business = $2`, strings.Repeat("Praxis ", 20))
	web := dbtest.Web(t, w.dsn)
	for _, tt := range []struct {
		recipient, source string
		want              int
	}{
		{frenchman, notify.SourcePage, 1},
		{"+33612345679", notify.SourceStaff, 0},
		{"+33612345677", notify.SourceCarrier, 0},
		{patient, notify.SourcePage, 0},
		{patient, notify.SourceReply, 0},
	} {
		for range 2 {
			if err := migrations.InAccount(context.Background(), web, 1, func(tx *sqlx.Tx) error {
				_, err := w.outbox.OptOutTx(context.Background(), tx, notify.OptOut{AccountID: 1, Recipient: tt.recipient, Source: tt.source}, w.clock.Now())
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.count(`SELECT count(*) FROM messages WHERE recipient = $1 AND origin = 'optout' AND segments = 1 AND body NOT LIKE '%START%'`, tt.recipient); n != tt.want {
			t.Errorf("%s by %s: %d confirmations, want %d", tt.recipient, tt.source, n, tt.want)
		}
		w.clock.Add(time.Second)
	}
	// Nobody else may use the way past the opt-outs.
	err := migrations.InAccount(context.Background(), w.db, 1, func(tx *sqlx.Tx) error {
		_, err := w.outbox.EnqueueTx(context.Background(), tx, w.message(func(m *notify.NewMessage) { m.Origin = notify.OriginOptOut }))
		return err
	})
	if err == nil {
		t.Error("anybody may ask for a text to somebody who wants none")
	}
}
