package notify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/notify/links"
	"rappel/notify/segment"
)

// dueKind is the kind of due work the dispatcher leases.
const dueKind = "dispatch"

// draft is a message on its way into the tables.
type draft struct {
	*NewMessage
	decision
	link  string
	price Price
	out   Enqueued
}

// draftKey is what a caller knows a message by.
type draftKey struct {
	account   int64
	reference string
}

func (d *draft) key() draftKey { return draftKey{d.AccountID, d.Reference} }

func (d *draft) ref() MessageRef { return MessageRef{d.AccountID, d.out.ID} }

func (d *draft) queueing() queueing { return queueing{d.ref(), d.Kind, d.sendAt} }

// plain reports whether the message goes straight into the queue.
func (d *draft) plain() bool { return d.end == NotSent && len(d.holds) == 0 }

// enqueueAllTx is EnqueueAllTx for messages that were checked.
func (o *Outbox) enqueueAllTx(ctx context.Context, tx *sqlx.Tx, ms []NewMessage) ([]Enqueued, error) {
	if len(ms) == 0 {
		return nil, nil
	}
	now := o.now()
	drafts := make([]draft, len(ms))
	for i := range ms {
		d := &drafts[i]
		d.NewMessage = &ms[i]
		if d.sendAt = ms[i].SendAt; d.sendAt.IsZero() {
			d.sendAt = now
		}
		d.from.sender = ms[i].Sender
	}
	if err := o.decideTx(ctx, tx, drafts, now); err != nil {
		return nil, fmt.Errorf("enqueue %d messages: %w", len(ms), err)
	}
	for i := range drafts {
		if err := drafts[i].render(); err != nil {
			return nil, fmt.Errorf("enqueue message %d of %d: %w", i+1, len(ms), err)
		}
	}
	if err := o.priceTx(ctx, tx, drafts); err != nil {
		return nil, fmt.Errorf("enqueue %d messages: %w", len(ms), err)
	}
	if err := o.storeTx(ctx, tx, drafts, now); err != nil {
		return nil, fmt.Errorf("enqueue %d messages: %w", len(ms), err)
	}
	out := make([]Enqueued, len(drafts))
	for i := range drafts {
		if out[i] = drafts[i].out; out[i].ID == 0 {
			return nil, fmt.Errorf("enqueue message %d of %d: neither added nor known", i+1, len(ms))
		}
	}
	return out, nil
}

// decideTx asks the policy about all drafts and makes the links that their suffixes want.
func (o *Outbox) decideTx(ctx context.Context, tx *sqlx.Tx, drafts []draft, now time.Time) error {
	if o.policy == nil {
		return nil
	}
	accounts := map[int64]bool{}
	for i := range drafts {
		accounts[drafts[i].AccountID] = true
	}
	// Read through tx and not a pool: whoever holds one connection and waits for another
	// may wait for somebody who does the same.
	v, err := o.policy.view(ctx, tx, slices.Collect(maps.Keys(accounts))...)
	if err != nil {
		return err
	}
	var people []links.Person
	for i := range drafts {
		d := &drafts[i]
		m := *d.NewMessage
		m.SendAt = d.sendAt
		d.decision = v.decide(&m, o.policy.cfg.Service, now)
		if d.suffix != nil && d.suffix.needsLink() {
			people = append(people, links.Person{AccountID: d.AccountID, Recipient: d.Recipient})
		}
	}
	if len(people) == 0 {
		return nil
	}
	made, err := o.policy.cfg.Links.KeepTx(ctx, tx, people, now)
	if err != nil {
		return err
	}
	next := 0
	for i := range drafts {
		if d := &drafts[i]; d.suffix != nil && d.suffix.needsLink() {
			d.link = made[next]
			next++
		}
	}
	return nil
}

// render writes the text as it will be sent: first the suffix, which depends on the
// recipient, then whatever saves UCS-2, then it is measured.
func (d *draft) render() error {
	d.out = Enqueued{Body: d.Body, Sender: d.from.sender, SendAt: d.sendAt, Status: d.end, Reason: d.why}
	if d.suffix != nil {
		d.out.Suffix = d.suffix.render(d.link)
		d.out.Body += d.out.Suffix
	}
	if d.Smart {
		d.out.Body, _ = segment.Smart(d.out.Body, segment.Typographic) // the list of changes is for editors
	}
	r := segment.Measure(d.out.Body)
	if r.Segments > MaxSegments {
		return fmt.Errorf("%w: %d segments", ErrBody, r.Segments)
	}
	d.out.Segments, d.out.Encoding, d.out.Units = r.Segments, r.Encoding, r.Units
	if len(d.holds) > 0 && d.end == NotSent {
		d.out.Reason = d.holds[0]
	}
	return nil
}

// storeTx writes the drafts: those that go straight into the queue in one statement, the
// few others by and by.
func (o *Outbox) storeTx(ctx context.Context, tx *sqlx.Tx, drafts []draft, now time.Time) error {
	metered := o.meter() != nil
	first := make(map[draftKey]*draft, len(drafts))
	var plain, other []*draft
	for i := range drafts {
		d := &drafts[i]
		if first[d.key()] != nil {
			continue // the second of two in one call is a duplicate of the first
		}
		first[d.key()] = d
		if d.plain() && !metered { // metered, it is queued once it is paid for
			plain = append(plain, d)
		} else {
			other = append(other, d)
		}
	}
	if err := insertTx(ctx, tx, plain, true, first, now); err != nil {
		return err
	}
	if err := insertTx(ctx, tx, other, false, first, now); err != nil {
		return err
	}
	added := make([]queueing, 0, len(plain))
	for _, d := range plain {
		if d.out.ID != 0 {
			added = append(added, d.queueing())
		}
	}
	if err := raiseTx(ctx, tx, added); err != nil {
		return err
	}
	if err := o.placeTx(ctx, tx, other, now); err != nil {
		return err
	}
	if err := findKnownTx(ctx, tx, first); err != nil {
		return err
	}
	for i := range drafts {
		if d := &drafts[i]; first[d.key()] != d {
			d.out.ID, d.out.Duplicate = first[d.key()].out.ID, true
		}
	}
	return nil
}

// messageKey is a message's id beside what its caller knows it by.
type messageKey struct {
	AccountID int64  `db:"account_id"`
	ID        int64  `db:"id"`
	Reference string `db:"reference"`
}

// findKnownTx gives those of all that weren't added, since their reference was known, the
// first message's id. A statement of its own sees what a concurrent transaction committed
// while ours waited for it at the constraint.
func findKnownTx(ctx context.Context, tx *sqlx.Tx, all map[draftKey]*draft) error {
	var accounts []int64
	var references []string
	for key, d := range all {
		if d.out.ID == 0 {
			accounts, references = append(accounts, key.account), append(references, key.reference)
		}
	}
	if len(accounts) == 0 {
		return nil
	}
	var known []messageKey
	if err := tx.SelectContext(ctx, &known, `
		SELECT m.account_id, m.id, m.reference FROM unnest(CAST($1 AS bigint[]), CAST($2 AS text[])) AS u (account_id, reference)
		JOIN messages m ON m.account_id = u.account_id AND m.reference = u.reference
		WHERE m.account_id = ANY (CAST($1 AS bigint[]))`, pq.Array(accounts), pq.Array(references)); err != nil {
		return fmt.Errorf("look up known references: %w", err)
	}
	for _, r := range known {
		d := all[draftKey{r.AccountID, r.Reference}]
		d.out.ID, d.out.Duplicate = r.ID, true
	}
	return nil
}
