package notify_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/notify"
)

func (w *policied) settle() {
	w.t.Helper()
	if _, err := w.holds.Tick(context.Background()); err != nil {
		w.t.Fatalf("Tick: %v", err)
	}
}

func (w *policied) review(account int64, release bool) {
	w.t.Helper()
	w.inAccount(account, func(tx *sqlx.Tx) error {
		return w.holds.ReviewTx(context.Background(), tx, account, release, w.clock.Now())
	})
}

func (w *policied) wantHeld(n int) {
	w.t.Helper()
	if got := w.count(`SELECT count(*) FROM held`); got != n {
		w.t.Errorf("%d rows held, want %d", got, n)
	}
}

// What the rules refuse is a message with a status and a reason, not an error.
func TestEnqueue_refusedByTheRules(t *testing.T) {
	t.Parallel()
	w := newPolicied(t, nil)
	for name, tt := range map[string]struct {
		change func(*notify.NewMessage)
		status notify.Status
		reason notify.Reason
	}{
		"barred name":    {func(m *notify.NewMessage) { m.Sender = "Notice" }, notify.InvalidSender, notify.ReasonSenderBarred},
		"no names there": {func(m *notify.NewMessage) { m.Recipient = "+12125552345" }, notify.InvalidSender, notify.ReasonSenderName},
		"unregistered":   {func(m *notify.NewMessage) { m.Recipient = "+393331234567" }, notify.InvalidSender, notify.ReasonUnregistered},
		"foreign number": {func(m *notify.NewMessage) { m.Recipient, m.Sender = "+447400123456", "+41435550000" }, notify.InvalidSender, notify.ReasonSenderForeign},
		"no hour before it expires": {marketing(func(m *notify.NewMessage) {
			m.SendAt, m.Expires = epoch.Add(12*time.Hour), epoch.Add(20*time.Hour)
		}), notify.Expired, notify.ReasonNoHours},
	} {
		ref, e := w.add(tt.change)
		if e.Status != tt.status || e.Reason != tt.reason || e.ID == 0 {
			t.Errorf("%s: %+v", name, e)
		}
		w.wantStatus(ref, tt.status, tt.reason)
		if d := w.get(ref); d.Queued || whats(d) != "queued failed" {
			t.Errorf("%s: queued %t, history %s", name, d.Queued, whats(d))
		}
	}
	if n := w.count(`SELECT count(*) FROM queue`); n != 0 {
		t.Errorf("%d queued", n)
	}
}

// The sender that is used is the one stored, and marketing waits for its hour with its
// suffix behind it; notifications go as they are at any hour.
func TestEnqueue_followsTheRules(t *testing.T) {
	t.Parallel()
	w := newPolicied(t, nil)
	w.set(1, `fallback_sender = '+41435550000', review = 'none'`)
	w.clock.Add(12 * time.Hour) // 21:00 in Zürich
	ref, e := w.add(marketing(func(m *notify.NewMessage) { m.Sender, m.Body, m.Smart = "Info", "Aktion – heute", true }))
	tomorrow := instant(t, "2026-03-03T08:00:00+01:00")
	if e.Sender != "+41435550000" || !e.SendAt.Equal(tomorrow) || len(e.Suffix) != 26 || e.Body != "Aktion - heute"+e.Suffix || e.Units != 14+26 {
		t.Errorf("%+v", e)
	}
	d := w.get(ref)
	if d.Sender != e.Sender || d.Body != e.Body || !d.SendAt.Equal(tomorrow) || d.Segments != 1 || d.Units != e.Units || !d.Queued {
		t.Errorf("stored %+v", d.Entry)
	}
	_, again := w.add(marketing(func(m *notify.NewMessage) { m.Body = "Noch eine" }))
	if again.Suffix != e.Suffix {
		t.Errorf("another link for the same person: %q and %q", e.Suffix, again.Suffix)
	}
	_, other := w.add(marketing(func(m *notify.NewMessage) { m.Recipient = "+41791234568" }))
	if other.Suffix == e.Suffix {
		t.Errorf("the same link for two people: %q", e.Suffix)
	}
	plain, n := w.add(nil)
	if n.Suffix != "" || !n.SendAt.Equal(w.clock.Now()) {
		t.Errorf("a notification: %+v", n)
	}
	disp := w.dispatcher(nil)
	w.tick(disp)
	if sent := w.carrier.sent(); len(sent) != 1 || sent[0].ID != plain.ID {
		t.Errorf("sent %v at night, want the notification alone", len(sent))
	}
	w.clock.Add(11 * time.Hour)
	w.tick(disp)
	if n := w.carrier.times(ref); n != 1 {
		t.Errorf("in the morning: sent %d times", n)
	}
}

