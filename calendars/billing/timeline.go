package billing

import (
	"slices"
	"time"
)

// Step is a quantity and the day from which on it holds, that day included.
type Step struct {
	On       Date  `db:"effective_on"`
	Quantity int64 `db:"quantity"`
}

// Timeline is what was ordered within one period of a subscription.
type Timeline struct {
	Price Tiers
	Span  Period // as it stands; an early end has moved To
	Full  int64  // days of the period as begun: what a day's price is a fraction of
	Steps []Step // in the order they were made; the first is the quantity at the beginning
}

// Target is what the part of the period before until costs, in Rappen: the exact sum
// of all days' prices, rounded once. What a period costs as a whole is Target(Span.To).
//
// Whoever bills the difference of two targets never drifts: however many steps there
// were, the lines add up to the exact sum rounded once.
func (t Timeline) Target(until Date) int64 {
	return target(t.Price, int64(t.Span.From), int64(min(until, t.Span.To)), t.Full, t.ticks())
}

// ticks are the steps with dates as numbers, in the order of their dates; of several on
// one date the last made counts.
func (t Timeline) ticks() []tick {
	steps := slices.Clone(t.Steps)
	slices.SortStableFunc(steps, func(a, b Step) int { return int(a.On) - int(b.On) })
	out := make([]tick, len(steps))
	for i, s := range steps {
		out[i] = tick{int64(s.On), s.Quantity}
	}
	return out
}

// tick is a step on a scale of days or seconds.
type tick struct{ at, quantity int64 }

// target sums price(quantity)·length over the stretches of [from, until) and divides by
// full, rounding once. steps are sorted.
func target(price Tiers, from, until, full int64, steps []tick) int64 {
	var sum int64
	for i, s := range steps {
		begin, end := max(s.at, from), until
		if i+1 < len(steps) {
			end = min(end, max(steps[i+1].at, from))
		}
		if end > begin {
			sum += price.Total(s.quantity) * (end - begin)
		}
	}
	return MulDiv(sum, 1, full)
}

// Moment is a quantity and the instant from which on it holds.
type Moment struct {
	At       time.Time
	Quantity int64
}

// TargetSeconds is Target counted in seconds that pass between from and to instead of
// days, as some other systems bill: a day with a clock change is then an hour shorter
// or longer. It serves comparisons; nothing is billed by it.
func TargetSeconds(price Tiers, from, to time.Time, steps []Moment) int64 {
	ticks := make([]tick, len(steps))
	for i, s := range steps {
		ticks[i] = tick{s.At.Unix(), s.Quantity}
	}
	slices.SortStableFunc(ticks, func(a, b tick) int { return int(a.at - b.at) })
	return target(price, from.Unix(), to.Unix(), to.Unix()-from.Unix(), ticks)
}

// targets is what each part of t's period costs. The parts add up to the whole.
func targets(t Timeline, parts []TaxedPart) []int64 {
	out := make([]int64, len(parts))
	var before int64
	for i, p := range parts {
		upTo := t.Target(p.Span.To)
		out[i], before = upTo-before, upTo
	}
	return out
}
