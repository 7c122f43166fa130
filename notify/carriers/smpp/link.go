package smpp

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"

	"rappel/notify"
)

// link is one bound connection.
type link struct {
	c    *Carrier
	conn net.Conn
	r    *bufio.Reader
	used int // slots taken; under pool.mu

	out    chan frame
	closed chan struct{} // when the link is done for, by fail
	cause  error         // why; set before closed is closed

	mu       sync.Mutex
	dead     bool
	sequence int32
	pending  map[int32]*request
	late     int           // of pending, those nobody waits for any more
	idle     chan struct{} // closed when pending gets empty; nil unless somebody waits
	enquiry  int32         // sequence of the enquire_link under way, 0 = none
	echoed   chan struct{} // its answer

	unbinding chan struct{} // the gateway asked us to go
	unbindSeq int32
	once      sync.Once
	useful    atomic.Bool // something other than the bind came through

	inbound  chan struct{} // a token per deliver_sm being worked on
	handlers sync.WaitGroup
}

// frame is one PDU on its way out.
type frame struct {
	raw     []byte
	request *request    // nil for all but submit_sm
	flushed chan<- bool // buffered; told whether it was written, may be nil
}

// request is one submit_sm and what comes of it.
type request struct {
	link      *link
	sequence  int32
	state     atomic.Int32
	done      chan outcome // buffered
	abandoned bool         // under link.mu: its Send gave up

	account, message  int64
	recipient, sender string
}

// States of a request. Who moves it from queued decides its fate.
const (
	queued int32 = iota
	written
	withdrawn
)

// outcome is what became of a part: an id, a refusal, or an error.
type outcome struct {
	id     string
	status uint32
	err    error // a *notify.SendError
}

func (o outcome) failure() *notify.SendError {
	if o.err != nil {
		var e *notify.SendError
		if errors.As(o.err, &e) {
			return e
		}
		return &notify.SendError{Kind: notify.ErrTemporary, Err: o.err}
	}
	if k := kind(o.status); k != nil {
		return &notify.SendError{Kind: k, Code: code(o.status)}
	}
	return nil
}

const (
	inboundLimit = 128  // deliver_sm worked on at once per link
	lateLimit    = 4096 // answers nobody waits for that are still recognised
)

// open connects and binds: as transceiver, or as transmitter for a mere check.
func (c *Carrier) open(ctx context.Context, transceiver bool) (*link, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	fired, stop := c.wait(WaitPeer, c.cfg.Timeout)
	defer stop()
	finished := make(chan struct{})
	defer close(finished)
	go func() {
		select {
		case <-fired:
			cancel(errNoAnswer)
		case <-finished:
		}
	}()

	conn, err := c.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("smpp: connect: %w", late(ctx, err))
	}
	// Closing the connection is the only way to end a blocked read.
	unhook := context.AfterFunc(ctx, func() { _ = conn.Close() }) // an error would say it was closed before
	l, err := c.bind(conn, transceiver)
	if !unhook() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close() // the bind's error says more
		return nil, late(ctx, err)
	}
	return l, nil
}

// late returns errNoAnswer if that is why ctx ended: what a connection says that was
// closed for it tells nobody anything. Else it returns err.
func late(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errNoAnswer) {
		return cause
	}
	return err
}

func (c *Carrier) dial(ctx context.Context) (net.Conn, error) {
	if !c.cfg.TLS {
		return new(net.Dialer).DialContext(ctx, "tcp", c.cfg.Address)
	}
	return (&tls.Dialer{Config: c.tls}).DialContext(ctx, "tcp", c.cfg.Address)
}

