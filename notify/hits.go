package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// errBusy says that a text to the same person is just being submitted, which may be what
// was found.
var errBusy = errors.New("another text to the person is being submitted")

// errMore says that what was found is others', and that there may be more.
var errMore = errors.New("what was found is other messages'")

// chooseTx returns which of hits is m; nil means none of them. It fails with errBusy while
// that can't be told.
//
// Without our Reference, two texts alike are one as good as the other, and a text of which
// nobody knows whether it arrived would be taken for the one before it that did. So what
// other messages have counts as theirs. Those are read under a lock, for two messages must
// not be given the same hit at once.
func (b *book) chooseTx(ctx context.Context, tx *sqlx.Tx, m doubt, hits []Hit) (*Submission, error) {
	var ids []string
	byCount := false
	for i := range hits {
		switch hits[i].Match {
		case ByReference:
			return &hits[i].Submission, nil
		case ByText:
			for _, id := range hits[i].IDs {
				ids = append(ids, clean(id))
			}
		case ByCount:
			byCount = true
		}
	}
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, m.Carrier+" "+m.Recipient); err != nil {
		return nil, fmt.Errorf("lock what was found: %w", err)
	}
	if busy, err := submittingTx(ctx, tx, trail{carrier: m.Carrier, recipient: m.Recipient}); err != nil {
		return nil, err
	} else if busy {
		return nil, errBusy
	}
	others := map[string]bool{}
	if len(ids) > 0 {
		var taken []string
		if err := tx.SelectContext(ctx, &taken, `SELECT carrier_message_id FROM carrier_refs
			WHERE carrier = $1 AND carrier_message_id = ANY(CAST($2 AS text[])) AND (account_id, message_id) <> ($3, $4)`,
			m.Carrier, pq.Array(ids), m.AccountID, m.ID); err != nil {
			return nil, fmt.Errorf("look for others' carrier ids: %w", err)
		}
		for _, id := range taken {
			others[id] = true
		}
	}
	twins := 0
	if byCount {
		if err := tx.GetContext(ctx, &twins, twinsArrived, m.Recipient, m.Body, m.Carrier, m.Since.Add(-Skew), m.AccountID, m.ID); err != nil {
			return nil, fmt.Errorf("count texts alike: %w", err)
		}
	}
	for i := range hits {
		if hits[i].Match == ByCount {
			if twins--; twins < 0 {
				return &hits[i].Submission, nil
			}
			continue
		}
		taken := false
		for _, id := range hits[i].IDs {
			taken = taken || others[clean(id)]
		}
		if !taken {
			return &hits[i].Submission, nil
		}
	}
	return nil, nil
}

// twinsArrived counts the messages to a person, of whatever account, that a carrier has
// accepted since and whose text begins as another's, which is how texts are compared where
// a carrier adds to them.
const twinsArrived = `
SELECT count(*) FROM accounts a CROSS JOIN LATERAL (
    SELECT 1 FROM messages m JOIN sent s ON s.account_id = m.account_id AND s.message_id = m.id
    WHERE m.account_id = a.account_id AND m.recipient = $1 AND starts_with(m.body, $2)
        AND s.carrier = $3 AND s.accepted_at >= $4 AND (m.account_id, m.id) <> ($5, $6)) AS x`

// asked is what came of asking a carrier for a message.
type asked struct {
	hits []Hit
	all  bool // there are no more
}

// find asks the carrier; a panic of it is an error like any other.
func find(ctx context.Context, patience time.Duration, f Finder, m Message, since time.Time) (hits []Hit, err error) {
	defer func() {
		if p := recover(); p != nil {
			hits, err = nil, errPanic
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return f.Find(ctx, m, since)
}
