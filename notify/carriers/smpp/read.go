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
		raw, err := peekFrame(l.r)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errCut
			}
			l.fail(fmt.Errorf("smpp: read: %w", err))
			return
		}
		l.heard.Add(1)
		if !l.handle(ctx, raw, in, log) {
			return
		}
		skipFrame(l.r, raw)
	}
}

// handle works on one PDU, which is valid only while it runs. It reports whether there
// will be more.
func (l *link) handle(ctx context.Context, raw []byte, in notify.Inbox, log *slog.Logger) bool {
	h := parseHeader(raw)
	if h.id != data.ENQUIRE_LINK && h.id != data.ENQUIRE_LINK_RESP && !l.useful.Load() {
		l.useful.Store(true)
	}
	switch h.id {
	case data.SUBMIT_SM_RESP:
		l.answered(ctx, h, raw, in, log)
	case data.GENERIC_NACK:
		if l.echo(h.sequence) { // who doesn't know enquire_link lives all the same
			return true
		}
		l.answered(ctx, h, raw, in, log)
	case data.DELIVER_SM, data.DATA_SM:
		return l.delegate(ctx, h, raw, in, log)
	case data.ENQUIRE_LINK:
		l.send(appendHeader(nil, headerSize, header{data.ENQUIRE_LINK_RESP, 0, h.sequence}), nil)
	case data.ENQUIRE_LINK_RESP:
		l.echo(h.sequence)
	case data.UNBIND:
		l.mu.Lock()
		if l.unbindSeq == 0 {
			l.unbindSeq = h.sequence
			close(l.unbinding)
		}
		l.mu.Unlock()
	case data.UNBIND_RESP:
		l.fail(errUnbound)
		return false
	case data.ALERT_NOTIFICATION: // has no answer and nothing for us
	default:
		if h.id > 0 { // a request; answers to nothing are passed over
			nack := pdu.NewGenericNack().(*pdu.GenericNack)
			nack.CommandStatus = data.ESME_RINVCMDID
			nack.SetSequenceNumber(h.sequence)
			l.send(marshal(nack), nil)
		}
	}
	return true
}

// answered settles the request an answer belongs to.
func (l *link) answered(ctx context.Context, h header, raw []byte, in notify.Inbox, log *slog.Logger) {
	o := outcome{status: h.status}
	switch {
	case h.id == data.GENERIC_NACK && o.status == 0:
		o.status = uint32(data.ESME_RINVCMDID) // a nack is no success, whatever it says
	case h.id == data.SUBMIT_SM_RESP && o.status == 0:
		o.id = canonical(clean(string(parseSubmitResp(raw))))
		if l.c.ids.learns(o.id) {
			l.c.ids.answered(o.id, l.recipientOf(h.sequence)) // before anybody can see its receipt
		}
	}
	if errors.Is(kind(o.status), notify.ErrThrottled) {
		l.c.pause() // before the slot comes free
	}
	late, isLate, known := l.answer(h.sequence, o)
	if !known {
		log.WarnContext(ctx, "answer to nothing outstanding", slog.String("code", code(o.status)))
		return
	}
	if !isLate {
		return
	}
	log.InfoContext(ctx, "late answer", slog.Int64("account_id", late.account), slog.Int64("message_id", late.message), slog.String("code", code(o.status)))
	if o.id == "" {
		return
	}
	l.handlers.Go(func() {
		err := guarded(func() error {
			return in.Receipt(ctx, notify.Receipt{
				Carrier: l.c.cfg.Name, CarrierID: o.id, Status: notify.Sent,
				At: l.c.now(), Recipient: late.recipient, Sender: late.sender,
			})
		})
		if err != nil {
			log.ErrorContext(ctx, "late answer not kept", slog.Int64("message_id", late.message), slog.Any("error", err))
		}
	})
}
