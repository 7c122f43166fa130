package standin

import (
	"slices"
	"time"

	"github.com/linxGnu/gosmpp/data"
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
	if i := int(n) - int(s.firstID) - 1; known && i >= 0 && i < len(s.ledger.parts) {
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
