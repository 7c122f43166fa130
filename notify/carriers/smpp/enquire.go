package smpp

import (
	"log/slog"

	"github.com/linxGnu/gosmpp/pdu"
)

// watch gives up requests that are not answered in time, by one timer for all of them.
// When the gateway has been mute all the while, the connection may be half open, and
// whatever is sent into it lost: the link then takes no more until it is heard again.
func (l *link) watch(log *slog.Logger) {
	for {
		fired, stop := l.c.wait(WaitAnswer, l.c.cfg.Timeout/beats)
		select {
		case <-fired:
		case <-l.closed:
			stop()
			return
		}
		stop()
		if !l.tick() {
			continue
		}
		log.Warn("gateway is mute, nothing more is sent until it answers enquire_link")
		select {
		case l.probe <- struct{}{}:
		default: // asked for already
		}
	}
}

// enquire keeps the connection from being taken for dead, by either side, and ends it
// when nothing at all comes in the time for an answer.
func (l *link) enquire() {
	for {
		fired, stop := l.c.wait(WaitEnquire, l.c.cfg.Enquire)
		select {
		case <-fired:
		case <-l.probe:
		case <-l.closed:
			stop()
			return
		}
		stop()
		echoed := make(chan struct{})
		p := pdu.NewEnquireLink()
		l.mu.Lock()
		l.enquiry, l.echoed = l.window.number(), echoed
		p.SetSequenceNumber(l.enquiry)
		l.mu.Unlock()
		heard := l.heard.Load()
		l.send(marshal(p), nil)
		fired, stop = l.c.wait(WaitPeer, l.c.cfg.Timeout)
		select {
		case <-echoed:
			l.c.pool.resume(l)
		case <-fired:
			if l.heard.Load() == heard {
				l.fail(errDeaf)
				break
			}
			l.c.pool.resume(l) // whoever says anything lives, however late the answer is
		case <-l.closed:
		}
		stop()
	}
}

// echo notes an answer to enquire_link. It reports whether sequence was that of ours.
func (l *link) echo(sequence int32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.enquiry == 0 || sequence != l.enquiry {
		return false
	}
	close(l.echoed)
	l.enquiry = 0
	return true
}
