package standin

import (
	"hash/maphash"
	"slices"

	"github.com/linxGnu/gosmpp/data"

	"rappel/notify/segment"
)

// Memory is how much of what it accepted an SMSC keeps.
type Memory int

// The sorts of memory.
const (
	KeepParts   Memory = iota // everything, for Parts and Texts
	KeepCounts                // how often each text came to each destination, for Doubled and Copies
	KeepNothing               // numbers alone: a million messages take no more room than one
)

// ledger remembers what was accepted. It is guarded by smsc.mu.
type ledger struct {
	keep     Memory
	latin1   bool
	accepted int
	doubled  int
	parts    []Part
	seed     maphash.Seed
	copies   map[uint64]int32 // by destination, place in the message, and octets
}

func newLedger(keep Memory, latin1 bool) ledger {
	return ledger{keep: keep, latin1: latin1, seed: maphash.MakeSeed(), copies: map[uint64]int32{}}
}

// add remembers p, accepted as id from user.
func (l *ledger) add(p *submission, id []byte, user string) {
	l.accepted++
	if l.keep == KeepNothing {
		return
	}
	k := l.key(p.to.number, p.total, p.seq, p.coding, p.octets)
	if l.copies[k] > 0 {
		l.doubled++
	}
	l.copies[k]++
	if l.keep == KeepParts {
		l.parts = append(l.parts, p.part(string(id), user, l.latin1))
	}
}

func (l *ledger) key(to []byte, total, seq, coding byte, octets []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(l.seed)
	// Maphash never fails.
	_, _ = h.Write(to)
	_, _ = h.Write([]byte{0, total, seq, coding})
	_, _ = h.Write(octets)
	return h.Sum64()
}

// Parts returns every accepted submit_sm in the order of acceptance. It needs KeepParts.
func (s *SMSC) Parts() []Part {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ledger.parts)
}

// PartsFrom is Parts without the first n, for a reader that follows along.
func (s *SMSC) PartsFrom(n int) []Part {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ledger.parts[min(n, len(s.ledger.parts)):])
}

// Texts returns what handsets would show, from the parts accepted so far. It needs
// KeepParts.
func (s *SMSC) Texts() []Text { return Reassemble(s.Parts()) }

// Accepted returns how many submit_sm were accepted.
func (s *SMSC) Accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger.accepted
}

// Doubled returns how many accepted submit_sm said the same to the same destination as
// one before: with texts that differ, how many went out twice. It needs KeepCounts or
// KeepParts.
func (s *SMSC) Doubled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger.doubled
}

// Copies returns how often text, of one part, was accepted for the destination, which is
// written as clients do, without "+". It needs KeepCounts or KeepParts.
func (s *SMSC) Copies(to, text string) int {
	coding := byte(data.GSM7BITCoding)
	octets, err := segment.EncodeGSM7(nil, text)
	if s.cfg.Latin1 {
		octets, err = latin1Octets(text)
	}
	if err != nil {
		coding, octets = data.UCS2Coding, segment.EncodeUCS2(nil, text)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.ledger.copies[s.ledger.key([]byte(to), 1, 1, coding, octets)])
}

func latin1Octets(text string) ([]byte, error) {
	octets := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xFF {
			return nil, segment.ErrNotGSM7
		}
		octets = append(octets, byte(r))
	}
	return octets, nil
}
