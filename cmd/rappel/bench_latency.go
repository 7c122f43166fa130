package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/notify"
	"rappel/notify/carriers/smpp"
)

// benchLatency is how long a reminder takes that is due at once while a campaign runs
// over the same route: from the commit of its enqueuing until the SMSC has accepted it.
type benchLatency struct {
	Campaign int        `json:"campaign_messages"`
	Rate     int        `json:"route_parts_per_second"` // 0: as fast as it goes
	Passed   int        `json:"campaign_accepted_meanwhile"`
	Other    benchTimes `json:"reminders_of_other_accounts"`
	Same     benchTimes `json:"reminders_of_the_campaigns_account"`
}

// probe is a reminder whose way is timed.
type probe struct {
	at chan time.Time // the SMSC has it
}

// timedCarrier notes when notifications were accepted.
type timedCarrier struct {
	*smpp.Carrier
	mu       sync.Mutex
	probes   map[string]*probe // by recipient
	accepted int               // of the campaign
}

// Send implements notify.Carrier.
func (c *timedCarrier) Send(ctx context.Context, m notify.Message) (notify.Submission, error) {
	s, err := c.Carrier.Send(ctx, m)
	now := time.Now()
	if err != nil {
		return s, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.Kind == notify.Marketing {
		c.accepted++
	} else if p := c.probes[m.Recipient]; p != nil {
		delete(c.probes, m.Recipient)
		p.at <- now
	}
	return s, nil
}

func (c *timedCarrier) campaign() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accepted
}

func (c *timedCarrier) expect(recipient string, p *probe) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probes[recipient] = p
}

// probeGap is the time between a reminder's arrival and the next one's enqueuing. With
// it the reminders meet the campaign at different moments of its batches.
const probeGap = 70 * time.Millisecond

func (b *bench) latency(ctx context.Context, rate int) (l *benchLatency, err error) {
	e, err := b.newEngine(ctx, benchRound{accounts: max(b.Accounts, 2)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.close(ctx)) }()
	b.say("a campaign of %d messages of one account is enqueued", b.Messages)
	campaign := e.newLoad(b.Messages, notify.Marketing)
	campaign.account = 1
	if err := campaign.enqueue(ctx, benchInserters, benchInsertBatch); err != nil {
		return nil, err
	}
	query, binds := fmt.Sprintf("binds=%d&window=%d", b.Binds, b.Under), b.Binds
	if rate > 0 {
		query, binds = fmt.Sprintf("rate=%d", rate), 1
	}
	var c *timedCarrier
	r, err := e.openRoute(ctx, b, query, binds, func(inner *smpp.Carrier) notify.Carrier {
		c = &timedCarrier{Carrier: inner, probes: map[string]*probe{}}
		return c
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.receipts(ctx, 0, min(b.Messages/20, 1000)); err != nil {
		return nil, err
	}
	b.say("the campaign runs, %d reminders are sent past it", b.Reminder)
	l = &benchLatency{Campaign: b.Messages, Rate: rate}
	began := c.campaign()
	var other, same []time.Duration
	for i := range b.Reminder {
		account := int64(1)
		if i%2 == 0 {
			account = 2 + int64(i/2)%int64(e.accounts-1)
		}
		took, err := e.probe(ctx, c, account, i)
		if err != nil {
			return nil, err
		}
		if account == 1 {
			same = append(same, took)
		} else {
			other = append(other, took)
		}
		// The campaign must not end before the reminders do.
		if campaign.n-c.campaign() < b.Messages/4 {
			from := campaign.n
			campaign.n += (b.Messages + 1) / 2
			if err := campaign.from(ctx, from, benchInserters, benchInsertBatch); err != nil {
				return nil, err
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(probeGap):
		}
	}
	l.Passed = c.campaign() - began
	l.Campaign = campaign.n
	l.Other, l.Same = newBenchTimes(other), newBenchTimes(same)
	return l, nil
}

// probe enqueues one reminder and waits until it is accepted.
func (e *benchEngine) probe(ctx context.Context, c *timedCarrier, account int64, i int) (time.Duration, error) {
	p := &probe{at: make(chan time.Time, 1)}
	recipient := "+4176" + strconv.Itoa(1_000_000+i)
	c.expect(recipient, p)
	now := time.Now()
	m := notify.NewMessage{AccountID: account, Kind: notify.Notification, Reference: "reminder-" + strconv.Itoa(i), Origin: notify.OriginReminder,
		Recipient: recipient, Sender: "Praxis", Body: benchBody(0), Expires: now.Add(time.Hour)}
	if err := inBenchTx(ctx, e.owner, func(tx *sqlx.Tx) error {
		_, err := notify.NewOutbox(nil).EnqueueTx(ctx, tx, m)
		return err
	}); err != nil {
		return 0, err
	}
	committed := time.Now()
	select {
	case at := <-p.at:
		return max(at.Sub(committed), 0), nil // it may be there before we hear of the commit
	case <-time.After(benchStalled):
		return 0, fmt.Errorf("a reminder of account %d didn't reach the SMSC within %s", account, benchStalled)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}
