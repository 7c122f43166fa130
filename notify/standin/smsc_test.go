package standin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"
)

// esme is a client that does nothing by itself. It codes with gosmpp, so that the SMSC's
// own reading and writing are held against another's.
type esme struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
	seq  int32
}

func newSMSC(t *testing.T, cfg SMSCConfig) *SMSC {
	t.Helper()
	s, err := NewSMSC("127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func connect(t *testing.T, s *SMSC) *esme {
	t.Helper()
	conn, err := net.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // it may be closed already
	return &esme{t: t, conn: conn, r: bufio.NewReader(conn)}
}

// bind connects and binds as user.
func bind(t *testing.T, s *SMSC, user string) *esme {
	t.Helper()
	c := connect(t, s)
	p := pdu.NewBindRequest(pdu.Transceiver)
	p.SystemID = user
	c.write(p)
	if h, _ := c.read(); h.CommandID != data.BIND_TRANSCEIVER_RESP || h.CommandStatus != 0 {
		t.Fatalf("bind answered with %+v", h)
	}
	return c
}

func (c *esme) write(p pdu.PDU) int32 {
	c.t.Helper()
	c.seq++
	p.SetSequenceNumber(c.seq)
	b := pdu.NewBuffer(nil)
	p.Marshal(b)
	if _, err := c.conn.Write(b.Bytes()); err != nil {
		c.t.Fatal(err)
	}
	return c.seq
}

// next returns the next PDU whole, or the end of the connection.
func (c *esme) next() ([]byte, error) {
	head, err := c.r.Peek(4)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, min(binary.BigEndian.Uint32(head), 1<<16))
	_, err = io.ReadFull(c.r, raw)
	return raw, err
}

func (c *esme) read() (pdu.Header, []byte) {
	c.t.Helper()
	raw, err := c.next()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return pdu.ParseHeader([16]byte(raw[:16])), raw
}

// submit sends text and returns its sequence number.
func (c *esme) submit(to, text string) int32 {
	c.t.Helper()
	p := pdu.NewSubmitSM().(*pdu.SubmitSM)
	var err error
	if p.SourceAddr, err = pdu.NewAddressWithTonNpiAddr(5, 0, "Praxis"); err != nil {
		c.t.Fatal(err)
	}
	if p.DestAddr, err = pdu.NewAddressWithTonNpiAddr(1, 1, to); err != nil {
		c.t.Fatal(err)
	}
	p.RegisteredDelivery = 1
	if err := p.Message.SetMessageWithEncoding(text, data.GSM7BIT); err != nil {
		c.t.Fatal(err)
	}
	return c.write(p)
}

// answer reads an answer to a submit_sm.
func (c *esme) answer() (id string, status uint32, sequence int32) {
	c.t.Helper()
	h, raw := c.read()
	if h.CommandID != data.SUBMIT_SM_RESP {
		c.t.Fatalf("got %+v, want a submit_sm_resp", h)
	}
	if len(raw) > 16 {
		id, _, _ = strings.Cut(string(raw[16:]), "\x00")
	}
	return id, uint32(h.CommandStatus), h.SequenceNumber
}

// receipt reads a deliver_sm, acknowledges it with status, and returns its text and the
// id in its parameters.
func (c *esme) receipt(status data.CommandStatusType) (text, id string) {
	c.t.Helper()
	h, raw := c.read()
	p := pdu.NewDeliverSM().(*pdu.DeliverSM)
	if err := p.Unmarshal(pdu.NewBuffer(raw)); h.CommandID != data.DELIVER_SM || err != nil {
		c.t.Fatalf("got %+v, %v, want a deliver_sm", h, err)
	}
	octets, err := p.Message.GetMessageData()
	if err != nil {
		c.t.Fatal(err)
	}
	resp := pdu.NewDeliverSMResp().(*pdu.DeliverSMResp)
	resp.CommandStatus = status
	resp.SetSequenceNumber(h.SequenceNumber)
	b := pdu.NewBuffer(nil)
	resp.Marshal(b)
	if _, err := c.conn.Write(b.Bytes()); err != nil {
		c.t.Fatal(err)
	}
	field := p.OptionalParameters[pdu.TagReceiptedMessageID]
	return string(octets), field.String()
}

func (c *esme) ended() {
	c.t.Helper()
	if raw, err := c.next(); err == nil {
		c.t.Errorf("the connection goes on with % X", raw)
	}
}

func await(t *testing.T, s *SMSC, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Until(ctx, done); err != nil {
		t.Fatalf("the SMSC never got there: %v", err)
	}
}

