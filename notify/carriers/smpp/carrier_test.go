package smpp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rappel/notify"
	"rappel/notify/notifytest"
	"rappel/notify/standin"
)

func TestSend_beforeBind(t *testing.T) {
	smsc, err := standin.NewSMSC("127.0.0.1:0", standin.SMSCConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeSMSC(t, smsc)
	cfg, err := ParseURL(smsc.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	clk := newClock()
	cfg.Wait = clk.wait
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	go clk.fire(t, WaitLink, 1)
	if _, err := c.Send(t.Context(), message("früh")); err == nil {
		t.Fatal("sent without a bind")
	} else {
		asSendError(t, err, notify.ErrTemporary)
	}
}

func TestSend_waitsForFirstBind(t *testing.T) {
	smsc, err := standin.NewSMSC("127.0.0.1:0", standin.SMSCConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSMSC(t, smsc) })
	smsc.RefuseBinds(0x08) // passing trouble
	r := attach(t, notifytest.NewInbox(), smsc, "", nil)
	done := make(chan error, 1)
	go func() {
		_, err := r.carrier.Send(t.Context(), message("früh"))
		done <- err
	}()
	until(t, smsc, func() bool { return smsc.Binds() >= 2 })
	smsc.RefuseBinds(0)
	if err := <-done; err != nil {
		t.Errorf("got %v, want it sent with the first bind", err)
	}
}

func TestSend_misconfiguredThenMended(t *testing.T) {
	in := notifytest.NewInbox()
	r := start(t, in, "", standin.SMSCConfig{User: "clinic", Password: "pw"}, nil)
	r.smsc.RefuseBinds(standin.StatusInvalidPassword)
	r.smsc.CutAll()
	until(t, r.smsc, func() bool { return r.smsc.Binds() >= 3 })
	_, err := r.carrier.Send(t.Context(), message("x"))
	if e := asSendError(t, err, notify.ErrMisconfigured); e.Code != "0x0E" {
		t.Errorf("code %q, want 0x0E", e.Code)
	}
	r.smsc.RefuseBinds(0)
	until(t, r.smsc, func() bool { return r.smsc.Bound() == 1 })
	r.awaitBound(t, 1)
	if _, err := r.carrier.Send(t.Context(), message("x")); err != nil {
		t.Errorf("after the password was mended: %v", err)
	}
}

func TestCheck(t *testing.T) {
	smsc, err := standin.NewSMSC("127.0.0.1:0", standin.SMSCConfig{User: "clinic", Password: "right"})
	if err != nil {
		t.Fatal(err)
	}
	defer closeSMSC(t, smsc)
	for _, tt := range []struct{ password, want string }{{"right", ""}, {"wrong", "0x0E"}} {
		u := smsc.URL("")
		u.User = url.UserPassword("clinic", tt.password)
		cfg, err := ParseURL(u)
		if err != nil {
			t.Fatal(err)
		}
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		switch err := c.Check(t.Context()); {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.password, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: got %v, want %s", tt.password, err, tt.want)
		case err != nil && strings.Contains(err.Error(), tt.password):
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

func TestSend_timeoutThenLateAnswer(t *testing.T) {
	in := notifytest.NewInbox()
	clk := newClock(WaitReconnect)
	r := start(t, in, "", standin.SMSCConfig{}, clk)
	r.smsc.Fault(standin.Fault{Action: standin.Withhold})
	go func() {
		until(t, r.smsc, func() bool { return r.smsc.Held() == 1 })
		clk.fireAll(t, WaitAnswer, beats+1)
	}()
	m := message("langsam")
	_, err := r.carrier.Send(t.Context(), m)
	asSendError(t, err, notify.ErrUnknown)

	// The slot is free again, and the answer that comes after all is evidence.
	if _, err := r.carrier.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	r.smsc.Release()
	got := in.AwaitReceipts(t, 1)[0]
	want := notify.Receipt{Carrier: "smpp", CarrierID: canonical(r.smsc.Parts()[0].ID), Status: notify.Sent, Recipient: m.Recipient, Sender: m.Sender}
	got.At = time.Time{}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("evidence (-want +got):\n%s", diff)
	}
}

func TestSend_lateRefusalIsNoEvidence(t *testing.T) {
	in := notifytest.NewInbox()
	clk := newClock(WaitReconnect)
	r := start(t, in, "", standin.SMSCConfig{}, clk)
	r.smsc.Fault(standin.Fault{Action: standin.WithholdError, Status: standin.StatusThrottled})
	go func() {
		until(t, r.smsc, func() bool { return r.smsc.Held() == 1 })
		clk.fireAll(t, WaitAnswer, beats+1)
	}()
	_, err := r.carrier.Send(t.Context(), message("langsam"))
	asSendError(t, err, notify.ErrUnknown)
	r.smsc.Release()
	if _, err := r.carrier.Send(t.Context(), message("danach")); err != nil {
		t.Fatal(err)
	}
	r.stop() // every handler has ended
	if got := in.Receipts(); len(got) != 0 {
		t.Errorf("got %v from a refusal", got)
	}
}

// Parts refused for now are submitted again in the same Send, and nothing else is.
func TestSend_completes(t *testing.T) {
	long := strings.Repeat("0123456789", 40) // three parts
	for _, tt := range []struct {
		name  string
		fault standin.Fault
		rests int
	}{
		{"second throttled", standin.Fault{Skip: 1, Status: standin.StatusThrottled}, 1},
		{"first two throttled", standin.Fault{Times: 2, Status: standin.StatusQueueFull}, 1},
		{"third in trouble", standin.Fault{Skip: 2, Status: standin.StatusSystemError}, 1},
		{"third in trouble three times", standin.Fault{Skip: 2, Times: 3, Status: standin.StatusSystemError}, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clk := newClock(WaitReconnect)
			r := start(t, notifytest.NewInbox(), "pause=0s", standin.SMSCConfig{}, clk)
			r.smsc.Fault(tt.fault)
			type result struct {
				s   notify.Submission
				err error
			}
			done := make(chan result, 1)
			go func() {
				s, err := r.carrier.Send(t.Context(), message(long))
				done <- result{s, err}
			}()
			for range tt.rests {
				clk.fire(t, WaitRest, 1)
			}
			got := <-done
			if got.err != nil {
				t.Fatal(got.err)
			}
			texts := r.smsc.Texts()
			if len(texts) != 1 || texts[0].Body != long || r.smsc.Accepted() != 3 {
				t.Fatalf("%d parts make %d texts, want 3 and 1: nothing may be repeated", r.smsc.Accepted(), len(texts))
			}
			var ids []string
			for _, id := range texts[0].IDs {
				ids = append(ids, canonical(id))
			}
			if diff := cmp.Diff(ids, got.s.IDs); diff != "" {
				t.Errorf("ids (-gateway +ours):\n%s", diff)
			}
		})
	}
}

// What can't be completed says which parts were taken; the next Send begins anew.
func TestSend_partly(t *testing.T) {
	long := strings.Repeat("0123456789", 40) // three parts
	for _, tt := range []struct {
		name    string
		fault   standin.Fault
		want    error
		partial int
		over    bool // ctx ends before it is complete
	}{
		{"second throttled for long", standin.Fault{Skip: 1, Times: -1, Status: standin.StatusThrottled}, notify.ErrThrottled, 1, true},
		{"third in trouble for long", standin.Fault{Skip: 2, Times: -1, Status: standin.StatusSystemError}, notify.ErrTemporary, 2, true},
		{"all throttled", standin.Fault{Times: 3, Status: standin.StatusThrottled}, notify.ErrThrottled, 0, false},
		{"second refused", standin.Fault{Skip: 1, Status: standin.StatusRefused}, notify.ErrRejected, 2, false},
		{"second not answered", standin.Fault{Skip: 1, Action: standin.Mute}, notify.ErrUnknown, 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clk := newClock(WaitReconnect)
			r := start(t, notifytest.NewInbox(), "pause=0s", standin.SMSCConfig{}, clk)
			r.smsc.Fault(tt.fault)
			m := message(long)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			failed := make(chan error, 1)
			go func() { _, err := r.carrier.Send(ctx, m); failed <- err }()
			if tt.over {
				clk.fire(t, WaitRest, 1)
				until(t, r.smsc, func() bool { return r.smsc.Seen() > 3 })
				clk.await(t, WaitRest, 1)
				cancel()
			}
			if tt.fault.Action == standin.Mute {
				until(t, r.smsc, func() bool { return r.smsc.Seen() == 3 })
				r.awaitWritten(t, 1)
				clk.fireAll(t, WaitAnswer, beats+1)
			}
			if e := asSendError(t, <-failed, tt.want); len(e.Partial.IDs) != tt.partial {
				t.Errorf("partial ids %q, want %d", e.Partial.IDs, tt.partial)
			}
			before := r.smsc.Accepted()
			r.smsc.ClearFaults()
			if s, err := r.carrier.Send(t.Context(), m); err != nil || len(s.IDs) != 3 || r.smsc.Accepted() != before+3 {
				t.Errorf("the next Send: %v, %v, %d parts more", s.IDs, err, r.smsc.Accepted()-before)
			}
		})
	}
}

func TestSend_cutMidMessage(t *testing.T) {
	r := start(t, notifytest.NewInbox(), "", standin.SMSCConfig{}, nil)
	r.smsc.Fault(standin.Fault{Skip: 1, Action: standin.CutAfter})
	_, err := r.carrier.Send(t.Context(), message(strings.Repeat("0123456789", 40)))
	asSendError(t, err, notify.ErrUnknown)
	until(t, r.smsc, func() bool { return r.smsc.Binds() >= 2 && r.smsc.Bound() == 1 })
	if _, err := r.carrier.Send(t.Context(), message("danach")); err != nil {
		t.Errorf("after the reconnect: %v", err)
	}
}

func TestSend_windowHolds(t *testing.T) {
	r := start(t, notifytest.NewInbox(), "window=4&binds=2", standin.SMSCConfig{}, nil)
	r.smsc.Fault(standin.Fault{Action: standin.Withhold, Times: -1})
	const n = 20
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			m := message(fmt.Sprint("Nr. ", i))
			m.ID = int64(i)
			if _, err := r.carrier.Send(t.Context(), m); err != nil {
				t.Errorf("send: %v", err)
			}
		})
	}
	for r.smsc.Accepted() < n {
		want := min(8, n-r.smsc.Accepted()+r.smsc.Held())
		until(t, r.smsc, func() bool { return r.smsc.Held() >= want })
		if held := r.smsc.Held(); held > 8 {
			t.Fatalf("%d outstanding, the windows hold 8", held)
		}
		if r.smsc.Accepted() < n {
			r.smsc.Release()
		}
	}
	r.smsc.ClearFaults()
	r.smsc.Release()
	wg.Wait()
}

