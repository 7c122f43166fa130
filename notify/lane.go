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

// HealthFailing is the reason of a pause that the circuit breaker made: too many failures
// in a row. It stands in [CarrierHealth], not with messages.
const HealthFailing Reason = "failing"

// lane is one carrier with its window, shared by all workers of the process.
//
// A token of the window is held from before the claim until the result is recorded, not
// just while Send runs. So what a crash leaves unanswered is at most a window. Marketing
// never holds all of them: an eighth is kept free for notifications.
//
// The circuit breaker: after breakAfter failures in a row the lane rests, then tries one
// message; each time that fails the rest doubles. An acceptance closes it.
type lane struct {
	carrier Carrier
	index   int
	to      []string // see Route
	rate    float64  // segments a second, 0 = no bound
	window  *semaphore.Weighted
	bulk    *semaphore.Weighted // marketing's part of window
	size    int64               // of window
	most    int64               // messages of one claim
	pacer   *pacer              // of marketing
	probing *semaphore.Weighted // held by the single message of a broken lane

	mu        sync.Mutex
	until     time.Time // paused until
	unlinked  bool      // the pause is for want of a connection, and over with the first that stands
	mended    bool      // it was over that way, and the others haven't heard of it
	since     time.Time // when a pause as misconfigured began; zero when it isn't one
	throttled int       // times in a row
	failures  int       // in a row
	broken    int       // times the breaker opened in a row; above 0 a single message is tried
	waits     time.Time // a notification waits for tokens of the bucket until then
	stuck     bool      // somebody waited in vain for the window, and nothing was released since
}

func newLane(c Carrier, index, most int, r Route) *lane {
	l := &lane{carrier: c, index: index, to: r.To, rate: r.Rate, size: int64(c.Window()), most: int64(most)}
	if limited, ok := c.(Limited); ok && l.rate <= 0 {
		l.rate = limited.Rate()
	}
	l.window, l.bulk = semaphore.NewWeighted(l.size), semaphore.NewWeighted(l.bulkSize())
	l.pacer = newPacer(int(l.bulkSize()))
	l.probing = semaphore.NewWeighted(1)
	return l
}

// bulkSize is how much of the window marketing may hold.
func (l *lane) bulkSize() int64 {
	if l.size == 1 {
		return 1
	}
	return l.size - max(l.size/8, 1)
}

// batch is how many messages a claim takes at most: half of what it may hold, so that one
// batch is on the wire while another is recorded; a single one while the breaker tries.
func (l *lane) batch(k *traffic) int64 {
	l.mu.Lock()
	broken := l.broken
	l.mu.Unlock()
	if broken > 0 {
		return 1
	}
	room := l.size
	if k.bulk {
		room = l.bulkSize()
	}
	return min(max(room/2, 1), l.most)
}

// acquire takes n tokens of the window for k; it fails only when ctx ends.
func (l *lane) acquire(ctx context.Context, k *traffic, n int64) error {
	if k.bulk {
		if err := l.bulk.Acquire(ctx, n); err != nil {
			return err
		}
	}
	if err := l.window.Acquire(ctx, n); err != nil {
		if k.bulk {
			l.bulk.Release(n)
		}
		return err
	}
	return nil
}

// lanePatience is how long those wait for a full window who have other carriers to serve. It
// is real time: nothing is decided by it, what they leave comes again.
const lanePatience = 100 * time.Millisecond

// acquireSoon is acquire for those who have other carriers to serve: false without an error
// means that the window is full, and that it isn't worth waiting for.
func (l *lane) acquireSoon(ctx context.Context, k *traffic, n int64) (bool, error) {
	if l.acquireFree(k, n) {
		return true, nil
	}
	l.mu.Lock()
	stuck := l.stuck
	l.mu.Unlock()
	if stuck {
		return false, nil
	}
	wait, cancel := context.WithTimeout(ctx, lanePatience)
	defer cancel()
	err := l.acquire(wait, k, n)
	if err == nil || ctx.Err() != nil {
		return err == nil, err
	}
	l.mu.Lock()
	l.stuck = true
	l.mu.Unlock()
	return false, nil
}

