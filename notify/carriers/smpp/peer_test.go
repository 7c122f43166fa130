package smpp

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/url"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/linxGnu/gosmpp/data"

	"rappel/notify"
	"rappel/notify/notifytest"
	"rappel/notify/segment"
)

// peer is the gateway's end of a connection, played octet by octet.
type peer struct {
	conn    net.Conn
	r       *bufio.Reader
	carrier *Carrier
	clock   *clock
}

// withPeer binds a carrier to a peer, which answers the bind with body.
func withPeer(t *testing.T, in notify.Inbox, query, body string) *peer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() }) // nothing depends on it any more
	cfg, err := ParseURL(&url.URL{Scheme: "smpp", Host: ln.Addr().String(), RawQuery: query})
	if err != nil {
		t.Fatal(err)
	}
	c := newClock(WaitID)
	cfg.Wait = c.wait
	carrier, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- carrier.Run(ctx, in) }()
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close() // whatever it was closed by before
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	p := &peer{conn, bufio.NewReaderSize(conn, data.MAX_PDU_LEN), carrier, c}
	if h, _ := p.read(t); h.id != data.BIND_TRANSCEIVER {
		t.Fatalf("begins with 0x%08X", uint32(h.id))
	}
	p.write(t, data.BIND_TRANSCEIVER_RESP, 0, 1, body)
	for carrier.Bound() == 0 && t.Context().Err() == nil {
		runtime.Gosched()
	}
	return p
}

// read returns the next PDU, its body a copy.
func (p *peer) read(t *testing.T) (header, []byte) {
	t.Helper()
	raw, err := peekFrame(p.r)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	h, body := parseHeader(raw), bytes.Clone(raw[headerSize:])
	skipFrame(p.r, raw)
	return h, body
}

// write sends a PDU.
func (p *peer) write(t *testing.T, id data.CommandIDType, status uint32, sequence int32, body string) {
	t.Helper()
	raw := append(appendHeader(nil, uint32(headerSize+len(body)), header{id, status, sequence}), body...)
	p.raw(t, string(raw))
}

func (p *peer) raw(t *testing.T, octets string) {
	t.Helper()
	if _, err := io.WriteString(p.conn, octets); err != nil {
		t.Fatal(err)
	}
}

// ended reads until the carrier has closed the connection.
func (p *peer) ended(t *testing.T) {
	t.Helper()
	_, _ = io.Copy(io.Discard, p.r) // however it ends
}

// send submits in the background.
func (p *peer) send(t *testing.T, text string) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := p.carrier.Send(t.Context(), message(text))
		done <- err
	}()
	return done
}

// The answer to one submission, as gateways give it, and what it comes to.
func TestPeer_answers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		id     data.CommandIDType
		status uint32
		body   string
		want   error
	}{
		{"accepted", data.SUBMIT_SM_RESP, 0, "7f\x00", nil},
		{"accepted without an id", data.SUBMIT_SM_RESP, 0, "", nil},
		{"accepted with an empty id", data.SUBMIT_SM_RESP, 0, "\x00", nil},
		{"accepted with optional parameters", data.SUBMIT_SM_RESP, 0, "7f\x00\x04\x20\x00\x01\x00", nil},
		{"an id without end", data.SUBMIT_SM_RESP, 0, "7f", nil},
		{"an error and no body", data.SUBMIT_SM_RESP, 0x45, "", notify.ErrUndelivered},
		{"an error and an empty id", data.SUBMIT_SM_RESP, 0x0B, "\x00", notify.ErrInvalidDestination},
		{"an error and an id", data.SUBMIT_SM_RESP, 0x58, "7f\x00", notify.ErrThrottled},
		{"generic_nack", data.GENERIC_NACK, 0x03, "", notify.ErrRejected},
		{"generic_nack, throttled", data.GENERIC_NACK, 0x58, "", notify.ErrThrottled},
		{"generic_nack that says OK", data.GENERIC_NACK, 0, "", notify.ErrRejected},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := withPeer(t, notifytest.NewInbox(), "", "smsc\x00")
			done := p.send(t, "x")
			h, _ := p.read(t)
			p.write(t, tt.id, tt.status, h.sequence, tt.body)
			if err := <-done; tt.want == nil && err != nil {
				t.Errorf("got %v", err)
			} else if tt.want != nil {
				asSendError(t, err, tt.want)
			}
		})
	}
}

