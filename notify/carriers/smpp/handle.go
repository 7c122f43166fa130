package smpp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/linxGnu/gosmpp/data"

	"rappel/notify"
)

// inboundLimit is how many deliver_sm are worked on at once per link. Each waits for the
// Inbox to have it, which writes all that wait in one transaction: the more may wait, the
// less each costs.
const inboundLimit = 1000

// job is a deliver_sm on its way to a worker.
type job struct {
	id       data.CommandIDType // deliver_sm or data_sm
	sequence int32
	raw      *[]byte // from buffers
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// delegate gives a deliver_sm to a worker, a new one if all are busy and there may be
// more. It reports false when the link ended while it waited for one.
func (l *link) delegate(ctx context.Context, h header, raw []byte, in notify.Inbox, log *slog.Logger) bool {
	j := job{h.id, h.sequence, buffers.Get().(*[]byte)}
	*j.raw = append((*j.raw)[:0], raw...)
	select {
	case l.deliveries <- j:
		return true
	default:
	}
	if l.workers < inboundLimit {
		l.workers++
		l.handlers.Go(func() { l.work(ctx, j, in, log) })
		return true
	}
	select {
	case l.deliveries <- j:
		return true
	case <-l.closed:
		return false
	}
}

// work handles j and whatever comes after, until the link ends.
func (l *link) work(ctx context.Context, j job, in notify.Inbox, log *slog.Logger) {
	for {
		l.deliver(ctx, j, in, log)
		buffers.Put(j.raw)
		select {
		case j = <-l.deliveries:
		case <-l.closed:
			return
		}
	}
}

// deliver hands a deliver_sm or data_sm to the Inbox and answers it by what the Inbox said.
// What j holds is valid only while it runs.
func (l *link) deliver(ctx context.Context, j job, in notify.Inbox, log *slog.Logger) {
	parse := parseDelivery
	if j.id == data.DATA_SM {
		parse = parseData
	}
	d, err := parse(*j.raw)
	if err != nil {
		log.ErrorContext(ctx, "unreadable deliver_sm refused", slog.Int("octets", len(*j.raw)))
		l.acknowledge(j, dropIt.status())
		return
	}
	isReceipt := d.isReceipt()
	if !isReceipt {
		if v := l.keep(ctx, log, "deliver_sm", func() (err error) { isReceipt, err = l.c.disguised(ctx, d, in); return err }); v != keepIt {
			l.acknowledge(j, v.status())
			return
		}
	}
	if isReceipt {
		l.acknowledge(j, l.receipt(ctx, d, in, log).status())
		return
	}
	l.reply(ctx, j, d, in, log)
}

// receipt hands a receipt to the Inbox.
func (l *link) receipt(ctx context.Context, d delivery, in notify.Inbox, log *slog.Logger) verdict {
	text := d.receiptText(l.c.cfg.Zone)
	r := l.c.receipt(d, text)
	if v := l.keep(ctx, log, "receipt", func() error { return l.identify(ctx, d, text, &r, in) }); v != keepIt {
		return v
	}
	if r.CarrierID == "" {
		log.ErrorContext(ctx, "receipt without id refused", slog.Int("octets", len(d.octets)))
		return dropIt
	}
	return l.keep(ctx, log, "receipt", func() error { return in.Receipt(ctx, r) })
}

// reply hands what a phone wrote to the Inbox, when all of it is there.
func (l *link) reply(ctx context.Context, j job, d delivery, in notify.Inbox, log *slog.Logger) {
	answer := func(v verdict) bool { return l.answerSurely(j, v) }
	now := l.c.now()
	from, to := d.from.e164(), d.to.sender()
	keep := func(id, body string) verdict {
		return l.keep(ctx, log, "reply", func() error {
			return in.Inbound(ctx, notify.Inbound{Carrier: l.c.cfg.Name, CarrierID: id, From: from, To: to, Body: body, At: l.c.now()})
		})
	}
	if d.total == 1 {
		text := d.text(l.c.cfg.Alphabet)
		id, settle := l.c.replies.alone(from, to, text, now)
		v := keep(id, text)
		settle(v == keepIt)
		if !answer(v) {
			settle(false)
		}
		return
	}
	hand := func(w *whole) { l.c.replies.finish(w, keep(w.id, w.body) == keepIt) }
	key := longKey{from, to, d.ref, d.total}
	w, wait := l.c.replies.add(key, d.seq, piece{d.coding, bytes.Clone(d.octets)}, answer, now)
	if wait != nil {
		l.handlers.Go(func() {
			fired, stop := l.c.wait(WaitParts, l.c.cfg.Timeout/2)
			select {
			case <-fired:
			case <-wait.kept:
			case <-l.closed:
			}
			stop()
			if w := l.c.replies.expire(key, wait); w != nil {
				hand(w)
			}
		})
	}
	if w != nil {
		hand(w)
	}
}

// status is how a verdict is told.
func (v verdict) status() uint32 {
	switch v {
	case againIt:
		return uint32(data.ESME_RX_T_APPN)
	case dropIt:
		return uint32(data.ESME_RX_R_APPN)
	}
	return 0
}

// answerSurely answers a deliver_sm or data_sm and reports whether the answer was written.
func (l *link) answerSurely(j job, v verdict) bool {
	written := make(chan bool, 1)
	l.send(appendDeliverResp(nil, j, v.status()), written)
	select {
	case ok := <-written:
		return ok
	case <-l.closed:
		return false // it may have left; then it does no harm to be asked again
	}
}

// keep calls the Inbox and turns its answer, or its panic, into ours.
func (l *link) keep(ctx context.Context, log *slog.Logger, what string, f func() error) verdict {
	if err := guarded(f); err != nil {
		log.ErrorContext(ctx, what+" not kept, asked for again", slog.Any("error", err))
		return againIt
	}
	return keepIt
}

var errPanic = errors.New("smpp: inbox panicked")

func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errPanic // its value could hold a text or a number
		}
	}()
	return f()
}
