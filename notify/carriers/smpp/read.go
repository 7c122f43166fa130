package smpp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"

	"rappel/notify"
)

// read runs the reader until the connection ends.
func (l *link) read(ctx context.Context, in notify.Inbox, log *slog.Logger) {
	for {
		raw, err := readFrame(l.r)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errCut
			}
			l.fail(fmt.Errorf("smpp: read: %w", err))
			return
		}
		h := pdu.ParseHeader([16]byte(raw[:16]))
		if h.CommandID != data.ENQUIRE_LINK && h.CommandID != data.ENQUIRE_LINK_RESP {
			l.useful.Store(true)
		}
		switch h.CommandID {
		case data.SUBMIT_SM_RESP, data.GENERIC_NACK:
			l.answered(ctx, h, raw, in, log)
		case data.DELIVER_SM:
			select {
			case l.inbound <- struct{}{}:
			case <-l.closed:
				return
			}
			l.handlers.Go(func() {
				defer func() { <-l.inbound }()
				l.deliver(ctx, h.SequenceNumber, raw, in, log)
			})
		case data.ENQUIRE_LINK:
			resp := pdu.NewEnquireLinkResp()
			resp.SetSequenceNumber(h.SequenceNumber)
			l.send(frame{raw: marshal(resp)})
		case data.ENQUIRE_LINK_RESP:
			l.mu.Lock()
			if h.SequenceNumber == l.enquiry {
				close(l.echoed)
				l.enquiry = 0
			}
			l.mu.Unlock()
		case data.UNBIND:
			l.mu.Lock()
			if l.unbindSeq == 0 {
				l.unbindSeq = h.SequenceNumber
				close(l.unbinding)
			}
			l.mu.Unlock()
		case data.UNBIND_RESP:
			l.fail(errUnbound)
			return
		case data.ALERT_NOTIFICATION: // has no answer and nothing for us
		default:
			if h.CommandID > 0 { // a request; answers to nothing are passed over
				nack := pdu.NewGenericNack().(*pdu.GenericNack)
				nack.CommandStatus = data.ESME_RINVCMDID
				nack.SetSequenceNumber(h.SequenceNumber)
				l.send(frame{raw: marshal(nack)})
			}
		}
	}
}

// answered settles the request an answer belongs to.
func (l *link) answered(ctx context.Context, h pdu.Header, raw []byte, in notify.Inbox, log *slog.Logger) {
	o := outcome{status: uint32(h.CommandStatus)}
	switch {
	case h.CommandID == data.GENERIC_NACK && o.status == 0:
		o.status = uint32(data.ESME_RINVCMDID) // a nack is no success, whatever it says
	case h.CommandID == data.SUBMIT_SM_RESP && o.status == 0:
		resp := pdu.NewSubmitSMResp().(*pdu.SubmitSMResp)
		if err := resp.Unmarshal(pdu.NewBuffer(raw)); err != nil || len(raw) > data.PDU_HEADER_SIZE && resp.MessageID == "" && raw[16] != 0 {
			// The header says accepted, but the id is lost: receipts won't find it.
			o.err = &notify.SendError{Kind: notify.ErrUnknown, Err: errUnreadable}
		} else {
			o.id = l.c.ids.answered(clean(resp.MessageID))
		}
	}
	l.mu.Lock()
	r, ok := l.pending[h.SequenceNumber]
	if !ok {
		l.mu.Unlock()
		log.WarnContext(ctx, "answer to nothing outstanding", slog.String("code", code(o.status)))
		return
	}
	abandoned := r.abandoned
	l.forget(r)
	if !abandoned {
		r.done <- o
	}
	l.mu.Unlock()
	if !abandoned {
		l.c.pool.release(l)
		return
	}
	log.InfoContext(ctx, "late answer", slog.Int64("account_id", r.account), slog.Int64("message_id", r.message), slog.String("code", code(o.status)))
	if o.id == "" {
		return
	}
	l.handlers.Go(func() {
		err := guarded(func() error {
			return in.Receipt(ctx, notify.Receipt{
				Carrier: l.c.cfg.Name, CarrierID: o.id, Status: notify.Sent,
				At: l.c.now(), Recipient: r.recipient, Sender: r.sender,
			})
		})
		if err != nil {
			log.ErrorContext(ctx, "late answer not kept", slog.Int64("message_id", r.message), slog.Any("error", err))
		}
	})
}

// deliver hands a deliver_sm to the Inbox and answers it by what the Inbox said.
func (l *link) deliver(ctx context.Context, sequence int32, raw []byte, in notify.Inbox, log *slog.Logger) {
	answer := func(v verdict) bool { return l.acknowledge(sequence, v) }
	d, err := parseDelivery(raw)
	if err != nil {
		log.ErrorContext(ctx, "unreadable deliver_sm refused", slog.Int("octets", len(raw)))
		answer(dropIt)
		return
	}
	if d.isReceipt() {
		if v := l.keep(ctx, log, "receipt", func() error { return l.c.settleForm(ctx, d, in) }); v != keepIt {
			answer(v)
			return
		}
		r, ok := l.c.receipt(d)
		if !ok {
			log.ErrorContext(ctx, "receipt without id refused", slog.Int("octets", len(raw)))
			answer(dropIt)
			return
		}
		answer(l.keep(ctx, log, "receipt", func() error { return in.Receipt(ctx, r) }))
		return
	}
	text := d.text(l.c.cfg.Alphabet)
	now := l.c.now()
	if d.total == 1 {
		id, settle := l.c.replies.alone(d.from.e164(), d.to.sender(), text, now)
		v := l.keep(ctx, log, "reply", func() error { return in.Inbound(ctx, l.c.inbound(d, id, text)) })
		settle(v == keepIt)
		if !answer(v) {
			settle(false)
		}
		return
	}
	hand := func(w *whole) {
		v := l.keep(ctx, log, "reply", func() error { return in.Inbound(ctx, l.c.inbound(d, w.id, w.body)) })
		l.c.replies.finish(w, v == keepIt)
	}
	w, wait := l.c.replies.add(d, text, answer, now)
	if wait != nil {
		l.handlers.Go(func() {
			fired, stop := l.c.wait(WaitParts, l.c.cfg.Timeout/2)
			select {
			case <-fired:
			case <-wait.kept:
			case <-l.closed:
			}
			stop()
			if w := l.c.replies.expire(longKey{d.from.e164(), d.to.sender(), d.ref, d.total}, wait); w != nil {
				hand(w)
			}
		})
	}
	if w != nil {
		hand(w)
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

// acknowledge answers a deliver_sm and reports whether the answer was written.
func (l *link) acknowledge(sequence int32, v verdict) bool {
	resp := pdu.NewDeliverSMResp().(*pdu.DeliverSMResp)
	resp.SetSequenceNumber(sequence)
	switch v {
	case againIt:
		resp.CommandStatus = data.ESME_RX_T_APPN
	case dropIt:
		resp.CommandStatus = data.ESME_RX_R_APPN
	}
	flushed := make(chan bool, 1)
	l.send(frame{raw: marshal(resp), flushed: flushed})
	select {
	case ok := <-flushed:
		return ok
	case <-l.closed:
		return false // it may have left; then it does no harm to be asked again
	}
}
