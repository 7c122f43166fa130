package smpp

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/linxGnu/gosmpp/data"

	"rappel/notify"
	"rappel/notify/notifytest"
	"rappel/notify/standin"
)

// A gateway that is gone without a word: what was sent is unknown, and nothing more goes
// the same way before it is heard of again.
func TestSend_halfOpen(t *testing.T) {
	t.Parallel()
	clk := newClock(WaitReconnect)
	r := start(t, notifytest.NewInbox(), "window=4", standin.SMSCConfig{}, clk)
	r.smsc.Freeze(true)
	first := make(chan error, 1)
	go func() {
		_, err := r.carrier.Send(t.Context(), message("ins Leere"))
		first <- err
	}()
	r.awaitWritten(t, 1)
	clk.fireAll(t, WaitAnswer, beats+1)
	asSendError(t, <-first, notify.ErrUnknown)

	ctx, cancel := context.WithCancel(t.Context())
	second := make(chan error, 1)
	go func() {
		_, err := r.carrier.Send(ctx, message("hinterher"))
		second <- err
	}()
	clk.await(t, WaitLink, 1) // it waits for a link, though slots are free
	cancel()
	asSendError(t, <-second, notify.ErrTemporary)

	clk.fire(t, WaitPeer, 1) // enquire_link isn't answered either
	clk.await(t, WaitPeer, 1)
	r.smsc.Freeze(false)
	until(t, r.smsc, func() bool { return r.smsc.Binds() == 2 && r.smsc.Bound() == 1 })
	r.awaitBound(t, 1)
	if _, err := r.carrier.Send(t.Context(), message("wieder da")); err != nil {
		t.Error(err)
	}
}

// A gateway that is only slow is asked whether it lives, and gets more.
func TestSend_slowGatewayGetsMore(t *testing.T) {
	t.Parallel()
	clk := newClock(WaitReconnect)
	r := start(t, notifytest.NewInbox(), "", standin.SMSCConfig{}, clk)
	r.smsc.Fault(standin.Fault{Action: standin.Mute})
	first := make(chan error, 1)
	go func() {
		_, err := r.carrier.Send(t.Context(), message("stumm"))
		first <- err
	}()
	until(t, r.smsc, func() bool { return r.smsc.Seen() == 1 })
	clk.fireAll(t, WaitAnswer, beats+1)
	asSendError(t, <-first, notify.ErrUnknown)
	until(t, r.smsc, func() bool { return r.smsc.Enquiries() == 1 })
	if _, err := r.carrier.Send(t.Context(), message("weiter")); err != nil {
		t.Error(err)
	}
	if n := r.smsc.Binds(); n != 1 {
		t.Errorf("%d binds, want the first to last", n)
	}
}

// pipe is a link to a gateway that answers the bind and reads nothing after it.
func pipe(t *testing.T, clk *clock, query string) (c *Carrier, gateway net.Conn) {
	t.Helper()
	ours, theirs := net.Pipe()
	cfg, err := ParseURL(mustURL(t, "smpp://gateway.example?"+query))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Wait = clk.wait
	if c, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	go func() {
		if _, err := peekFrame(bufio.NewReaderSize(theirs, data.MAX_PDU_LEN)); err != nil {
			t.Error(err)
		}
		if _, err := theirs.Write(append(appendHeader(nil, headerSize+1, header{data.BIND_TRANSCEIVER_RESP, 0, 1}), 0)); err != nil {
			t.Error(err)
		}
	}()
	l, err := c.bind(ours, true)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- l.serve(context.Background(), notifytest.NewInbox(), slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		_ = theirs.Close() // it may be closed already
		<-done
	})
	for c.Bound() == 0 && t.Context().Err() == nil {
		runtime.Gosched()
	}
	return c, theirs
}

// While a gateway reads nothing, what waits behind what is being written hasn't left.
func TestSend_gatewayReadsNothing(t *testing.T) {
	t.Parallel()
	clk := newClock(WaitReconnect)
	c, _ := pipe(t, clk, "window=8")
	results := make(chan error, 8)
	send := func() {
		go func() {
			_, err := c.Send(t.Context(), message("x"))
			results <- err
		}()
	}
	send()
	awaitWritten(t, c, 1)
	for range 3 {
		send()
	}
	awaitQueued(t, c, 3)
	clk.fireAll(t, WaitAnswer, beats+1)
	kinds := map[string]int{}
	for range 4 {
		kinds[kindName(<-results)]++
	}
	if kinds["unknown"] != 1 || kinds["temporary"] != 3 {
		t.Errorf("got %v, want one unknown and the others certainly not sent", kinds)
	}
}