// One call, several accounts, each by its own settings; the web's role does it for one.
func TestEnqueue_severalAccounts(t *testing.T) {
	t.Parallel()
	w := newPolicied(t, nil)
	w.account(2)
	w.account(3)
	w.set(3, `fallback_sender = '+41435550003', review = 'none'`)
	ms := []notify.NewMessage{
		w.message(marketing(nil)),
		w.message(marketing(func(m *notify.NewMessage) { m.AccountID = 2 })), // begins with a review
		w.message(func(m *notify.NewMessage) { m.AccountID, m.Sender = 3, "SMS" }),
		w.message(func(m *notify.NewMessage) { m.AccountID, m.Sender = 2, "SMS" }),
	}
	ms = append(ms, ms[1], ms[0])
	ms[3].Reference = ms[2].Reference // the same word at two accounts is two messages
	var all []notify.Enqueued
	for range 2 {
		if err := migrations.InTx(context.Background(), w.db, func(tx *sqlx.Tx) (err error) {
			all, err = w.outbox.EnqueueAllTx(context.Background(), tx, ms)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if !all[0].Duplicate || all[5].ID != all[0].ID || all[4].ID != all[1].ID || all[2].ID == all[3].ID {
		t.Errorf("%+v", all)
	}
	for i, want := range []struct {
		status notify.Status
		reason notify.Reason
		queued bool
	}{{notify.NotSent, "", true}, {notify.NotSent, notify.ReasonReview, false}, {notify.NotSent, "", true}, {notify.InvalidSender, notify.ReasonSenderBarred, false}} {
		d := w.get(notify.MessageRef{AccountID: ms[i].AccountID, ID: all[i].ID})
		if d.Status != want.status || d.Reason != want.reason || d.Queued != want.queued || all[i].Reason != want.reason {
			t.Errorf("message %d: %v %q, queued %t; told %+v", i, d.Status, d.Reason, d.Queued, all[i])
		}
	}
	if n := w.count(`SELECT count(DISTINCT account_id) FROM due WHERE kind IN ('dispatch', 'campaign') AND due_at <= $1`, w.clock.Now()); n != 2 {
		t.Errorf("%d accounts have work, want 2", n)
	}

	web := dbtest.Web(t, w.dsn)
	err := migrations.InAccount(context.Background(), web, 2, func(tx *sqlx.Tx) (err error) {
		all, err = w.outbox.EnqueueAllTx(context.Background(), tx, []notify.NewMessage{
			w.message(marketing(func(m *notify.NewMessage) { m.AccountID = 2 })), ms[1],
			w.message(func(m *notify.NewMessage) { m.AccountID = 2 }),
		})
		return err
	})
	if err != nil || all[0].Reason != notify.ReasonReview || !all[1].Duplicate || all[2].Reason != "" {
		t.Errorf("as the web: %+v, %v", all, err)
	}
	err = migrations.InAccount(context.Background(), web, 2, func(tx *sqlx.Tx) (err error) {
		_, err = w.outbox.EnqueueAllTx(context.Background(), tx, []notify.NewMessage{w.message(func(m *notify.NewMessage) { m.AccountID = 3 })})
		return err
	})
	if err == nil {
		t.Error("the web wrote a message of another account")
	}
}

// An account's first marketing waits for a reviewer: released, it goes and nothing waits
// any more; turned down, it ends, and the next waits again.
func TestReview(t *testing.T) {
	t.Parallel()
	w := newPolicied(t, nil)
	w.account(2)
	first := func(m *notify.NewMessage) { m.AccountID = 2 }
	bad, e := w.add(marketing(first))
	reminder, r := w.add(first)
	if e.Reason != notify.ReasonReview || r.Reason != "" {
		t.Fatalf("marketing %+v, reminder %+v", e, r)
	}
	w.wantStatus(bad, notify.NotSent, notify.ReasonReview)
	w.review(2, false)
	w.wantStatus(bad, notify.NotAllowed, notify.ReasonTurnedDown)
	if got := w.seen.of(bad); len(got) != 1 || got[0] != notify.NotAllowed {
		t.Errorf("the observer heard %v", got)
	}
	good, _ := w.add(marketing(first))
	w.wantHeld(1)
	w.review(2, true)
	w.wantHeld(0)
	if d := w.get(good); !d.Queued || d.Reason != "" || whats(d) != "queued held released" {
		t.Errorf("released: %q, queued %t, history %s", d.Reason, d.Queued, whats(d))
	}
	if _, e = w.add(marketing(first)); e.Reason != "" {
		t.Errorf("after the review: held for %q", e.Reason)
	}
	w.tick(w.dispatcher(nil))
	if w.carrier.times(good) != 1 || w.carrier.times(bad) != 0 || w.carrier.times(reminder) != 1 {
		t.Errorf("sent %d, %d and %d times", w.carrier.times(good), w.carrier.times(bad), w.carrier.times(reminder))
	}
}

// A registration under way holds, approval releases, rejection ends; what has to wait for
// two things waits for both.
func TestRegistration(t *testing.T) {
	t.Parallel()
	w := newPolicied(t, nil)
	w.register("IT", "Praxis", notify.RegistrationPending)
	w.register("IT", "Studio", notify.RegistrationPending)
	to := func(m *notify.NewMessage) { m.Recipient = "+393331234567" }
	praxis, e := w.add(to)
	studio, _ := w.add(func(m *notify.NewMessage) { to(m); m.Sender = "STUDIO" })
	w.set(1, `review = 'first'`)
	both, _ := w.add(marketing(to))
	if e.Reason != notify.ReasonRegistration {
		t.Fatalf("%+v", e)
	}
	w.wantHeld(4)
	w.register("IT", "Studio", notify.RegistrationRejected)
	w.wantStatus(studio, notify.InvalidSender, notify.ReasonSenderRejected)
	w.register("IT", "praxis", notify.RegistrationApproved)
	if d := w.get(praxis); !d.Queued || d.Reason != "" {
		t.Errorf("approved: %q, queued %t", d.Reason, d.Queued)
	}
	w.wantStatus(both, notify.NotSent, notify.ReasonReview)
	w.review(1, true)
	if d := w.get(both); !d.Queued || whats(d) != "queued held released held released" {
		t.Errorf("released twice: queued %t, history %s", d.Queued, whats(d))
	}
	w.wantHeld(0)
}

// Marketing that is released at night goes in the morning.
func TestRelease_atNight(t *testing.T) {
	t.Parallel()
	w := newPolicied(t, nil)
	w.set(1, `review = 'first'`)
	w.add(marketing(nil))
	w.clock.Add(12 * time.Hour)
	w.review(1, true)
	var at time.Time
	if err := w.db.Get(&at, `SELECT send_at FROM queue`); err != nil {
		t.Fatal(err)
	}
	if want := instant(t, "2026-03-03T08:00:00+01:00"); !at.Equal(want) {
		t.Errorf("queued for %v, want %v", at, want)
	}
}

func TestHeld_endsWithoutARelease(t *testing.T) {
	t.Parallel()
	w := newPolicied(t, nil)
	w.set(1, `review = 'first'`)
	expiring, _ := w.add(marketing(func(m *notify.NewMessage) { m.Expires = epoch.Add(2 * time.Hour) }))
	withdrawn, _ := w.add(marketing(nil))
	refused, _ := w.add(marketing(func(m *notify.NewMessage) { m.Recipient = "+41791234568" }))
	kept, _ := w.add(marketing(nil))
	for range 2 {
		if !w.withdraw(withdrawn) {
			t.Error("a held message can't be withdrawn")
		}
	}
	w.wantStatus(withdrawn, notify.NotSent, notify.ReasonWithdrawn)
	w.inAccount(1, func(tx *sqlx.Tx) error {
		n, err := w.outbox.OptOutTx(context.Background(), tx, notify.OptOut{AccountID: 1, Recipient: "+41791234568", Source: notify.SourceStaff}, w.clock.Now())
		if n != 1 {
			t.Errorf("the opt-out withdrew %d messages, want 1", n)
		}
		return err
	})
	w.wantStatus(refused, notify.NotAllowed, notify.ReasonOptedOut)
	w.settle()
	w.wantStatus(expiring, notify.NotSent, notify.ReasonReview)
	w.clock.Add(2 * time.Hour)
	w.settle()
	w.wantStatus(expiring, notify.Expired, notify.ReasonTooLate)
	if got := w.seen.of(expiring); len(got) != 1 || got[0] != notify.Expired {
		t.Errorf("the observer heard %v", got)
	}
	w.wantHeld(1)
	n, _, err := w.store.Purge(context.Background(), 1, w.clock.Now().Add(time.Hour), notify.Cursor{}, 100, nil)
	if err != nil || n != 3 {
		t.Errorf("purged %d, %v; want all but the held one", n, err)
	}
	w.wantStatus(kept, notify.NotSent, notify.ReasonReview)
	w.review(1, true)
	w.tick(w.dispatcher(nil))
	if len(w.carrier.sent()) != 1 || w.carrier.times(kept) != 1 {
		t.Errorf("%d sent, want the kept one alone", len(w.carrier.sent()))
	}
}

// A process that read the settings seconds ago holds what nobody will release any more;
// it is found and let go.
func TestHeld_byOldSettings(t *testing.T) {
	t.Parallel()
	w := newPolicied(t, nil)
	w.register("IT", "Praxis", notify.RegistrationPending)
	w.register("IT", "Studio", notify.RegistrationPending)
	w.set(1, `review = 'first'`)
	reviewed, _ := w.add(marketing(nil))
	approved, _ := w.add(func(m *notify.NewMessage) { m.Recipient = "+393331234567" })
	rejected, _ := w.add(func(m *notify.NewMessage) { m.Recipient, m.Sender = "+393331234567", "Studio" })
	w.exec(`UPDATE accounts SET review = 'cleared'`)
	w.exec(`UPDATE sender_registrations SET state = CASE sender WHEN 'Praxis' THEN 'approved' ELSE 'rejected' END`)
	w.settle()
	w.wantHeld(3)
	w.clock.Add(time.Minute)
	w.settle()
	w.wantHeld(0)
	for _, ref := range []notify.MessageRef{reviewed, approved} {
		if d := w.get(ref); !d.Queued {
			t.Errorf("message %d isn't queued: %v %q", ref.ID, d.Status, d.Reason)
		}
	}
	w.wantStatus(rejected, notify.InvalidSender, notify.ReasonSenderRejected)
	if n := w.count(`SELECT count(*) FROM due WHERE kind = 'held' AND due_at < 'infinity'`); n != 0 {
		t.Errorf("looks again for nothing")
	}
}

// purse is a Meter with a balance, where a segment costs three credits.
type purse struct {
	mu      sync.Mutex
	balance int
	asked   []notify.Charge
	settled map[notify.MessageRef]string
}

func (p *purse) PriceTx(_ context.Context, _ sqlx.QueryerContext, charges []notify.Charge) (prices []notify.Price, err error) {
	for _, c := range charges {
		prices = append(prices, notify.Price{TariffID: 5, Credits: 3 * c.Segments})
	}
	return prices, nil
}

func (p *purse) SettleTx(_ context.Context, _ *sqlx.Tx, all []notify.Settlement) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.settled == nil {
		p.settled = map[notify.MessageRef]string{}
	}
	for _, s := range all {
		p.settled[s.MessageRef] += fmt.Sprintf("captured %t;", s.Captured)
	}
	return nil
}

func (p *purse) HoldTx(_ context.Context, _ *sqlx.Tx, _ int64, charges []notify.Charge) (uncovered []int64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, charges...)
	for _, c := range charges {
		if p.balance < c.Credits && !c.Owed {
			uncovered = append(uncovered, c.MessageID)
			continue
		}
		p.balance -= c.Credits
	}
	return uncovered, nil
}

// Without credit, messages wait; with some, as many go as it covers.
func TestCredit(t *testing.T) {
	t.Parallel()
	p := &purse{balance: 9}
	w := newPolicied(t, func(c *notify.PolicyConfig) { c.Meter = p })
	var refs []notify.MessageRef
	var told []notify.Reason
	for _, segments := range []int{2, 2, 1, 1} {
		ref, e := w.add(func(m *notify.NewMessage) { m.Body = strings.Repeat("x", 150*segments) })
		refs, told = append(refs, ref), append(told, e.Reason)
	}
	if diff := cmp.Diff([]notify.Reason{"", notify.ReasonCredit, "", notify.ReasonCredit}, told); diff != "" {
		t.Fatalf("told (-want +got):\n%s", diff)
	}
	if c := p.asked[0]; c.MessageID != refs[0].ID || c.Country != "CH" || c.Segments != 2 || c.Units != 300 || c.Kind != notify.Notification || c.Price != (notify.Price{TariffID: 5, Credits: 6}) {
		t.Errorf("asked %+v", c)
	}
	release := func() (n int, more bool) {
		t.Helper()
		w.inAccount(1, func(tx *sqlx.Tx) (err error) {
			n, more, err = w.holds.ReleaseTx(context.Background(), tx, notify.Held{AccountID: 1, Reason: notify.ReasonCredit}, w.clock.Now())
			return err
		})
		return n, more
	}
	if n, more := release(); n != 0 || more {
		t.Errorf("without credit: %d released", n)
	}
	p.balance = 5
	if n, _ := release(); n != 1 {
		t.Errorf("credit for one: %d released", n)
	}
	w.wantStatus(refs[1], notify.NotSent, notify.ReasonCredit)
	p.balance = 6
	w.clock.Add(time.Minute)
	w.settle() // nobody said that there is credit
	w.wantHeld(0)
	w.tick(w.dispatcher(func(c *notify.Config) { c.Meter = p }))
	for _, ref := range refs {
		if n := w.carrier.times(ref); n != 1 {
			t.Errorf("message %d sent %d times", ref.ID, n)
		}
		if got := p.settled[ref]; got != "captured true;" {
			t.Errorf("message %d: %q", ref.ID, got)
		}
	}
	// What a review releases has to be paid for, too.
	w.set(1, `review = 'first'`)
	ref, _ := w.add(marketing(nil))
	w.review(1, true)
	w.wantStatus(ref, notify.NotSent, notify.ReasonCredit)
	if d := w.get(ref); whats(d) != "queued held released held" {
		t.Errorf("history %s", whats(d))
	}
}

// Releases in small batches, withdrawals and opt-outs at the same time: every message ends
// in one of the two ways, none in both, none is lost, and nobody deadlocks.
func TestRelease_races(t *testing.T) {
	t.Parallel()
	w := newPolicied(t, nil)
	w.set(1, `review = 'first'`)
	const n = 120
	var refs []notify.MessageRef
	for i := range n {
		ref, _ := w.add(marketing(func(m *notify.NewMessage) { m.Recipient = fmt.Sprintf("+4179123%04d", i/2) }))
		refs = append(refs, ref)
	}
	ctx := context.Background()
	errs := make(chan error, 3*n)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for more := true; more; {
				errs <- migrations.InAccount(ctx, w.db, 1, func(tx *sqlx.Tx) (err error) {
					_, more, err = w.holds.ReleaseTx(ctx, tx, notify.Held{AccountID: 1, Reason: notify.ReasonReview, Limit: 7}, w.clock.Now())
					return err
				})
			}
		})
	}
	wg.Go(func() {
		for i := 0; i < n; i += 3 {
			errs <- migrations.InAccount(ctx, w.db, 1, func(tx *sqlx.Tx) error {
				_, err := w.outbox.WithdrawTx(ctx, tx, refs[i], "changed", w.clock.Now())
				return err
			})
		}
	})
	wg.Go(func() {
		for i := range n / 8 {
			errs <- migrations.InAccount(ctx, w.db, 1, func(tx *sqlx.Tx) error {
				_, err := w.outbox.OptOutTx(ctx, tx, notify.OptOut{AccountID: 1, Recipient: fmt.Sprintf("+4179123%04d", 4*i), Source: notify.SourceStaff}, w.clock.Now())
				return err
			})
		}
	})
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	w.review(1, true) // what the limits left
	w.wantHeld(0)
	if lost := w.count(`SELECT count(*) FROM messages m JOIN sent s ON s.account_id = m.account_id AND s.message_id = m.id
		LEFT JOIN queue q ON q.account_id = m.account_id AND q.message_id = m.id
		WHERE (q.message_id IS NOT NULL) = (s.reason IN ('withdrawn', 'opted_out'))`); lost != 0 {
		t.Errorf("%d messages are both withdrawn and queued, or neither", lost)
	}
	w.tick(w.dispatcher(nil))
	for i, ref := range refs {
		d := w.get(ref)
		want := 1
		if d.Reason == notify.ReasonWithdrawn || d.Reason == notify.ReasonOptedOut {
			want = 0
		}
		if got := w.carrier.times(ref); got != want {
			t.Errorf("message %d: %v %q, sent %d times", i, d.Status, d.Reason, got)
		}
	}
}
