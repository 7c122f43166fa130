package notify

import (
	"context"
	"errors"
	"slices"
	"time"
)

// verdict says what to do with a message after an attempt.
type verdict int

const (
	vAccepted   verdict = iota // the carrier has it
	vFinal                     // over: status and reason say how
	vRetry                     // certainly not accepted: back into the queue
	vFailover                  // certainly not accepted here: on to the next carrier
	vUnanswered                // may have been accepted
)

// outcome is the result for one item of a claim.
type outcome struct {
	it      *item
	verdict verdict
	status  Status // vFinal
	reason  Reason
	code    string
	ids     []string // carrier ids that stand for the message, clean and each once
	void    []string // carrier ids of segments of a message that wasn't taken whole
	retryAt time.Time
	counted bool // a submission was made, so it counts as an attempt
	refused bool // the gateway refused to be connected
	at      time.Time
	err     error // for the log; carries no number and no text
}

// tries is how often the message was submitted by now. It stops counting long before
// the column overflows.
func (o *outcome) tries() int64 {
	n := int64(o.it.Attempts)
	if o.counted && n < 1<<14 {
		n++
	}
	return n
}

// pause is what a failure asks of the whole carrier.
type pause int

const (
	noPause pause = iota
	pauseThrottled
	pauseMisconfigured
	pauseFailing // not yet a pause, but one more failure
)

// judge turns what Send answered into an outcome. Anything that isn't a SendError of a
// known kind may have left the machine, so it counts as unknown.
//
// What is certain of a message's other segments is certain of it, though some were
// accepted: it hasn't arrived, and trying again, whole, is no second text.
func judge(it *item, s Submission, err error, now time.Time) (o outcome, p pause, after time.Duration) {
	o = outcome{it: it, counted: true, at: now, err: err}
	if err == nil {
		o.verdict, o.ids = vAccepted, distinct(s.IDs)
		return o, noPause, 0
	}
	var se *SendError
	if errors.As(err, &se) {
		o.code, o.void, o.refused, after = se.Code, se.Partial.IDs, se.Refused, se.After
	}
	final := func(s Status, r Reason) { o.verdict, o.status, o.reason = vFinal, s, r }
	switch {
	case errors.Is(err, ErrUnknown) || se == nil:
		o.verdict, o.reason, p = vUnanswered, ReasonUnanswered, pauseFailing
	case errors.Is(err, ErrRejected):
		final(Rejected, ReasonRefused)
	case errors.Is(err, ErrOptedOut):
		final(NotAllowed, ReasonOptedOut)
	case errors.Is(err, ErrInvalidDestination):
		final(InvalidDestination, ReasonRefused)
	case errors.Is(err, ErrInvalidSender):
		final(InvalidSender, ReasonRefused)
	case errors.Is(err, ErrNotAllowed):
		final(NotAllowed, ReasonRefused)
	case errors.Is(err, ErrUndelivered):
		final(NotDelivered, ReasonRefused)
	case errors.Is(err, ErrNoRoute):
		o.verdict, o.status, o.reason = vFailover, RouteNotAvailable, ReasonRefused
	case errors.Is(err, ErrMisconfigured):
		o.verdict, o.status, o.reason, p = vFailover, RouteNotAvailable, ReasonMisconfigured, pauseMisconfigured
	case errors.Is(err, ErrThrottled):
		o.verdict, o.reason, p = vRetry, ReasonThrottled, pauseThrottled
	case errors.Is(err, ErrTemporary):
		o.verdict, o.reason, p = vRetry, ReasonTemporary, pauseFailing
	default:
		o.verdict, o.reason, p = vUnanswered, ReasonUnanswered, pauseFailing
	}
	return o, p, after
}

// distinct are the carrier ids as they are stored, each once: some gateways give all segments
// of a message one id, and then one receipt.
func distinct(ids []string) []string {
	if len(ids) == 1 && clean(ids[0]) == ids[0] {
		return ids // mostly
	}
	all := make([]string, 0, len(ids))
	for _, id := range ids {
		if id = clean(id); !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	return all
}

// backoff is the pause before attempt n+1 after n failed ones: base doubled each time,
// up to most, then 80 to 120 % of it. What spreads them is the message's id, so that a
// batch refused together doesn't come back together, and a test knows the instant.
func backoff(base, most time.Duration, attempts int16, id int64) time.Duration {
	pause := base
	for i := int16(1); i < attempts && pause < most; i++ {
		pause *= 2
	}
	pause = min(pause, most)
	spread := (uint64(id)*0x9E3779B97F4A7C15 + uint64(attempts)*0xBF58476D1CE4E5B9) >> 40 // 24 bits
	return pause*4/5 + time.Duration(float64(pause)*0.4*float64(spread)/(1<<24))
}

// send calls the carrier and turns a panic of it into "unknown": the bytes may have left.
func send(ctx context.Context, c Carrier, m Message) (s Submission, err error) {
	defer func() {
		if p := recover(); p != nil {
			s, err = Submission{}, &SendError{Kind: ErrUnknown, Code: "panic", Err: errPanic}
		}
	}()
	return c.Send(ctx, m)
}

// errPanic stands for what a carrier panicked with, which might hold a number or text.
var errPanic = errors.New("the carrier panicked")