// Once the gateway throttles, nothing more leaves over any bind: neither what is new, nor
// what waits for a slot, nor what waits to be written.
func TestSend_throttlingPausesAllBinds(t *testing.T) {
	t.Parallel()
	t.Run("new ones", func(t *testing.T) {
		t.Parallel()
		smsc, err := standin.NewSMSC("127.0.0.1:0", standin.SMSCConfig{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeSMSC(t, smsc) })
		var mu sync.Mutex
		now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
		r := attachAt(t, notifytest.NewInbox(), smsc, "binds=3&pause=2s", newClock(WaitReconnect), func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		})
		r.awaitBound(t, 3)
		for _, status := range []uint32{standin.StatusThrottled, standin.StatusQueueFull} {
			seen := r.smsc.Seen()
			r.smsc.Fault(standin.Fault{Action: standin.Refuse, Status: status})
			_, err := r.carrier.Send(t.Context(), message("zu viel"))
			if e := asSendError(t, err, notify.ErrThrottled); e.Code != code(status) {
				t.Errorf("code %q, want %q", e.Code, code(status))
			}
			for range 5 {
				_, err := r.carrier.Send(t.Context(), message("noch eins"))
				asSendError(t, err, notify.ErrThrottled)
			}
			if n := r.smsc.Seen() - seen; n != 1 {
				t.Errorf("%d reached the gateway, want the one it refused", n)
			}
			mu.Lock()
			now = now.Add(2 * time.Second)
			mu.Unlock()
			if _, err := r.carrier.Send(t.Context(), message("danach")); err != nil {
				t.Errorf("after the pause: %v", err)
			}
		}
	})
	t.Run("those in line", func(t *testing.T) {
		t.Parallel()
		clk := newClock(WaitReconnect)
		r := start(t, notifytest.NewInbox(), "window=1&pause=10s", standin.SMSCConfig{}, clk)
		r.smsc.Fault(standin.Fault{Action: standin.WithholdError, Status: standin.StatusThrottled})
		results := make(chan error, 4)
		for range 4 {
			go func() {
				_, err := r.carrier.Send(t.Context(), message("x"))
				results <- err
			}()
		}
		until(t, r.smsc, func() bool { return r.smsc.Held() == 1 })
		clk.await(t, WaitLink, 3)
		r.smsc.Release()
		for range 4 {
			asSendError(t, <-results, notify.ErrThrottled)
		}
		if n := r.smsc.Seen(); n != 1 {
			t.Errorf("%d reached the gateway, want 1", n)
		}
	})
	t.Run("those not written", func(t *testing.T) {
		t.Parallel()
		c, _ := pipe(t, newClock(WaitReconnect), "window=8&pause=10s")
		results := make(chan error, 4)
		send := func() {
			go func() {
				_, err := c.Send(t.Context(), message("x"))
				results <- err
			}()
		}
		send()
		awaitWritten(t, c, 1)
		for range 3 {
			send()
		}
		awaitQueued(t, c, 3)
		c.pause()
		for range 3 {
			asSendError(t, <-results, notify.ErrThrottled)
		}
	})
}

// An answer that comes after all the room for such is taken is passed over, not mixed up.
func TestLink_lateAnswersAreBounded(t *testing.T) {
	t.Parallel()
	c, _ := pipe(t, newClock(WaitReconnect), "")
	c.pool.mu.Lock()
	l := c.pool.links[0]
	c.pool.mu.Unlock()
	l.mu.Lock()
	for i := range lateLimit + 10 {
		r := newRequest().(*request)
		l.window.put(r)
		r.written = true
		r.message = int64(i)
		l.giveUp(r, errNoAnswer)
	}
	n := len(l.late)
	l.mu.Unlock()
	if n != lateLimit {
		t.Errorf("%d remembered, want %d", n, lateLimit)
	}
}

// With ref=16, long messages carry the wider reference, unless it took one more part.
func TestSend_reference16(t *testing.T) {
	t.Parallel()
	r := start(t, notifytest.NewInbox(), "ref=16", standin.SMSCConfig{}, nil)
	for _, tt := range []struct {
		body  string
		parts int
		wide  bool
	}{
		{strings.Repeat("a", 304), 2, true},
		{strings.Repeat("b", 306), 2, false},
		{strings.Repeat("ж", 67+67), 2, false},
		{strings.Repeat("ж", 66+66), 2, true},
	} {
		before := r.smsc.Accepted()
		m := message(tt.body)
		s, err := r.carrier.Send(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.IDs) != m.Segments || len(s.IDs) != tt.parts {
			t.Errorf("%d parts, counted %d, want %d", len(s.IDs), m.Segments, tt.parts)
		}
		parts := r.smsc.Parts()[before:]
		unit := 1
		if parts[0].Coding == 8 {
			unit = 2
		}
		per := map[bool]int{true: map[int]int{1: 152, 2: 66}[unit], false: map[int]int{1: 153, 2: 67}[unit]}[tt.wide]
		if got := len(parts[0].Octets) / unit; got != per {
			t.Errorf("the first part has %d units, want %d", got, per)
		}
		if texts := r.smsc.Texts(); texts[len(texts)-1].Body != tt.body || !texts[len(texts)-1].Complete {
			t.Errorf("the phone shows %.20q", texts[len(texts)-1].Body)
		}
	}
}

func kindName(err error) string {
	for name, kind := range map[string]error{"unknown": notify.ErrUnknown, "temporary": notify.ErrTemporary, "throttled": notify.ErrThrottled} {
		if e, ok := err.(*notify.SendError); ok && e.Kind == kind {
			return name
		}
	}
	return "other"
}