// What a gateway may send that nobody asked for: none of it does harm.
func TestPeer_strays(t *testing.T) {
	t.Parallel()
	in := notifytest.NewInbox()
	p := withPeer(t, in, "window=2", "smsc\x00")
	first := p.send(t, "eins")
	h, _ := p.read(t)
	p.write(t, data.SUBMIT_SM_RESP, 0, h.sequence+1, "ff\x00")            // a number not used yet
	p.write(t, data.SUBMIT_SM_RESP, 0, 0, "ff\x00")                       // none
	p.write(t, data.SUBMIT_SM_RESP, 0, -5, "ff\x00")                      // out of bounds
	p.write(t, data.GENERIC_NACK, 0x02, 0, "")                            // it couldn't read a header
	p.write(t, data.ENQUIRE_LINK_RESP, 0, 99, "")                         // to no enquiry
	p.write(t, data.ALERT_NOTIFICATION, 0, 1, "\x01\x01\x00\x01\x01\x00") // has no answer
	p.write(t, data.QUERY_SM_RESP, 0, 4, "")                              // to nothing
	p.write(t, data.SUBMIT_SM_RESP, 0, h.sequence, "7f\x00")
	p.write(t, data.SUBMIT_SM_RESP, 0, h.sequence, "8f\x00") // again
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	second := p.send(t, "zwei")
	h2, _ := p.read(t)
	p.write(t, data.SUBMIT_SM_RESP, 0, h.sequence, "7f\x00") // the first one's, once more
	p.write(t, data.SUBMIT_SM_RESP, 0, h2.sequence, "9f\x00")
	if err := <-second; err != nil {
		t.Fatal(err)
	}
	p.write(t, data.QUERY_SM, 0, 7, "x\x00\x00\x00\x00") // a request we don't serve
	if h, _ := p.read(t); h.id != data.GENERIC_NACK || h.status != uint32(data.ESME_RINVCMDID) || h.sequence != 7 {
		t.Errorf("answered %+v, want a generic_nack", h)
	}
	p.write(t, data.ENQUIRE_LINK, 0, 8, "")
	if h, _ := p.read(t); h.id != data.ENQUIRE_LINK_RESP || h.sequence != 8 {
		t.Errorf("answered %+v, want an enquire_link_resp", h)
	}
}

// deliverSM is the body of a deliver_sm.
func deliverSM(esmClass, coding byte, octets, tlvs string) string {
	body := "\x00\x01\x0141791234567\x00\x01\x0141790000100\x00" + string([]byte{esmClass, 0, 0, 0, 0, 0, 0, coding, 0, byte(len(octets))})
	return body + octets + tlvs
}

// Receipts by data_sm, with a text or with parameters alone, and what a phone wrote there.
func TestPeer_dataSM(t *testing.T) {
	t.Parallel()
	in := notifytest.NewInbox()
	p := withPeer(t, in, "", "smsc\x00")
	dataSM := func(esmClass byte, tlvs string) string {
		return "\x00\x01\x0141791234567\x00\x01\x0141790000100\x00" + string([]byte{esmClass, 0, 0}) + tlvs
	}
	const text = "id:1 stat:DELIVRD"
	for i, body := range []string{
		dataSM(4, "\x04\x24\x00"+string(rune(len(text)))+text),
		dataSM(4, "\x00\x1E\x00\x022\x00\x04\x27\x00\x01\x05"),
		dataSM(0, "\x04\x24\x00\x04STOP"),
	} {
		p.write(t, data.DATA_SM, 0, int32(7+i), body)
		if h, body := p.read(t); h.id != data.DATA_SM_RESP || h.status != 0 || h.sequence != int32(7+i) || string(body) != "\x00" {
			t.Errorf("answered %+v % X", h, body)
		}
	}
	got := in.AwaitReceipts(t, 2)
	if got[0].CarrierID != "1" || got[0].Status != notify.Delivered || got[1].CarrierID != "2" || got[1].Status != notify.NotDelivered || got[0].Recipient != "+41791234567" {
		t.Errorf("receipts %+v", got)
	}
	if m := in.AwaitInbounds(t, 1)[0]; m.Body != "STOP" || m.From != "+41791234567" {
		t.Errorf("reply %+v", m)
	}
	p.write(t, data.DATA_SM, 0, 9, "\x00\x01")
	if h, _ := p.read(t); h.id != data.DATA_SM_RESP || h.status != 0x66 {
		t.Errorf("unreadable: answered %+v", h)
	}
}

