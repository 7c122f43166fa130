package smpp

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/linxGnu/gosmpp/data"
)

// verdict is how a deliver_sm is answered.
type verdict int

const (
	keepIt  verdict = iota // the Inbox has it: never send it again
	againIt                // not now: send it again
	dropIt                 // can't be read: never send it again
)

// ack answers one deliver_sm. done says whether the answer was written out.
type ack func(verdict) (done bool)

// replies puts long MOs together and gives every MO an id that its replay meets
// again.
type replies struct {
	alphabet Alphabet

	mu    sync.Mutex
	open  map[longKey]*long
	known map[string]*arrival // by hash of a text standing alone
	parts map[string]struct{} // hashes of parts whose message is complete
	order []string            // of known and parts, oldest first
}

const repliesCapacity = 2048

// arrival remembers a text, to tell its replay from the same words said again.
type arrival struct {
	id      string
	settled bool // acknowledged: the same words are news
	count   int  // how many were told apart so far
}

type longKey struct {
	from, to string
	ref      uint16
	total    uint8
}

// long is an MO of which parts are still missing.
type long struct {
	alphabet Alphabet

	pieces map[uint8]piece
	hashes map[uint8]string
	acks   []ack
	begun  time.Time
	timing bool          // somebody waits for the rest
	rounds int           // how often the waiting was in vain
	handed bool          // with the Inbox at this moment
	kept   chan struct{} // closed when the Inbox has it
}

// piece is a part's octets, without UDH. They are decoded together with those of its
// neighbours, since some gateways cut within a character.
type piece struct {
	coding byte
	octets []byte
}

// hand marks l as given to the Inbox. mu is held.
func (l *long) hand(key longKey) *whole {
	l.handed = true
	body := l.join(key.total)
	return &whole{key, l, stamped(digest(key.from, key.to, body), l.begun, 0), body}
}

func newReplies(alphabet Alphabet) *replies {
	return &replies{alphabet: alphabet, open: map[longKey]*long{}, known: map[string]*arrival{}, parts: map[string]struct{}{}}
}

