package notify_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"rappel/notify"
	"rappel/notify/optout"
)

// long is a text of two segments.
func long(m *notify.NewMessage) {
	m.Body = fmt.Sprintf("%0170d", 0)
}

func TestDesk_Receipt(t *testing.T) {
	t.Parallel()
	type step struct {
		part   int // of carrier one's ids, 0 and 1
		status notify.Status
	}
	tests := []struct {
		name  string
		long  bool
		steps []step
		want  notify.Status
	}{
		{"delivered", false, []step{{0, notify.Delivered}}, notify.Delivered},
		{"sent says nothing new", false, []step{{0, notify.Sent}}, notify.Sent},
		{"sent after delivered", false, []step{{0, notify.Delivered}, {0, notify.Sent}}, notify.Delivered},
		{"twice", false, []step{{0, notify.Delivered}, {0, notify.Delivered}}, notify.Delivered},
		{"failed after delivered", false, []step{{0, notify.Delivered}, {0, notify.NotDelivered}}, notify.Delivered},
		{"delivered after failed", false, []step{{0, notify.NotDelivered}, {0, notify.Delivered}}, notify.Delivered},
		{"two failures: the first stays", false, []step{{0, notify.Rejected}, {0, notify.NotDelivered}}, notify.Rejected},
		{"one of two parts", true, []step{{0, notify.Delivered}}, notify.Sent},
		{"one of two parts, twice", true, []step{{0, notify.Delivered}, {0, notify.Delivered}}, notify.Sent},
		{"both parts", true, []step{{1, notify.Delivered}, {0, notify.Delivered}}, notify.Delivered},
		{"one part failed", true, []step{{0, notify.Delivered}, {1, notify.NotDelivered}}, notify.NotDelivered},
		{"the failed part made it after all", true, []step{{1, notify.NotDelivered}, {0, notify.Delivered}, {1, notify.Delivered}}, notify.Delivered},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, how := range []struct {
				early      bool // before the acceptance is recorded
				unobserved bool
				remembered bool // by the process that recorded it
			}{{}, {early: true}, {unobserved: true}, {early: true, unobserved: true}, {unobserved: true, remembered: true}} {
				w := newWorld(t)
				w.unobserved = how.unobserved
				if how.remembered {
					w.flights = notify.NewFlights()
				}
				desk := w.desk()
				ids := []string{"a", "b"}
				play := func() {
					for _, s := range tt.steps {
						w.receipt(desk, ids[s.part], s.status, func(r *notify.Receipt) { r.Recipient = patient })
					}
				}
				w.carrier.script = func(_ int, m notify.Message) (notify.Submission, error) {
					if how.early {
						play()
					}
					return notify.Submission{IDs: ids[:m.Segments]}, nil
				}
				ref := w.enqueue(func(m *notify.NewMessage) {
					if tt.long {
						long(m)
					}
				})
				w.tick(w.dispatcher(nil))
				if !how.early {
					play()
				}
				if d := w.get(ref); d.Status != tt.want {
					t.Errorf("%+v: %v, want %v", how, d.Status, tt.want)
				}
				if n := w.count(`SELECT count(*) FROM early_receipts`); n != 0 {
					t.Errorf("%+v: %d receipts left over", how, n)
				}
				var last notify.Status
				for _, s := range w.seen.of(ref) {
					last = s
				}
				if !how.unobserved && last != tt.want {
					t.Errorf("%+v: the observer last heard %v, want %v", how, last, tt.want)
				}
			}
		})
	}
}

func TestDesk_unknownReceiptsAreHarmless(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	desk := w.desk()
	for range 3 {
		w.receipt(desk, "nobody's", notify.Delivered, nil)
		w.receipt(desk, "nobody's\x00\xff", notify.Delivered, func(r *notify.Receipt) { r.Code = "\xff\x00" })
	}
	w.tick(w.dispatcher(nil))
	if n := w.count(`SELECT count(*) FROM early_receipts`); n != 2 {
		t.Errorf("%d kept, want 2", n)
	}
	w.clock.Add(8 * 24 * time.Hour)
	w.tick(w.dispatcher(nil))
	if n := w.count(`SELECT count(*) FROM early_receipts`); n != 0 {
		t.Errorf("%d kept after a week", n)
	}
}

