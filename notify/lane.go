package notify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"rappel/migrations"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// lane is one carrier with its window, shared by all workers of the process.
//
// A token of the window is held from before the claim until the result is recorded, not
// just while Send runs. So what a crash leaves unanswered is at most a window.
type lane struct {
	carrier Carrier
	index   int
	window  *semaphore.Weighted
	batch   int64 // half a window, so that one batch is on the wire while another is recorded

	mu        sync.Mutex
	until     time.Time // paused until
	throttled int       // times in a row
}

func newLane(c Carrier, index, most int) *lane {
	w := int64(c.Window())
	return &lane{carrier: c, index: index, window: semaphore.NewWeighted(w), batch: min(max(w/2, 1), int64(most))}
}

// pausedUntil is until when nothing is submitted; zero or past when it runs.
func (l *lane) pausedUntil() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until
}

func (l *lane) paused(now time.Time) bool { return now.Before(l.pausedUntil()) }

// setPause moves the end of the pause to until if that is later.
func (l *lane) setPause(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until.After(l.until) {
		l.until = until
	}
}

// throttle notes that the carrier wants it slower and returns until when it rests: as
// long as it says, else base doubled with each time in a row, up to a minute. Answers to
// what was under way when the pause began are part of the same time.
func (l *lane) throttle(now time.Time, said, base time.Duration) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !now.Before(l.until) {
		l.throttled++
	}
	rest := said
	if rest <= 0 {
		rest = min(base<<min(max(l.throttled-1, 0), 10), time.Minute)
	}
	if until := now.Add(rest); until.After(l.until) {
		l.until = until
	}
	return l.until
}

// accepted notes that the carrier takes messages again.
func (l *lane) accepted() {
	l.mu.Lock()
	l.throttled = 0
	l.mu.Unlock()
}

// readHealth learns what other processes found out about the carriers.
func (d *Dispatcher) readHealth(ctx context.Context) error {
	var rows []struct {
		Carrier string
		Until   time.Time `db:"paused_until"`
	}
	if err := d.cfg.DB.SelectContext(ctx, &rows, `SELECT carrier, paused_until FROM carrier_health WHERE paused_until > $1`, d.cfg.Now()); err != nil {
		return fmt.Errorf("read the carriers' health: %w", err)
	}
	for _, r := range rows {
		for _, l := range d.lanes {
			if l.carrier.Name() == r.Carrier {
				l.setPause(r.Until)
			}
		}
	}
	return nil
}

// pauseCarrier makes the lane rest, in this process at once and in all others with their
// next claim.
func (d *Dispatcher) pauseCarrier(ctx context.Context, l *lane, p pause, said time.Duration, cause error) {
	now := d.cfg.Now()
	was := l.paused(now)
	var until time.Time
	reason := ReasonThrottled
	if p == pauseMisconfigured {
		reason, until = ReasonMisconfigured, now.Add(d.cfg.MisconfiguredPause)
		l.setPause(until)
	} else {
		until = l.throttle(now, said, d.cfg.ThrottlePause)
	}
	if was {
		return // the batch under way brings the same news many times
	}
	log := d.cfg.Log.With("carrier", l.carrier.Name(), "reason", string(reason), "until", until)
	if p == pauseMisconfigured {
		log.ErrorContext(ctx, "carrier paused: it refuses our configuration", "error", cause)
		if d.cfg.Alarm != nil {
			d.cfg.Alarm(ctx, l.carrier.Name(), cause)
		}
	} else {
		log.WarnContext(ctx, "carrier paused")
	}
	// A pause that can't be told is still kept here; others will run into it themselves.
	if _, err := d.cfg.DB.ExecContext(context.WithoutCancel(ctx), `
		INSERT INTO carrier_health AS h (carrier, paused_until, reason, updated_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (carrier) DO UPDATE SET paused_until = EXCLUDED.paused_until, reason = EXCLUDED.reason, updated_at = EXCLUDED.updated_at
		WHERE h.paused_until IS NULL OR h.paused_until < EXCLUDED.paused_until`, l.carrier.Name(), until, reason, now); err != nil {
		log.ErrorContext(ctx, "carrier's pause could not be shared", "error", err)
	}
}

// laneFrom picks the first carrier from index on that isn't paused. When all rest, it
// returns nil and when the first of them wakes.
func (d *Dispatcher) laneFrom(index int, now time.Time) (*lane, time.Time) {
	var wake time.Time
	for _, l := range d.lanes[index:] {
		until := l.pausedUntil()
		if !now.Before(until) {
			return l, time.Time{}
		}
		if wake.IsZero() || until.Before(wake) {
			wake = until
		}
	}
	return nil, wake
}

// laneNamed finds a configured carrier by the name stored with a message; nil if it isn't
// configured any more.
func (d *Dispatcher) laneNamed(name string) *lane {
	for _, l := range d.lanes {
		if l.carrier.Name() == name {
			return l
		}
	}
	return nil
}

// CarrierHealth is a carrier's state as all processes see it.
type CarrierHealth struct {
	Carrier     string     `db:"carrier"`
	PausedUntil *time.Time `db:"paused_until"` // past or nil: it runs
	Reason      Reason     `db:"reason"`       // throttled, misconfigured
	UpdatedAt   time.Time  `db:"updated_at"`
}

// Health lists the carriers that were ever paused, for doctor and the operator's page.
// It needs the owner's pool.
func Health(ctx context.Context, db *sqlx.DB) ([]CarrierHealth, error) {
	var out []CarrierHealth
	if err := db.SelectContext(ctx, &out, `SELECT carrier, paused_until, reason, updated_at FROM carrier_health ORDER BY carrier`); err != nil {
		return nil, fmt.Errorf("read the carriers' health: %w", err)
	}
	return out, nil
}

// Unpause ends a carrier's pause, once the operator has put its configuration right. It
// needs the owner's pool. Processes that run keep their own pause until it is over.
func Unpause(ctx context.Context, db *sqlx.DB, carrier string, now time.Time) error {
	if _, err := db.ExecContext(ctx, `UPDATE carrier_health SET paused_until = NULL, reason = '', updated_at = $2 WHERE carrier = $1`, carrier, now); err != nil {
		return fmt.Errorf("unpause %s: %w", carrier, err)
	}
	return nil
}

// passing reports whether err is one a repetition may cure: a deadlock, a serialization
// failure, a lost connection.
func passing(err error) bool {
	var pe *pq.Error
	if errors.As(err, &pe) {
		switch pe.Code.Class() {
		case "40", "08", "53", "57":
			return true
		}
		return false
	}
	return err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, migrations.ErrNoAccount)
}