// Receipts that say a phone wrote them, and what phones do write.
func TestPeer_disguisedReceipts(t *testing.T) {
	t.Parallel()
	in := &directory{Inbox: notifytest.NewInbox(), ids: map[string]string{"a0b0c1": "+41791234567", "17": "+41790000000", "17x": "+41791234567"}}
	p := withPeer(t, in, "", "smsc\x00")
	texts := []string{
		"id:12345 sub:001 dlvrd:001 submit date:2603021200 done date:2603021201 stat:DELIVRD err:000 text:Termin",
		"id:10531009 stat:UNDELIV",                         // known, in the other form
		"stat:EXPIRED err:000 done date:2603021201 id:55x", // in another order
		"stat:REJECTD id:17x",                              // known, in another order
		"message_id=18x done_date=2603021201 stat=ACCEPTD err=000 text=Termin",
		"id:17 stat:DELIVRD", // known, but of a message to another
		"id:99 stat:DELIVRD", // of nobody
		"stat:DELIVRD id:99",
		"err:000 stat:DELIVRD done date:2603021201 was soll id:55", // quoted
		"text: ja, id: 5 stat: gut", "stat: gut id: 17x", "err",
		"ID 17 bitte verschieben", "id: 17", "ideal", "i", // no receipts
	}
	for i, text := range texts {
		p.write(t, data.DELIVER_SM, 0, int32(i+1), deliverSM(0, 0, text, ""))
		if h, _ := p.read(t); h.id != data.DELIVER_SM_RESP || h.status != 0 {
			t.Fatalf("%q: answered %+v", text, h)
		}
	}
	got := in.AwaitReceipts(t, 5)
	if len(got) != 5 || got[0].CarrierID != "12345" || got[1].CarrierID != "a0b0c1" || got[1].Status != notify.NotDelivered ||
		got[2].CarrierID != "55x" || got[2].Status != notify.Expired || got[3].CarrierID != "17x" || got[4].CarrierID != "18x" {
		t.Errorf("receipts %+v", got)
	}
	for i, m := range in.AwaitInbounds(t, len(texts)-5) {
		if m.Body != texts[i+5] {
			t.Errorf("reply %q, want %q", m.Body, texts[i+5])
		}
	}
}

