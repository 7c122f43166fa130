package standin

import (
	"bytes"
	"strings"
	"time"
)

// Action is what the SMSC does with a submit_sm instead of accepting it and
// answering.
type Action int

// The actions. Which of them take the message in before going wrong matters:
// that is what a client can't know.
const (
	Refuse        Action = iota // answer Fault.Status; not accepted
	Nack                        // answer generic_nack with Fault.Status; not accepted
	Withhold                    // accepted; the answer waits for Release
	Mute                        // accepted, never answered
	CutBefore                   // connection closed; not accepted
	CutAfter                    // accepted, then the connection closed unanswered
	Garbage                     // accepted, then octets that are no PDU
	GarbageBody                 // accepted, then an answer whose header is right and whose id has no end
	HeaderOnly                  // answer Fault.Status without a body, as some do; accepted if Status is 0
	WithholdError               // not accepted; the answer Fault.Status waits for Release
	CutAnswered                 // accepted and answered, then the connection closed
	CutInside                   // accepted, then the connection closed in the middle of the answer
	Twice                       // accepted, answered twice with the same sequence number
	Slow                        // accepted, answered after Fault.Delay
	Swallow                     // not accepted, never answered
)

// takes reports whether the SMSC accepts what f hits.
func (f *Fault) takes() bool {
	switch f.Action {
	case Refuse, Nack, CutBefore, WithholdError, Swallow:
		return false
	case HeaderOnly:
		return f.Status == 0
	}
	return true
}

// Command statuses used in tests, by their names in SMPP 3.4.
const (
	StatusInvalidLength      uint32 = 0x01
	StatusSystemError        uint32 = 0x08
	StatusInvalidSource      uint32 = 0x0A
	StatusInvalidDestination uint32 = 0x0B
	StatusBindFailed         uint32 = 0x0D
	StatusInvalidPassword    uint32 = 0x0E
	StatusQueueFull          uint32 = 0x14
	StatusSubmitFailed       uint32 = 0x45
	StatusThrottled          uint32 = 0x58
	StatusRefused            uint32 = 0x66
)

// Fault is one misbehaviour towards submit_sm.
type Fault struct {
	Action Action
	Status uint32
	Skip   int // leave this many submit_sm alone first
	Times  int // how many it then hits; 0 means 1, negative all until ClearFaults

	To     string        // only those to numbers that end so; "" = all
	Text   string        // only those whose text holds this; "" = all
	Chance float64       // hit only this share of them, at random; 0 = all
	For    time.Duration // once it hit, go on for so long, whatever Times says
	Delay  time.Duration // of Slow, in real time

	until time.Time // end of For
}

// Fault queues f. Faults are used up in the order they were queued; one that doesn't
// concern a submit_sm leaves it to the next.
func (s *SMSC) Fault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	s.faults = append(s.faults, &f)
}

// ClearFaults forgets what is left of the queued faults.
func (s *SMSC) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Limit has the SMSC refuse with 0x58 what exceeds so many submit_sm a second over all
// clients, by its clock, and with a pause everything else too until that is over. 0 = no
// limit.
func (s *SMSC) Limit(perSecond int, pause time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = limit{perSecond: perSecond, pause: pause}
}

// Throttled returns how many submit_sm Limit refused.
func (s *SMSC) Throttled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.throttled
}

// limit counts submit_sm by the second.
type limit struct {
	perSecond int
	pause     time.Duration
	second    time.Time // begin of the one that is counted
	n         int
	until     time.Time // of the pause
}

// exceeded counts a submit_sm. It reports whether that is one too many.
func (l *limit) exceeded(now time.Time) bool {
	if l.perSecond <= 0 {
		return false
	}
	if now.Before(l.until) {
		return true
	}
	if now.Sub(l.second) >= time.Second || now.Before(l.second) {
		l.second, l.n = now, 0
	}
	if l.n++; l.n <= l.perSecond {
		return false
	}
	l.until = now.Add(l.pause)
	return true
}

var tooMuch = Fault{Action: Refuse, Status: StatusThrottled}

// nextFault uses up the fault for the submit_sm at hand, nil if there is none. s.mu is
// held.
func (s *SMSC) nextFault(p *submission) *Fault {
	if s.limit.perSecond > 0 && s.limit.exceeded(s.cfg.Now()) {
		s.throttled++
		return &tooMuch
	}
	for i := 0; i < len(s.faults); {
		f := s.faults[i]
		over := f.Times == 0
		if f.For > 0 && !f.until.IsZero() {
			over = !s.cfg.Now().Before(f.until)
		}
		switch {
		case over:
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
			continue
		case !f.concerns(p, s.cfg.Latin1) || f.Chance > 0 && s.rng.Float64() >= f.Chance:
			i++
			continue
		case f.Skip > 0:
			f.Skip--
			return nil
		}
		if f.Times > 0 {
			f.Times--
		}
		if f.For > 0 && f.until.IsZero() {
			f.until = s.cfg.Now().Add(f.For)
		}
		return f
	}
	return nil
}

func (f *Fault) concerns(p *submission, latin1 bool) bool {
	return (f.To == "" || bytes.HasSuffix(p.to.number, []byte(bare(f.To)))) &&
		(f.Text == "" || strings.Contains(decode(p.coding, p.octets, latin1), f.Text))
}

// RefuseBinds makes the SMSC answer every bind with status, until called with 0.
func (s *SMSC) RefuseBinds(status uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bindStatus = status
}

// IgnoreEnquiries makes the SMSC leave enquire_link unanswered.
func (s *SMSC) IgnoreEnquiries(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deaf = on
}

// Freeze stops all work on connections and leaves them open, as when a machine is gone
// and nobody was told: what clients send piles up, and nothing comes back. With false,
// everything goes on from there.
func (s *SMSC) Freeze(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on && s.thaw == nil {
		s.thaw = make(chan struct{})
	} else if !on && s.thaw != nil {
		close(s.thaw)
		s.thaw = nil
	}
}

// Release sends the answers withheld so far and returns how many they were.
func (s *SMSC) Release() int {
	s.mu.Lock()
	held := s.held
	s.held = nil
	s.mu.Unlock()
	for _, send := range held {
		send()
	}
	return len(held)
}

// CutAll closes every connection without a word.
func (s *SMSC) CutAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		c.close()
	}
}

// UnbindAll asks every bound client to go, as an SMSC does before maintenance.
func (s *SMSC) UnbindAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		c.requestUnbind()
	}
}
