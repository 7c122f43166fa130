// Package reminders decides which appointment becomes which text to whom, when,
// and says why where it becomes none.
//
// # Words
//
//   - A rule belongs to a calendar and says how long before an appointment its
//     template is sent. Its offset key (PT24H, P1D, P1DT09:00) names that distance.
//   - A reminder is one rule applied to one appointment and one number. There is one
//     row per (calendar, uid, occurrence, rule, recipient); moving the appointment
//     moves the row.
//   - A verdict is what was found about one appointment: the number and its field, or
//     the [Reason] for sending nothing.
//   - due_at is when the rule wants the text sent, not_before when it will really be
//     tried: later while edits settle, or while a retry waits.
//   - The last moment is start minus the account's minimum lead. Nothing leaves after.
//   - The ledger holds one row per text promised: (account, number, start, offset).
//
// A reminder goes
//
//	         ┌────────── moved, restored, rules changed ─────────┐
//	         ▼                                                   │
//	──▶ planned ──clerk: verified, promised, enqueued──▶ queued ─┤
//	     │  ▲ └─ moved, cancelled, other number ──▶ dropped ◀────┤ (withdrawn in time)
//	     │  └──── calendar can't be read: waits with a reason    │
//	     └─ too late, or promised already ──▶ skipped ◀──────────┘
//
// queued is the end of this package's work: what became of the message lies in
// notify. queued with a reason says that it should not have gone any more, but was
// with the dispatcher already. A queued reminder returns only when its start or
// number changes, or when its message could be withdrawn before it left.
//
// # Decisions
//
//   - [Plan] is pure and idempotent. All it knows comes in [PlanInput]; the clock,
//     what was planned before, what was promised (the ledger), and what stood in
//     another calendar a moment ago. So T01-T27 are tables, not set-ups.
//   - Late is judged by what could be known: an appointment is in time when we knew
//     it (or could not have known it, because the previous successful poll lies
//     before the due time) by then. Only what certainly appeared after its due time
//     while we were watching is a late booking (T19); the rest is caught up (T20).
//     A booking made within the same poll gap as its due time counts as in time: a
//     reminder some minutes late is better than none.
//   - An appointment that had a reminder coming, or got one, and then moves is caught
//     up even when its new due time is past: its patient expects a text, or holds one
//     with the wrong time (T16, T49). Late policy is for what had none.
//   - Rule.UpdatedAt moves only with what decides when a rule fires (kind, amount,
//     clock time, being switched on). Rewording a template makes nothing late (T21).
//   - Planner and clerk both lock a reminder's row before they judge it, always in
//     the order of ids. A sync that moves the appointment between the clerk's claim
//     and its transaction therefore either is seen by the clerk or sees the clerk's
//     message and withdraws it.
//   - Locks are taken in this order: calendar, reminders by id, message. Only
//     [Planner.StatusChanged] comes from the message's side; it asks for reminders just
//     for messages that were withdrawn, and a deadlock there is an error both tell and
//     try again.
//   - The ledger row is freed when, and only when, its message was withdrawn before it
//     could leave. Whoever was turned away by that row is then planned again: of two
//     children with the same phone and start, one's cancellation must not silence the
//     other (T51).
//   - An all-day appointment has no clock time. Its start is midnight of its date in
//     the clinic's zone, its rules count from 09:00 ([AllDayHour]), and {time} is empty.
//   - At most 60 s lie between the begin of the read that vouches for an appointment
//     and the submission of its text: the clerk asks for a read no older than half of
//     that and vouches for the other half; after that the dispatcher asks the [Gate].
//   - Expires of a message is the last moment, so a carrier that was down for hours
//     never delivers a reminder to somebody who already sits in the waiting room.
//   - The number is decided when planning, texts are never needed when sending: the
//     clerk reads no title, no place, no description.
//   - What is over is deleted with its messages ([Archive]): reminders, promises and the
//     numbers found, after the account's retention, counted from the appointment and not
//     from the text. A promise outlives its appointment by a week at least.
package reminders