// Parts cut within a character make it whole again, and those in other alphabets or missing
// do no harm.
func TestPeer_longReplies(t *testing.T) {
	t.Parallel()
	type part struct {
		seq, coding byte
		octets      string
	}
	big := string(segment.EncodeUCS2(nil, "ja 😀 gut"))
	for _, tt := range []struct {
		name  string
		total byte
		parts []part
		want  string
	}{
		{"an escape", 2, []part{{2, 0, "e."}, {1, 0, "10 \x1b"}}, "10 €."},
		{"a surrogate pair", 2, []part{{1, 8, big[:8]}, {2, 8, big[8:]}}, "ja 😀 gut"},
		{"a unit", 2, []part{{2, 8, big[5:]}, {1, 8, big[:5]}}, "ja 😀 gut"},
		{"UTF-8", 2, []part{{1, 4, "Gr\xC3"}, {2, 4, "\xBC\xC3\x9Fe"}}, "Grüße"},
		{"an octet too many", 2, []part{{1, 8, big[:6] + "\x00"}, {2, 8, big[6:] + "\x00"}}, "ja 😀 gut"},
		{"NULs", 2, []part{{1, 3, "ST\x00"}, {2, 3, "OP\x00"}}, "STOP"},
		{"two alphabets", 3, []part{{1, 0, "10 \x1b"}, {2, 8, big}, {3, 0, "e"}}, "10  ja 😀 gute"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := notifytest.NewInbox()
			p := withPeer(t, in, "", "smsc\x00")
			for i, one := range tt.parts {
				p.write(t, data.DELIVER_SM, 0, int32(i+1), deliverSM(0x40, one.coding, string([]byte{5, 0, 3, 9, tt.total, one.seq})+one.octets, ""))
			}
			if got := in.AwaitInbounds(t, 1)[0].Body; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			for range tt.parts {
				if h, _ := p.read(t); h.status != 0 {
					t.Errorf("answered %+v", h)
				}
			}
		})
	}
}

// A receipt that comes before the answer is held; what comes after it isn't.
func TestPeer_receiptBeforeItsAnswer(t *testing.T) {
	t.Parallel()
	in := &directory{Inbox: notifytest.NewInbox()}
	p := withPeer(t, in, "", "smsc\x00")
	p.clock.mu.Lock()
	p.clock.instant[WaitID] = false
	p.clock.mu.Unlock()
	done := p.send(t, "Termin morgen")
	submitted, _ := p.read(t)
	p.write(t, data.DELIVER_SM, 0, 7, deliverSM(4, 0, "id:10531009 stat:DELIVRD", ""))
	p.clock.await(t, WaitID, 1)
	p.write(t, data.SUBMIT_SM_RESP, 0, submitted.sequence, "A0B0C1\x00")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := in.Receipts(); len(got) != 0 {
		t.Errorf("handed on already: %+v", got)
	}
	p.clock.fire(t, WaitID, 1)
	if h, _ := p.read(t); h.id != data.DELIVER_SM_RESP || h.status != 0 || h.sequence != 7 {
		t.Errorf("answered %+v", h)
	}
	if got := in.AwaitReceipts(t, 1); got[0].CarrierID != "a0b0c1" {
		t.Errorf("id %q, want a0b0c1", got[0].CarrierID)
	}
}

// A gateway that counts anew, or uses one number twice at the same time, gets each of its
// deliver_sm answered.
func TestPeer_duplicateSequence(t *testing.T) {
	t.Parallel()
	in := notifytest.NewInbox()
	p := withPeer(t, in, "", "smsc\x00")
	for _, id := range []string{"1", "2", "3"} {
		p.write(t, data.DELIVER_SM, 0, 7, deliverSM(4, 0, "id:"+id+" stat:DELIVRD", ""))
	}
	for range 3 {
		if h, body := p.read(t); h.id != data.DELIVER_SM_RESP || h.status != 0 || h.sequence != 7 || string(body) != "\x00" {
			t.Errorf("answered %+v % X", h, body)
		}
	}
	if n := len(in.AwaitReceipts(t, 3)); n != 3 {
		t.Errorf("%d receipts", n)
	}
}

func TestPeer_unreadableDeliver(t *testing.T) {
	t.Parallel()
	in := notifytest.NewInbox()
	p := withPeer(t, in, "", "smsc\x00")
	for body, want := range map[string]uint32{
		"":                                      0x66,
		"\x00\x01":                              0x66,
		deliverSM(0, 0, "STOP", "")[:40]:        0x66, // ends within the text
		deliverSM(4, 0, "stat:DELIVRD", ""):     0x66, // a receipt for nothing
		deliverSM(0, 0, "STOP", "\x02\x04\x00"): 0,    // ends within a parameter
	} {
		p.write(t, data.DELIVER_SM, 0, 3, body)
		if h, _ := p.read(t); h.id != data.DELIVER_SM_RESP || h.status != want {
			t.Errorf("%q: answered %+v, want status 0x%02X", body, h, want)
		}
	}
	if got := in.AwaitInbounds(t, 1); got[0].Body != "STOP" {
		t.Errorf("got %q", got[0].Body)
	}
}

