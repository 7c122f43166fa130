package standin

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
	GarbageBody                 // accepted, then an answer whose header is right and whose body isn't
	HeaderOnly                  // answer Fault.Status without a body, as some do; accepted if Status is 0
	WithholdError               // not accepted; the answer Fault.Status waits for Release
)

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
}

// Fault queues f. Faults are used up in the order they were queued.
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

// nextFault uses up the fault for the submit_sm at hand. s.mu is held.
func (s *SMSC) nextFault() *Fault {
	for len(s.faults) > 0 {
		f := s.faults[0]
		switch {
		case f.Skip > 0:
			f.Skip--
			return nil
		case f.Times == 0:
			s.faults = s.faults[1:]
			continue
		case f.Times > 0:
			f.Times--
		}
		return f
	}
	return nil
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
