package web

import (
	"net/http"
	"slices"
	"time"

	"rappel/notify"
)

// heldReasons are why a message is held: it waits for a decision and not for a time.
var heldReasons = []notify.Reason{notify.ReasonReview, notify.ReasonRegistration, notify.ReasonCredit}

// messageReasons are the reasons the list of meanings explains, in the order of how
// often they are met.
var messageReasons = []notify.Reason{
	notify.ReasonReceipt, notify.ReasonRefused, notify.ReasonWithdrawn, notify.ReasonStale, notify.ReasonOptedOut, notify.ReasonTooLate, notify.ReasonNoReceipt,
	notify.ReasonReview, notify.ReasonRegistration, notify.ReasonCredit, notify.ReasonOutOfHours, notify.ReasonNoHours, notify.ReasonInvalidNumber,
	notify.ReasonTurnedDown, notify.ReasonSenderBarred, notify.ReasonSenderName, notify.ReasonSenderForeign, notify.ReasonUnregistered, notify.ReasonSenderRejected,
	notify.ReasonThrottled, notify.ReasonTemporary, notify.ReasonUnchecked, notify.ReasonInterrupted, notify.ReasonUnanswered, notify.ReasonResending,
	notify.ReasonPartial, notify.ReasonWithdrawing, notify.ReasonExhausted, notify.ReasonNoRoute, notify.ReasonMisconfigured,
}

// advice is what a status with its reason means: keys of words.
type advice struct {
	Is  string // what happened, by the status
	Why string // what happened, by the reason; "" without one
	Do  string // what the reader can do
}

// adviceOn chooses the words. A reason knows better what to do than a status, except for
// those that only say who told us. What is over for good or on its way to be decided is
// not "not sent yet".
func adviceOn(status notify.Status, reason notify.Reason) advice {
	a := advice{Is: "status." + status.String() + ".is", Do: "status." + status.String() + ".do"}
	if reason == notify.ReasonNone {
		return a
	}
	a.Why = "reason." + string(reason)
	if reason != notify.ReasonReceipt && reason != notify.ReasonRefused {
		a.Do = a.Why + ".do"
	}
	if status == notify.NotSent {
		a.Is = a.Why
		a.Why = ""
	}
	return a
}

// StatusMood is the colour of a status with its reason: good, brand (under way), warn
// (waits for something), bad, or none.
func (v *view) StatusMood(status notify.Status, reason notify.Reason) string {
	switch {
	case status == notify.Delivered:
		return "good"
	case status == notify.Sent:
		return "brand"
	case status == notify.NotSent && (slices.Contains(heldReasons, reason) || reason == notify.ReasonUnanswered || reason == notify.ReasonPartial || reason == notify.ReasonUnchecked):
		return "warn"
	case status == notify.NotSent:
		return ""
	}
	return "bad"
}

// messageStep is one line of a message's history.
type messageStep struct {
	notify.HistoryEntry
	Mood  string
	Chip  bool   // the step moved the status: show it
	Why   string // key of words, "" for none
	Plain string // the carrier's own code, "" for none
}

type messageDetailPage struct {
	notify.Detail
	Advice advice
	Waits  []waiting
	Steps  []messageStep
	About  *messageAbout
}

// waiting says why a message has not left, and until when.
type waiting struct {
	Key string // of words with a {{.Time}}
	At  time.Time
}

func (s *Server) messageDetail(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	d, err := s.Messages.Get(r.Context(), notify.MessageRef{AccountID: r.Account.ID, ID: id})
	if err != nil {
		return err
	}
	p := messageDetailPage{Detail: d, Advice: adviceOn(d.Status, d.Reason), Waits: waits(d, s.Now())}
	for _, h := range d.History {
		p.Steps = append(p.Steps, s.messageStep(h))
	}
	if d.Origin == notify.OriginReminder {
		if p.About, err = s.appointmentOf(r, 0, d.OriginID); err != nil {
			return err
		}
	}
	return r.page(w, "message.html", "messages", p)
}

// waits words the waiting of a message that has not left, or may not have.
func waits(d notify.Detail, now time.Time) []waiting {
	if d.Status != notify.NotSent {
		return nil
	}
	var all []waiting
	switch {
	case d.Queued && d.NextAt.After(now) && d.Reason == notify.ReasonNone:
		all = append(all, waiting{"messages.waits.scheduled", *d.NextAt})
	case d.Queued && d.NextAt.After(now):
		all = append(all, waiting{"messages.waits.again", *d.NextAt})
	case d.Queued:
		all = append(all, waiting{"messages.waits.turn", *d.NextAt})
	case d.DecideAt != nil && d.Kind == notify.Marketing:
		all = append(all, waiting{"messages.waits.evidence.marketing", *d.DecideAt})
	case d.DecideAt != nil:
		all = append(all, waiting{"messages.waits.evidence", *d.DecideAt})
	case slices.Contains(heldReasons, d.Reason):
		all = append(all, waiting{"messages.waits.held", d.StatusAt})
	case d.Reason == notify.ReasonWithdrawn, d.Reason == notify.ReasonStale:
		return nil
	default:
		return []waiting{{"messages.waits.leaving", d.StatusAt}}
	}
	return append(all, waiting{"messages.waits.expires", d.Expires})
}

// messageStep words one line. The code beside a withdrawal says why in our own words;
// any other is the carrier's.
func (s *Server) messageStep(h notify.HistoryEntry) messageStep {
	step := messageStep{HistoryEntry: h, Plain: h.Code}
	switch h.What {
	case notify.WhatAccepted, notify.WhatResolved, notify.WhatReleased:
		step.Mood = "brand"
	case notify.WhatReceipt:
		step.Mood, step.Chip = "bad", true
		if h.Status == notify.Delivered {
			step.Mood = "good"
		}
	case notify.WhatFailed, notify.WhatGaveUp, notify.WhatExpired, notify.WhatRejected:
		step.Mood, step.Chip = "bad", true
	case notify.WhatUnanswered, notify.WhatPartial, notify.WhatRetry, notify.WhatFailover, notify.WhatNotFound, notify.WhatResent, notify.WhatHeld:
		step.Mood = "warn"
	case notify.WhatWithdrawn:
		step.Chip = h.Status != notify.NotSent
	}
	for _, area := range []string{"why.", "optout.", "reason."} {
		if h.Code != "" && s.words.has(area+h.Code) {
			step.Why, step.Plain = area+h.Code, ""
			break
		}
	}
	return step
}

// statusPage is what all statuses and reasons mean.
type statusPage struct {
	Statuses []notify.Status
	Reasons  []notify.Reason
}

func (s *Server) statusList(w http.ResponseWriter, r *request) error {
	return r.page(w, "statuses.html", "messages", statusPage{Statuses: notify.Statuses(), Reasons: messageReasons})
}
