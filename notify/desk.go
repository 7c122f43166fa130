package notify

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations"
)

const (
	// deskBatch is how many receipts one transaction takes at most.
	deskBatch = 1000
	// deskTries is how often a passing trouble (deadlock, lost connection) is tried anew.
	deskTries = 4
	// deskServers is how many transactions are under way at once, if there is enough to do.
	deskServers = 2
	// deskPatience bounds one transaction.
	deskPatience = 30 * time.Second
)

// Desk takes what carriers bring: receipts and replies. It implements Inbox. Any number
// of them may work over one database.
//
// Receipts that arrive while others are being written share the next transaction (group
// commit), so the more arrive at once, the less each costs.
type Desk struct {
	cfg  Config
	book *book

	mu      sync.Mutex
	waiting []*arrival
	busy    int // serving
}

var (
	_ Inbox     = (*Desk)(nil)
	_ Directory = (*Desk)(nil)
)

// arrival is a receipt whose carrier waits to hear that it is kept.
type arrival struct {
	r    Receipt
	done chan error
}

// NewDesk returns a Desk. cfg is the Dispatcher's: of it the Desk needs DB, and uses Observer,
// Meter, Outbox, Count, Carriers, Flights, Now, Log and ReceiptWait. It fails with ErrConfig.
func NewDesk(cfg Config) (*Desk, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Desk{cfg: cfg, book: newBook(cfg, newStatements(cfg.DB))}, nil
}

// Receipt applies r to its message and returns nil once that is durable. Receipts may come
// late, twice, in any order, before their message's acceptance is recorded, or for no
// message of ours: none of that does harm. An error means that the carrier should bring
// it again.
func (d *Desk) Receipt(ctx context.Context, r Receipt) error {
	if r.Carrier == "" || r.CarrierID == "" {
		return fmt.Errorf("receipt: %w: no carrier id", ErrRequest)
	}
	a := &arrival{r: r, done: make(chan error, 1)}
	d.enter(context.WithoutCancel(ctx), a)
	select {
	case err := <-a.done:
		return err
	case <-ctx.Done():
		return ctx.Err() // it may still be applied, which is harmless when it comes again
	}
}

// enter puts a with those that wait to be written, and sees to it that somebody does.
func (d *Desk) enter(ctx context.Context, a *arrival) {
	d.mu.Lock()
	d.waiting = append(d.waiting, a)
	lead := d.busy == 0 || d.busy < deskServers && len(d.waiting) >= deskBatch/4
	if lead {
		d.busy++
	}
	d.mu.Unlock()
	if lead {
		// A goroutine of its own, since it goes on for those that come after r. It ends
		// when nobody waits.
		go d.serve(ctx)
	}
}

// ready are those of batch that can be written. The others come again when the record
// they wait for is made.
func (d *Desk) ready(ctx context.Context, batch []*arrival) []*arrival {
	if d.cfg.Flights == nil {
		return batch
	}
	now := batch[:0:len(batch)]
	for _, a := range batch {
		if !d.cfg.Flights.park(refKey{a.r.Carrier, clean(a.r.CarrierID)}, func() { d.enter(ctx, a) }) {
			now = append(now, a)
		}
	}
	return now
}

// Known implements Directory. A message's ids are known once its acceptance is recorded,
// by whichever process.
func (d *Desk) Known(ctx context.Context, carrier string, ids []string) (recipients map[string]string, err error) {
	var rows []struct{ ID, Recipient string }
	if err := d.cfg.DB.SelectContext(ctx, &rows, `SELECT k.carrier_message_id AS id, COALESCE(m.recipient, '') AS recipient FROM carrier_refs k`+earlyMessage+`
		WHERE k.carrier = $1 AND k.carrier_message_id = ANY ($2)`, carrier, pq.Array(ids)); err != nil {
		return nil, fmt.Errorf("look for carrier ids: %w", err)
	}
	recipients = make(map[string]string, len(rows))
	for _, r := range rows {
		recipients[r.ID] = r.Recipient
	}
	return recipients, nil
}

// serve writes what waits until nothing does.
func (d *Desk) serve(ctx context.Context) {
	for {
		d.mu.Lock()
		n := min(len(d.waiting), deskBatch)
		batch := d.waiting[:n:n]
		d.waiting = d.waiting[n:]
		if n == 0 {
			d.waiting = nil
			d.busy--
			d.mu.Unlock()
			return
		}
		d.mu.Unlock()
		if batch = d.ready(ctx, batch); len(batch) == 0 {
			continue
		}
		err := d.apply(ctx, batch)
		if err != nil && len(batch) > 1 && !passing(err) {
			// One of them can't be stored. The others needn't suffer.
			for _, a := range batch {
				a.done <- d.apply(ctx, []*arrival{a})
			}
			continue
		}
		for _, a := range batch {
			a.done <- err
		}
	}
}