func (c *Carrier) bind(conn net.Conn, transceiver bool) (*link, error) {
	l := &link{
		c: c, conn: conn, r: bufio.NewReaderSize(conn, 64<<10), sequence: 1,
		out: make(chan frame, 2*c.cfg.Window+inboundLimit), closed: make(chan struct{}),
		pending: make(map[int32]*request, c.cfg.Window), unbinding: make(chan struct{}), inbound: make(chan struct{}, inboundLimit),
	}
	kind := pdu.Transmitter
	if transceiver {
		kind = pdu.Transceiver
	}
	p := pdu.NewBindRequest(kind)
	p.SystemID, p.Password, p.SystemType = c.cfg.User, c.cfg.Password, c.cfg.SystemType
	p.SetSequenceNumber(1)
	if _, err := conn.Write(marshal(p)); err != nil {
		return nil, fmt.Errorf("smpp: bind: %w", err)
	}
	raw, err := readFrame(l.r)
	if err != nil {
		return nil, fmt.Errorf("smpp: bind: %w", err)
	}
	h := pdu.ParseHeader([16]byte(raw[:16]))
	switch {
	case h.CommandID != data.BIND_TRANSCEIVER_RESP && h.CommandID != data.BIND_TRANSMITTER_RESP && h.CommandID != data.GENERIC_NACK:
		return nil, errUnreadable
	case h.CommandStatus != 0 || h.CommandID == data.GENERIC_NACK:
		return nil, &bindError{status: uint32(h.CommandStatus)}
	}
	return l, nil
}

func marshal(p pdu.PDU) []byte {
	b := pdu.NewBuffer(nil)
	p.Marshal(b)
	return b.Bytes()
}

// readFrame reads one PDU whole. Its error means that the stream can't be
// followed any further.
func readFrame(r *bufio.Reader) ([]byte, error) {
	head, err := r.Peek(4)
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head)
	if n < data.PDU_HEADER_SIZE || n > data.MAX_PDU_LEN {
		return nil, errUnreadable
	}
	raw := make([]byte, n)
	_, err = io.ReadFull(r, raw)
	return raw, err
}

// begin takes a slot and puts p on its way. An error means that it certainly did
// not leave.
//
// l is a link with a slot taken, or nil to wait for one.
func (c *Carrier) begin(ctx context.Context, l *link, p *pdu.SubmitSM, m notify.Message) (*request, error) {
	for ; ; l = nil {
		if l == nil {
			var err error
			if l, err = c.slot(ctx); err != nil {
				return nil, err
			}
		}
		if err := c.throttle(ctx); err != nil {
			c.pool.release(l)
			return nil, &notify.SendError{Kind: notify.ErrTemporary, Err: err}
		}
		r := &request{link: l, done: make(chan outcome, 1), account: m.AccountID, message: m.ID, recipient: m.Recipient, sender: m.Sender}
		if l.register(r) {
			p.SetSequenceNumber(r.sequence)
			l.send(frame{raw: marshal(p), request: r})
			return r, nil
		}
		c.pool.release(l) // it died just now: try another
	}
}

// slot waits for a slot of any link.
func (c *Carrier) slot(ctx context.Context) (*link, error) {
	return c.pool.acquire(ctx, func() (<-chan time.Time, func()) { return c.wait(WaitLink, c.cfg.Timeout) })
}

// register makes r expected before it is written, so that no answer can be too
// fast for it.
func (l *link) register(r *request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return false
	}
	r.sequence = l.nextSequence()
	l.pending[r.sequence] = r
	return true
}

// nextSequence counts from 1 to 0x7FFFFFFF and again. mu is held.
func (l *link) nextSequence() int32 {
	for {
		l.sequence = l.sequence & 0x7FFFFFFF % 0x7FFFFFFF
		l.sequence++
		if _, taken := l.pending[l.sequence]; !taken {
			return l.sequence
		}
	}
}

// send queues f unless the link is done for; then fail settles its request.
func (l *link) send(f frame) {
	select {
	case l.out <- f:
	case <-l.closed:
		if f.flushed != nil {
			f.flushed <- false
		}
	}
}

// await returns what became of r.
func (c *Carrier) await(ctx context.Context, r *request) outcome {
	fired, stop := c.wait(WaitAnswer, c.cfg.Timeout)
	defer stop()
	select {
	case o := <-r.done:
		return o
	case <-fired:
		return r.link.abandon(r, errNoAnswer)
	case <-ctx.Done():
		return r.link.abandon(r, ctx.Err())
	}
}

