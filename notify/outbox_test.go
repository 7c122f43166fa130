package notify_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/notify"
	"rappel/notify/segment"
)

func TestValidSender(t *testing.T) {
	for s, want := range map[string]bool{
		"Praxis": true, "Dr. Weiss": true, "A&B-Praxis": true, "12345678901": false, "A2345678901": true, "A23456789012": false,
		"": false, " Praxis": false, "Praxis ": false, "Zürich": false, "+41791234567": true, "+0791234567": false, "+41": false,
		"0791234567": false, "36179": true, "123": true, "12": false, "12345678": true, "123456789": false, "01234": false, "Pra_xis": false, "+4179123456a": false, "...": false,
	} {
		if got := notify.ValidSender(s); got != want {
			t.Errorf("ValidSender(%q) = %t", s, got)
		}
	}
}

func FuzzValidSender(f *testing.F) {
	f.Add("Praxis")
	f.Add("+41791234567")
	f.Add("Zürich")
	f.Fuzz(func(t *testing.T, s string) {
		if !notify.ValidSender(s) {
			return
		}
		if n, enc := segment.Count(s); n != 1 || enc != segment.GSM7 {
			t.Errorf("%q is taken, but is no GSM-7", s)
		}
		if !strings.HasPrefix(s, "+") && len(s) > 11 {
			t.Errorf("%q is taken, but has %d characters", s, len(s))
		}
	})
}

func TestEnqueue_refuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tt := range map[string]struct {
		change func(*notify.NewMessage)
		want   error
	}{
		"no account":    {func(m *notify.NewMessage) { m.AccountID = 0 }, notify.ErrRequest},
		"no kind":       {func(m *notify.NewMessage) { m.Kind = 0 }, notify.ErrRequest},
		"no reference":  {func(m *notify.NewMessage) { m.Reference = "" }, notify.ErrRequest},
		"no origin":     {func(m *notify.NewMessage) { m.Origin = "" }, notify.ErrRequest},
		"no expiry":     {func(m *notify.NewMessage) { m.Expires = time.Time{} }, notify.ErrRequest},
		"national form": {func(m *notify.NewMessage) { m.Recipient = "0791234567" }, notify.ErrRecipient},
		"sender":        {func(m *notify.NewMessage) { m.Sender = "Zahnarztpraxis" }, notify.ErrSender},
		"no text":       {func(m *notify.NewMessage) { m.Body = "" }, notify.ErrBody},
		"too long":      {func(m *notify.NewMessage) { m.Body = strings.Repeat("x", 1531) }, notify.ErrBody},
		"NUL in text":   {func(m *notify.NewMessage) { m.Body = "Ihr Termin\x00" }, notify.ErrBody},
		"not UTF-8":     {func(m *notify.NewMessage) { m.Body = "Ihr Termin\xff" }, notify.ErrBody},
		"NUL in key":    {func(m *notify.NewMessage) { m.Reference = "a\x00b" }, notify.ErrRequest},
	} {
		err := migrations.InAccount(context.Background(), w.db, 1, func(tx *sqlx.Tx) error {
			_, err := w.outbox.EnqueueTx(context.Background(), tx, w.message(tt.change))
			return err
		})
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), patient) {
			t.Errorf("%s: the error names the number", name)
		}
	}
	if n := w.count(`SELECT count(*) FROM messages`); n != 0 {
		t.Errorf("%d messages", n)
	}
}

