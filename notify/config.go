package notify

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

// Config is what a Dispatcher or a Desk works with. Zero fields take the default named.
type Config struct {
	DB       *sqlx.DB         // the owner's pool, best opened with DispatchDSN
	Carriers []Carrier        // the first is the default, the others take over in order; Desk needs none
	Routes   map[string]Route // by the carrier's name; one not named serves all destinations
	Gate     Gate             // nil: nothing is ever stale
	Window   Window           // nil: marketing may go at any hour
	Observer Observer         // nil: nobody listens
	Meter    Meter            // the Policy's; nil: nothing is charged
	Outbox   *Outbox          // Desk: confirms opt-outs by it; nil: they aren't confirmed
	// Flights joins the Dispatcher and the Desk of a process; give both the same. nil: they
	// know nothing of each other, which costs speed only.
	Flights *Flights
	// Count is told how many messages of a carrier took a new status, for statistics. A
	// transaction that is rolled back and tried again counts twice. nil: nobody counts.
	Count func(carrier string, to Status, n int)
	Now   func() time.Time
	Log   *slog.Logger
	// Alarm is called when a carrier refuses our configuration and was paused for it:
	// somebody must act. nil: it is only logged.
	Alarm func(ctx context.Context, carrier string, err error)

	Owner   string // unique to this life of the process; default made up at random
	Workers int    // groups of accounts worked on at once, for notifications and for marketing each; default 4
	Batch   int    // most messages of one claim; default 1000, and never more than half a carrier's Window

	// ClaimLease is how long a claim belongs to its process without a sign of life; it is
	// renewed while the work goes on. After a crash its messages stand still that long.
	// Machines' clocks must agree within a third of it. Default 30 s.
	ClaimLease time.Duration
	// SendTimeout bounds one Send. Default 20 s. It should be below ClaimLease.
	SendTimeout time.Duration
	// UnansweredWait is how long evidence is awaited for a message that may or may not
	// have been accepted. Default 2 min.
	UnansweredWait time.Duration
	// SpareTime is what must remain until a message expires for resending it. Default 0.
	SpareTime time.Duration
	// ReceiptWait is how long a receipt is awaited; then the message is EXPIRED. Default 72 h.
	ReceiptWait time.Duration
	// RetryBase and RetryMax bound the pause before another attempt, which doubles each
	// time. Defaults 5 s and 10 min.
	RetryBase, RetryMax time.Duration
	// ThrottlePause is how long a throttling carrier rests if it names no time; it doubles
	// while it goes on, up to a minute. Default 1 s.
	ThrottlePause time.Duration
	// MisconfiguredPause is how long a carrier rests that refuses our configuration.
	// Default 5 min.
	MisconfiguredPause time.Duration
	// BreakAfter is after how many failures in a row a carrier rests. Default 10.
	BreakAfter int
	// BreakPause is how long it rests then; doubled each time the one message tried after
	// it fails too, up to a minute. Default 2 s.
	BreakPause time.Duration
	// Poll is the pause between looks for due notifications while there are none; for
	// marketing it is four times as long. Default 50 ms.
	Poll time.Duration
	// KeepEarly is how long receipts are kept that belong to no message of ours.
	// Default 7 days.
	KeepEarly time.Duration
}

func (c Config) withDefaults() (Config, error) {
	if c.DB == nil {
		return c, fmt.Errorf("%w: no database", ErrConfig)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Owner == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "unknown" // only for people reading the table; the random part is what counts
		}
		c.Owner = fmt.Sprintf("%s/%d/%s", host, os.Getpid(), rand.Text())
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.ClaimLease, 30 * time.Second},
		{&c.SendTimeout, 20 * time.Second},
		{&c.UnansweredWait, 2 * time.Minute},
		{&c.ReceiptWait, 72 * time.Hour},
		{&c.RetryBase, 5 * time.Second},
		{&c.RetryMax, 10 * time.Minute},
		{&c.ThrottlePause, time.Second},
		{&c.MisconfiguredPause, 5 * time.Minute},
		{&c.BreakPause, 2 * time.Second},
		{&c.Poll, 50 * time.Millisecond},
		{&c.KeepEarly, 7 * 24 * time.Hour},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if c.Workers <= 0 {
		c.Workers = 4
	}
	if c.BreakAfter <= 0 {
		c.BreakAfter = 10
	}
	if c.Batch <= 0 {
		c.Batch = 1000
	}
	seen := map[string]bool{}
	for _, carrier := range c.Carriers {
		if name := carrier.Name(); name == "" || seen[name] {
			return c, fmt.Errorf("%w: carrier names must be given and differ: %q", ErrConfig, name)
		}
		seen[carrier.Name()] = true
		if carrier.Window() < 1 {
			return c, fmt.Errorf("%w: carrier %s has no window", ErrConfig, carrier.Name())
		}
	}
	for name, r := range c.Routes {
		if len(c.Carriers) > 0 && !seen[name] {
			return c, fmt.Errorf("%w: a route for carrier %q, which there isn't", ErrConfig, name)
		}
		for _, p := range r.To {
			if len(p) < 2 || len(p) > 16 || p[0] != '+' || strings.Trim(p[1:], "0123456789") != "" {
				return c, fmt.Errorf("%w: route %q to %q, want the beginning of a number such as +41", ErrConfig, name, p)
			}
		}
		if !(r.Rate >= 0) {
			return c, fmt.Errorf("%w: route %q with a rate of %v", ErrConfig, name, r.Rate)
		}
	}
	return c, nil
}