// apply writes a batch in one transaction, again if the trouble was a passing one.
func (d *Desk) apply(ctx context.Context, batch []*arrival) (err error) {
	defer func() {
		if p := recover(); p != nil {
			d.cfg.Log.ErrorContext(ctx, "panic while applying receipts", "receipts", len(batch), "stack", string(debug.Stack()))
			err = errors.New("notify: panic while applying receipts")
		}
	}()
	for try := range deskTries {
		if try > 0 {
			time.Sleep(time.Duration(try*try) * 10 * time.Millisecond)
		}
		tctx, cancel := context.WithTimeout(ctx, deskPatience)
		var unknown []folded
		err = migrations.InTx(tctx, d.cfg.DB, func(tx *sqlx.Tx) (err error) {
			unknown, err = d.applyTx(tctx, tx, batch)
			return err
		})
		if err == nil {
			d.matchLate(tctx, unknown)
		}
		cancel()
		if err == nil || !passing(err) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("apply %d receipts: %w", len(batch), err)
	}
	return nil
}

// matchLate applies receipts that were unknown if their message's acceptance was recorded
// in the same moment, see Dispatcher.matchEarly.
func (d *Desk) matchLate(ctx context.Context, unknown []folded) {
	for len(unknown) > 0 { // they are sorted by carrier
		carrier, ids := unknown[0].carrier, []string{}
		for len(unknown) > 0 && unknown[0].carrier == carrier {
			ids, unknown = append(ids, unknown[0].id), unknown[1:]
		}
		if err := d.book.match(ctx, d.cfg.DB, carrier, ids); err != nil {
			d.cfg.Log.WarnContext(ctx, "receipts of messages recorded meanwhile are matched later", "carrier", carrier, "error", err)
		}
	}
}

// applyTx applies those receipts of batch whose messages are known and keeps the others,
// which it returns.
func (d *Desk) applyTx(ctx context.Context, tx *sqlx.Tx, batch []*arrival) (unknown []folded, err error) {
	now := d.cfg.Now()
	all := make([]Receipt, len(batch))
	for i, a := range batch {
		all[i] = a.r
	}
	unknown, err = d.book.applyTx(ctx, tx, fold(all, now))
	if err != nil || len(unknown) == 0 {
		return nil, err
	}
	// Kept first, whatever they turn out to be: for a message whose acceptance isn't
	// recorded yet, evidence for one in doubt, or none of ours.
	if err := d.book.keepTx(ctx, tx, unknown, now); err != nil {
		return nil, err
	}
	if err := d.evidenceTx(ctx, tx, unknown, now); err != nil {
		return nil, err
	}
	return unknown, nil
}

// evidenceTx looks whether anybody waits for news on the trails of receipts, and for which
// senders. A receipt without a sender may be for any.
func (d *Desk) evidenceTx(ctx context.Context, tx *sqlx.Tx, receipts []folded, now time.Time) error {
	var carriers, recipients, senders []string
	for _, r := range receipts {
		if r.Recipient != "" {
			carriers, recipients, senders = append(carriers, r.carrier), append(recipients, clean(r.Recipient)), append(senders, clean(r.Sender))
		}
	}
	if len(carriers) == 0 {
		return nil
	}
	var waiting []struct{ Carrier, Recipient, Sender string }
	if err := tx.SelectContext(ctx, &waiting, `
		SELECT DISTINCT r.carrier, r.recipient, u.sender
		FROM unnest(CAST($1 AS text[]), CAST($2 AS text[]), CAST($3 AS text[])) AS r (carrier, recipient, sender)
		CROSS JOIN LATERAL (SELECT u.sender FROM unanswered u
		    WHERE u.carrier = r.carrier AND u.recipient = r.recipient AND r.sender IN ('', u.sender) OFFSET 0) AS u
		ORDER BY 1, 2, 3`, texts(carriers), texts(recipients), texts(senders)); err != nil {
		return fmt.Errorf("look for unanswered messages: %w", err)
	}
	for _, w := range waiting {
		if _, err := d.book.evidenceTx(ctx, tx, trail{w.Carrier, w.Recipient, w.Sender}, now, d.cfg.ReceiptWait); err != nil {
			return err
		}
	}
	return nil
}
