package reminders

import (
	"slices"
	"time"

	"rappel/calendars"
)

// DefaultDebounce is how long an appointment must have been left alone before it is
// announced: people type one in several saves.
const DefaultDebounce = 2 * time.Minute

// moveGrace is how long what was planned for an appointment that vanished counts as
// still coming: long enough for the calendar it moved to, or it itself, to be read again.
const moveGrace = 2 * time.Hour

// PlanInput is all that planning one appointment depends on.
type PlanInput struct {
	Event calendars.Event
	// Calendar as it stood before the read that brought Event: PolledAt is the last
	// successful read before that one, which tells a late booking from our outage.
	Calendar calendars.Calendar
	Rules    []Rule // of Calendar, those switched off too
	Settings Settings
	Found    *Extraction // the numbers in Event's texts; nil = look for them now
	// Previous are the reminders with Event's id, or with its calendar, uid and
	// occurrence.
	Previous []Reminder
	// Promised holds the ledger rows of the numbers found, for starts to come.
	Promised map[Promise]bool
	// Coming holds what other appointments of the account had planned until just
	// now: one moved to another calendar, or a series that was split, goes on here
	// under a new id (T14, T17).
	Coming   map[Promise]bool
	Debounce time.Duration // 0 = none
	Now      time.Time
}

// Outcome is what became of one appointment.
type Outcome struct {
	Verdict Verdict
	// Reminders are all of the appointment, as they shall be stored: one for each
	// rule and number, and every previous one. At most one per [Key].
	Reminders []Reminder
	// Withdraw are the ids of previous reminders whose message must not go out any
	// more if it has not left. Where it has, a dropped one stays queued, with its reason.
	Withdraw []int64
}

// Plan decides what is sent about an appointment, and why nothing where nothing
// is. It is pure: the same input gives the same plan, and planning again on top of a
// plan changes nothing.
func Plan(in PlanInput) Outcome {
	p := planning{PlanInput: in, zone: in.Settings.Location()}
	p.start = StartOf(in.Event, p.zone)
	p.reckon = reckonFrom(in.Event, p.zone)
	p.last = lastMoment(in.Event, in.Settings)
	return p.plan()
}

type planning struct {
	PlanInput
	zone                *time.Location
	start, reckon, last time.Time
	out                 Outcome
	done                map[Key]bool
	taken               map[Promise]bool // by an earlier rule of this very appointment
}

func (p *planning) plan() Outcome {
	p.done, p.taken = map[Key]bool{}, map[Promise]bool{}
	reason := p.standing()
	var found Extraction
	if reason != Gone && reason != Hidden {
		found = p.found()
	}
	p.out.Verdict = verdict(p.Event, found, p.Now)
	if reason == Planned {
		reason = p.rulesReason()
	}
	if reason == Planned {
		reason = found.Reason
	}
	if reason == Planned {
		for _, rule := range p.enabled() {
			for _, n := range found.Recipients {
				p.add(p.decide(rule, n))
			}
		}
	}
	for _, prev := range p.Previous {
		if !p.done[prev.Key()] {
			p.leave(prev, reason, found)
		}
	}
	p.out.Verdict.Reason = p.overall(reason)
	return p.out
}

// standing is why nothing may be said about the appointment as such.
func (p *planning) standing() Reason {
	e := p.Event
	switch {
	case !p.Calendar.Watched || p.Calendar.Status != calendars.CalendarActive:
		return CalendarStopped
	case !p.Settings.Serves():
		return NoSubscription
	case e.Gone != nil:
		return Gone
	case e.Cancelled:
		return Cancelled
	case e.Declined:
		return Declined
	case e.Kind != "" && e.Kind != "default":
		return NotAppointment
	case e.AllDay && !p.Calendar.AllDay:
		return AllDay
	case !e.End.After(p.Now) && !p.start.After(p.Now):
		return Past
	case !p.start.After(p.Now) && !(e.AllDay && p.reckon.After(p.Now)):
		return AlreadyRunning
	case e.Hidden:
		return Hidden
	}
	return Planned
}

func (p *planning) found() Extraction {
	if p.Found != nil {
		return *p.Found
	}
	return Extract(FieldsOf(p.Event), p.Settings.Extract())
}

func (p *planning) rulesReason() Reason {
	switch {
	case len(p.Rules) == 0:
		return NoRules
	case len(p.enabled()) == 0:
		return RulesOff
	}
	return Planned
}