// A receipt and the acceptance it belongs to may be written at the same moment, neither
// seeing the other.
func TestDesk_crossedReceipt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ref := w.enqueue(nil)
	d := w.dispatcher(nil)
	w.tick(d)
	id := w.carrier.sent()[0].ids[0]
	w.exec(`INSERT INTO early_receipts (carrier, carrier_message_id, status, at, received_at) VALUES ('one', $1, 3, $2, $2)`, id, epoch)
	w.tick(d)
	w.wantStatus(ref, notify.Delivered, "")
}

// The one who is the later to commit sees the other: here that is the desk.
func TestDesk_crossedReceiptIsFoundAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ref := w.enqueue(nil)
	w.exec(`DELETE FROM queue`)
	w.exec(`INSERT INTO sent (account_id, message_id, status, carrier, parts, attempts, accepted_at, status_at)
		VALUES ($1, $2, 1, 'one', 1, 1, $3, $3)`, ref.AccountID, ref.ID, epoch)
	w.exec(fmt.Sprintf(`CREATE FUNCTION record_meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO carrier_refs (carrier, carrier_message_id, account_id, message_id, status, whole) VALUES ('one', 'x', %d, %d, 1, true);
		RETURN NULL;
	END $$`, ref.AccountID, ref.ID))
	w.exec(`CREATE TRIGGER record_meanwhile AFTER INSERT ON early_receipts FOR EACH ROW EXECUTE FUNCTION record_meanwhile()`)
	w.receipt(w.desk(), "x", notify.Delivered, nil)
	w.wantStatus(ref, notify.Delivered, "")
	if n := w.count(`SELECT count(*) FROM early_receipts`); n != 0 {
		t.Errorf("%d receipts left over", n)
	}
}

// A gateway that gives all segments of a message one id says of all of them what it says.
func TestDesk_oneIDForAllSegments(t *testing.T) {
	t.Parallel()
	for _, unobserved := range []bool{false, true} {
		w := newWorld(t)
		w.unobserved = unobserved
		w.carrier.script = func(int, notify.Message) (notify.Submission, error) {
			return notify.Submission{IDs: []string{"7", "7"}}, nil
		}
		ref := w.enqueue(long)
		w.tick(w.dispatcher(nil))
		w.wantStatus(ref, notify.Sent, "")
		w.receipt(w.desk(), "7", notify.Delivered, nil)
		w.wantStatus(ref, notify.Delivered, "")
	}
}

// A carrier that gives an id again means the newest message by it, also where the id's
// former message is still remembered.
func TestDesk_idGivenAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.unobserved, w.flights = true, notify.NewFlights()
	w.carrier.script = func(int, notify.Message) (notify.Submission, error) {
		return notify.Submission{IDs: []string{"7"}}, nil
	}
	d, desk := w.dispatcher(nil), w.desk()
	older := w.enqueue(nil)
	w.tick(d)
	newer := w.enqueue(nil)
	w.tick(d)
	w.receipt(desk, "7", notify.Delivered, nil)
	w.wantStatus(newer, notify.Delivered, "")
	w.wantStatus(older, notify.Sent, "")
}