func TestSMSC_faults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		f        Fault
		accepted int
		see      func(c *esme)
	}{
		{"refused", Fault{Status: StatusSubmitFailed}, 0, func(c *esme) {
			if _, status, _ := c.answer(); status != StatusSubmitFailed {
				c.t.Errorf("status 0x%02X", status)
			}
		}},
		{"nacked", Fault{Action: Nack, Status: StatusSystemError}, 0, func(c *esme) {
			if h, _ := c.read(); h.CommandID != data.GENERIC_NACK || uint32(h.CommandStatus) != StatusSystemError {
				c.t.Errorf("got %+v", h)
			}
		}},
		{"header only", Fault{Action: HeaderOnly}, 1, func(c *esme) {
			if _, raw := c.read(); len(raw) != 16 {
				c.t.Errorf("%d octets", len(raw))
			}
		}},
		{"twice", Fault{Action: Twice}, 1, func(c *esme) {
			id, _, seq := c.answer()
			if again, _, seqAgain := c.answer(); id != again || seq != seqAgain {
				c.t.Errorf("answers %s and %s", id, again)
			}
		}},
		{"slow", Fault{Action: Slow, Delay: time.Millisecond}, 1, func(c *esme) { c.answer() }},
		{"cut before", Fault{Action: CutBefore}, 0, (*esme).ended},
		{"cut after", Fault{Action: CutAfter}, 1, (*esme).ended},
		{"cut answered", Fault{Action: CutAnswered}, 1, func(c *esme) {
			c.answer()
			c.ended()
		}},
		{"cut inside", Fault{Action: CutInside}, 1, (*esme).ended},
		{"garbage", Fault{Action: Garbage}, 1, func(c *esme) {
			if raw, err := c.r.Peek(4); err != nil || string(raw) != "HTTP" {
				c.t.Errorf("got %q, %v", raw, err)
			}
		}},
		{"garbage in the body", Fault{Action: GarbageBody}, 1, func(c *esme) {
			if _, raw := c.read(); bytes.IndexByte(raw[16:], 0) >= 0 {
				c.t.Errorf("got %q", raw[16:])
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSMSC(t, SMSCConfig{})
			c := bind(t, s, "a")
			s.Fault(tt.f)
			c.submit("41791234567", "x")
			tt.see(c)
			if n := s.Accepted(); n != tt.accepted {
				t.Errorf("%d accepted, want %d", n, tt.accepted)
			}
		})
	}
}

// Silence: the next answer is that of the next submission.
func TestSMSC_silence(t *testing.T) {
	t.Parallel()
	for action, accepted := range map[Action]int{Mute: 2, Swallow: 1, Withhold: 2, WithholdError: 1} {
		s := newSMSC(t, SMSCConfig{})
		c := bind(t, s, "a")
		s.Fault(Fault{Action: action, Status: StatusThrottled})
		first := c.submit("1", "x")
		second := c.submit("1", "y")
		if _, status, seq := c.answer(); seq != second || status != 0 {
			t.Errorf("action %d: answered %d with 0x%02X", action, seq, status)
		}
		if n := s.Release(); n > 0 {
			want := map[Action]uint32{WithholdError: StatusThrottled}[action]
			if _, status, seq := c.answer(); seq != first || status != want {
				t.Errorf("action %d: then answered %d with 0x%02X", action, seq, status)
			}
		} else if action == Withhold || action == WithholdError {
			t.Errorf("action %d: nothing was withheld", action)
		}
		if n := s.Accepted(); n != accepted {
			t.Errorf("action %d: %d accepted, want %d", action, n, accepted)
		}
	}
}