// abandon gives r up. If it has left, its answer is still recognised when it comes.
func (l *link) abandon(r *request, why error) outcome {
	gone := !r.state.CompareAndSwap(queued, withdrawn)
	l.mu.Lock()
	select {
	case o := <-r.done: // it came this moment
		l.mu.Unlock()
		return o
	default:
	}
	if gone && l.late < lateLimit {
		r.abandoned = true
		l.late++
		l.tellIdle()
	} else {
		l.forget(r)
	}
	l.mu.Unlock()
	l.c.pool.release(l)
	if !gone {
		return outcome{err: &notify.SendError{Kind: notify.ErrTemporary, Err: why}}
	}
	return outcome{err: &notify.SendError{Kind: notify.ErrUnknown, Err: why}}
}

// forget takes r out of pending. mu is held.
func (l *link) forget(r *request) {
	delete(l.pending, r.sequence)
	if r.abandoned {
		l.late--
	}
	l.tellIdle()
}

// tellIdle wakes who waits for the last answer. mu is held.
func (l *link) tellIdle() {
	if l.idle != nil && len(l.pending) <= l.late {
		close(l.idle)
		l.idle = nil
	}
}

// write runs the writer: everything that waits goes into the buffer, and the
// buffer goes out when nothing more waits.
func (l *link) write() {
	w := bufio.NewWriterSize(l.conn, 64<<10)
	var flushed []chan<- bool
	report := func(ok bool) {
		for _, f := range flushed {
			f <- ok
		}
		flushed = flushed[:0]
	}
	defer func() { report(false) }()
	for {
		var f frame
		select {
		case f = <-l.out:
		default:
			// Let those run who are about to send: one system call more for all of
			// them costs less than one for each.
			runtime.Gosched()
			select {
			case f = <-l.out:
			default:
				if err := l.flush(w); err != nil {
					l.fail(fmt.Errorf("%w: %w", errCut, err))
					return
				}
				report(true)
				select {
				case f = <-l.out:
				case <-l.closed:
					return
				}
			}
		}
		if f.request != nil && !f.request.state.CompareAndSwap(queued, written) {
			continue // withdrawn
		}
		if f.flushed != nil {
			flushed = append(flushed, f.flushed)
		}
		// From here on the part may have left, even if Write says otherwise.
		if _, err := w.Write(f.raw); err != nil {
			l.fail(fmt.Errorf("%w: %w", errCut, err))
			return
		}
	}
}

func (l *link) flush(w *bufio.Writer) error {
	if w.Buffered() == 0 {
		return nil
	}
	// A deadline of the operating system, not a rule: the real clock.
	if err := l.conn.SetWriteDeadline(time.Now().Add(l.c.cfg.Timeout)); err != nil {
		return err
	}
	return w.Flush()
}

// fail ends the link. serve settles what was under way.
func (l *link) fail(why error) {
	l.once.Do(func() {
		l.cause = why
		l.c.pool.remove(l)
		close(l.closed)
		_ = l.conn.Close() // an error would say it was closed before
	})
}

// settle answers every request of a link whose writer has ended, and the frames
// it left in the queue.
func (l *link) settle() {
	l.mu.Lock()
	l.dead = true
	pending := l.pending
	l.pending = map[int32]*request{}
	l.tellIdle()
	for _, r := range pending {
		if r.abandoned {
			continue
		}
		if r.state.CompareAndSwap(queued, withdrawn) {
			r.done <- outcome{err: &notify.SendError{Kind: notify.ErrTemporary, Err: l.cause}}
		} else {
			r.done <- outcome{err: &notify.SendError{Kind: notify.ErrUnknown, Err: l.cause}}
		}
	}
	l.mu.Unlock()
	for _, r := range pending {
		if !r.abandoned {
			l.c.pool.release(l)
		}
	}
	for {
		select {
		case f := <-l.out:
			if f.flushed != nil {
				f.flushed <- false
			}
		default:
			return
		}
	}
}

