package standin

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/linxGnu/gosmpp/data"

	"rappel/notify/segment"
)

// ReceiptPlan says what receipts the SMSC sends by itself for what it accepts. Nothing is
// sent for a submit_sm that asks for no receipt.
type ReceiptPlan struct {
	Stat  string        // such as "DELIVRD"; "" = no receipts
	Code  string        // three digits; "" = "000"
	Rules []ReceiptRule // the first that concerns a text decides in place of Stat and Code
	First string        // stat of another receipt before, such as "ENROUTE"; "" = none

	// Shares of the receipts, 0 to 1, at random.
	Lost    float64 // never sent
	Doubled float64 // sent twice
	Strange float64 // followed by one for an id never handed out

	Hold    bool          // receipts wait for ReleaseReceipts
	Shuffle int           // so many are gathered, and of those one goes at random; ReleaseReceipts sends the rest
	Delay   time.Duration // receipts come so much later, in real time
}

// ReceiptRule picks texts that get other receipts.
type ReceiptRule struct {
	To, Text   string // as in Fault
	Stat, Code string
}

type timed struct {
	at time.Time
	d  *delivery
}

// Plan replaces the plan for receipts, from the next submit_sm on.
func (s *SMSC) Plan(p ReceiptPlan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.Code == "" {
		p.Code = "000"
	}
	s.outbox.plan = p
}

// ReleaseReceipts sends the receipts that the plan holds back, those to be shuffled in
// any order, and returns how many they were.
func (s *SMSC) ReleaseReceipts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.outbox.held
	s.outbox.held = nil
	if s.outbox.plan.Shuffle > 0 {
		s.rng.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
	}
	for _, d := range held {
		s.enqueue(d)
	}
	s.redeliver()
	return len(held)
}

// planned sends the receipts of the plan for p, accepted as message n. s.mu is held.
func (s *SMSC) planned(p *submission, n uint64, user string) {
	plan := &s.outbox.plan
	if plan.Stat == "" && len(plan.Rules) == 0 || p.registered&0x03 == 0 {
		return
	}
	stat, code := plan.Stat, plan.Code
	for _, r := range plan.Rules {
		if (&Fault{To: r.To, Text: r.Text}).concerns(p, s.cfg.Latin1) {
			stat, code = r.Stat, r.Code
			break
		}
	}
	if stat == "" {
		return
	}
	of := receiptOf{n: n, user: user, from: p.to, to: p.from, coding: p.coding, octets: p.octets}
	if plan.First != "" {
		s.dispatch(s.receipt(of, plan.First, "000"))
	}
	share := func(of float64) bool { return of > 0 && s.rng.Float64() < of }
	if !share(plan.Lost) {
		s.dispatch(s.receipt(of, stat, code))
	}
	if share(plan.Doubled) {
		s.dispatch(s.receipt(of, stat, code))
	}
	if share(plan.Strange) {
		of.n = firstID - 1 - uint64(s.rng.IntN(firstID/2))
		s.dispatch(s.receipt(of, stat, code))
	}
}

// dispatch sends a receipt of the plan, at once or later. s.mu is held.
func (s *SMSC) dispatch(d *delivery) {
	o := &s.outbox
	switch plan := &o.plan; {
	case plan.Hold:
		o.held = append(o.held, d)
		return
	case plan.Shuffle > 0:
		o.held = append(o.held, d)
		if len(o.held) < plan.Shuffle {
			return
		}
		i := s.rng.IntN(len(o.held))
		d = o.held[i]
		o.held = slices.Delete(o.held, i, i+1)
	case plan.Delay > 0:
		o.delayed = append(o.delayed, timed{time.Now().Add(plan.Delay), d})
		if o.timer == nil {
			o.timer = time.AfterFunc(plan.Delay, s.due)
		}
		return
	}
	s.enqueue(d)
	s.pump()
}

// due sends the delayed receipts whose time has come.
func (s *SMSC) due() {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &s.outbox
	if s.closed {
		return
	}
	now, n := time.Now(), 0
	for n < len(o.delayed) && !o.delayed[n].at.After(now) {
		s.enqueue(o.delayed[n].d)
		n++
	}
	o.delayed = slices.Delete(o.delayed, 0, n)
	o.timer = nil
	if len(o.delayed) > 0 {
		o.timer = time.AfterFunc(o.delayed[0].at.Sub(now), s.due)
	}
	s.redeliver()
}

func (o *outbox) stopTimers() {
	for _, t := range []*time.Timer{o.timer, o.retry} {
		if t != nil {
			t.Stop()
		}
	}
}

