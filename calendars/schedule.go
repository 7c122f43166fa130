package calendars

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"strings"
	"time"
	_ "time/tzdata" // zones must resolve on machines without a zone database

	"github.com/robfig/cron/v3"
)

// DefaultCron is how often a calendar is polled unless the clinic says otherwise.
const DefaultCron = "*/5 * * * *"

const (
	jitterShare   = 0.25            // of the gap between two activations, either way
	longestJitter = 5 * time.Minute // a clinic that says "at 7" means about 7
	longestCalm   = time.Hour       // calm never stretches a gap beyond this
	nightFrom     = 21              // hour of the clinic's zone
	nightTo       = 6               // hour of the clinic's zone
	nightFactor   = 4               // at night only each fourth activation is used
	idleFactor    = 2               // and each second one after idleAfter without a change
	idleAfter     = 7 * 24 * time.Hour
	firstBackoff  = time.Minute
	lastBackoff   = 6 * time.Hour
	leastBackoff  = 5 * time.Second
)

// parser reads the standard five fields and @hourly and the like.
var parser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// parseCron reads a clinic's cron spec in zone. @every and a zone inside the spec are
// refused: the first isn't tied to the clock, the second is the calendar's.
func parseCron(spec string, zone *time.Location) (*cron.SpecSchedule, error) {
	if strings.Contains(spec, "=") {
		return nil, fmt.Errorf("cron spec %q names a zone", spec)
	}
	s, err := parser.Parse(spec)
	if err != nil {
		return nil, fmt.Errorf("cron spec: %w", err)
	}
	fields, ok := s.(*cron.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("cron spec %q is an interval", spec)
	}
	fields.Location = zone
	return fields, nil
}

// checkCron is what saving settings asks: does spec parse, and does it ever fire?
func checkCron(spec string, now time.Time) *SettingsError {
	s, err := parseCron(spec, time.UTC)
	if err != nil {
		return &SettingsError{Field: "cron", Why: "syntax"}
	}
	if s.Next(now).IsZero() {
		return &SettingsError{Field: "cron", Why: "never"}
	}
	return nil
}

// factor says how many activations make one poll of cal: night and idleness stretch
// the gaps. What is due soon needs no closer watch here, since reminders verify.
func factor(cal Calendar, zone *time.Location, now time.Time) int {
	if h := now.In(zone).Hour(); h >= nightFrom || h < nightTo {
		return nightFactor
	}
	since := cal.WatchedSince
	if cal.ChangedAt != nil && (since == nil || cal.ChangedAt.After(*since)) {
		since = cal.ChangedAt
	}
	if since != nil && now.Sub(*since) >= idleAfter {
		return idleFactor
	}
	return 1
}

// nextPoll is when cal is polled after a poll at now. It is an activation of its
// cron spec, moved by up to ±25 % of the gap, the same for the same calendar and
// activation, so that calendars spread and processes agree.
func nextPoll(cal Calendar, zone *time.Location, now time.Time, steady bool) time.Time {
	s, err := parseCron(orElse(cal.Cron, DefaultCron), zone)
	if err != nil { // the settings check lets none in; the default keeps the calendar alive
		s, _ = parseCron(DefaultCron, zone)
	}
	k := 1
	if !steady {
		k = factor(cal, zone, now)
	}
	at := s.Next(now)
	if at.IsZero() {
		return now.Add(longestCalm)
	}
	gap := at.Sub(now)
	if after := s.Next(at); !after.IsZero() {
		gap = after.Sub(at)
	}
	reach := min(time.Duration(jitterShare*float64(gap)), longestJitter)
	// A poll that jitter moved ahead of its activation must not meet that one again.
	if at.Sub(now) <= reach {
		if after := s.Next(at); !after.IsZero() {
			at = after
		}
	}
	for range k - 1 {
		after := s.Next(at)
		if after.IsZero() || after.Sub(now) > longestCalm {
			break
		}
		at = after
	}
	return at.Add(time.Duration(unit(cal.ID, at) * float64(reach))).UTC().Truncate(time.Microsecond)
}

// unit maps a calendar and an instant to [-1, 1).
func unit(id int64, at time.Time) float64 {
	h := fnv.New64a()
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(id))
	binary.BigEndian.PutUint64(b[8:], uint64(at.Unix()))
	_, _ = h.Write(b[:]) // a hash never fails
	// FNV's high bits hardly move with the last bytes; one multiplication spreads them.
	x := h.Sum64() * 0x9E3779B97F4A7C15
	return float64(x>>11)/(1<<52) - 1
}

// backoff is how long to wait after failures in a row: up to a minute after the
// first, doubling to six hours, with full jitter by random in [0,1).
func backoff(failures int, random float64) time.Duration {
	d := lastBackoff
	if failures < 10 {
		d = min(firstBackoff<<max(0, failures-1), lastBackoff)
	}
	return max(leastBackoff, time.Duration(random*float64(d)))
}