// Which submissions a fault hits.
func TestSMSC_faultsChoose(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	s := newSMSC(t, SMSCConfig{Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	c := bind(t, s, "a")
	status := func(to, text string) uint32 {
		c.submit(to, text)
		_, status, _ := c.answer()
		return status
	}
	check := func(what string, got ...uint32) {
		t.Helper()
		want := got[len(got)/2:]
		if diff := cmp.Diff(want, got[:len(got)/2]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}

	s.Fault(Fault{Status: 0x0B, To: "+41790000001", Times: -1})
	s.Fault(Fault{Status: 0x45, Text: "Ü", Times: -1})
	s.Fault(Fault{Status: 0x08, Skip: 1, Times: 2})
	check("by number and text",
		status("41790000001", "a"), status("41790000002", "Übel"), status("41790000002", "a"), status("41790000001", "Übel"),
		status("41790000002", "a"), status("41790000002", "a"), status("41790000002", "a"),
		0x0B, 0x45, 0, 0x0B, 0x08, 0x08, 0)
	s.ClearFaults()

	s.Fault(Fault{Status: StatusThrottled, For: time.Minute})
	check("for a time", status("1", "a"), status("1", "b"), StatusThrottled, StatusThrottled)
	mu.Lock()
	now = now.Add(time.Minute)
	mu.Unlock()
	check("after the time", status("1", "c"), 0)

	s.Fault(Fault{Status: 0x64, Chance: 0.5, Times: -1})
	hit := 0
	for i := range 400 {
		if status("1", fmt.Sprint(i)) == 0x64 {
			hit++
		}
	}
	if hit < 100 || hit > 300 {
		t.Errorf("%d of 400 hit, want about half", hit)
	}
	s.ClearFaults()

	s.Limit(2, 0)
	mu.Lock()
	now = now.Add(time.Hour)
	mu.Unlock()
	check("a limit", status("1", "a"), status("1", "b"), status("1", "c"), 0, 0, StatusThrottled)
	mu.Lock()
	now = now.Add(time.Second)
	mu.Unlock()
	check("a second later", status("1", "a"), status("1", "b"), status("1", "c"), 0, 0, StatusThrottled)
	s.Limit(1, 10*time.Second)
	mu.Lock()
	now = now.Add(time.Minute)
	mu.Unlock()
	check("with a pause", status("1", "a"), status("1", "b"), 0, StatusThrottled)
	mu.Lock()
	now = now.Add(9 * time.Second)
	mu.Unlock()
	check("in the pause", status("1", "a"), StatusThrottled)
	mu.Lock()
	now = now.Add(time.Second)
	mu.Unlock()
	check("after the pause", status("1", "a"), 0)
	if n := s.Throttled(); n != 4 {
		t.Errorf("%d throttled, want 4", n)
	}
}

func TestSMSC_plan(t *testing.T) {
	t.Parallel()
	s := newSMSC(t, SMSCConfig{HexIDs: true, UpperIDs: true, PadIDs: 10, Now: func() time.Time { return time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC) }})
	c := bind(t, s, "a")
	s.Plan(ReceiptPlan{Stat: "DELIVRD", First: "ENROUTE", Rules: []ReceiptRule{{To: "2", Stat: "UNDELIV", Code: "027"}, {Text: "nie", Stat: ""}}})
	for _, m := range []struct{ to, text string }{{"411", "ja"}, {"412", "nein"}, {"411", "nie"}} {
		c.submit(m.to, m.text)
		id, _, _ := c.answer()
		if want := fmt.Sprintf("%010X", firstID+s.Accepted()); id != want {
			t.Errorf("id %q, want %q", id, want)
		}
		if m.text == "nie" {
			continue
		}
		stat := map[string]string{"411": "DELIVRD err:000", "412": "UNDELIV err:027"}[m.to]
		for _, stat := range []string{"ENROUTE err:000", stat} {
			text, tlv := c.receipt(0)
			want := fmt.Sprintf("id:%010d sub:001 dlvrd:00%c submit date:2603020800 done date:2603020800 stat:%s text:%s",
				firstID+s.Accepted(), map[bool]byte{true: '1', false: '0'}[strings.HasPrefix(stat, "DELIVRD")], stat, m.text)
			if text != want || tlv != id {
				t.Errorf("receipt %q for %q, want %q for %q", text, tlv, want, id)
			}
		}
	}
	await(t, s, func() bool { return s.Undelivered() == 0 })
	if n := s.Acked(0); n != 4 {
		t.Errorf("%d acknowledged, want 4", n)
	}
}

// Receipts lost, doubled, strange, held back and shuffled: the shares are kept, and every
// one sent arrives.
func TestSMSC_planShares(t *testing.T) {
	t.Parallel()
	s := newSMSC(t, SMSCConfig{})
	c := bind(t, s, "a")
	s.Plan(ReceiptPlan{Stat: "DELIVRD", Lost: 0.3, Doubled: 0.2, Strange: 0.1, Shuffle: 20})
	const n = 500
	got := map[string]int{}
	var order []string
	known := map[string]bool{}
	drain := func(want int) {
		for len(order) < want {
			h, raw := c.read()
			switch h.CommandID {
			case data.SUBMIT_SM_RESP:
				known[strings.TrimRight(string(raw[16:]), "\x00")] = true
			case data.DELIVER_SM:
				p := pdu.NewDeliverSM().(*pdu.DeliverSM)
				if err := p.Unmarshal(pdu.NewBuffer(raw)); err != nil {
					t.Fatal(err)
				}
				field := p.OptionalParameters[pdu.TagReceiptedMessageID]
				order = append(order, field.String())
				got[field.String()]++
			}
		}
	}
	for i := range n {
		c.submit("41791234567", fmt.Sprint(i))
	}
	await(t, s, func() bool { return s.Accepted() == n })
	rest := s.ReleaseReceipts()
	if rest < 10 || rest >= 20 {
		t.Errorf("%d were gathered at the end, want 19", rest)
	}
	drain(s.Undelivered())
	doubled, strange := 0, 0
	for id, times := range got {
		if !known[id] {
			strange++
		} else if times > 1 {
			doubled++
		}
	}
	lost := n - (len(got) - strange)
	if lost < 50 || lost > 200 || doubled < 25 || doubled > 150 || strange < 15 || strange > 100 {
		t.Errorf("of %d: %d lost, %d doubled, %d strange", n, lost, doubled, strange)
	}
	if slices.IsSorted(order) {
		t.Error("they came in order")
	}
}

// What a client didn't acknowledge comes at the next bind, in its order and before what
// is newer, and to nobody else.
func TestSMSC_undeliveredSurvive(t *testing.T) {
	t.Parallel()
	s := newSMSC(t, SMSCConfig{Auto: "DELIVRD", Window: 3})
	c := bind(t, s, "a")
	other := bind(t, s, "b")
	var ids []string
	for i := range 5 {
		c.submit("41791234567", fmt.Sprint(i))
	}
	await(t, s, func() bool { return s.Accepted() == 5 })
	for _, p := range s.Parts() {
		ids = append(ids, p.ID)
	}
	if err := c.conn.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, s, func() bool { return s.Bound() == 1 })
	if n := s.Undelivered(); n != 5 {
		t.Fatalf("%d wait, want 5", n)
	}
	c = bind(t, s, "a")
	var got []string
	for range 5 {
		_, id := c.receipt(0)
		got = append(got, id)
	}
	if diff := cmp.Diff(ids, got); diff != "" {
		t.Errorf("receipts (-submitted +got):\n%s", diff)
	}
	await(t, s, func() bool { return s.Undelivered() == 0 })
	other.submit("1", "x")
	other.answer()
	if _, id := other.receipt(0); slices.Contains(ids, id) {
		t.Error("another client got them, too")
	}
}

// A refusal for now brings it again, one for good doesn't.
func TestSMSC_refusedDeliveries(t *testing.T) {
	t.Parallel()
	s := newSMSC(t, SMSCConfig{Retry: time.Millisecond})
	c := bind(t, s, "a")
	s.RawReceipt("id:1")
	c.receipt(data.ESME_RX_T_APPN)
	if text, _ := c.receipt(data.ESME_RX_R_APPN); text != "id:1" {
		t.Errorf("then got %q", text)
	}
	await(t, s, func() bool { return s.Undelivered() == 0 })
	if diff := cmp.Diff([]Ack{{0x64}, {0x66}}, s.Acks()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSMSC_memory(t *testing.T) {
	t.Parallel()
	for memory, want := range map[Memory]struct{ parts, doubled, copies int }{
		KeepParts: {4, 1, 2}, KeepCounts: {0, 1, 2}, KeepNothing: {0, 0, 0},
	} {
		s := newSMSC(t, SMSCConfig{Memory: memory})
		c := bind(t, s, "a")
		for _, m := range []struct{ to, text string }{{"41791", "Grüezi"}, {"41792", "Grüezi"}, {"41791", "Grüezi"}, {"41791", "Adieu"}} {
			c.submit(m.to, m.text)
			c.answer()
		}
		if s.Accepted() != 4 || len(s.Parts()) != want.parts || s.Doubled() != want.doubled || s.Copies("41791", "Grüezi") != want.copies {
			t.Errorf("memory %d: %d accepted, %d parts, %d doubled, %d copies; want %+v", memory, s.Accepted(), len(s.Parts()), s.Doubled(), s.Copies("41791", "Grüezi"), want)
		}
	}
}

// A frozen SMSC keeps its connections and says nothing; thawed, it goes on.
func TestSMSC_freeze(t *testing.T) {
	t.Parallel()
	s := newSMSC(t, SMSCConfig{})
	c := bind(t, s, "a")
	s.Freeze(true)
	c.submit("1", "x")
	s.Freeze(true) // twice does no harm
	if err := c.conn.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if raw, err := c.next(); err == nil {
		t.Errorf("got % X", raw)
	}
	if n := s.Seen(); n != 0 {
		t.Errorf("%d seen", n)
	}
	if err := c.conn.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	s.Freeze(false)
	c.r.Reset(c.conn)
	c.answer()
}

// FuzzSMSC plays anything at all to the SMSC, bound or not.
func FuzzSMSC(f *testing.F) {
	b := pdu.NewBuffer(nil)
	pdu.NewBindRequest(pdu.Transceiver).Marshal(b)
	pdu.NewSubmitSM().Marshal(b)
	f.Add(b.Bytes())
	f.Add([]byte("\x00\x00\x00\x10\x80\x00\x00\x05\x00\x00\x00\x00\xFF\xFF\xFF\xFF"))
	f.Add([]byte("\x00\x00\x00\x14\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01\x40\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		s := newSMSC(t, SMSCConfig{Auto: "DELIVRD"})
		c := connect(t, s)
		_, _ = c.conn.Write(octets) // it may have gone already
		_ = c.conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, c.conn) // until the SMSC is done with it
	})
}
