package web

import (
	"testing"
	"time"

	"rappel/calendars"
	"rappel/notify"
)

// demo is a clinic with a bit of everything.
type demo struct {
	*clinic
	Google, Outlook                  int64
	Keller, Meier                    calendars.CalendarRef
	Template, Rule                   int64
	Huber, Landline, None, Gone, Sun int64 // events
}

// at is a clock time of a day of the tests' week in Zurich, 0 = monday.
func at(day, hour, minute int) time.Time {
	return time.Date(2026, 6, 1+day, hour-2, minute, 0, 0, time.UTC)
}

func newDemo(t testing.TB) *demo {
	t.Helper()
	return demoOf(newSite(t).clinic("Praxis am See"))
}

func demoOf(c *clinic) *demo {
	c.t.Helper()
	d := &demo{clinic: c}
	d.Google = c.connection("google", "praxis@example.com")
	d.Outlook = c.connection("microsoft", "dr.meier@example.com")
	d.Keller, d.Meier = c.calendar(d.Google, "Dr. Keller"), c.calendar(d.Outlook, "Dr. Meier")
	d.Template = c.template("Erinnerung")
	d.Rule = c.rule(d.Keller, d.Template)
	c.rule(d.Meier, d.Template)
	d.Huber = c.event(d.Keller, calendars.Event{Title: "Huber Anna 079 123 45 67", Location: "Zimmer 2", Start: at(1, 9, 0)})
	c.event(d.Keller, calendars.Event{Title: "Rossi Carla", Location: "+41 76 555 44 33", Start: at(1, 10, 30)})
	d.Landline = c.event(d.Keller, calendars.Event{Title: "Frei Beat 044 123 45 99", Start: at(1, 11, 0)})
	d.None = c.event(d.Keller, calendars.Event{Title: "Ammann (Nummer folgt)", Start: at(1, 14, 0)})
	c.event(d.Meier, calendars.Event{Title: "Kontrolle", Description: "<p>Bitte nüchtern<br>Mobil: <b>078 987 65 43</b></p><p>Rechnung 20260012345</p>", Start: at(2, 8, 15)})
	c.event(d.Meier, calendars.Event{Title: "Teamferien", AllDay: true, StartDate: "2026-06-04", Start: at(3, 0, 0), End: at(4, 0, 0)})
	c.event(d.Meier, calendars.Event{Title: "Dubois 06 12 34 56 78", Start: at(3, 16, 0)})
	c.event(d.Keller, calendars.Event{Title: "Abgesagt: Berger 079 222 33 44", Start: at(2, 9, 0), Cancelled: true})
	gone := monday.Add(-time.Hour)
	d.Gone = c.event(d.Keller, calendars.Event{Title: "Steiner 079 333 44 55", Start: at(2, 10, 0), Gone: &gone, Changed: gone})
	d.Sun = c.event(d.Keller, calendars.Event{Title: "Sommer Eva 079 444 55 66", Start: at(0, 15, 0)})
	c.replan()
	// Eva Sommer got her text yesterday at ten.
	var reminder int64
	if err := c.owner.Get(&reminder, `SELECT id FROM reminders WHERE account_id = $1 AND event_id = $2`, c.ID, d.Sun); err != nil {
		c.t.Fatal(err)
	}
	m := c.message(reminder, "+41794445566", "Terminerinnerung: Montag 1. Juni 2026, 15:00. Freundliche Grüsse, Praxis am See", at(-1, 10, 0), notify.Delivered, "receipt")
	c.exec(`UPDATE reminders SET status = 'queued', reason = '', message_id = $3, decided_at = $4 WHERE account_id = $1 AND id = $2`, c.ID, reminder, m, at(-1, 10, 0))
	c.message(0, "+41791112233", "Terminerinnerung: Freitag 29. Mai 2026, 9:00. Freundliche Grüsse, Praxis am See", at(-4, 10, 0), notify.Delivered, "receipt")
	c.message(0, "+41791112244", "Terminerinnerung: Freitag 29. Mai 2026, 9:30. Freundliche Grüsse, Praxis am See", at(-4, 10, 0), notify.Delivered, "receipt")
	c.message(0, "+41791112255", "Terminerinnerung: Montag 1. Juni 2026, 8:00. Freundliche Grüsse, Praxis am See", at(-1, 10, 0), notify.NotDelivered, "receipt")
	c.message(0, "+41791112266", "Terminerinnerung: Dienstag 2. Juni 2026, 8:00. Freundliche Grüsse, Praxis am See", at(0, 8, 30), notify.Sent, "")
	return d
}

// waiting is a message that has not left, for that reason: unanswered ones await evidence,
// those that are held wait for nothing, the others are in the queue.
func (d *demo) waiting(reason notify.Reason) int64 {
	d.t.Helper()
	id := d.message(0, "+41791112277", "Terminerinnerung: Dienstag 2. Juni 2026, 9:00. Freundliche Grüsse, Praxis am See", at(0, 8, 50), notify.NotSent, reason)
	d.exec(`UPDATE sent SET accepted_at = NULL WHERE account_id = $1 AND message_id = $2`, d.ID, id)
	switch reason {
	case notify.ReasonUnanswered, notify.ReasonPartial:
		d.exec(`INSERT INTO unanswered (account_id, message_id, carrier, recipient, sender, attempts, since, decide_at) VALUES ($1, $2, 'sandbox', '+41791112277', 'PraxisSee', 1, $3, $4)`,
			d.ID, id, at(0, 8, 50), at(0, 9, 20))
		d.exec(`INSERT INTO message_events (account_id, message_id, at, what, status, code) VALUES ($1, $2, $3, 'retry', 0, '0x58'), ($1, $2, $4, 'unanswered', 0, '')`,
			d.ID, id, at(0, 8, 50), at(0, 8, 51))
	case notify.ReasonReview, notify.ReasonRegistration, notify.ReasonCredit, notify.ReasonWithdrawn, notify.ReasonStale:
	default:
		d.exec(`INSERT INTO queue (account_id, message_id, priority, send_at) VALUES ($1, $2, 1, $3)`, d.ID, id, at(0, 9, 5))
	}
	return id
}
