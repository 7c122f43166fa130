package smpp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"

	"rappel/notify"
)

// link is one bound connection.
type link struct {
	c         *Carrier
	conn      net.Conn
	r         *bufio.Reader
	old       bool // the gateway says that it knows no optional parameters
	used      int  // slots taken; under pool.mu
	suspended bool // no slots are given out; under pool.mu

	closed chan struct{} // when the link is done for, by fail
	cause  error         // why; set before closed is closed
	once   sync.Once
	useful atomic.Bool   // something other than the bind came through
	heard  atomic.Uint32 // PDUs read
	probe  chan struct{} // asks for an enquire_link now; buffered

	mu     sync.Mutex
	dead   bool
	window ring
	late   map[int32]lateAnswer // by sequence
	beat   uint32
	idle   chan struct{} // closed when window gets empty; nil unless somebody waits

	queue  []*request    // for the writer
	out    []byte        // for the writer, everything but submit_sm
	told   []chan<- bool // who wants to hear when out is written
	asleep bool          // the writer waits for wake
	wake   chan struct{} // buffered

	enquiry int32         // sequence of the enquire_link under way, 0 = none
	echoed  chan struct{} // its answer

	unbinding chan struct{} // the gateway asked us to go
	unbindSeq int32

	deliveries chan job // from the reader to a worker that is free
	workers    int      // the reader's
	handlers   sync.WaitGroup
}

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
		return nil, fmt.Errorf("smpp: connect: %w", late(ctx, worded(err)))
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

func (c *Carrier) link(conn net.Conn) *link {
	return &link{
		c: c, conn: conn, r: bufio.NewReaderSize(conn, data.MAX_PDU_LEN), closed: make(chan struct{}), probe: make(chan struct{}, 1),
		window: newRing(c.cfg.Window), wake: make(chan struct{}, 1), unbinding: make(chan struct{}), deliveries: make(chan job),
	}
}

func (c *Carrier) bind(conn net.Conn, transceiver bool) (*link, error) {
	l := c.link(conn)
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
	raw, err := peekFrame(l.r)
	if err != nil {
		return nil, fmt.Errorf("smpp: bind: %w", err)
	}
	defer skipFrame(l.r, raw)
	h := parseHeader(raw)
	switch {
	case h.id != data.BIND_TRANSCEIVER_RESP && h.id != data.BIND_TRANSMITTER_RESP && h.id != data.GENERIC_NACK:
		return nil, fmt.Errorf("smpp: bind: %w", errUnreadable)
	case h.status != 0 || h.id == data.GENERIC_NACK:
		return nil, &bindError{status: h.status}
	}
	version := parseBindResp(raw)
	l.old = version != 0 && version < data.SMPP_V34
	return l, nil
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

// serve works the link until it dies or ctx ends, and returns why it died.
func (l *link) serve(ctx context.Context, in notify.Inbox, log *slog.Logger) error {
	// What comes while ctx has ended still gets kept; end is for an Inbox that hangs.
	keep, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	l.c.pool.add(l) // before the loops: one that fails at once takes it out again
	var loops sync.WaitGroup
	loops.Go(l.write)
	loops.Go(func() { l.read(keep, in, log) })
	loops.Go(func() { l.watch(log) })
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
		written := make(chan bool, 1)
		l.send(marshal(resp), written)
		fired, stop := l.c.wait(WaitPeer, l.c.cfg.Timeout)
		select {
		case <-written:
		case <-l.closed:
		case <-fired:
		}
		stop()
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
	l.withdraw(notify.ErrTemporary, errUnbound) // nothing may follow the unbind
}

func (l *link) unbind() {
	p := pdu.NewUnbind()
	p.SetSequenceNumber(l.number())
	l.send(marshal(p), nil)
	fired, stop := l.c.wait(WaitPeer, l.c.cfg.Timeout)
	defer stop()
	select {
	case <-l.closed: // read fails the link at unbind_resp or the connection's end
	case <-fired:
	}
}

// number hands out the sequence of a PDU of ours that isn't a submit_sm.
func (l *link) number() int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.window.number()
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
			_, _ = peekFrame(l.r)
		}()
		select {
		case <-answered:
		case <-fired:
		}
		stop()
	}
	return errors.Join(err, l.conn.Close())
}