// A receipt whose id is a message's, but which names another number, is for another message:
// of a gateway that counts anew, or writes ids in a form misread. It is kept as one for an
// id nobody knows, and moves nothing.
func TestDesk_foreignRecipient(t *testing.T) {
	t.Parallel()
	for _, how := range []struct{ long, unobserved, remembered, early bool }{{}, {long: true}, {unobserved: true},
		{unobserved: true, remembered: true}, {early: true}, {early: true, unobserved: true}, {early: true, long: true}} {
		w := newWorld(t)
		w.unobserved = how.unobserved
		if how.remembered {
			w.flights = notify.NewFlights()
		}
		d, desk := w.dispatcher(nil), w.desk()
		foreign := func(s notify.Status) {
			w.receipt(desk, "7", s, func(r *notify.Receipt) { r.Recipient, r.Sender = "+41790000000", "Praxis" })
		}
		w.carrier.script = func(_ int, m notify.Message) (notify.Submission, error) {
			if how.early {
				foreign(notify.Delivered)
			}
			return notify.Submission{IDs: []string{"7", "8"}[:m.Segments]}, nil
		}
		ref := w.enqueue(func(m *notify.NewMessage) {
			if how.long {
				m.Body = strings.Repeat("a", 200)
			}
		})
		w.tick(d)
		if !how.early {
			foreign(notify.Delivered)
		}
		w.tick(d)
		w.wantStatus(ref, notify.Sent, "")
		if n := w.count(`SELECT count(*) FROM early_receipts`); n != 1 {
			t.Errorf("%+v: %d receipts put aside, want 1", how, n)
		}
		// As the gateway writes the right number, national or not, or in the sender's place.
		for i, number := range []string{patient, "791234567", "0041791234567", "", "079***4567"} {
			id := "7"
			if how.long && i%2 == 1 {
				id = "8"
			}
			w.receipt(desk, id, notify.NotDelivered, func(r *notify.Receipt) { r.Recipient = number })
			w.wantStatus(ref, notify.NotDelivered, notify.ReasonReceipt)
		}
		w.receipt(desk, "7", notify.Delivered, func(r *notify.Receipt) { r.Recipient, r.Sender = "+41445556677", patient })
		if !how.long {
			w.wantStatus(ref, notify.Delivered, "")
		}
	}
}

// Of receipts with one id that come together each moves the message it names.
func TestDesk_foreignRecipientInTheSameBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.script = func(int, notify.Message) (notify.Submission, error) {
		return notify.Submission{IDs: []string{"7"}}, nil
	}
	ref := w.enqueue(nil)
	w.tick(w.dispatcher(nil))
	receipt := func(to string, s notify.Status) notify.Receipt {
		return notify.Receipt{Carrier: "one", CarrierID: "7", Status: s, Recipient: to}
	}
	if err := notify.ApplyTogether(w.desk(), receipt("+41790000000", notify.Delivered), receipt(patient, notify.Expired),
		receipt("+41790000001", notify.Delivered)); err != nil {
		t.Fatal(err)
	}
	w.wantStatus(ref, notify.Expired, notify.ReasonReceipt)
}

// What a receipt of an id that is another's already says is evidence for the message in
// doubt that it names.
func TestDesk_foreignRecipientIsEvidence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d, desk := w.dispatcher(nil), w.desk()
	w.carrier.script = func(int, notify.Message) (notify.Submission, error) {
		return notify.Submission{IDs: []string{"7"}}, nil
	}
	first := w.enqueue(nil)
	w.tick(d)
	w.carrier.script = always(notify.ErrUnknown)
	doubt := w.enqueue(func(m *notify.NewMessage) { m.Recipient = "+41790000000" })
	w.tick(d)
	w.receipt(desk, "7", notify.Delivered, func(r *notify.Receipt) { r.Recipient, r.Sender = "+41790000000", "Praxis" })
	w.wantStatus(doubt, notify.Delivered, "")
	w.wantStatus(first, notify.Sent, "")
}

func TestDesk_noReceiptEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d, desk := w.dispatcher(nil), w.desk()
	silent := w.enqueue(nil)
	good := w.enqueue(nil)
	w.tick(d)
	w.receipt(desk, w.carrier.sent()[0].ids[0], notify.Sent, nil)
	for _, s := range w.carrier.sent() {
		if s.ID == good.ID {
			w.receipt(desk, s.ids[0], notify.Delivered, nil)
		}
	}
	w.clock.Add(72*time.Hour - time.Second)
	w.tick(d)
	w.wantStatus(silent, notify.Sent, "")
	w.clock.Add(time.Second)
	w.tick(d)
	w.wantStatus(silent, notify.Expired, notify.ReasonNoReceipt)
	w.wantStatus(good, notify.Delivered, "")
	for _, s := range w.carrier.sent() { // it comes after all
		if s.ID == silent.ID {
			w.receipt(desk, s.ids[0], notify.NotDelivered, nil)
		}
	}
	w.wantStatus(silent, notify.NotDelivered, notify.ReasonReceipt)
}