// acquireFree is acquire without waiting.
func (l *lane) acquireFree(k *traffic, n int64) bool {
	if k.bulk && !l.bulk.TryAcquire(n) {
		return false
	}
	if !l.window.TryAcquire(n) {
		if k.bulk {
			l.bulk.Release(n)
		}
		return false
	}
	return true
}

// probe reports whether a batch may be claimed: while the breaker tries, one at a time, for
// which the next waits if wait is set. over is to be called when it is through, once or more.
func (l *lane) probe(ctx context.Context, wait bool) (over func(), ok bool) {
	l.mu.Lock()
	broken := l.broken > 0
	l.mu.Unlock()
	switch {
	case !broken:
		return func() {}, true
	case wait && l.probing.Acquire(ctx, 1) == nil, !wait && l.probing.TryAcquire(1):
		return sync.OnceFunc(func() { l.probing.Release(1) }), true
	}
	return nil, false
}

func (l *lane) release(k *traffic, n int64) {
	if n > 0 {
		l.mu.Lock()
		l.stuck = false
		l.mu.Unlock()
	}
	l.window.Release(n)
	if k.bulk {
		l.bulk.Release(n)
	}
}

// urgent notes that a notification waits for tokens of the bucket.
func (l *lane) urgent(until time.Time) {
	l.mu.Lock()
	l.waits = until
	l.mu.Unlock()
}

func (l *lane) urgentUntil() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waits
}

// linkLook is how soon to look again whether a carrier that was refused is connected.
const linkLook = 2 * time.Second

