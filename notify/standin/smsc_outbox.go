package standin

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/linxGnu/gosmpp/data"
)

// delivery is one deliver_sm until the client acknowledges it.
type delivery struct {
	user string // the client it is for; "" = any
	raw  []byte // the PDU; its sequence is that of the last time it was sent
}

var deliveries = sync.Pool{New: func() any { return &delivery{raw: make([]byte, 0, 384)} }}

// outbox holds the deliveries on their way to clients. It is guarded by smsc.mu.
type outbox struct {
	queues  map[string]*queue // to be sent, by user
	refused []*delivery       // to be sent again when something new comes, or at Redeliver
	waiting int               // in queues
	sent    int               // outstanding at clients
	acks    map[uint32]int    // by status
	log     []Ack             // in their order, with KeepParts

	plan    ReceiptPlan
	held    []*delivery // receipts of the plan that wait for ReleaseReceipts or to be shuffled
	delayed []timed     // receipts of the plan that wait for their time, soonest first
	timer   *time.Timer // for delayed
	retry   *time.Timer // for refused
}

// queue is first in, first out.
type queue struct {
	items []*delivery
	head  int
}

func (q *queue) push(d *delivery) { q.items = append(q.items, d) }

func (q *queue) pop() *delivery {
	d := q.items[q.head]
	q.items[q.head] = nil
	if q.head++; q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	} else if q.head > 1024 && q.head > len(q.items)/2 {
		q.items, q.head = q.items[:copy(q.items, q.items[q.head:])], 0
	}
	return d
}

func (q *queue) empty() bool { return q.head == len(q.items) }

// Ack is a client's answer to a deliver_sm.
type Ack struct{ Status uint32 }

// enqueue has d delivered, behind what waits already. s.mu is held.
func (s *SMSC) enqueue(d *delivery) {
	q := s.outbox.queues[d.user]
	if q == nil {
		q = &queue{}
		s.outbox.queues[d.user] = q
	}
	q.push(d)
	s.outbox.waiting++
}

// pump sends what waits to clients that may receive and have room. s.mu is held.
func (s *SMSC) pump() {
	if s.outbox.waiting == 0 || len(s.receivers) == 0 {
		return
	}
	for user, q := range s.outbox.queues {
		for !q.empty() {
			c := s.receiver(user)
			if c == nil {
				break
			}
			d := q.pop()
			s.outbox.waiting--
			s.outbox.sent++
			c.deliver(d)
		}
	}
}

// receiver picks the bound client of user with the least outstanding. s.mu is held.
func (s *SMSC) receiver(user string) (best *session) {
	for _, c := range s.receivers {
		if (user == "" || c.user == user) && c.sent.n < s.cfg.Window && (best == nil || c.sent.n < best.sent.n) {
			best = c
		}
	}
	return best
}

// Redeliver sends every delivery that waits to a client that may receive. The
// SMSC does so by itself when something new arrives or a client binds.
func (s *SMSC) Redeliver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.redeliver()
}

// redeliver is Redeliver. s.mu is held.
func (s *SMSC) redeliver() {
	for _, d := range s.outbox.refused {
		s.enqueue(d)
	}
	s.outbox.refused, s.outbox.retry = nil, nil
	s.pump()
	s.touch()
}

// Undelivered returns how many deliveries no client has acknowledged yet, the receipts of
// the plan that aren't due included.
func (s *SMSC) Undelivered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &s.outbox
	return o.waiting + o.sent + len(o.refused) + len(o.held) + len(o.delayed)
}

// Acks returns the answers to deliver_sm in the order they came. It needs KeepParts.
func (s *SMSC) Acks() []Ack {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.outbox.log)
}

// Acked returns how many deliver_sm were answered with status.
func (s *SMSC) Acked(status uint32) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outbox.acks[status]
}

// outstanding holds deliveries sent and not acknowledged, by their sequence numbers.
type outstanding struct {
	slots []*delivery
	seqs  []int32
	next  int32
	n     int
}

func newOutstanding(window int) outstanding {
	size := 64
	for size < 2*window {
		size *= 2
	}
	return outstanding{slots: make([]*delivery, size), seqs: make([]int32, size), next: 1}
}

// sequence hands out the next sequence number whose slot is free.
func (o *outstanding) sequence() int32 {
	for {
		n := o.next
		if o.next++; o.next <= 0 {
			o.next = 1
		}
		if o.slots[int(n)%len(o.slots)] == nil {
			return n
		}
	}
}

func (o *outstanding) put(d *delivery) int32 {
	n := o.sequence()
	i := int(n) % len(o.slots)
	o.slots[i], o.seqs[i] = d, n
	o.n++
	return n
}

func (o *outstanding) take(sequence int32) *delivery {
	if sequence <= 0 {
		return nil
	}
	i := int(sequence) % len(o.slots)
	d := o.slots[i]
	if d == nil || o.seqs[i] != sequence {
		return nil
	}
	o.slots[i] = nil
	o.n--
	return d
}

// all empties o, oldest first.
func (o *outstanding) all() (out []*delivery) {
	for i := range o.slots {
		if d := o.slots[(int(o.next)+i)%len(o.slots)]; d != nil {
			out = append(out, d)
		}
	}
	clear(o.slots)
	o.n = 0
	return out
}

// deliver sends d. smsc.mu is held.
func (c *session) deliver(d *delivery) {
	binary.BigEndian.PutUint32(d.raw[12:], uint32(c.sent.put(d)))
	c.send(d.raw)
}

// acknowledged settles the deliver_sm of this sequence.
func (c *session) acknowledged(sequence int32, status uint32) {
	s := c.smsc
	s.mu.Lock()
	defer s.mu.Unlock()
	d := c.sent.take(sequence)
	if d == nil {
		return
	}
	o := &s.outbox
	o.sent--
	o.acks[status]++
	if s.cfg.Memory == KeepParts {
		o.log = append(o.log, Ack{Status: status})
	}
	// 0x64 is "not now"; other refusals are final, as with most SMSCs.
	if status == uint32(data.ESME_RX_T_APPN) {
		o.refused = append(o.refused, d)
		if s.cfg.Retry > 0 && o.retry == nil && !s.closed {
			o.retry = time.AfterFunc(s.cfg.Retry, s.Redeliver)
		}
	} else {
		deliveries.Put(d)
	}
	s.pump()
	s.touch()
}