// Many at once, from several desks, each receipt twice: none is lost, none counts double.
func TestDesk_concurrently(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.window = 50
	var refs []notify.MessageRef
	for i := range 40 {
		refs = append(refs, w.enqueue(func(m *notify.NewMessage) {
			if i%2 == 0 {
				long(m)
			}
		}))
	}
	w.tick(w.dispatcher(nil))
	desks := []*notify.Desk{w.desk(), w.desk()}
	var wg sync.WaitGroup
	for _, s := range w.carrier.sent() {
		for _, id := range s.ids {
			for _, desk := range desks {
				wg.Go(func() {
					if err := desk.Receipt(context.Background(), notify.Receipt{Carrier: "one", CarrierID: id, Status: notify.Delivered, At: epoch}); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
	wg.Wait()
	for _, ref := range refs {
		w.wantStatus(ref, notify.Delivered, "")
	}
	if n := w.count(`SELECT count(*) FROM sent WHERE parts <> delivered`); n != 0 {
		t.Errorf("%d messages with a wrong count of delivered parts", n)
	}
}

// The SQL condition says what Status.After says, for every pair.
func TestMayReplace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, from := range notify.Statuses() {
		for _, to := range notify.Statuses() {
			var got bool
			err := w.db.Get(&got, `SELECT `+notify.MayReplace+` FROM (SELECT CAST($1 AS smallint) AS status) AS s, (SELECT CAST($2 AS smallint) AS status) AS EXCLUDED`, from, to)
			if err != nil {
				t.Fatal(err)
			}
			if want := from.After(to); got != want {
				t.Errorf("%v to %v: SQL says %t, Status.After %t", from, to, got, want)
			}
		}
	}
}

// In whatever order and however often a message's receipts arrive, the outcome is the
// same as the model's: DELIVERED once all parts are, else the first failure, else SENT.
func TestDesk_anyOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	desk := w.desk()
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		ids := []string{fmt.Sprint(n, "a"), fmt.Sprint(n, "b")}
		w.carrier.script = func(int, notify.Message) (notify.Submission, error) { return notify.Submission{IDs: ids}, nil }
		ref := w.enqueue(long)
		w.tick(w.dispatcher(nil))
		delivered := map[int]bool{}
		want := notify.Sent
		for range rapid.IntRange(0, 6).Draw(r, "receipts") {
			part := rapid.IntRange(0, 1).Draw(r, "part")
			status := rapid.SampledFrom([]notify.Status{notify.Sent, notify.Delivered, notify.NotDelivered, notify.Rejected}).Draw(r, "status")
			w.receipt(desk, ids[part], status, nil)
			switch {
			case status == notify.Delivered:
				delivered[part] = true
				if len(delivered) == 2 {
					want = notify.Delivered
				}
			case status.Final() && !delivered[part] && want == notify.Sent:
				want = status
			}
		}
		if d := w.get(ref); d.Status != want {
			r.Errorf("%v, want %v", d.Status, want)
		}
	})
}

func TestDesk_Inbound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account(2)
	w.account(3)
	w.exec(`UPDATE accounts SET sender = 'Dritte' WHERE account_id = 3`)
	ctx, d, desk := context.Background(), w.dispatcher(nil), w.desk()
	first := w.enqueue(func(m *notify.NewMessage) { m.Sender = "+41790000001" })
	w.tick(d)
	w.clock.Add(time.Minute)
	second := w.enqueue(func(m *notify.NewMessage) { m.AccountID, m.Sender = 2, "+41790000002" })
	w.tick(d)
	n := 0
	in := func(to, body string) notify.Inbound {
		n++
		return notify.Inbound{Carrier: "one", CarrierID: fmt.Sprint("mo", n), From: patient, To: to, Body: body, At: w.clock.Now()}
	}
	put := func(m notify.Inbound) {
		t.Helper()
		if err := desk.Inbound(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	replies := func(account int64) (out []string) {
		t.Helper()
		all, err := w.store.Replies(ctx, account, patient, 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			id := int64(0)
			if r.MessageID != nil {
				id = *r.MessageID
			}
			out = append(out, fmt.Sprintf("%s %s %d", r.Body, r.Action, id))
		}
		return out
	}
	put(in("+41790000001", "Danke"))
	put(in("+41790000002", "Merci"))
	put(in("999", "short code")) // the last to write through this carrier
	m := in("+41790000001", "Wo ist das?")
	put(m)
	put(m) // replayed
	third := in("DRITTE", "hallo")
	third.From = "+41799999999"
	put(third) // never written to, but it is that account's sender
	none := in("nobody", "hallo")
	none.From = "+41799999998"
	put(none)
	put(none) // replayed
	if diff := cmp.Diff([]string{fmt.Sprintf("Wo ist das?  %d", first.ID), fmt.Sprintf("Danke  %d", first.ID)}, replies(1)); diff != "" {
		t.Errorf("account 1 (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{fmt.Sprintf("short code  %d", second.ID), fmt.Sprintf("Merci  %d", second.ID)}, replies(2)); diff != "" {
		t.Errorf("account 2 (-want +got):\n%s", diff)
	}
	if n := w.count(`SELECT count(*) FROM inbound WHERE account_id = 3`); n != 1 {
		t.Errorf("account 3 has %d replies, want 1", n)
	}

	queued := w.enqueue(func(m *notify.NewMessage) { m.SendAt = w.clock.Now().Add(time.Hour) })
	other := w.enqueue(func(m *notify.NewMessage) { m.SendAt, m.Recipient = w.clock.Now().Add(time.Hour), "+41790000009" })
	put(in("+41790000001", "«Stopp!»"))
	w.wantStatus(queued, notify.NotAllowed, notify.ReasonOptedOut)
	w.wantStatus(other, notify.NotSent, "")
	if diff := cmp.Diff([]notify.Status{notify.NotAllowed}, w.seen.of(queued)); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
	after := w.enqueue(nil)
	w.tick(d)
	w.wantStatus(after, notify.NotAllowed, notify.ReasonOptedOut)
	put(in("+41790000001", "START"))
	again := w.enqueue(nil)
	w.tick(d)
	w.wantStatus(again, notify.Sent, "")
}

// A carrier asks which of two ids is a message's; others' ids of the same text aren't.
func TestDesk_Known(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enqueue(nil)
	w.tick(w.dispatcher(nil))
	id := w.carrier.sent()[0].ids[0]
	for carrier, want := range map[string]map[string]string{"one": {id: patient}, "two": {}} {
		got, err := w.desk().Known(context.Background(), carrier, []string{"nobody's", id})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", carrier, diff)
		}
	}
}

// A reply that belongs to nobody is kept for the operator, for a while.
func TestDesk_stray(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, d, desk := context.Background(), w.dispatcher(nil), w.desk()
	m := notify.Inbound{Carrier: "one", CarrierID: "mo1", From: "+41799999998", To: "nobody", Body: "STOP"}
	for range 2 { // carriers may bring it again
		if err := desk.Inbound(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	w.clock.Add(time.Hour)
	m.CarrierID, m.Body, m.At = "mo2", "Hallo?\x00", w.clock.Now().Add(-time.Minute)
	if err := desk.Inbound(ctx, m); err != nil {
		t.Fatal(err)
	}
	want := []notify.Stray{
		{Carrier: "one", CarrierID: "mo2", Sender: m.From, Recipient: "nobody", Body: "Hallo?", ReceivedAt: w.clock.Now().Add(-time.Minute)},
		{Carrier: "one", CarrierID: "mo1", Sender: m.From, Recipient: "nobody", Body: "STOP", Action: optout.Out, ReceivedAt: epoch},
	}
	strays := func() []notify.Stray {
		t.Helper()
		w.tick(d)
		got, err := notify.Strays(ctx, w.db, 10)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if diff := cmp.Diff(want, strays(), cmpopts.EquateApproxTime(0)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.clock.Add(30 * 24 * time.Hour)
	if got := strays(); len(got) != 1 {
		t.Errorf("%d kept after 30 days, want the later one", len(got))
	}
}

// The reply to a text whose acceptance was never heard of finds its account.
func TestDesk_replyToUnanswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.carrier.script = always(notify.ErrUnknown)
	ref := w.enqueue(nil)
	w.tick(w.dispatcher(nil))
	if err := w.desk().Inbound(context.Background(), notify.Inbound{Carrier: "one", CarrierID: "mo1", From: patient, To: "Praxis", Body: "Danke"}); err != nil {
		t.Fatal(err)
	}
	if n := w.count(`SELECT count(*) FROM inbound WHERE account_id = 1 AND message_id = $1`, ref.ID); n != 1 {
		t.Error("not kept with its account")
	}
}