// enabled are the rules in force, in the order of their ids.
func (p *planning) enabled() []Rule {
	var on []Rule
	for _, r := range p.Rules {
		if r.Enabled {
			on = append(on, r)
		}
	}
	slices.SortFunc(on, func(a, b Rule) int { return int(a.ID - b.ID) })
	return on
}

func (p *planning) add(r Reminder) {
	p.done[r.Key()] = true
	p.out.Reminders = append(p.out.Reminders, r)
}

// decide makes the reminder of one rule and number.
func (p *planning) decide(rule Rule, n Number) Reminder {
	r := Reminder{
		AccountID: p.Event.AccountID, EventID: p.Event.ID, CalendarID: p.Event.CalendarID,
		UID: p.Event.UID, Occurrence: p.Event.Occurrence, RuleID: rule.ID,
		Recipient: n.E164, Field: n.Field, StartsAt: p.start, CreatedAt: p.Now, DecidedAt: p.Now,
	}
	prev, had := p.previous(r.Key())
	if had {
		r.ID, r.MessageID, r.CreatedAt = prev.ID, prev.MessageID, prev.CreatedAt
	}
	due := rule.Due(p.reckon, p.zone)
	r.DueAt = p.Settings.quiet(due, p.last)
	r.NotBefore = r.DueAt
	promise := PromiseOf(n.E164, p.start, rule)

	switch {
	case had && prev.Status == StatusQueued && prev.StartsAt.Equal(p.start):
		// The text for this start is on its way or there, whatever changed since (T16, T21).
		prev.EventID, prev.Field, prev.Reason = r.EventID, n.Field, Planned
		p.taken[promise] = true
		return prev
	case had && prev.Status == StatusQueued:
		p.out.Withdraw = append(p.out.Withdraw, prev.ID)
	}
	switch {
	case p.Promised[promise] && had && prev.Status == StatusQueued:
		return p.skip(r, prev, MovedBack)
	case p.Promised[promise], p.taken[promise]:
		return p.skip(r, prev, AlreadySent)
	case r.DueAt.After(p.last):
		return p.skip(r, prev, RuleTooClose)
	}
	if !r.DueAt.After(p.Now) {
		if same := had && prev.Status == StatusPlanned && prev.StartsAt.Equal(r.StartsAt) && prev.DueAt.Equal(r.DueAt); same {
			// Its time came and it was in time then; it waits for something.
			r.NotBefore, r.Reason = prev.NotBefore, prev.Reason
			if p.Now.After(p.last) {
				return p.skip(r, prev, waited(prev.Reason))
			}
		} else if cause := p.late(rule, n.E164, r.DueAt, promise); cause != Planned {
			if rule.Late != LateSend {
				return p.skip(r, prev, cause)
			}
			if left := p.reckon.Sub(p.Now); left < time.Duration(rule.LateMinMinutes)*time.Minute || p.Now.After(p.last) {
				return p.skip(r, prev, LateTooLittleTime)
			}
		} else if p.Now.After(p.last) {
			return p.skip(r, prev, TooLate)
		}
	}
	r.Status = StatusPlanned
	if settled := p.Event.Changed.Add(p.Debounce); settled.After(r.NotBefore) && !settled.After(p.last) {
		r.NotBefore = settled
		if settled.After(p.Now) && r.Reason == Planned {
			r.Reason = Settling
		}
	}
	at := latest(r.NotBefore, p.Now)
	switch q := p.Settings.quiet(at, p.last); {
	case q.After(at):
		r.NotBefore = q
	case q.Before(at):
		// Caught up in the middle of the night, and the morning would be too late.
		return p.skip(r, prev, TooLate)
	}
	if had {
		r.DecidedAt = decidedAt(prev, r)
	}
	p.taken[promise] = true
	return r
}

// late tells why due, which is over, was missed; Planned means that it wasn't the
// appointment or the rule that came too late, so it is caught up.
func (p *planning) late(rule Rule, recipient string, due time.Time, promise Promise) Reason {
	coming := p.Coming[promise]
	for _, prev := range p.Previous {
		if prev.RuleID != rule.ID {
			continue
		}
		if prev.Status == StatusQueued && !(prev.Recipient == recipient && prev.StartsAt.Equal(p.start)) {
			return Planned // somebody holds a text that is wrong now (T16, T49)
		}
		coming = coming || prev.Status == StatusPlanned || prev.Status == StatusDropped && p.Now.Sub(prev.DecidedAt) <= moveGrace
	}
	switch {
	case rule.UpdatedAt.After(due):
		return LateRule
	case coming:
		return Planned
	case p.Calendar.WatchedSince != nil && p.Calendar.WatchedSince.After(due):
		return LateWatch
	case !p.Event.Changed.After(due):
		return Planned // known in time
	case p.Calendar.PolledAt == nil || p.Calendar.PolledAt.Before(due):
		return Planned // it could have been there in time, we did not look (T20)
	}
	return LateBooking
}

