package notify

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

// The bucket of a carrier fills with the segments it may be given, at its rate, up to
// half a second's worth. It lies in the database, so that all processes draw from the
// same. Tokens are taken by the message before the claim, since nobody knows yet how many
// segments it will find, and settled by the segment after it; that may leave a debt, which
// is paid before the next.

// burst is what a full bucket holds.
func burst(rate float64) float64 { return max(1, rate/2) }

// reserve is what marketing leaves in the bucket for notifications.
func reserve(rate float64) float64 { return math.Floor(burst(rate) / 5) }

// refill locks the carrier's bucket until tx ends and returns what is in it now.
func refillTx(ctx context.Context, tx *sqlx.Tx, carrier string, rate float64, now time.Time) (tokens float64, err error) {
	err = tx.GetContext(ctx, &tokens, `
		INSERT INTO carrier_tokens AS t (carrier, tokens, at) VALUES ($1, CAST($2 AS double precision), $4)
		ON CONFLICT (carrier) DO UPDATE
		SET tokens = LEAST(EXCLUDED.tokens, t.tokens + CAST($3 AS double precision) * GREATEST(0, extract(epoch FROM EXCLUDED.at - t.at))),
		    at = GREATEST(t.at, EXCLUDED.at)
		RETURNING t.tokens`, carrier, burst(rate), rate, now)
	if err != nil {
		return 0, fmt.Errorf("fill the bucket of %s: %w", carrier, err)
	}
	return tokens, nil
}

func spendTx(ctx context.Context, tx *sqlx.Tx, carrier string, n float64) error {
	if _, err := tx.ExecContext(ctx, `UPDATE carrier_tokens SET tokens = tokens - CAST($2 AS double precision) WHERE carrier = $1`, carrier, n); err != nil {
		return fmt.Errorf("take tokens of %s: %w", carrier, err)
	}
	return nil
}

// ration says how many messages may be claimed for l, at most want. When it is none, wake
// is when there will be some.
func (d *Dispatcher) ration(ctx context.Context, k *traffic, l *lane, want int64) (n int64, wake time.Time, err error) {
	if l.rate <= 0 {
		return want, time.Time{}, nil
	}
	now := d.cfg.Now()
	if k.bulk {
		if until := l.urgentUntil(); now.Before(until) {
			return 0, until, nil
		}
	}
	err = migrations.InTx(ctx, d.cfg.DB, func(tx *sqlx.Tx) error {
		tokens, err := refillTx(ctx, tx, l.carrier.Name(), l.rate, now)
		if err != nil {
			return err
		}
		spare := 1.0
		if k.bulk {
			spare += reserve(l.rate)
		}
		if tokens < spare {
			// A microsecond more than it takes, lest rounding wakes us too early.
			wake = now.Add(time.Duration((spare-tokens)/l.rate*float64(time.Second)) + time.Microsecond)
			return nil
		}
		n = min(want, int64(tokens-spare)+1)
		return spendTx(ctx, tx, l.carrier.Name(), float64(n))
	})
	if n == 0 && err == nil && !k.bulk {
		l.urgent(wake.Add(d.cfg.Poll))
	}
	return n, wake, err
}

// settleRation corrects a ration of n by what was claimed with it.
func (d *Dispatcher) settleRation(ctx context.Context, l *lane, n int64, items []*item) error {
	if l.rate <= 0 {
		return nil
	}
	parts := int64(0)
	for _, it := range items {
		parts += int64(it.Segments)
	}
	if parts == n {
		return nil
	}
	return migrations.InTx(ctx, d.cfg.DB, func(tx *sqlx.Tx) error {
		return spendTx(ctx, tx, l.carrier.Name(), float64(parts-n))
	})
}