// control sends a PDU of ours that isn't a submit_sm and returns its sequence.
func (l *link) control(p pdu.PDU, flushed chan<- bool) int32 {
	l.mu.Lock()
	sequence := l.nextSequence()
	l.mu.Unlock()
	p.SetSequenceNumber(sequence)
	l.send(frame{raw: marshal(p), flushed: flushed})
	return sequence
}

// leave unbinds a link that was never served.
func (l *link) leave() error {
	p := pdu.NewUnbind()
	p.SetSequenceNumber(2)
	_, err := l.conn.Write(marshal(p))
	if err == nil {
		fired, stop := l.c.wait(WaitPeer, l.c.cfg.Timeout)
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			// Whatever comes is its answer, or the end of the connection.
			_, _ = readFrame(l.r)
		}()
		select {
		case <-answered:
		case <-fired:
		}
		stop()
	}
	return errors.Join(err, l.conn.Close())
}

// serve works the link until it dies or ctx ends, and returns why it died.
func (l *link) serve(ctx context.Context, in notify.Inbox, log *slog.Logger) error {
	// What comes while ctx has ended still gets kept; end is for an Inbox that hangs.
	keep, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	l.c.pool.add(l) // before the loops: one that fails at once takes it out again
	var loops sync.WaitGroup
	loops.Go(l.write)
	loops.Go(func() { l.read(keep, in, log) })
	loops.Go(l.enquire)

	select {
	case <-l.closed:
	case <-ctx.Done():
		l.drain()
		l.unbind()
		l.fail(errUnbound)
	case <-l.unbinding:
		l.drain()
		resp := pdu.NewUnbindResp()
		resp.SetSequenceNumber(l.unbindSeq)
		out := make(chan bool, 1)
		l.send(frame{raw: marshal(resp), flushed: out})
		l.patiently(out)
		l.fail(errUnbound)
	}
	loops.Wait()
	l.settle()
	l.finishHandlers(end)
	return l.cause
}

// drain takes no new parts and waits for the answers outstanding.
func (l *link) drain() {
	l.c.pool.remove(l)
	idle := make(chan struct{})
	l.mu.Lock()
	l.idle = idle
	l.tellIdle()
	l.mu.Unlock()
	fired, stop := l.c.wait(WaitDrain, l.c.cfg.Timeout)
	defer stop()
	select {
	case <-idle:
	case <-fired:
	case <-l.closed:
	}
}

func (l *link) unbind() {
	l.control(pdu.NewUnbind(), nil)
	fired, stop := l.c.wait(WaitPeer, l.c.cfg.Timeout)
	defer stop()
	select {
	case <-l.closed: // read fails the link at unbind_resp or the connection's end
	case <-fired:
	}
}

func (l *link) patiently(c <-chan bool) {
	fired, stop := l.c.wait(WaitPeer, l.c.cfg.Timeout)
	defer stop()
	select {
	case <-c:
	case <-l.closed:
	case <-fired:
	}
}

// finishHandlers waits for the deliver_sm being kept; end is called on those that
// take longer than the timeout.
func (l *link) finishHandlers(end context.CancelFunc) {
	finished := make(chan struct{})
	go func() {
		l.handlers.Wait()
		close(finished)
	}()
	fired, stop := l.c.wait(WaitDrain, l.c.cfg.Timeout)
	defer stop()
	select {
	case <-finished:
	case <-fired:
		end()
		<-finished
	}
}

// enquire keeps the connection from being taken for dead, by either side.
func (l *link) enquire() {
	for {
		fired, stop := l.c.wait(WaitEnquire, l.c.cfg.Enquire)
		select {
		case <-fired:
		case <-l.closed:
			stop()
			return
		}
		stop()
		echoed := make(chan struct{})
		p := pdu.NewEnquireLink()
		l.mu.Lock()
		l.enquiry, l.echoed = l.nextSequence(), echoed
		p.SetSequenceNumber(l.enquiry)
		l.mu.Unlock()
		l.send(frame{raw: marshal(p)})
		fired, stop = l.c.wait(WaitPeer, l.c.cfg.Timeout)
		select {
		case <-echoed:
		case <-fired:
			l.fail(errDeaf)
		case <-l.closed:
		}
		stop()
	}
}
