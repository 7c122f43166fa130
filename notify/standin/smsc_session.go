package standin

import (
	"bufio"
	"encoding/binary"
	"net"
	"runtime"
	"slices"
	"sync"

	"github.com/linxGnu/gosmpp/data"
)

// session is one connection of a client.
type session struct {
	smsc *SMSC
	conn net.Conn
	r    *bufio.Reader

	// Under smsc.mu.
	bound, receives bool
	user            string
	sent            outstanding

	omu    sync.Mutex
	out    []byte        // for the writer
	asleep bool          // the writer waits for wake
	wake   chan struct{} // buffered
	last   bool          // the reader has ended: the connection does when out is written
}

// close ends the connection; serve then tidies up.
func (c *session) close() {
	// The error says only that it was closed before.
	_ = c.conn.Close()
}

func (c *session) serve() {
	defer c.end()
	n := 0
	for {
		raw, err := readPDU(c.r, n)
		if err != nil {
			return
		}
		n = len(raw)
		c.unfrozen()
		if !c.handle(raw) {
			return
		}
	}
}

// unfrozen waits while the SMSC is frozen.
func (c *session) unfrozen() {
	c.smsc.mu.Lock()
	thaw := c.smsc.thaw
	c.smsc.mu.Unlock()
	if thaw != nil {
		<-thaw
	}
}

// end gives back what the client did not acknowledge, in front of what waits.
func (c *session) end() {
	c.omu.Lock()
	c.last = true
	c.rouse()
	c.omu.Unlock()
	s := c.smsc
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, c)
	if i := slices.Index(s.receivers, c); i >= 0 {
		s.receivers = slices.Delete(s.receivers, i, i+1)
	}
	c.bound = false
	back := c.sent.all()
	s.outbox.sent -= len(back)
	for _, d := range back {
		s.enqueue(d)
	}
	for user, q := range s.outbox.queues { // the old ones first again
		old := 0
		for _, d := range back {
			if d.user == user {
				old++
			}
		}
		q.rotate(old)
	}
	s.pump()
	s.touch()
}

// rotate brings the last n to the front.
func (q *queue) rotate(n int) {
	items := q.items[q.head:]
	if n == 0 || n == len(items) {
		return
	}
	turned := slices.Concat(items[len(items)-n:], items[:len(items)-n])
	copy(items, turned)
}

// send hands a PDU to the writer.
func (c *session) send(raw []byte) {
	c.omu.Lock()
	defer c.omu.Unlock()
	c.out = append(c.out, raw...)
	c.rouse()
}

// rouse wakes the writer. omu is held.
func (c *session) rouse() {
	if c.asleep {
		c.asleep = false
		c.wake <- struct{}{} // has room: the writer takes it before it sleeps again
	}
}

// write runs the writer: everything that waits goes out in one piece. It closes the
// connection when the reader has ended and nothing waits any more.
func (c *session) write() {
	defer func() {
		c.close()
		c.smsc.mu.Lock()
		delete(c.smsc.open, c)
		c.smsc.mu.Unlock()
	}()
	var buf []byte
	for {
		c.omu.Lock()
		if len(c.out) == 0 {
			last := c.last
			c.asleep = !last
			c.omu.Unlock()
			if last {
				return
			}
			<-c.wake
			runtime.Gosched() // others are about to add to it
			continue
		}
		buf, c.out = c.out, buf[:0]
		c.omu.Unlock()
		c.unfrozen()
		if _, err := c.conn.Write(buf); err != nil {
			return // the reader ends, too
		}
	}
}

// handle works on one PDU and reports whether the connection goes on.
func (c *session) handle(raw []byte) bool {
	id := data.CommandIDType(binary.BigEndian.Uint32(raw[4:]))
	status := binary.BigEndian.Uint32(raw[8:])
	sequence := int32(binary.BigEndian.Uint32(raw[12:]))
	switch id {
	case data.SUBMIT_SM:
		p, err := parseSubmission(raw)
		if err != nil {
			c.nack(sequence, uint32(data.ESME_RINVCMDLEN))
			return true
		}
		return c.submit(&p)
	case data.DELIVER_SM_RESP, data.GENERIC_NACK:
		c.acknowledged(sequence, status)
	case data.BIND_RECEIVER, data.BIND_TRANSMITTER, data.BIND_TRANSCEIVER:
		p, err := parseBind(raw)
		if err != nil {
			c.nack(sequence, uint32(data.ESME_RINVCMDLEN))
			return true
		}
		return c.bind(id, sequence, p)
	case data.ENQUIRE_LINK:
		c.smsc.mu.Lock()
		c.smsc.enquiries++
		deaf := c.smsc.deaf
		c.smsc.touch()
		c.smsc.mu.Unlock()
		if !deaf {
			c.send(beginPDU(nil, data.ENQUIRE_LINK_RESP, 0, sequence))
		}
	case data.UNBIND:
		c.send(beginPDU(nil, data.UNBIND_RESP, 0, sequence))
		return false
	case data.UNBIND_RESP:
		return false
	case data.ENQUIRE_LINK_RESP:
	default:
		c.nack(sequence, uint32(data.ESME_RINVCMDID))
	}
	return true
}

func (c *session) bind(id data.CommandIDType, sequence int32, p bindPDU) bool {
	s := c.smsc
	s.mu.Lock()
	defer s.mu.Unlock()
	status := s.bindStatus
	switch {
	case status != 0:
	case c.bound:
		status = uint32(data.ESME_RALYBND)
	case s.cfg.User != "" && p.user != s.cfg.User:
		status = uint32(data.ESME_RINVSYSID)
	case s.cfg.User != "" && p.password != s.cfg.Password:
		status = uint32(data.ESME_RINVPASWD)
	}
	s.binds++
	defer s.touch() // after the answer, so that Bound means "the client may know"
	resp := beginPDU(nil, id|-0x80000000, status, sequence)
	if status != 0 {
		c.send(resp) // as many SMSCs do, a refusal is a header and nothing else
		return false
	}
	resp = append(resp, "standin\x00"...)
	if s.cfg.Version != 0 {
		resp = appendParameter(resp, tlvInterfaceVersion, s.cfg.Version)
	}
	c.send(endPDU(resp))
	c.bound, c.user = true, p.user
	if c.receives = id != data.BIND_TRANSMITTER; c.receives {
		s.receivers = append(s.receivers, c)
	}
	s.redeliver()
	return true
}

func (c *session) nack(sequence int32, status uint32) {
	c.send(beginPDU(nil, data.GENERIC_NACK, status, sequence))
}

// requestUnbind sends an unbind. smsc.mu is held.
func (c *session) requestUnbind() {
	c.send(beginPDU(nil, data.UNBIND, 0, c.sent.sequence()))
}