// skip ends r without a text. A reminder that was skipped for this start and due
// before keeps that reason, so that looking again does not reword it.
func (p *planning) skip(r, prev Reminder, why Reason) Reminder {
	r.Status, r.Reason, r.NotBefore = StatusSkipped, why, r.DueAt
	if prev.ID != 0 && prev.Status == StatusSkipped && prev.StartsAt.Equal(r.StartsAt) && prev.DueAt.Equal(r.DueAt) &&
		slices.Contains([]Reason{TooLate, CalendarUnreachable, ConnectionLost, NotSendable}, prev.Reason) && why != AlreadySent {
		r.Reason = prev.Reason
	}
	if prev.ID != 0 {
		r.DecidedAt = decidedAt(prev, r)
	}
	return r
}

// leave decides about a previous reminder that no rule and number stands for now.
func (p *planning) leave(prev Reminder, reason Reason, found Extraction) {
	r := prev
	if reason == Planned || reason == found.Reason {
		reason = NumberChanged
		if !slices.ContainsFunc(p.enabled(), func(rule Rule) bool { return rule.ID == prev.RuleID }) {
			reason = RulesOff
		} else if len(found.Recipients) == 0 {
			reason = found.Reason
		}
	}
	if reason == NoRules {
		reason = RulesOff // it had one
	}
	begun := (reason == Past || reason == AlreadyRunning) && prev.StartsAt.Equal(p.start)
	switch {
	case prev.Status == StatusPlanned && begun:
		r.Status, r.Reason = StatusSkipped, waited(prev.Reason)
	case prev.Status == StatusPlanned:
		r.Status, r.Reason = StatusDropped, reason
	case prev.Status == StatusQueued && !begun:
		p.out.Withdraw = append(p.out.Withdraw, prev.ID)
		r.Status, r.Reason = StatusDropped, reason
	}
	r.DecidedAt = decidedAt(prev, Reminder{
		Status: r.Status, Reason: r.Reason, StartsAt: r.StartsAt, DueAt: r.DueAt, NotBefore: r.NotBefore, DecidedAt: p.Now,
	})
	p.add(r)
}

// overall is the verdict: Planned if anything is planned or was sent for this start.
func (p *planning) overall(reason Reason) Reason {
	why := reason
	for _, r := range p.out.Reminders {
		if !r.StartsAt.Equal(p.start) {
			continue
		}
		switch {
		case r.Status == StatusPlanned, r.Status == StatusQueued:
			return Planned
		case r.Status == StatusSkipped && why == Planned:
			why = r.Reason
		}
	}
	return why
}

func (p *planning) previous(k Key) (Reminder, bool) {
	for _, r := range p.Previous {
		if r.Key() == k {
			return r, true
		}
	}
	return Reminder{}, false
}

// waited is the reason of a reminder that waited until it was too late.
func waited(reason Reason) Reason {
	if reason == Planned || reason == Settling {
		return TooLate
	}
	return reason
}

// decidedAt is when r was decided: now, unless it says the same as prev.
func decidedAt(prev, r Reminder) time.Time {
	if prev.Status == r.Status && prev.Reason == r.Reason && prev.StartsAt.Equal(r.StartsAt) &&
		prev.DueAt.Equal(r.DueAt) && prev.NotBefore.Equal(r.NotBefore) {
		return prev.DecidedAt
	}
	return r.DecidedAt
}

func verdict(e calendars.Event, found Extraction, now time.Time) Verdict {
	v := Verdict{AccountID: e.AccountID, EventID: e.ID, Others: found.Others, Rejected: found.Telling(), DecidedAt: now}
	if len(found.Recipients) > 0 {
		v.Recipient, v.Field = found.Recipients[0].E164, found.Recipients[0].Field
	} else if len(found.Numbers) > 0 {
		v.Recipient, v.Field = found.Numbers[0].E164, found.Numbers[0].Field
	}
	return v
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
