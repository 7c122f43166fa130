package smpp

import (
	"fmt"
	"runtime"
	"time"
)

// writeLimit is how many octets of submit_sm go out at once: few enough for a gateway
// that reads slowly not to have taken, unseen, more than it may answer in time.
const writeLimit = 64 << 10

// rouse wakes the writer if it sleeps. mu is held.
func (l *link) rouse() {
	if l.asleep {
		l.asleep = false
		l.wake <- struct{}{} // has room: the writer takes it before it sleeps again
	}
}

// send has the writer send a PDU of ours that isn't a submit_sm. told, if not nil, hears
// whether it was written; it has room for that.
func (l *link) send(raw []byte, told chan<- bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		if told != nil {
			told <- false
		}
		return
	}
	l.out = append(l.out, raw...)
	if told != nil {
		l.told = append(l.told, told)
	}
	l.rouse()
}

// acknowledge is send for the answer to a deliver_sm.
func (l *link) acknowledge(j job, status uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out = appendDeliverResp(l.out, j, status)
	l.rouse()
}

// write runs the writer: everything that waits goes out in one piece.
func (l *link) write() {
	var buf []byte
	var told []chan<- bool
	report := func(ok bool) {
		for _, t := range told {
			t <- ok
		}
		told = told[:0]
	}
	for {
		l.mu.Lock()
		if len(l.queue) == 0 && len(l.out) == 0 {
			l.asleep = true
			l.mu.Unlock()
			select {
			case <-l.wake:
			case <-l.closed:
				return
			}
			// Let those run who are about to send: one system call more for all of
			// them costs less than one for each.
			runtime.Gosched()
			continue
		}
		buf, told = l.collect(buf[:0], told)
		l.mu.Unlock()
		if err := l.flush(buf); err != nil {
			report(false)
			l.fail(fmt.Errorf("%w: %w", errCut, err))
			return
		}
		report(true)
	}
}

// collect appends what waits to buf. mu is held.
func (l *link) collect(buf []byte, told []chan<- bool) ([]byte, []chan<- bool) {
	buf = append(buf, l.out...)
	l.out = l.out[:0]
	told, l.told = append(told, l.told...), l.told[:0]
	n := 0
	for _, r := range l.queue {
		if len(buf) >= writeLimit {
			break
		}
		// From here on the part may have left, even if Write says otherwise.
		r.written = true
		buf = append(buf, r.raw...)
		n++
	}
	rest := copy(l.queue, l.queue[n:])
	clear(l.queue[rest:])
	l.queue = l.queue[:rest]
	return buf, told
}

func (l *link) flush(buf []byte) error {
	// A deadline of the operating system, not a rule: the real clock.
	if err := l.conn.SetWriteDeadline(time.Now().Add(l.c.cfg.Timeout)); err != nil {
		return err
	}
	_, err := l.conn.Write(buf)
	return err
}