// pausedUntil is until when nothing is submitted; zero or past when it runs.
//
// A pause for want of a connection ends when one stands, which nobody can foretell: it is
// told in small steps, so that what waits for it comes again in time.
func (l *lane) pausedUntil(now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unlinked && now.Before(l.until) {
		if !l.linked() {
			return earlier(l.until, now.Add(linkLook))
		}
		l.until, l.since, l.unlinked, l.mended = time.Time{}, time.Time{}, false, true
	}
	return l.until
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// linked reports whether a connection of the carrier stands.
func (l *lane) linked() bool {
	c, ok := l.carrier.(Linked)
	return ok && c.Bound() > 0
}

func (l *lane) paused(now time.Time) bool { return now.Before(l.pausedUntil(now)) }

// misconfigured makes the lane rest until until, or, if the gateway refuses the connection,
// until one stands.
func (l *lane) misconfigured(now, until time.Time, refused bool) {
	_, linked := l.carrier.(Linked)
	l.mu.Lock()
	defer l.mu.Unlock()
	if until.After(l.until) {
		l.until, l.since, l.unlinked, l.mended = until, now, refused && linked, false
	}
}

// setPause moves the end of the pause to until if that is later.
func (l *lane) setPause(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until.After(l.until) {
		l.until, l.unlinked, l.since = until, false, time.Time{}
	}
}

// heard takes what another process found out. That it was refused says nothing while
// connections of our own stand.
func (l *lane) heard(h CarrierHealth, now time.Time) {
	_, links := l.carrier.(Linked)
	switch {
	case h.PausedUntil == nil: // somebody ended it
		l.mu.Lock()
		if !l.since.IsZero() && !h.UpdatedAt.Before(l.since) {
			l.until, l.since, l.unlinked = time.Time{}, time.Time{}, false
		}
		l.mu.Unlock()
	case !now.Before(*h.PausedUntil):
	case h.Reason != ReasonMisconfigured:
		l.setPause(*h.PausedUntil)
	case !links || !l.linked():
		l.misconfigured(now, *h.PausedUntil, true)
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
		l.until, l.unlinked, l.since = until, false, time.Time{}
	}
	return l.until
}

// accepted notes that the carrier takes messages again.
func (l *lane) accepted() {
	l.mu.Lock()
	l.throttled, l.failures, l.broken = 0, 0, 0
	l.mu.Unlock()
}

// failed notes that the carrier couldn't take a message, or said nothing. When that were
// too many in a row, the lane rests and opened says until when.
func (l *lane) failed(now time.Time, most int, base time.Duration) (until time.Time, opened bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures++
	if l.failures < most && l.broken == 0 || now.Before(l.until) {
		return time.Time{}, false // what was under way when it opened says nothing new
	}
	l.failures = 0
	l.broken++
	l.until, l.unlinked, l.since = now.Add(min(base<<min(l.broken-1, 10), time.Minute)), false, time.Time{}
	return l.until, true
}

// readHealth learns what other processes found out about the carriers.
func (d *Dispatcher) readHealth(ctx context.Context) error {
	now := d.cfg.Now()
	for _, l := range d.lanes {
		l.mu.Lock()
		mended := l.mended
		l.mended = false
		l.mu.Unlock()
		if !mended {
			continue
		}
		if err := Unpause(ctx, d.cfg.DB, l.carrier.Name(), now); err != nil {
			l.mu.Lock()
			l.mended = l.since.IsZero() // to be told with the next look, unless it is refused again
			l.mu.Unlock()
			return err
		}
		d.cfg.Log.InfoContext(ctx, "carrier runs again: it is connected", "carrier", l.carrier.Name())
	}
	err := d.statements.query(ctx, func(rows *sqlx.Rows) error {
		var h CarrierHealth
		if err := rows.StructScan(&h); err != nil {
			return err
		}
		if l := d.laneNamed(h.Carrier); l != nil {
			l.heard(h, now)
		}
		return nil
	}, `SELECT carrier, paused_until, reason, updated_at FROM carrier_health`)
	if err != nil {
		return fmt.Errorf("read the carriers' health: %w", err)
	}
	return nil
}

// pauseCarrier makes the lane rest, in this process at once and in all others with their
// next claim.
func (d *Dispatcher) pauseCarrier(ctx context.Context, l *lane, p pause, said time.Duration, refused bool, cause error) {
	now := d.cfg.Now()
	was := l.paused(now)
	var until time.Time
	var reason Reason
	switch p {
	case pauseMisconfigured:
		reason, until = ReasonMisconfigured, now.Add(d.cfg.MisconfiguredPause)
		l.misconfigured(now, until, refused)
	case pauseFailing:
		var opened bool
		if until, opened = l.failed(now, d.cfg.BreakAfter, d.cfg.BreakPause); !opened {
			return
		}
		reason = HealthFailing
	default:
		reason, until = ReasonThrottled, l.throttle(now, said, d.cfg.ThrottlePause)
	}
	if was {
		return // the batch under way brings the same news many times
	}
	log := d.cfg.Log.With("carrier", l.carrier.Name(), "reason", string(reason), "until", until)
	switch p {
	case pauseMisconfigured:
		log.ErrorContext(ctx, "carrier paused: it refuses our configuration", "error", cause)
		if d.cfg.Alarm != nil {
			d.cfg.Alarm(ctx, l.carrier.Name(), cause)
		}
	case pauseFailing:
		log.ErrorContext(ctx, "carrier paused: it fails again and again", "error", cause)
	default:
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
	Reason      Reason     `db:"reason"`       // throttled, misconfigured, failing
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

// Unpause ends the pause of a carrier that refused our configuration, once it doesn't any
// more. It needs the owner's pool. Processes that run hear of it with their next claim.
func Unpause(ctx context.Context, db *sqlx.DB, carrier string, now time.Time) error {
	if _, err := db.ExecContext(ctx, `UPDATE carrier_health SET paused_until = NULL, reason = '', updated_at = $2
		WHERE carrier = $1 AND reason = 'misconfigured'`, carrier, now); err != nil {
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