// Whatever can't be SMPP ends the connection, and what was under way is unknown.
func TestPeer_garbage(t *testing.T) {
	t.Parallel()
	for name, octets := range map[string]string{
		"a web server":        "HTTP/1.1 400 Bad Request\r\n\r\n",
		"a length of nothing": "\x00\x00\x00\x00\x00\x00\x00\x00",
		"shorter than itself": "\x00\x00\x00\x0F\x80\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x02",
		"longer than allowed": "\x00\x01\x00\x01\x80\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x02",
		"negative":            "\xFF\xFF\xFF\xFF\x80\x00\x00\x04",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := withPeer(t, notifytest.NewInbox(), "", "smsc\x00")
			done := p.send(t, "x")
			p.read(t)
			p.raw(t, octets)
			asSendError(t, <-done, notify.ErrUnknown)
			p.ended(t)
		})
	}
}

// A cut in the middle of the answer is as good as none.
func TestPeer_tornAnswer(t *testing.T) {
	t.Parallel()
	p := withPeer(t, notifytest.NewInbox(), "", "smsc\x00")
	done := p.send(t, "x")
	h, _ := p.read(t)
	raw := append(appendHeader(nil, headerSize+3, header{data.SUBMIT_SM_RESP, 0, h.sequence}), '7') // and no more
	p.raw(t, string(raw))
	_ = p.conn.Close() // nothing else is open
	asSendError(t, <-done, notify.ErrUnknown)
}

// Who answers enquire_link with generic_nack doesn't know it, and lives.
func TestPeer_enquireNacked(t *testing.T) {
	t.Parallel()
	p := withPeer(t, notifytest.NewInbox(), "", "smsc\x00")
	for range 2 {
		p.clock.fire(t, WaitEnquire, 1)
		h, _ := p.read(t)
		if h.id != data.ENQUIRE_LINK {
			t.Fatalf("got %+v", h)
		}
		p.write(t, data.GENERIC_NACK, 0x03, h.sequence, "")
	}
	if p.carrier.Bound() != 1 {
		t.Error("the link is gone")
	}
}

// A gateway that is slow to answer enquire_link, or never does, lives while it says
// anything else.
func TestPeer_enquireUnansweredButHeard(t *testing.T) {
	t.Parallel()
	in := notifytest.NewInbox()
	p := withPeer(t, in, "", "smsc\x00")
	for i := range 3 {
		p.clock.fire(t, WaitEnquire, 1)
		if h, _ := p.read(t); h.id != data.ENQUIRE_LINK {
			t.Fatalf("got %+v", h)
		}
		p.write(t, data.DELIVER_SM, 0, int32(i+1), deliverSM(4, 0, "id:1 stat:DELIVRD", ""))
		if h, _ := p.read(t); h.id != data.DELIVER_SM_RESP {
			t.Fatalf("got %+v", h)
		}
		p.clock.fire(t, WaitPeer, 1)
	}
	p.clock.await(t, WaitEnquire, 1)
	if p.carrier.Bound() != 1 {
		t.Fatal("the link is gone")
	}
	p.clock.fire(t, WaitEnquire, 1)
	if h, _ := p.read(t); h.id != data.ENQUIRE_LINK {
		t.Fatalf("got %+v", h)
	}
	p.clock.fire(t, WaitPeer, 1)
	p.ended(t)
}

