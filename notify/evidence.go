package notify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
)

// trail is what a receipt without a known carrier id shares with the message it is for.
type trail struct{ carrier, recipient, sender string }

// evidenceTx matches receipts of unknown carrier ids with unanswered messages on the same
// trail: carrier, recipient and, where the receipt names it, sender. wait says that this
// can't be done yet.
//
// While a message on the trail is still in a claim, the receipt may be for that one, whose
// id isn't recorded yet; taking it for another's would make a lost text look delivered.
// So nothing is matched then, neither the message nor the receipt runs away.
//
// Among several unanswered messages the one submitted first gets the first receipts: a
// connection that breaks cuts off the end of what was under way, not its beginning. It
// needs as many as it has segments where each has an id of its own, see needs; the next
// message gets what is left over. A receipt that names a message by its Reference is for
// that one alone.
//
// The messages are read before the receipts: where another process gives the first its
// receipt in between, that one is known by then, and isn't given to the next as well.
func (b *book) evidenceTx(ctx context.Context, tx *sqlx.Tx, t trail, now time.Time, receiptWait time.Duration) (wait bool, err error) {
	if wait, err = submittingTx(ctx, tx, t); wait || err != nil {
		return wait, err
	}
	var open []struct {
		MessageRef
		Since    time.Time `db:"since"`
		Segments int       `db:"segments"`
	}
	if err := tx.SelectContext(ctx, &open, `SELECT u.account_id AS accountid, u.message_id AS id, u.since, m.segments
		FROM unanswered u JOIN messages m ON m.account_id = u.account_id AND m.id = u.message_id
		WHERE u.carrier = $1 AND u.recipient = $2 AND u.sender = $3 ORDER BY u.since, u.message_id`,
		t.carrier, t.recipient, t.sender); err != nil {
		return false, fmt.Errorf("look for unanswered messages: %w", err)
	}
	receipts, err := b.looseTx(ctx, tx, t)
	if err != nil || len(receipts) == 0 {
		return false, err
	}
	receipts, named := split(receipts)
	for _, o := range open {
		receipts = since(receipts, o.Since)
		n := b.needs(t.carrier, o.Segments)
		var ids []string
		switch r, ok := named[o.MessageRef]; {
		case ok && !r.Received.Before(o.Since):
			ids = []string{r.ID}
		case len(receipts) < n:
			receipts = nil // the rest may be on its way; those after it have none but by name
			continue
		default:
			for _, r := range receipts[:n] {
				ids = append(ids, r.ID)
			}
			receipts = receipts[n:]
		}
		var m []doubt
		if err := tx.SelectContext(ctx, &m, `
			WITH x AS MATERIALIZED (DELETE FROM unanswered u WHERE u.account_id = $1 AND u.message_id = $2 RETURNING u.message_id, u.carrier, u.since)
			SELECT x.carrier, x.since, `+messageColumns+`, COALESCE(s.attempts, 0) AS tries FROM x
			JOIN messages m ON m.account_id = $1 AND m.id = x.message_id
			LEFT JOIN sent s ON s.account_id = $1 AND s.message_id = x.message_id`, o.AccountID, o.ID); err != nil {
			return false, fmt.Errorf("settle message %d: %w", o.ID, err)
		}
		if len(m) == 0 {
			break // decided by another process just now, maybe by these receipts
		}
		if err := b.resolveTx(ctx, tx, m[0], ids, now, receiptWait); err != nil {
			return false, err
		}
	}
	return false, nil
}

// submittingTx reports whether a text on the trail, of any sender where t names none, is in a
// claim.
//
// It is asked before the directory of carrier ids is looked at: a message is in a claim
// until its id is in the directory, so whoever isn't seen here has its id there when the
// next statement looks. The other way round, one recorded in between is seen by neither.
func submittingTx(ctx context.Context, tx *sqlx.Tx, t trail) (is bool, err error) {
	if err := tx.GetContext(ctx, &is, `
		SELECT EXISTS (SELECT 1 FROM claims c CROSS JOIN LATERAL unnest(c.message_ids) AS x (id)
		JOIN messages m ON m.account_id = c.account_id AND m.id = x.id
		WHERE c.carrier = $1 AND m.recipient = $2 AND $3 IN ('', m.sender))`, t.carrier, t.recipient, t.sender); err != nil {
		return false, fmt.Errorf("look for texts being submitted: %w", err)
	}
	return is, nil
}

// perSegment says of each carrier whether its segments have ids of their own.
func perSegment(carriers []Carrier) map[string]bool {
	all := make(map[string]bool, len(carriers))
	for _, c := range carriers {
		_, all[c.Name()] = c.(Segmented)
	}
	return all
}

// needs is how many ids stand for a message of so many segments at carrier.
func (b *book) needs(carrier string, segments int) int {
	if perSegment, known := b.perSegment[carrier]; known && !perSegment {
		return 1
	}
	return segments
}

// looseReceipt is one whose carrier id nobody knows.
type looseReceipt struct {
	ID       string    `db:"carrier_message_id"`
	Received time.Time `db:"received_at"`
}

// looseTx returns the receipts on the trail whose carrier ids nobody knows, or only of
// messages to others, in the order in which they came.
func (b *book) looseTx(ctx context.Context, tx *sqlx.Tx, t trail) (all []looseReceipt, err error) {
	if err := tx.SelectContext(ctx, &all, `
		SELECT e.carrier_message_id, e.received_at FROM early_receipts e
		WHERE e.carrier = $1 AND e.recipient = $2 AND e.sender IN ('', $3)
		    AND NOT EXISTS (SELECT 1 FROM carrier_refs r LEFT JOIN messages m ON m.account_id = r.account_id AND m.id = r.message_id
		        WHERE r.carrier = e.carrier AND r.carrier_message_id = e.carrier_message_id AND COALESCE(m.recipient, $2) = $2)
		ORDER BY e.received_at, e.carrier_message_id`, t.carrier, t.recipient, t.sender); err != nil {
		return nil, fmt.Errorf("look for evidence: %w", err)
	}
	return all, nil
}

// split tells the receipts that name their message by its Reference from the others.
func split(all []looseReceipt) (others []looseReceipt, named map[MessageRef]looseReceipt) {
	named = map[MessageRef]looseReceipt{}
	for _, r := range all {
		if ref, ok := ParseReference(r.ID); ok {
			named[ref] = r
		} else {
			others = append(others, r)
		}
	}
	return others, named
}

// since leaves those that came at or after t: an earlier one is for another message.
func since(all []looseReceipt, t time.Time) []looseReceipt {
	return slices.DeleteFunc(all, func(r looseReceipt) bool { return r.Received.Before(t) })
}

// fragmentTx reports whether receipts show that some of m's segments reached the carrier,
// though not all, and enters those ids as void: a phone won't show what they stand for.
func (b *book) fragmentTx(ctx context.Context, tx *sqlx.Tx, m doubt) (bool, error) {
	loose, err := b.looseTx(ctx, tx, trail{m.Carrier, m.Recipient, m.Sender})
	if err != nil {
		return false, err
	}
	loose, _ = split(loose) // one that names its message is no part of this one
	loose = since(loose, m.Since)
	if len(loose) == 0 {
		return false, nil
	}
	refs, ids := make([]carrierID, len(loose)), make([]string, len(loose))
	for i, r := range loose {
		refs[i], ids[i] = carrierID{id: r.ID, message: m.ref(), status: voidRef}, r.ID
	}
	if err := b.referTx(ctx, tx, m.Carrier, refs); err != nil {
		return false, err
	}
	return true, b.takeEarlyTx(ctx, tx, m.Carrier, ids)
}
