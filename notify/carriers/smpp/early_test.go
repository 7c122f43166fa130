package smpp

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rappel/notify/notifytest"
)

// early is a carrier and what it hands receipts to, without a connection.
type early struct {
	*directory
	link *link
	wait func() // runs while a receipt is held
	held int
}

func newEarly(t interface{ Fatal(...any) }) *early {
	e := &early{directory: &directory{Inbox: notifytest.NewInbox(), ids: map[string]string{}}}
	cfg := DefaultConfig()
	cfg.Address = "127.0.0.1:2775"
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cfg.Now = func() time.Time { return at }
	var mu sync.Mutex
	cfg.Wait = func(Purpose, time.Duration) (<-chan time.Time, func()) {
		mu.Lock()
		defer mu.Unlock()
		e.held++
		if e.wait != nil {
			e.wait()
		}
		fired := make(chan time.Time)
		close(fired)
		return fired, func() {}
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.link = c.link(nil)
	return e
}

// receipt brings a receipt for a message to the number and returns the id it was handed on under.
func (e *early) receipt(ctx context.Context, id, number string) (string, verdict) {
	d := delivery{total: 1, octets: []byte("id:" + id + " stat:DELIVRD"), from: address{1, 1, number}}
	v := e.link.receipt(ctx, d, e, slog.New(slog.DiscardHandler))
	if all := e.Receipts(); v == keepIt {
		return all[len(all)-1].CarrierID, v
	}
	return "", v
}

// written is how a gateway of form writes message n in its answer and in its receipt.
func written(form IDForm, n int) (answer, receipt string) {
	decimal, hex := strconv.Itoa(n), strconv.FormatInt(int64(n), 16)
	switch form {
	case IDHex:
		return hex, decimal
	case IDHexReceipt:
		return decimal, hex
	}
	return decimal, decimal
}

// The first receipt of all comes before anybody has recorded its message's id.
func TestLink_receiptBeforeItsAnswer(t *testing.T) {
	t.Parallel()
	e := newEarly(t)
	e.wait = func() {
		if len(e.Receipts()) > 0 {
			t.Error("handed on before it is known which id it is")
		}
		if e.held == 3 {
			e.ids["a0b0c1"] = "+41791234567"
		}
	}
	if got, v := e.receipt(t.Context(), "10531009", "41791234567"); v != keepIt || got != "a0b0c1" {
		t.Errorf("verdict %d, id %q, want a0b0c1", v, got)
	}
	if got, _ := e.receipt(t.Context(), "10531010", "41791234568"); got != "a0b0c2" || e.held != 3 {
		t.Errorf("then id %q after %d waits, want a0b0c2 at once", got, e.held)
	}
}

// The receipts of others who share the account are held each for a while, but not without end:
// a gateway that brings one at a time would bring ours late.
func TestLink_receiptsOfNobodyAreHeldSeldom(t *testing.T) {
	t.Parallel()
	e := newEarly(t)
	for n := range 200 {
		id := strconv.Itoa(10531009 + n)
		if got, v := e.receipt(t.Context(), id, "41791234567"); v != keepIt || got != id {
			t.Fatalf("verdict %d, id %q, want %q", v, got, id)
		}
	}
	if most := vainHolds * len(holds); e.held == 0 || e.held > most {
		t.Errorf("%d waits, want 1 to %d", e.held, most)
	}
}

// A link that ends doesn't wait for what it holds; the gateway brings that again.
func TestLink_heldReceiptOfADeadLink(t *testing.T) {
	t.Parallel()
	e := newEarly(t)
	e.link.c.wait = func(Purpose, time.Duration) (<-chan time.Time, func()) { return nil, func() {} }
	close(e.link.closed)
	if got, v := e.receipt(t.Context(), "10531009", "41791234567"); v != againIt {
		t.Errorf("verdict %d, id %q, want it again", v, got)
	}
}

// More than may be held are asked for again.
func TestLink_tooManyHeld(t *testing.T) {
	t.Parallel()
	e := newEarly(t)
	e.link.c.held.Store(heldLimit)
	if got, v := e.receipt(t.Context(), "10531009", "41791234567"); v != againIt {
		t.Errorf("verdict %d, id %q, want it again", v, got)
	}
	if n := e.link.c.held.Load(); n != heldLimit {
		t.Errorf("%d held", n)
	}
}

// A gateway changes the form of its ids long after the carrier was sure of it.
func TestLink_formChanges(t *testing.T) {
	t.Parallel()
	for _, named := range []bool{true, false} {
		t.Run(fmt.Sprint("named ", named), func(t *testing.T) {
			t.Parallel()
			e := newEarly(t)
			bring := func(form IDForm, n int) bool {
				answer, receipt := written(form, n)
				number := fmt.Sprintf("4179%07d", n)
				e.ids[answer] = "+" + number
				if e.link.c.ids.learns(answer) {
					e.link.c.ids.answered(answer, "+"+number)
				}
				if !named {
					number = ""
				}
				got, _ := e.receipt(t.Context(), receipt, number)
				return got == answer
			}
			n := 10531009
			for range 20 * sureVotes {
				if n++; !bring(IDHex, n) {
					t.Fatalf("message %d not found", n)
				}
			}
			if !e.link.c.ids.certain() {
				t.Fatal("not sure")
			}
			if e.asked > 2*sureVotes {
				t.Errorf("asked %d times of %d", e.asked, 20*sureVotes)
			}
			missed := 0
			for range 200 {
				if n++; !bring(IDDecimal, n) {
					missed++
				}
			}
			if most := 32; missed > most {
				t.Errorf("%d of 200 missed after the change, want at most %d", missed, most)
			}
		})
	}
}

// What can be somebody else's now and then doesn't unsettle a form that holds.
func TestLink_chanceDoesNotReopen(t *testing.T) {
	t.Parallel()
	e := newEarly(t)
	for n := range 30 * sureVotes { // decimal, and each id is another message's in hexadecimal
		decimal, hex := strconv.Itoa(100000+n), strconv.FormatInt(int64(100000+n), 16)
		if n < sureVotes || n%4 == 0 {
			e.ids[decimal] = ""
		}
		if n >= sureVotes {
			e.ids[hex] = ""
		}
		if got, _ := e.receipt(t.Context(), decimal, ""); got != decimal {
			t.Fatalf("message %s taken for %s", decimal, got)
		}
	}
}

// Ids in any form, small and dense or large, find the message to the number, whether its id
// was recorded before the receipt came or soon after, by this process or another.
func TestLink_receiptsFindTheirMessages(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		form := rapid.SampledFrom([]IDForm{IDDecimal, IDHex, IDHexReceipt}).Draw(t, "form")
		first := rapid.SampledFrom([]int{1, 9, 90, 4000, 10531009}).Draw(t, "first")
		e := newEarly(t)
		number := func(n int) string { return fmt.Sprintf("4179%07d", n) }
		answered := 0
		record := func() { // the next message
			n := first + answered
			answered++
			answer, _ := written(form, n)
			if rapid.Bool().Draw(t, "here") {
				e.link.c.ids.answered(answer, "+"+number(n))
			}
			e.ids[answer] = "+" + number(n)
		}
		for k := range rapid.IntRange(1, 120).Draw(t, "messages") {
			n := first + k
			for range rapid.IntRange(0, 2).Draw(t, "more") {
				record()
			}
			if answered > k && rapid.IntRange(0, 9).Draw(t, "skip") == 0 {
				continue // its receipt never comes
			}
			waits := rapid.IntRange(1, len(holds)).Draw(t, "waits")
			e.wait = func() {
				if waits--; waits == 0 {
					for answered <= k {
						record()
					}
				}
			}
			want, receipt := written(form, n)
			if got, v := e.receipt(context.Background(), receipt, number(n)); v != keepIt || got != want {
				t.Fatalf("%s: message %d, answered %s: verdict %d, id %q", form, n, want, v, got)
			}
			for answered <= k { // the form was known, it had not to wait
				record()
			}
		}
	})
}
