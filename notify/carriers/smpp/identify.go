package smpp

import (
	"context"
	"errors"
	"time"

	"rappel/notify"
)

// holds are the waits after which it is asked again which message a receipt is for that came
// before its id was recorded, or even answered. Four seconds in all: gateways that bring one
// deliver_sm at a time bring nothing meanwhile.
var holds = [...]time.Duration{50 * time.Millisecond, 200 * time.Millisecond, 750 * time.Millisecond, 3 * time.Second}

const (
	heldLimit = inboundLimit / 2 // receipts held at once over all links: workers stay free for others
	vainHolds = 32               // in a row, after which none is held until a receipt tells something
)

var errEarly = errors.New("smpp: which message it is for isn't known yet")

// identify finds which message r, read from d, is for. While nothing is known of the form of
// the gateway's ids, and of all that r's may be none is recorded, it waits for that: kept
// under the wrong one, the receipt would never find its message.
func (l *link) identify(ctx context.Context, d delivery, text receiptText, r *notify.Receipt, in notify.Inbox) error {
	c := l.c
	early, err := c.identify(ctx, d, text, r, in)
	if err != nil || !early || c.vain.Load() >= vainHolds {
		return err
	}
	defer c.held.Add(-1)
	if c.held.Add(1) > heldLimit {
		return errEarly
	}
	for _, pause := range holds {
		fired, stop := c.wait(WaitID, pause)
		select {
		case <-fired:
		case <-l.closed:
			stop()
			return errEarly // nobody can be told any more that we have it
		}
		stop()
		if early, err = c.identify(ctx, d, text, r, in); err != nil || !early {
			return err
		}
	}
	c.vain.Add(1)
	return nil
}

// identify sets the id of r to that of the message it is for. Where d may mean several ids and
// this process can't tell by the answers it has had itself, it asks the Inbox: this process may
// be new, or the answer went to another. early says that nothing tells yet.
func (c *Carrier) identify(ctx context.Context, d delivery, text receiptText, r *notify.Receipt, in notify.Inbox) (early bool, err error) {
	var puzzle []reading
	r.CarrierID, puzzle = c.ids.receipted(cstring(d.receiptedID), text.ID, r, c.now())
	directory, ok := in.(notify.Directory)
	if len(puzzle) == 0 || !ok {
		return false, nil
	}
	asked := make([]string, len(puzzle))
	for i, as := range puzzle {
		asked[i] = as.id
	}
	known, err := directory.Known(ctx, c.cfg.Name, asked)
	if err != nil {
		return false, err
	}
	r.CarrierID, early = c.ids.solve(puzzle, known, r)
	if !early {
		c.vain.Store(0)
	}
	return early, nil
}
