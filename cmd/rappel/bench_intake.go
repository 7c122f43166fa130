package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/notify"
)

// benchIntake is messages taken one by one from callers that each wait until theirs is
// durable, as the API's do.
type benchIntake struct {
	Callers   int        `json:"callers"` // at once
	PerSecond float64    `json:"accepted_per_second"`
	Each      float64    `json:"own_transaction_per_second"` // the same without sharing transactions
	Took      benchTimes `json:"call_to_durable"`
}

// benchCallers is how many callers there are at once, from one to a busy server's.
var benchCallers = []int{1, 16, 64, 256}

func (b *bench) intake(ctx context.Context, d time.Duration) (all []benchIntake, err error) {
	e, err := b.newEngine(ctx, benchRound{accounts: b.Accounts})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.close(ctx)) }()
	outbox := notify.NewOutbox(nil)
	shared, err := notify.NewIntake(notify.IntakeConfig{DB: e.owner, Outbox: outbox, Log: b.log})
	if err != nil {
		return nil, err
	}
	alone := func(ctx context.Context, m notify.NewMessage) (out notify.Enqueued, err error) {
		err = inBenchTx(ctx, e.owner, func(tx *sqlx.Tx) error {
			out, err = outbox.EnqueueTx(ctx, tx, m)
			return err
		})
		return out, err
	}
	stored := 0
	for _, callers := range benchCallers {
		b.say("messages one by one from %d callers at once", callers)
		in := benchIntake{Callers: callers}
		for _, way := range []struct {
			enqueue func(context.Context, notify.NewMessage) (notify.Enqueued, error)
			rate    *float64
			took    *benchTimes
		}{{alone, &in.Each, new(benchTimes)}, {shared.Enqueue, &in.PerSecond, &in.Took}} {
			times, took, err := e.call(ctx, callers, d, way.enqueue)
			if err != nil {
				return nil, err
			}
			stored += len(times)
			*way.rate, *way.took = float64(len(times))/took.Seconds(), newBenchTimes(times)
		}
		all = append(all, in)
	}
	if err := shared.Stop(ctx); err != nil {
		return nil, err
	}
	counts, err := e.counts(ctx)
	if err != nil {
		return nil, err
	}
	if counts[notify.NotSent] != stored {
		return nil, fmt.Errorf("%d messages were accepted and %d are there", stored, counts[notify.NotSent])
	}
	return all, nil
}

// call has callers enqueue one message after the other for d, each of the next account.
func (e *benchEngine) call(ctx context.Context, callers int, d time.Duration, enqueue func(context.Context, notify.NewMessage) (notify.Enqueued, error)) ([]time.Duration, time.Duration, error) {
	load := e.newLoad(1, notify.Notification)
	var (
		mu   sync.Mutex
		next int
		all  []time.Duration
	)
	began := time.Now()
	err := inParallel(callers, make([]struct{}, callers), func(struct{}) error {
		var own []time.Duration
		for time.Since(began) < d {
			mu.Lock()
			n := next
			next++
			mu.Unlock()
			at := time.Now()
			if _, err := enqueue(ctx, load.message(n, 1+int64(n%e.accounts), at)); err != nil {
				return err
			}
			own = append(own, time.Since(at))
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, own...)
		return nil
	})
	return all, time.Since(began), err
}