// A text the database can't keep fails by itself: what else is in the caller's transaction
// goes on.
func TestEnqueue_noText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := migrations.InAccount(t.Context(), w.db, 1, func(tx *sqlx.Tx) error {
		for _, body := range []string{"\x00", "Ihr Termin\x00", "\xc3\x28"} {
			if _, err := w.outbox.EnqueueTx(t.Context(), tx, w.message(func(m *notify.NewMessage) { m.Body = body })); !errors.Is(err, notify.ErrBody) {
				t.Errorf("%q: %v, want ErrBody", body, err)
			}
		}
		_, err := w.outbox.EnqueueTx(t.Context(), tx, w.message(nil))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if n := w.count(`SELECT count(*) FROM messages`); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
}

// It works as the web too, under row-level security.
func TestEnqueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, web := context.Background(), dbtest.Web(t, w.dsn)
	var first, again, rough notify.Enqueued
	var all []notify.Enqueued
	smart := w.message(func(m *notify.NewMessage) { m.Body, m.Smart = "Ihr Termin – „morgen“…", true })
	err := migrations.InAccount(ctx, web, 1, func(tx *sqlx.Tx) (err error) {
		if first, err = w.outbox.EnqueueTx(ctx, tx, smart); err != nil {
			return err
		}
		if again, err = w.outbox.EnqueueTx(ctx, tx, smart); err != nil {
			return err
		}
		if rough, err = w.outbox.EnqueueTx(ctx, tx, w.message(func(m *notify.NewMessage) { m.Body = smart.Body })); err != nil {
			return err
		}
		same := w.message(nil)
		all, err = w.outbox.EnqueueAllTx(ctx, tx, []notify.NewMessage{w.message(nil), same, smart, same})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if first.Encoding != segment.GSM7 || first.Segments != 1 || first.Duplicate || first.ID == 0 || first.Units != len(`Ihr Termin - "morgen"...`) {
		t.Errorf("smart: %+v", first)
	}
	if !again.Duplicate || again.ID != first.ID {
		t.Errorf("the second time: %+v", again)
	}
	if rough.Encoding != segment.UCS2 || rough.Body != smart.Body {
		t.Errorf("not smart: %+v", rough)
	}
	if all[0].Duplicate || all[1].Duplicate || !all[2].Duplicate || all[2].ID != first.ID || !all[3].Duplicate || all[3].ID != all[1].ID {
		t.Errorf("several: %+v", all)
	}
	if n := w.count(`SELECT count(*) FROM queue`); n != 4 {
		t.Errorf("%d queued, want 4", n)
	}
	w.tick(w.dispatcher(nil))
	if n := len(w.carrier.sent()); n != 4 {
		t.Errorf("%d sent, want 4", n)
	}
	for _, s := range w.carrier.sent() {
		if s.ID == first.ID && s.Body != first.Body {
			t.Errorf("sent %q, promised %q", s.Body, first.Body)
		}
	}
}

func TestWithdraw(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.dispatcher(nil)
	ref := w.enqueue(nil)
	for range 2 {
		if !w.withdraw(ref) {
			t.Error("not withdrawn")
		}
	}
	w.tick(d)
	w.wantStatus(ref, notify.NotSent, notify.ReasonWithdrawn)
	if got := whats(w.get(ref)); got != "queued withdrawn" {
		t.Errorf("history %q", got)
	}
	gone := w.enqueue(nil)
	w.tick(d)
	if w.withdraw(gone) {
		t.Error("withdrew what is sent")
	}
	w.wantStatus(gone, notify.Sent, "")
	err := migrations.InAccount(context.Background(), w.db, 1, func(tx *sqlx.Tx) error {
		_, err := w.outbox.WithdrawTx(context.Background(), tx, notify.MessageRef{AccountID: 1, ID: 1 << 40}, "x", epoch)
		return err
	})
	if !errors.Is(err, notify.ErrNotFound) {
		t.Errorf("a message that never was: %v", err)
	}
}

// Withdrawn while the carrier has it in its hands: if it wasn't taken, that was that. So at
// the first attempt and at a later one.
func TestWithdraw_whileSubmitting(t *testing.T) {
	t.Parallel()
	for _, answer := range []error{nil, refused(notify.ErrTemporary)} {
		for attempt := range 2 {
			w := newWorld(t)
			var ref notify.MessageRef
			w.carrier.script = func(n int, m notify.Message) (notify.Submission, error) {
				if n < attempt {
					return notify.Submission{}, refused(notify.ErrTemporary)
				}
				if w.withdraw(ref) {
					t.Error("withdrawn, although it is with the carrier")
				}
				return notify.Submission{IDs: idsFor(m, n)}, answer
			}
			ref = w.enqueue(nil)
			d := w.dispatcher(nil)
			for range 3 {
				w.tick(d)
				w.clock.Add(time.Hour)
			}
			if answer == nil {
				w.wantStatus(ref, notify.Sent, "")
			} else {
				w.wantStatus(ref, notify.NotSent, notify.ReasonWithdrawn)
			}
			if n := w.carrier.times(ref); n != attempt+1 {
				t.Errorf("submitted %d times, want %d", n, attempt+1)
			}
		}
	}
}

func TestOptOut_asTheWeb(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, web := context.Background(), dbtest.Web(t, w.dsn)
	ref := w.enqueue(nil)
	err := migrations.InAccount(ctx, web, 1, func(tx *sqlx.Tx) error {
		n, err := w.outbox.OptOutTx(ctx, tx, notify.OptOut{AccountID: 1, Recipient: patient, Source: notify.SourceStaff}, epoch)
		if n != 1 {
			t.Errorf("%d withdrawn, want 1", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.wantStatus(ref, notify.NotAllowed, notify.ReasonOptedOut)
	for _, want := range []bool{true, false} {
		err := migrations.InAccount(ctx, web, 1, func(tx *sqlx.Tx) error {
			was, err := notify.OptInTx(ctx, tx, 1, patient)
			if was != want {
				t.Errorf("was opted out: %t, want %t", was, want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
