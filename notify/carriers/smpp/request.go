package smpp

import (
	"encoding/binary"
	"slices"

	"rappel/notify"
)

// request is one submit_sm and what comes of it. Requests are used again and again; what
// outlives one is in lateAnswer.
type request struct {
	link *link
	raw  []byte       // the PDU
	done chan outcome // buffered; told exactly once for each time it is registered

	// Under link.mu while registered.
	sequence int32
	written  bool   // from here on it may have left
	beat     uint32 // of the link when it was registered
	heard    uint32 // PDUs the link had read by then

	account, message  int64
	recipient, sender string
}

func newRequest() any { return &request{done: make(chan outcome, 1), raw: make([]byte, 0, 320)} }

// lateAnswer is a request nobody waits for any more, whose answer is evidence when it
// comes after all.
type lateAnswer struct {
	account, message  int64
	recipient, sender string
}

const (
	lateLimit = 4096 // answers nobody waits for that are still recognised
	beats     = 4    // in a timeout; a request is given up when one more has passed
)

// register makes r expected before it is written, so that no answer can be too fast for
// it, and hands it to the writer. It is false when the link is done for.
func (l *link) register(r *request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return false
	}
	l.window.put(r)
	binary.BigEndian.PutUint32(r.raw[12:], uint32(r.sequence))
	r.written, r.beat, r.heard = false, l.beat, l.heard.Load()
	l.queue = append(l.queue, r)
	l.rouse()
	return true
}

// answer settles the request of this sequence with o. If nobody waits for it any more,
// it returns what is known of it.
func (l *link) answer(sequence int32, o outcome) (late lateAnswer, isLate, known bool) {
	l.mu.Lock()
	r := l.window.get(sequence)
	if r == nil || !r.written { // what hasn't left can't be answered
		late, isLate = l.late[sequence]
		delete(l.late, sequence)
		l.mu.Unlock()
		return late, isLate, isLate
	}
	l.window.drop(r)
	l.tellIdle()
	l.mu.Unlock()
	l.c.pool.release(l)
	r.done <- o
	return late, false, true
}

// recipientOf returns whom the request of this sequence is for, "" if nobody knows it.
func (l *link) recipientOf(sequence int32) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.window.get(sequence); r != nil {
		return r.recipient
	}
	return l.late[sequence].recipient
}

// abandon gives r up, unless its outcome comes this moment.
func (l *link) abandon(r *request, why error) outcome {
	l.mu.Lock()
	if l.window.get(r.sequence) != r {
		l.mu.Unlock()
		return <-r.done
	}
	o := l.giveUp(r, why)
	l.mu.Unlock()
	l.c.pool.release(l)
	return o
}

// giveUp takes r out of the window, and out of the queue if it hasn't left. If it has,
// its answer is still recognised when it comes. mu is held.
func (l *link) giveUp(r *request, why error) outcome {
	l.window.drop(r)
	l.tellIdle()
	if !r.written {
		if i := slices.Index(l.queue, r); i >= 0 {
			l.queue = slices.Delete(l.queue, i, i+1)
		}
		return outcome{err: &notify.SendError{Kind: notify.ErrTemporary, Err: why}}
	}
	if len(l.late) >= lateLimit {
		for sequence := range l.late { // any of them
			delete(l.late, sequence)
			break
		}
	}
	if l.late == nil {
		l.late = map[int32]lateAnswer{}
	}
	l.late[r.sequence] = lateAnswer{r.account, r.message, r.recipient, r.sender}
	return outcome{err: &notify.SendError{Kind: notify.ErrUnknown, Err: why}}
}

// tick gives up the requests that waited longer than the timeout. It reports whether the
// gateway has been mute since one of them was sent: then it may be gone.
func (l *link) tick() (mute bool) {
	type settled struct {
		r *request
		o outcome
	}
	var expired []settled
	l.mu.Lock()
	l.beat++
	for r := l.window.first(); r != nil && l.beat-r.beat > beats; r = l.window.first() {
		mute = mute || r.written && r.heard == l.heard.Load()
		expired = append(expired, settled{r, l.giveUp(r, errNoAnswer)})
	}
	l.mu.Unlock()
	if mute {
		l.c.pool.suspend(l) // before its slots come free
	}
	for _, e := range expired {
		l.c.pool.release(l)
		e.r.done <- e.o
	}
	return mute
}

// withdraw gives up what hasn't left yet, with an error of this kind.
func (l *link) withdraw(kind, why error) {
	l.mu.Lock()
	queue := l.queue
	l.queue = nil
	for _, r := range queue {
		l.window.drop(r)
	}
	l.tellIdle()
	l.mu.Unlock()
	for _, r := range queue {
		l.c.pool.release(l)
		r.done <- outcome{err: &notify.SendError{Kind: kind, Err: why}}
	}
}

// settle ends every request of a link whose loops have ended, and tells those who wait
// for their PDU to be written that it was not.
func (l *link) settle() {
	l.mu.Lock()
	l.dead = true
	open := l.window.all()
	told := l.told
	l.queue, l.out, l.told = nil, nil, nil
	l.tellIdle()
	l.mu.Unlock()
	for _, t := range told {
		t <- false
	}
	for _, r := range open {
		kind := notify.ErrTemporary
		if r.written {
			kind = notify.ErrUnknown
		}
		l.c.pool.release(l)
		r.done <- outcome{err: &notify.SendError{Kind: kind, Err: l.cause}}
	}
}

// tellIdle wakes who waits for the last answer. mu is held.
func (l *link) tellIdle() {
	if l.idle != nil && l.window.n == 0 {
		close(l.idle)
		l.idle = nil
	}
}