func digest(fields ...string) string {
	h := sha256.New()
	for _, f := range fields {
		fmt.Fprintf(h, "%d:%s|", len(f), f)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// alone returns the id for a text that stands alone, and the function that notes
// whether it is acknowledged: true before the acknowledgement is written, since the
// same words said again may be as fast as that; false if it could not be.
func (r *replies) alone(from, to, text string, now time.Time) (id string, settle func(bool)) {
	hash := digest(from, to, text)
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.known[hash]
	switch {
	case a == nil:
		a = &arrival{id: stamped(hash, now, 0)}
		r.known[hash] = a
		r.remember(hash)
	case a.settled:
		a.count++
		a.id, a.settled = stamped(hash, now, a.count), false
	}
	return a.id, func(acknowledged bool) {
		r.mu.Lock()
		defer r.mu.Unlock()
		a.settled = acknowledged
	}
}

// stamped makes an id of a hash and the five minutes, see the package's decisions.
func stamped(hash string, now time.Time, count int) string {
	id := fmt.Sprintf("mo-%s-%s", hash, now.UTC().Truncate(5*time.Minute).Format("0601021504"))
	if count > 0 {
		id = fmt.Sprintf("%s-%d", id, count)
	}
	return id
}

// remember bounds the memory. mu is held.
func (r *replies) remember(hash string) {
	r.order = append(r.order, hash)
	for len(r.order) > repliesCapacity {
		delete(r.known, r.order[0])
		delete(r.parts, r.order[0])
		r.order = r.order[1:]
	}
}

// whole is a long MO ready for the Inbox.
type whole struct {
	key  longKey
	long *long
	id   string
	body string
}

// add takes in part seq. It answers it itself when it is a replay of a message
// already handed on. w is set when the message is complete; wait is set when
// somebody should wait for the rest and then call expire.
func (r *replies) add(key longKey, seq uint8, p piece, a ack, now time.Time) (w *whole, wait *long) {
	hash := digest(key.from, key.to, fmt.Sprint(key.ref, key.total, seq, p.coding), string(p.octets))
	r.mu.Lock()
	if _, replay := r.parts[hash]; replay {
		r.mu.Unlock()
		a(keepIt)
		return nil, nil
	}
	l := r.open[key]
	if l != nil && l.hashes[seq] != "" && l.hashes[seq] != hash {
		// The reference came round again: another message. What the first one
		// holds would be mixed with it, so it is handed on as it is.
		if !l.handed {
			w = l.hand(key)
		}
		l = nil
	}
	if l == nil {
		l = &long{alphabet: r.alphabet, pieces: map[uint8]piece{}, hashes: map[uint8]string{}, begun: now, kept: make(chan struct{})}
		r.open[key] = l
	}
	l.pieces[seq], l.hashes[seq] = p, hash
	l.acks = append(l.acks, a)
	if w == nil && !l.handed && len(l.pieces) == int(key.total) {
		w = l.hand(key)
	} else if !l.timing && len(l.pieces) < int(key.total) {
		l.timing = true
		wait = l
	}
	r.mu.Unlock()
	return w, wait
}

// join puts the parts' texts in order; a missing part shows as an ellipsis. mu is held, or
// the message is nobody else's.
func (l *long) join(total uint8) string {
	var b strings.Builder
	for seq := 1; seq <= int(total); {
		first, ok := l.pieces[uint8(seq)]
		if !ok {
			b.WriteString(" […] ")
			seq++
			continue
		}
		var run [][]byte
		for ; seq <= int(total); seq++ {
			p, ok := l.pieces[uint8(seq)]
			if !ok || p.coding != first.coding {
				break
			}
			run = append(run, p.octets)
		}
		b.WriteString(delivery{coding: first.coding, octets: joined(first.coding, run)}.text(l.alphabet))
	}
	return b.String()
}

// joined returns the octets of neighbours, each without what delivery.text passes over at
// its end: the NULs of C strings, and the odd octet of UCS-2 where it isn't half a character.
func joined(coding byte, run [][]byte) []byte {
	whole := bytes.Join(run, nil)
	if charset(coding) == data.GSM7BITCoding {
		return whole
	}
	ucs2 := charset(coding) == data.UCS2Coding
	if n := len(whole); ucs2 && n > 0 && n%2 == 0 && whole[n-1] != 0 {
		return whole
	}
	whole = whole[:0]
	for _, octets := range run {
		if ucs2 {
			octets = octets[:len(octets)&^1]
		} else {
			octets = bytes.TrimRight(octets, "\x00")
		}
		whole = append(whole, octets...)
	}
	return whole
}

const patience = 3 // rounds of waiting for missing parts

// expire ends a round of waiting for the rest of l. The held parts are refused for
// now, or, after several rounds, returned as a message with gaps.
func (r *replies) expire(key longKey, l *long) *whole {
	r.mu.Lock()
	l.timing = false
	if r.open[key] != l || l.handed || len(l.pieces) == int(key.total) {
		r.mu.Unlock()
		return nil
	}
	l.rounds++
	if l.rounds >= patience {
		w := l.hand(key)
		r.mu.Unlock()
		return w
	}
	acks := l.acks
	l.acks = nil
	r.mu.Unlock()
	for _, a := range acks {
		a(againIt)
	}
	return nil
}

// finish answers all parts of w: the Inbox has it, or should be tried again when
// they are brought again.
func (r *replies) finish(w *whole, kept bool) {
	r.mu.Lock()
	acks := w.long.acks
	w.long.acks = nil
	w.long.handed = false
	if kept {
		close(w.long.kept)
		for _, hash := range w.long.hashes {
			r.parts[hash] = struct{}{}
			r.remember(hash)
		}
		if r.open[w.key] == w.long {
			delete(r.open, w.key)
		}
	}
	r.mu.Unlock()
	v := againIt
	if kept {
		v = keepIt
	}
	for _, a := range acks {
		a(v)
	}
}
