package reminders

// Reason says why nothing is sent, or why a reminder waits. It is stored and goes
// to the web, which words it. The set is closed: [Reasons] lists it.
type Reason string

// Reasons about the appointment as it stands. They become its verdict.
const (
	// Planned is the absence of a reason: something is, or was, sent.
	Planned Reason = ""
	// NoNumber: no field holds anything like a usable number (T47).
	NoNumber Reason = "no_number"
	// Landline: the only numbers found can't receive texts (T44).
	Landline Reason = "landline"
	// Ambiguous: the number reads differently in two countries (French "06 …").
	Ambiguous Reason = "ambiguous"
	// Unusable: digits were found but refused for another cause: premium rate, a
	// short code, a digit missing, no prefix. Verdict.Rejected tells which.
	Unusable Reason = "unusable_number"
	// SeveralNumbers: more than one mobile, and the clinic chose to text none then.
	SeveralNumbers Reason = "several_numbers"
	// OwnNumber: the only mobile found is one of the clinic's own.
	OwnNumber Reason = "own_number"
	// Cancelled: called off, though still listed.
	Cancelled Reason = "cancelled"
	// Gone: vanished from the calendar: deleted or moved out of it (T13, T18).
	Gone Reason = "gone"
	// Declined: the calendar's owner declined it (T26).
	Declined Reason = "declined"
	// Hidden: private, its texts are withheld from us (T28).
	Hidden Reason = "hidden"
	// AllDay: an all-day entry, and the calendar does not remind of those (T08).
	AllDay Reason = "all_day"
	// NotAppointment: focus time, working location, birthday and the like (T27).
	NotAppointment Reason = "not_appointment"
	// Past: it is over.
	Past Reason = "past"
	// AlreadyRunning: it has begun (T09).
	AlreadyRunning Reason = "already_running"
	// NoRules: the calendar has no rule.
	NoRules Reason = "no_rules"
	// RulesOff: the calendar has rules, all switched off; for a reminder, its rule is.
	RulesOff Reason = "rules_off"
	// CalendarStopped: unwatched, disconnected, unshared or paused (T25, T38).
	CalendarStopped Reason = "calendar_stopped"
	// NoSubscription: the clinic's subscription is suspended or over.
	NoSubscription Reason = "no_subscription"
)

// Reasons about one reminder of an appointment that could be reminded of.
const (
	// LateBooking: it appeared, or got its number, after the rule's time (T19).
	LateBooking Reason = "late_booking"
	// LateWatch: the rule's time was over when the clinic began to watch the calendar.
	LateWatch Reason = "late_watch"
	// LateRule: the rule's time was over when the rule was made, retimed or switched on (T21).
	LateRule Reason = "late_rule"
	// LateTooLittleTime: late, and less is left than the rule's late policy asks.
	LateTooLittleTime Reason = "late_too_little_time"
	// TooLate: in time once, but the last moment passed before it could be sent (T20).
	TooLate Reason = "too_late"
	// RuleTooClose: the rule's time lies after the last moment, so it can never fire
	// for this appointment.
	RuleTooClose Reason = "rule_too_close"
	// AlreadySent: this number has a text for this start and offset (T14, T51).
	AlreadySent Reason = "already_sent"
	// MovedBack: announced at this start, then at another, and back again now. One
	// start is never announced twice, so the patient's latest text shows the other
	// time: somebody should call.
	MovedBack Reason = "moved_back"
	// NumberChanged: another number stands in the appointment now (T49).
	NumberChanged Reason = "number_changed"
	// Withdrawn: enqueued, then taken back before it left because the appointment changed.
	Withdrawn Reason = "withdrawn"
	// Settling: planned, waiting a moment because the appointment was just edited (T24).
	Settling Reason = "settling"
	// CalendarUnreachable: waiting, or given up, because the calendar could not be
	// read freshly. Never sent blind.
	CalendarUnreachable Reason = "calendar_unreachable"
	// ConnectionLost: as CalendarUnreachable, because the grant ended: the clinic
	// must reconnect (T33).
	ConnectionLost Reason = "connection_lost"
	// NotSendable: waiting, or given up, because the message could not be made or
	// was refused by the outbox: template without text, sender not allowed.
	NotSendable Reason = "not_sendable"
)

// Reasons lists every code but [Planned], for tests that all of them are worded.
func Reasons() []Reason {
	return []Reason{
		NoNumber, Landline, Ambiguous, Unusable, SeveralNumbers, OwnNumber, Cancelled, Gone, Declined, Hidden,
		AllDay, NotAppointment, Past, AlreadyRunning, NoRules, RulesOff, CalendarStopped, NoSubscription,
		LateBooking, LateWatch, LateRule, LateTooLittleTime, TooLate, RuleTooClose, AlreadySent, MovedBack, NumberChanged,
		Withdrawn, Settling, CalendarUnreachable, ConnectionLost, NotSendable,
	}
}
