package smpp

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"rappel/notify"
	"rappel/notify/segment"
)

// Send submits m, each part in a slot of its own and at the rate configured, and
// waits for all answers. When some parts are taken and the others refused for now, it
// submits those again until ctx ends.
//
// When parts fail in different ways, the kind is that which forbids most:
// ErrUnknown, then a final one, then ErrMisconfigured, ErrThrottled, ErrTemporary.
func (c *Carrier) Send(ctx context.Context, m notify.Message) (notify.Submission, error) {
	var room [16]segment.Part
	l, failed := c.prepare(&m, room[:0])
	if failed != nil {
		return notify.Submission{}, failed
	}
	if len(l.cuts) > 1 {
		return c.sendLong(ctx, &m, &l)
	}
	r, failed := c.begin(ctx, nil, &m, &l, 0, 0)
	if failed != nil {
		return notify.Submission{}, failed
	}
	o := c.await(ctx, r)
	if failed = c.failure(ctx, &m, o); failed != nil {
		return notify.Submission{}, failed
	}
	if o.id == "" {
		return notify.Submission{}, nil
	}
	return notify.Submission{IDs: []string{o.id}}, nil
}

// sendLong is Send for several parts.
func (c *Carrier) sendLong(ctx context.Context, m *notify.Message, l *letter) (notify.Submission, error) {
	p := progress{ref: c.references.of(m.Recipient), ids: make([]string, len(l.cuts)), has: make([]bool, len(l.cuts))}
	for {
		failed := c.sendRest(ctx, m, l, &p)
		var s notify.Submission
		for _, id := range p.ids {
			if id != "" {
				s.IDs = append(s.IDs, id)
			}
		}
		if failed == nil {
			return s, nil
		}
		if !slices.Contains(p.has, true) || severity(failed.Kind) > severity(notify.ErrThrottled) || !c.rest(ctx) {
			failed.Partial = s
			return notify.Submission{}, failed
		}
	}
}

// sendRest submits the parts that aren't taken yet and returns the failure that forbids
// most.
func (c *Carrier) sendRest(ctx context.Context, m *notify.Message, l *letter, p *progress) (worst *notify.SendError) {
	n := len(l.cuts)
	requests := make([]*request, n) // under way
	failures := make([]*notify.SendError, n)
	settle := func() {
		for i, r := range requests {
			if r == nil {
				continue
			}
			requests[i] = nil
			o := c.await(ctx, r)
			if failures[i] = c.failure(ctx, m, o); failures[i] == nil {
				p.has[i], p.ids[i] = true, o.id
			}
		}
	}
	for i := range l.cuts {
		if p.has[i] {
			continue
		}
		slot := c.pool.try()
		if slot == nil {
			// Before queueing for room, the parts that take some are waited for, so
			// that a message of more parts than the window holds can't block itself.
			settle()
		}
		if requests[i], failures[i] = c.begin(ctx, slot, m, l, i, p.ref); failures[i] != nil {
			break // what can't leave now can't a moment later
		}
	}
	settle()
	for _, failed := range failures {
		if failed != nil && (worst == nil || severity(failed.Kind) > severity(worst.Kind)) {
			worst = failed
		}
	}
	return worst
}

// rest waits before parts are submitted again; false says that ctx is over.
func (c *Carrier) rest(ctx context.Context) bool {
	fired, stop := c.wait(WaitRest, max(c.cfg.Pause, leastRest))
	defer stop()
	select {
	case <-fired:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// leastRest is the least pause before a refused part is submitted again.
const leastRest = 100 * time.Millisecond

// severity orders the kinds by what they forbid.
func severity(kind error) int {
	switch {
	case errors.Is(kind, notify.ErrUnknown):
		return 5
	case errors.Is(kind, notify.ErrTemporary):
		return 1
	case errors.Is(kind, notify.ErrThrottled):
		return 2
	case errors.Is(kind, notify.ErrMisconfigured):
		return 3
	}
	return 4
}

// outcome is what became of a part: an id, a refusal, or an error.
type outcome struct {
	id     string
	status uint32
	err    *notify.SendError
}

// failure returns what o means for m, nil if it was accepted.
func (c *Carrier) failure(ctx context.Context, m *notify.Message, o outcome) *notify.SendError {
	if o.err != nil {
		return o.err
	}
	k := kind(o.status)
	if k == nil {
		return nil
	}
	if ours(o.status) {
		c.log.ErrorContext(ctx, "gateway finds fault with our PDU", slog.Int64("account_id", m.AccountID), slog.Int64("message_id", m.ID), slog.String("code", code(o.status)))
	}
	return &notify.SendError{Kind: k, Code: code(o.status)}
}

// begin puts part i of l on its way. An error means that it certainly did not leave.
//
// slot is a link with a slot taken, or nil to wait for one.
func (c *Carrier) begin(ctx context.Context, slot *link, m *notify.Message, l *letter, i int, ref uint16) (*request, *notify.SendError) {
	err := ctx.Err()
	if err == nil {
		err = c.throttle(ctx)
	}
	if err != nil {
		if slot != nil {
			c.pool.release(slot)
		}
		return nil, &notify.SendError{Kind: notify.ErrTemporary, Err: err}
	}
	r := c.requests.Get().(*request)
	for ; ; slot = nil {
		if slot == nil {
			var failed *notify.SendError
			if slot, failed = c.slot(ctx); failed != nil {
				c.requests.Put(r)
				return nil, failed
			}
		}
		r.link = slot
		r.raw = c.appendSubmit(r.raw[:0], l, i, ref, c.cfg.Concat == SAR && !slot.old)
		r.account, r.message, r.recipient, r.sender = m.AccountID, m.ID, m.Recipient, m.Sender
		if slot.register(r) {
			return r, nil
		}
		c.pool.release(slot) // it died just now: try another
	}
}

// await returns what became of r, which is used anew from then on.
func (c *Carrier) await(ctx context.Context, r *request) (o outcome) {
	select {
	case o = <-r.done:
	case <-ctx.Done():
		o = r.link.abandon(r, ctx.Err())
	}
	r.link = nil
	c.requests.Put(r)
	return o
}

// throttle waits until the rate lets one more part go.
func (c *Carrier) throttle(ctx context.Context) error {
	if c.limit == nil {
		return nil
	}
	now := c.now()
	reservation := c.limit.ReserveN(now, 1)
	delay := reservation.DelayFrom(now)
	if delay <= 0 {
		return nil
	}
	fired, stop := c.wait(WaitRate, delay)
	defer stop()
	select {
	case <-fired:
		return nil
	case <-ctx.Done():
		reservation.CancelAt(c.now())
		return ctx.Err()
	}
}