func TestSend_contextEndsWaitingForSlot(t *testing.T) {
	r := start(t, notifytest.NewInbox(), "window=1", standin.SMSCConfig{}, nil)
	r.smsc.Fault(standin.Fault{Action: standin.Withhold})
	first := make(chan error, 1)
	go func() {
		_, err := r.carrier.Send(t.Context(), message("erste"))
		first <- err
	}()
	until(t, r.smsc, func() bool { return r.smsc.Held() == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.carrier.Send(ctx, message("zweite"))
	asSendError(t, err, notify.ErrTemporary)
	r.smsc.Release()
	if err := <-first; err != nil {
		t.Error(err)
	}
	if n := r.smsc.Accepted(); n != 1 {
		t.Errorf("%d accepted, want the first alone", n)
	}
}

// The rate counts parts: with two at once allowed, a message of three waits once.
func TestSend_rateCountsParts(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	var waits []time.Duration
	var mu sync.Mutex
	wait := func(p Purpose, d time.Duration) (<-chan time.Time, func()) {
		if p != WaitRate {
			return realWait(p, d)
		}
		mu.Lock()
		defer mu.Unlock()
		waits = append(waits, d)
		now = now.Add(d)
		c := make(chan time.Time, 1)
		c <- now
		return c, func() {}
	}
	smsc, err := standin.NewSMSC("127.0.0.1:0", standin.SMSCConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeSMSC(t, smsc)
	cfg, err := ParseURL(smsc.URL("rate=20"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Wait = wait
	cfg.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, notifytest.NewInbox()) }()
	if _, err := c.Send(t.Context(), message(strings.Repeat("0123456789", 50))); err != nil { // four parts
		t.Fatal(err)
	}
	if diff := cmp.Diff([]time.Duration{50 * time.Millisecond, 50 * time.Millisecond}, waits); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRun_finishesWhatIsInHand(t *testing.T) {
	in := notifytest.NewInbox()
	r := start(t, in, "", standin.SMSCConfig{}, nil)
	r.smsc.Fault(standin.Fault{Action: standin.Withhold})
	sent := make(chan error, 1)
	go func() {
		_, err := r.carrier.Send(t.Context(), message("letzte"))
		sent <- err
	}()
	until(t, r.smsc, func() bool { return r.smsc.Held() == 1 })
	stopped := make(chan struct{})
	go func() { r.stop(); close(stopped) }()
	r.awaitBound(t, 0) // draining begins
	r.smsc.Release()
	if err := <-sent; err != nil {
		t.Errorf("the message in hand: %v", err)
	}
	<-stopped
	until(t, r.smsc, func() bool { return r.smsc.Bound() == 0 })
	_, err := r.carrier.Send(t.Context(), message("zu spät"))
	asSendError(t, err, notify.ErrTemporary)
}

func TestRun_gatewayUnbinds(t *testing.T) {
	r := start(t, notifytest.NewInbox(), "", standin.SMSCConfig{}, nil)
	r.smsc.UnbindAll()
	until(t, r.smsc, func() bool { return r.smsc.Binds() == 2 && r.smsc.Bound() == 1 })
	if _, err := r.carrier.Send(t.Context(), message("wieder da")); err != nil {
		t.Error(err)
	}
}

func TestRun_deafGatewayIsLeft(t *testing.T) {
	clk := newClock(WaitReconnect)
	r := start(t, notifytest.NewInbox(), "", standin.SMSCConfig{}, clk)
	clk.fire(t, WaitEnquire, 1)
	until(t, r.smsc, func() bool { return r.smsc.Enquiries() == 1 })
	if n := r.smsc.Binds(); n != 1 {
		t.Fatalf("%d binds after an answered enquire_link, want 1", n)
	}
	r.smsc.IgnoreEnquiries(true)
	clk.fire(t, WaitEnquire, 1)
	until(t, r.smsc, func() bool { return r.smsc.Enquiries() == 2 })
	clk.fire(t, WaitPeer, 1)
	until(t, r.smsc, func() bool { return r.smsc.Binds() == 2 && r.smsc.Bound() == 1 })
}

func TestRun_receiptsWaitForRebind(t *testing.T) {
	in := notifytest.NewInbox()
	r := start(t, in, "", standin.SMSCConfig{}, nil)
	s, err := r.carrier.Send(t.Context(), message("heute"))
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	until(t, r.smsc, func() bool { return r.smsc.Bound() == 0 })
	r.smsc.Receipt(r.smsc.Parts()[0].ID, "DELIVRD", "000")
	attach(t, in, r.smsc, "", nil)
	if got := in.AwaitReceipts(t, 1)[0]; got.CarrierID != s.IDs[0] || got.Status != notify.Delivered {
		t.Errorf("got %v for %q", got.Status, got.CarrierID)
	}
}

func TestRun_overTLS(t *testing.T) {
	// httptest's certificate is for example.com and 127.0.0.1.
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS()
	defer web.Close()
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	smsc, err := standin.NewSMSC("127.0.0.1:0", standin.SMSCConfig{TLS: &tls.Config{Certificates: web.TLS.Certificates}})
	if err != nil {
		t.Fatal(err)
	}
	defer closeSMSC(t, smsc)
	cfg, err := ParseURL(smsc.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	strict, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.TLSConfig = &tls.Config{RootCAs: roots}
	trusting, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := trusting.Check(t.Context()); err != nil {
		t.Errorf("known certificate: %v", err)
	}
	if err := strict.Check(t.Context()); err == nil {
		t.Error("an unknown certificate was accepted")
	}
}

func TestInbound_long(t *testing.T) {
	long := strings.Repeat("Ich komme lieber am Freitag 😀. ", 9)
	for _, mo := range []standin.MO{
		{Body: long, Ref: 1}, {Body: long, Ref: 700, Ref16: true}, {Body: long, Ref: 3, SAR: true},
		{Body: long, Payload: true}, {Body: long, Ref: 4, Reverse: true},
		{Body: "Grüße aus Zürich", Latin1: true}, {Body: "flash", DCS: 0xF0}, {Body: "flash 😀", DCS: 0x18},
	} {
		t.Run(fmt.Sprintf("%+v", mo)[len(mo.Body)%7:20], func(t *testing.T) {
			in := notifytest.NewInbox()
			r := start(t, in, "", standin.SMSCConfig{}, nil)
			mo.From, mo.To = "41791234567", "41790000100"
			r.smsc.Receive(mo)
			if got := in.AwaitInbounds(t, 1)[0]; got.Body != mo.Body || got.From != "+41791234567" {
				t.Errorf("got %q, want %q", got.Body, mo.Body)
			}
			until(t, r.smsc, func() bool { return r.smsc.Undelivered() == 0 })
			if n := len(in.Inbounds()); n != 1 {
				t.Errorf("%d messages, want 1", n)
			}
		})
	}
}

// A gateway that brings part after part, waiting for each acknowledgement, and one
// that never has the rest.
func TestInbound_partsOneByOne(t *testing.T) {
	long := strings.Repeat("0123456789", 30) // two parts
	in := notifytest.NewInbox()
	clk := newClock(WaitReconnect)
	r := start(t, in, "", standin.SMSCConfig{}, clk)
	mo := standin.MO{From: "41791234567", To: "41790000100", Body: long, Ref: 8, Only: 1}
	refusals := func(n int) func() bool {
		return func() bool {
			return len(slices.DeleteFunc(r.smsc.Acks(), func(a standin.Ack) bool { return a.Status == 0 })) == n
		}
	}
	r.smsc.Receive(mo)
	clk.fire(t, WaitParts, 1)
	until(t, r.smsc, refusals(1))
	mo.Only = 2
	r.smsc.Receive(mo) // brings the first again, too
	if got := in.AwaitInbounds(t, 1)[0].Body; got != long {
		t.Errorf("got %q", got)
	}
	until(t, r.smsc, func() bool { return r.smsc.Undelivered() == 0 })

	mo.Only, mo.Ref = 1, 9
	r.smsc.Receive(mo)
	for round := 2; round <= patience; round++ {
		clk.fire(t, WaitParts, 1)
		until(t, r.smsc, refusals(round))
		r.smsc.Redeliver()
	}
	clk.fire(t, WaitParts, 1)
	if got := in.AwaitInbounds(t, 2)[1].Body; got != long[:153]+" […] " {
		t.Errorf("got %q, want the part there is", got)
	}
	until(t, r.smsc, func() bool { return r.smsc.Undelivered() == 0 })
}

func TestInbound_longComesAgainUntilKept(t *testing.T) {
	in := notifytest.NewInbox()
	r := start(t, in, "", standin.SMSCConfig{}, nil)
	in.Fail(1)
	r.smsc.Receive(standin.MO{From: "41791234567", To: "41790000100", Body: strings.Repeat("lang ", 50), Ref: 5})
	until(t, r.smsc, func() bool { return len(r.smsc.Acks()) == 2 })
	r.smsc.Redeliver()
	in.AwaitInbounds(t, 1)
	until(t, r.smsc, func() bool { return r.smsc.Undelivered() == 0 })
	ids := map[string]bool{}
	for _, m := range in.Inbounds() {
		ids[m.CarrierID] = true
	}
	if len(ids) != 1 {
		t.Errorf("ids %v, want one however often it comes", ids)
	}
}

func TestReceipt_unreadableIsRefusedForGood(t *testing.T) {
	in := notifytest.NewInbox()
	r := start(t, in, "", standin.SMSCConfig{}, nil)
	r.smsc.RawReceipt("no fields here")
	until(t, r.smsc, func() bool { return len(r.smsc.Acks()) == 1 })
	if got := r.smsc.Acks()[0].Status; got != 0x66 {
		t.Errorf("answered 0x%02X, want 0x66", got)
	}
}

func TestSend_onTheWire(t *testing.T) {
	expires := time.Date(2026, 3, 4, 14, 30, 0, 0, time.FixedZone("", 3600))
	for _, tt := range []struct {
		name, query, sender, body string
		want                      standin.Part
	}{
		{"name", "", "Praxis", "ä€", standin.Part{From: "Praxis", FromTON: 5, FromNPI: 0, Registered: 1, Octets: []byte{0x7B, 0x1B, 0x65}}},
		{"number", "", "+41790000100", "a", standin.Part{From: "41790000100", FromTON: 1, FromNPI: 1, Registered: 1, Octets: []byte("a")}},
		{"short code", "", "12345", "a", standin.Part{From: "12345", FromTON: 3, FromNPI: 0, Registered: 1, Octets: []byte("a")}},
		{"overruled", "source_ton=2&source_npi=8&dest_ton=0&dest_npi=0&receipts=0", "Praxis", "a",
			standin.Part{From: "Praxis", FromTON: 2, FromNPI: 8, Octets: []byte("a")}},
		{"latin1", "alphabet=latin1", "Praxis", "ä", standin.Part{From: "Praxis", FromTON: 5, Registered: 1, Octets: []byte{0xE4}}},
		{"latin1 lacks the euro", "alphabet=latin1", "Praxis", "€", standin.Part{From: "Praxis", FromTON: 5, Registered: 1, Coding: 8, Octets: []byte{0x20, 0xAC}}},
		{"UCS-2", "validity=0", "Praxis", "ж", standin.Part{From: "Praxis", FromTON: 5, Registered: 1, Coding: 8, Octets: []byte{0x04, 0x36}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			latin := strings.Contains(tt.query, "latin1")
			r := start(t, notifytest.NewInbox(), tt.query, standin.SMSCConfig{Latin1: latin}, nil)
			r.carrier.now = func() time.Time { return expires.Add(-time.Hour) }
			m := message(tt.body)
			m.Sender, m.Expires = tt.sender, expires
			if _, err := r.carrier.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			got := r.smsc.Parts()[0]
			want := tt.want
			want.ID, want.User, want.To, want.Text, want.Total, want.Seq = got.ID, "user", "41791234567", tt.body, 1, 1
			want.ToTON, want.ToNPI, want.Validity = 1, 1, "260304133000000+"
			if strings.Contains(tt.query, "dest_ton=0") {
				want.ToTON, want.ToNPI = 0, 0
			}
			if strings.Contains(tt.query, "validity=0") {
				want.Validity = ""
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("submit_sm (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSend_cannotBeWritten(t *testing.T) {
	c, err := New(func() Config { c := DefaultConfig(); c.Address = "127.0.0.1:1"; return c }())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		recipient, sender string
		want              error
	}{
		{"0791234567", "Praxis", notify.ErrInvalidDestination},
		{"+4179123456789012", "Praxis", notify.ErrInvalidDestination},
		{"+41791234567", "", notify.ErrInvalidSender},
		{"+41791234567", "Zahnärzte", notify.ErrInvalidSender},
		{"+41791234567", "Zwölf Zeichen lang", notify.ErrInvalidSender},
		{"+41791234567", "+41x", notify.ErrInvalidSender},
	} {
		m := message("a")
		m.Recipient, m.Sender = tt.recipient, tt.sender
		_, err := c.Send(t.Context(), m)
		asSendError(t, err, tt.want)
	}
	_, err = c.Send(t.Context(), message(strings.Repeat("a", 255*153+1)))
	if e := asSendError(t, err, notify.ErrRejected); !errors.Is(e, errLong) {
		t.Errorf("256 parts: %v", err)
	}
}

// What nobody waits for any more doesn't leave.
func TestSend_contextEnded(t *testing.T) {
	t.Parallel()
	r := start(t, notifytest.NewInbox(), "", standin.SMSCConfig{}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 {
		_, err := r.carrier.Send(ctx, message("zu spät"))
		asSendError(t, err, notify.ErrTemporary)
	}
	if _, err := r.carrier.Send(t.Context(), message("danach")); err != nil {
		t.Fatal(err)
	}
	if n := r.smsc.Seen(); n != 1 {
		t.Errorf("%d left, want 1", n)
	}
}

func TestCarrier_Rate(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]float64{"": 0, "?rate=12.5": 12.5} {
		cfg, err := ParseURL(mustURL(t, "smpp://gateway.example"+query))
		if err != nil {
			t.Fatal(err)
		}
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Rate(); got != want {
			t.Errorf("%q: rate %v, want %v", query, got, want)
		}
	}
}

// An id without its end is the id all the same: its receipt finds the message.
func TestSend_idWithoutEnd(t *testing.T) {
	t.Parallel()
	in := notifytest.NewInbox()
	r := start(t, in, "", standin.SMSCConfig{Auto: "DELIVRD"}, nil)
	r.smsc.Fault(standin.Fault{Action: standin.GarbageBody})
	s, err := r.carrier.Send(t.Context(), message("x"))
	if err != nil || len(s.IDs) != 1 {
		t.Fatalf("got %v, %v, want one id", s.IDs, err)
	}
	if got := in.AwaitReceipts(t, 1)[0].CarrierID; got != s.IDs[0] {
		t.Errorf("receipt for %q, answered was %q", got, s.IDs[0])
	}
}