// A gateway that says it speaks 3.3 has no optional parameters: the parts say by UDH that
// they belong together.
func TestPeer_version(t *testing.T) {
	t.Parallel()
	for body, udh := range map[string]bool{"smsc\x00": false, "smsc\x00\x02\x10\x00\x01\x34": false, "smsc\x00\x02\x10\x00\x01\x33": true} {
		p := withPeer(t, notifytest.NewInbox(), "concat=sar", body)
		done := p.send(t, string(bytes.Repeat([]byte("0123456789"), 20)))
		for range 2 {
			h, body := p.read(t)
			at := bytes.Index(body, []byte("41791234567\x00")) + len("41791234567\x00")
			if got := body[at]&0x40 != 0; got != udh {
				t.Errorf("esm_class 0x%02X, want a UDH: %v", body[at], udh)
			}
			p.write(t, data.SUBMIT_SM_RESP, 0, h.sequence, "7f\x00")
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// A gateway that asks us to go gets its answers and its unbind_resp, and nothing after.
func TestPeer_unbind(t *testing.T) {
	t.Parallel()
	p := withPeer(t, notifytest.NewInbox(), "", "smsc\x00")
	done := p.send(t, "x")
	h, _ := p.read(t)
	p.write(t, data.UNBIND, 0, 70, "")
	p.write(t, data.SUBMIT_SM_RESP, 0, h.sequence, "7f\x00")
	if err := <-done; err != nil {
		t.Errorf("the message under way: %v", err)
	}
	if h, _ := p.read(t); h.id != data.UNBIND_RESP || h.sequence != 70 {
		t.Errorf("answered %+v, want an unbind_resp", h)
	}
	p.ended(t)
}

// played is a connection on which a gateway's octets come, whatever we say.
type played struct {
	net.Conn // none: what isn't below isn't used
	octets   io.Reader
	closed   chan struct{}
	once     sync.Once
}

func (p *played) Read(b []byte) (int, error) {
	n, err := p.octets.Read(b)
	if err == io.EOF {
		return n, err
	}
	return n, nil
}

func (p *played) Write(b []byte) (int, error)      { return len(b), nil }
func (p *played) Close() error                     { p.once.Do(func() { close(p.closed) }); return nil }
func (p *played) SetWriteDeadline(time.Time) error { return nil }

// FuzzStream plays anything at all to a bound link with parts under way: it must end, and
// so must they.
func FuzzStream(f *testing.F) {
	pdu := func(id data.CommandIDType, status uint32, sequence int32, body string) []byte {
		return append(appendHeader(nil, uint32(headerSize+len(body)), header{id, status, sequence}), body...)
	}
	f.Add(pdu(data.SUBMIT_SM_RESP, 0, 2, "7f\x00"))
	f.Add(append(pdu(data.DELIVER_SM, 0, 1, deliverSM(4, 0, "id:1 stat:DELIVRD", "")), pdu(data.UNBIND, 0, 2, "")...))
	f.Add(append(pdu(data.DELIVER_SM, 0, 1, deliverSM(0x40, 8, "\x05\x00\x03\x01\x02\x01\x00a", "")), pdu(data.GENERIC_NACK, 0x58, 2, "")...))
	f.Add(append(pdu(data.ENQUIRE_LINK, 0, 9, ""), pdu(data.QUERY_SM, 0, -1, "x")...))
	f.Add([]byte("\x00\x00\x00\x10"))
	cfg := DefaultConfig()
	cfg.Address = "gateway.example:2775"
	cfg.Wait = newClock(WaitDrain, WaitPeer, WaitParts).wait
	f.Fuzz(func(t *testing.T, octets []byte) {
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		l := c.link(&played{octets: bytes.NewReader(octets), closed: make(chan struct{})})
		var open []*request
		for i := range 3 {
			r := newRequest().(*request)
			r.link, r.raw = l, append(r.raw[:0], make([]byte, headerSize)...)
			l.used++
			if !l.register(r) {
				t.Fatal("not registered")
			}
			l.mu.Lock()
			r.written = i < 2
			l.mu.Unlock()
			open = append(open, r)
		}
		if err := l.serve(t.Context(), notifytest.NewInbox(), slog.New(slog.DiscardHandler)); err == nil {
			t.Error("it ended without a reason")
		}
		for _, r := range open {
			<-r.done
		}
		if l.used != 0 || l.window.n != 0 {
			t.Errorf("%d slots and %d requests are left", l.used, l.window.n)
		}
	})
}