// Receipt sends the receipt of the part with this id: stat such as "DELIVRD", code
// three digits such as "000". While nobody is bound that may receive, it is kept.
// An id never handed out gives a receipt too, from and to nobody: gateways do that; so
// does every id where the SMSC doesn't keep parts.
func (s *SMSC) Receipt(id, stat, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, known := s.cfg.number(id)
	of := receiptOf{n: n}
	if !known {
		of.id = id
	}
	if i := int(n) - firstID - 1; known && i >= 0 && i < len(s.ledger.parts) {
		p := &s.ledger.parts[i]
		of.user, of.coding, of.octets = p.User, p.Coding, p.Octets
		of.from, of.to = party{p.ToTON, p.ToNPI, []byte(p.To)}, party{p.FromTON, p.FromNPI, []byte(p.From)}
	}
	s.enqueue(s.receipt(of, stat, code))
	s.redeliver()
}

// RawReceipt sends any text as a receipt.
func (s *SMSC) RawReceipt(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enqueue(newDelivery("", party{}, party{}, data.SM_SMSC_DLV_RCPT_TYPE, 0, []byte(text)))
	s.redeliver()
}

// receiptOf is what a receipt is about.
type receiptOf struct {
	n        uint64
	id       string // in place of n
	user     string
	from, to party
	coding   byte
	octets   []byte
}

// message states by the words of receipts; SMPP 3.4 §5.2.28.
func stateOf(stat string) byte {
	switch stat {
	case "ENROUTE":
		return 1
	case "DELIVRD":
		return 2
	case "EXPIRED":
		return 3
	case "DELETED":
		return 4
	case "UNDELIV":
		return 5
	case "ACCEPTD":
		return 6
	case "REJECTD":
		return 8
	}
	return 7 // UNKNOWN
}

// receipt builds a receipt. s.mu is held.
func (s *SMSC) receipt(of receiptOf, stat, code string) *delivery {
	var text [320]byte
	b := text[:0]
	if s.cfg.Receipts != ReceiptTLV {
		b = s.appendReceipt(b, of, stat, code)
	}
	d := newDelivery(of.user, of.from, of.to, data.SM_SMSC_DLV_RCPT_TYPE, 0, b)
	if s.cfg.Receipts != ReceiptText {
		id := append(text[:0], of.id...)
		if of.id == "" {
			id = s.cfg.appendID(text[:0], of.n)
		}
		d.raw = appendParameter(d.raw, tlvReceiptedID, append(id, 0)...)
		d.raw = appendParameter(d.raw, tlvMessageState, stateOf(stat))
		if n := codeNumber(code); n != 0 {
			d.raw = appendParameter(d.raw, tlvNetworkError, 3, byte(n>>8), byte(n))
		}
		d.raw = endPDU(d.raw)
	}
	return d
}

// appendReceipt appends the text of a receipt. SMPP 3.4 appendix B.
func (s *SMSC) appendReceipt(b []byte, of receiptOf, stat, code string) []byte {
	layout := "0601021504"
	if s.cfg.LongDates {
		layout = "060102150405"
	}
	now := s.cfg.Now().UTC()
	b = append(b, "id:"...)
	if of.id != "" {
		b = append(b, of.id...)
	} else {
		b = s.cfg.appendDecimal(b, of.n)
	}
	delivered := byte('0')
	if stat == "DELIVRD" {
		delivered = '1'
	}
	b = append(b, " sub:001 dlvrd:00"...)
	b = append(append(b, delivered), " submit date:"...)
	b = now.AppendFormat(b, layout)
	b = append(b, " done date:"...)
	b = now.AppendFormat(b, layout)
	b = append(append(b, " stat:"...), stat...)
	b = append(append(b, " err:"...), code...)
	b = append(b, " text:"...)
	return append(b, excerpt(of.coding, of.octets, s.cfg.Latin1)...)
}

// excerpt returns the beginning of a text as receipts quote it: 20 octets, or a dash
// where the default alphabet can't show it.
func excerpt(coding byte, octets []byte, latin1 bool) []byte {
	if coding == data.GSM7BITCoding && !latin1 {
		return octets[:min(len(octets), 20)]
	}
	text := decode(coding, octets, latin1)
	if runes := []rune(text); len(runes) > 20 {
		text = string(runes[:20])
	}
	quoted, err := segment.EncodeGSM7(nil, strings.ToValidUTF8(text, "?"))
	if err != nil {
		return []byte("-")
	}
	return quoted
}

func codeNumber(code string) (n uint16) {
	for i := range len(code) {
		n = n*10 + uint16(code[i]-'0')
	}
	return n
}

// newDelivery builds a deliver_sm. SMPP 3.4 §4.6.1.
func newDelivery(user string, from, to party, esmClass, coding byte, octets []byte) *delivery {
	d := deliveries.Get().(*delivery)
	b := beginPDU(d.raw[:0], data.DELIVER_SM, 0, 0)
	b = append(b, 0) // service_type
	b = appendParty(b, from.ton, from.npi, from.number)
	b = appendParty(b, to.ton, to.npi, to.number)
	b = append(b, esmClass, 0, 0, 0, 0, 0, 0, coding, 0, byte(len(octets)))
	b = append(b, octets...)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	d.user, d.raw = user, b
	return d
}
