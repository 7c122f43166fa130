package reminders_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"rappel/calendars"
	"rappel/migrations"
	"rappel/notify"
	"rappel/reminders"
)

func (h *house) want(what string, states ...string) {
	h.t.Helper()
	if states == nil {
		states = []string{}
	}
	if d := cmp.Diff(states, h.states()); d != "" {
		h.t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

func (h *house) wantTexts(what string, texts ...string) {
	h.t.Helper()
	if texts == nil {
		texts = []string{}
	}
	if d := cmp.Diff(texts, h.texts()); d != "" {
		h.t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

const annasText = "Termin Di 2.6., 14:00. Praxis Meier 044 123 45 67"

func TestPlanner_EventsChanged(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	e := h.sync(h.cal, h.appointment("a"))[0]
	h.want("planned", "anna planned")
	var due time.Time
	h.get(&due, `SELECT due_at FROM due WHERE account_id = $1 AND kind = 'remind'`, h.account)
	if !due.Equal(at(t, "06-01 14:00")) {
		t.Errorf("the clerk is wanted at %v", due)
	}
	e.Cancelled, e.Changed = true, h.now()
	h.sync(h.cal, e)
	h.want("T18 cancelled", "anna dropped cancelled")
	if got := h.verdict(e); got != reminders.Cancelled {
		t.Errorf("verdict %q", got)
	}
	e.Cancelled, e.Changed = false, h.now()
	h.sync(h.cal, e)
	h.want("T18 restored", "anna planned")
	e.Gone = ptr(h.now())
	h.sync(h.cal, e)
	h.want("T13 gone", "anna dropped gone")
}

// Nothing of a failed sync stays.
func TestPlanner_rollsBackWithTheSync(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	bad := h.appointment("b")
	bad.AccountID = h.account + 1 // no such account
	if _, err := h.trySync(h.cal, h.appointment("a"), bad); err == nil {
		t.Fatal("stored an event of nobody")
	}
	h.want("nothing")
	if n := h.count(`SELECT count(*) FROM due WHERE account_id = $1 AND kind = 'remind'`); n != 0 {
		t.Error("the clerk is wanted for nothing")
	}
}

func TestPlanner_moveWithdrawsQueued(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	e := h.sync(h.cal, h.appointment("a"))[0]
	h.at("06-01 14:00")
	h.tick()
	h.want("queued", "anna queued")
	h.wantTexts("the text", annasText)

	h.at("06-01 14:01")
	e.Start, e.End, e.Changed = at(t, "06-02 16:00"), at(t, "06-02 17:00"), h.now()
	h.sync(h.cal, e)
	h.want("T16 moved", "anna planned")
	h.wantTexts("withdrawn")
	if n := h.count(`SELECT count(*) FROM sent_ledger WHERE account_id = $1`); n != 0 {
		t.Errorf("%d promises left", n)
	}

	// And back again: the first start may be promised anew, with a new reference.
	h.at("06-01 14:02")
	e.Start, e.End, e.Changed = at(t, "06-02 14:00"), at(t, "06-02 15:00"), h.now()
	h.sync(h.cal, e)
	h.at("06-01 14:05")
	h.tick()
	h.want("queued again", "anna queued")
	h.wantTexts("one text", annasText)
	if n := h.count(`SELECT count(*) FROM messages WHERE account_id = $1`); n != 2 {
		t.Errorf("%d messages, want the withdrawn and the new", n)
	}
}

// claim takes every message out of the queue, as a dispatcher does.
func (h *house) claim() {
	h.t.Helper()
	h.exec(`DELETE FROM queue WHERE account_id = $1`, h.account)
}

func TestPlanner_sentTextStays(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	e := h.sync(h.cal, h.appointment("a"))[0]
	h.at("06-01 14:00")
	h.tick()
	h.claim() // with a carrier now

	h.at("06-01 15:00")
	e.Cancelled, e.Changed = true, h.now()
	h.sync(h.cal, e)
	h.want("T18 deleted after it was sent", "anna queued cancelled")
	if got := h.verdict(e); got != reminders.Cancelled {
		t.Errorf("verdict %q", got)
	}
	e.Cancelled, e.Changed = false, h.now()
	h.sync(h.cal, e)
	h.want("T18 restored: not a second one for this start", "anna queued")

	e.Start, e.End, e.Changed = at(t, "06-02 16:00"), at(t, "06-02 17:00"), h.now()
	h.sync(h.cal, e)
	h.want("T16 moved: one more", "anna planned")
	h.at("06-01 16:00")
	h.tick()
	h.wantTexts("the new time", strings.Replace(annasText, "14:00", "16:00", 1))
	if n := h.count(`SELECT count(*) FROM sent_ledger WHERE account_id = $1`); n != 2 {
		t.Errorf("%d promises, want one for each start", n)
	}
}

func TestPlanner_movedToAnotherCalendar(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"the old calendar is read first", "the new calendar is read first"} {
		t.Run("T17 "+first, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			other := h.newCalendar("two")
			h.newRule(other.ID)
			e := h.sync(h.cal, h.appointment("a"))[0]
			h.at("06-01 14:05") // due five minutes ago, the clerk was slow
			there := h.appointment("b")
			there.FirstSeen, there.Changed = h.now(), h.now()
			other.PolledAt = ptr(at(t, "06-01 14:04")) // which alone would make it a late booking
			gone := func() { e.Gone = ptr(h.now()); h.sync(h.cal, e) }
			if strings.Contains(first, "old") {
				gone()
				h.sync(other, there)
			} else {
				h.sync(other, there)
				gone()
			}
			h.at("06-01 14:10")
			h.tick()
			h.wantTexts("exactly one", annasText)
			h.want("old dropped, new sent", "anna dropped gone", "anna queued")
		})
	}
	t.Run("T17 to a calendar nobody watches", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t)
		e := h.sync(h.cal, h.appointment("a"))[0]
		e.Gone = ptr(h.now())
		h.sync(h.cal, e)
		h.at("06-01 14:10")
		h.tick()
		h.wantTexts("none")
	})
	t.Run("T17 already sent from the old one", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t)
		other := h.newCalendar("two")
		h.newRule(other.ID)
		e := h.sync(h.cal, h.appointment("a"))[0]
		h.at("06-01 14:05")
		h.tick()
		h.claim()
		e.Gone = ptr(h.now())
		h.sync(h.cal, e)
		h.sync(other, h.appointment("b"))
		h.at("06-01 14:10")
		h.tick()
		h.wantTexts("no second one")
		h.want("told so", "anna queued gone", "anna skipped already_sent")
	})
}

// T14: "this and following" gives the same slots new ids, and in Google new uids.
func TestPlanner_splitSeries(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var old []calendars.Event
	for i := range 3 {
		e := h.appointment(fmt.Sprintf("old%d", i))
		e.UID, e.Occurrence = "series", fmt.Sprintf("2026-06-0%dT12:00:00Z", 2+i)
		e.Start = e.Start.AddDate(0, 0, i)
		e.End = e.Start.Add(time.Hour)
		old = append(old, e)
	}
	old = h.sync(h.cal, old...)
	h.at("06-01 14:00")
	h.tick()
	h.claim() // the first slot's text has left
	h.want("one sent", "anna queued", "anna planned", "anna planned")

	h.at("06-01 15:00")
	var change []calendars.Event
	for i, e := range old {
		n := e
		e.Gone = ptr(h.now())
		n.Key, n.UID, n.ID = fmt.Sprintf("new%d", i), "series_R", 0
		n.FirstSeen, n.Changed = h.now(), h.now()
		change = append(change, e, n)
	}
	h.sync(h.cal, change...)
	h.want("re-attached, none lost", "anna queued gone", "anna dropped gone", "anna dropped gone",
		"anna skipped already_sent", "anna planned", "anna planned")
	h.at("06-02 14:30")
	h.tick()
	h.at("06-03 14:30")
	h.tick()
	if n := h.count(`SELECT count(*) FROM messages WHERE account_id = $1`); n != 3 {
		t.Errorf("%d texts for three slots", n)
	}
}

// The same uid and occurrence under another instance key: the reminder goes along.
func TestPlanner_newInstanceKey(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	e := h.sync(h.cal, h.appointment("a"))[0]
	n := e
	n.Key, n.ID, n.FirstSeen = "b", 0, h.now()
	e.Gone = ptr(h.now())
	h.sync(h.cal, e, n)
	h.want("one reminder", "anna planned")
	h.at("06-01 14:00")
	h.tick()
	h.wantTexts("one text", annasText)
}

// T51: same phone, same start. When the one that was texted is called off before its
// text leaves, the other takes its place.
func TestPlanner_siblings(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	later := h.appointment("c")
	later.Start, later.End = later.Start.Add(30*time.Minute), later.End.Add(30*time.Minute)
	events := h.sync(h.cal, h.appointment("a"), h.appointment("b"), later)
	h.at("06-01 14:30")
	h.tick()
	h.want("two texts for two starts", "anna queued", "anna skipped already_sent", "anna queued")
	events[0].Cancelled = true
	h.sync(h.cal, events[0])
	h.want("the sibling is free", "anna dropped cancelled", "anna planned", "anna queued")
	h.tick()
	h.want("and is texted", "anna dropped cancelled", "anna queued", "anna queued")
	if got := len(h.texts()); got != 2 {
		t.Errorf("%d texts in the queue, want 2", got)
	}
}

func TestPlanner_CalendarStopped(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	soon := h.appointment("b")
	soon.Start, soon.End = at(t, "06-02 12:00"), at(t, "06-02 13:00")
	events := h.sync(h.cal, h.appointment("a"), soon)
	h.at("06-01 12:00")
	h.tick() // the second is queued
	err := migrations.InAccount(t.Context(), h.db, h.account, func(tx *sqlx.Tx) error {
		return h.planner.CalendarStopped(t.Context(), tx, h.cal.Ref(), calendars.StopUnwatched, h.now())
	})
	if err != nil {
		t.Fatal(err)
	}
	h.want("T25 all stop at once", "anna dropped calendar_stopped", "anna dropped calendar_stopped")
	h.wantTexts("also what was queued")
	if got := h.verdict(events[0]); got != reminders.CalendarStopped {
		t.Errorf("verdict %q", got)
	}
	h.sync(h.cal, events...)
	h.want("watched again", "anna planned", "anna planned")
}

// Of an appointment whose texts don't open nobody knows that its number went: what is
// planned for it stays, and the others are planned anew.
func TestPlanner_sealedTexts(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	e := h.sync(h.cal, h.appointment("a"), h.appointment("b"))
	sealed := e[0]
	sealed.Title, sealed.Location, sealed.Description, sealed.Sealed = "", "", "", true
	h.events[sealed.ID] = sealed
	if err := migrations.InAccount(h.ctx(), h.db, h.account, func(tx *sqlx.Tx) error {
		return h.planner.Replan(h.ctx(), tx, h.cal.Ref(), h.now())
	}); err != nil {
		t.Fatal(err)
	}
	h.want("replanned", "anna planned", "anna planned")
}

func TestPlanner_Horizon(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	horizon := func() (d time.Duration) {
		if err := migrations.InAccount(t.Context(), h.db, h.account, func(tx *sqlx.Tx) (err error) {
			d, err = h.planner.Horizon(t.Context(), tx, h.cal.Ref())
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return d
	}
	if got := horizon(); got != 25*time.Hour {
		t.Errorf("horizon %v of a rule one day before", got)
	}
	two := h.rule
	two.ID, two.Kind, two.Amount = 0, reminders.HoursBefore, 72
	two, err := h.rules.Save(t.Context(), two)
	if err != nil {
		t.Fatal(err)
	}
	if got := horizon(); got != 72*time.Hour {
		t.Errorf("horizon %v", got)
	}
	for _, r := range []reminders.Rule{h.rule, two} {
		if err := h.rules.Delete(t.Context(), reminders.RuleRef{AccountID: h.account, ID: r.ID}); err != nil {
			t.Fatal(err)
		}
	}
	if got := horizon(); got != 0 {
		t.Errorf("horizon %v without rules", got)
	}
}

// T52: ten thousand instances in one snapshot, a few statements, no row forgotten.
func TestPlanner_manyInstances(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const n = 10000
	week := noon.Add(-7 * 24 * time.Hour)
	h.exec(`INSERT INTO events (account_id, calendar_id, instance_key, uid, occurrence, starts_at, ends_at, sealed_text, first_seen_at, changed_at)
		SELECT $1, $2, 'k' || i, 'series', 'o' || i, CAST($3 AS timestamptz) + i * interval '1 hour', CAST($3 AS timestamptz) + (i + 1) * interval '1 hour', '', $4, $4
		FROM generate_series(1, $5) i`, h.account, h.cal.ID, noon.Add(24*time.Hour), week, n)
	var rows []struct {
		ID       int64     `db:"id"`
		Key      string    `db:"instance_key"`
		Occ      string    `db:"occurrence"`
		StartsAt time.Time `db:"starts_at"`
	}
	if err := h.db.Select(&rows, `SELECT id, instance_key, occurrence, starts_at FROM events WHERE account_id = $1`, h.account); err != nil {
		t.Fatal(err)
	}
	var changes []calendars.Change
	for _, r := range rows {
		e := h.appointment(r.Key)
		e.ID, e.UID, e.Occurrence, e.Start, e.End = r.ID, "series", r.Occ, r.StartsAt, r.StartsAt.Add(time.Hour)
		changes = append(changes, calendars.Change{Event: e})
	}
	for range 2 { // the second time on top of the first
		if err := migrations.InAccount(t.Context(), h.db, h.account, func(tx *sqlx.Tx) error {
			return h.planner.EventsChanged(t.Context(), tx, h.cal, changes, h.now())
		}); err != nil {
			t.Fatal(err)
		}
		if got := h.count(`SELECT count(*) FROM reminders WHERE account_id = $1 AND status = 'planned'`); got != n {
			t.Fatalf("%d planned, want %d", got, n)
		}
	}
	if got := h.count(`SELECT count(*) FROM verdicts WHERE account_id = $1 AND reason = ''`); got != n {
		t.Errorf("%d verdicts, want %d", got, n)
	}
}

// tell brings the news that the message of the ledger's only row never left.
func (h *house) tell(why notify.Reason) {
	h.t.Helper()
	c := notify.StatusChange{AccountID: h.account, Origin: notify.OriginReminder, Reason: why, At: h.now()}
	h.get(&c.OriginID, `SELECT reminder_id FROM sent_ledger WHERE account_id = $1`, h.account)
	h.get(&c.MessageID, `SELECT message_id FROM sent_ledger WHERE account_id = $1`, h.account)
	for range 2 { // news may be heard twice
		if err := migrations.InAccount(h.ctx(), h.db, h.account, func(tx *sqlx.Tx) error {
			return h.planner.StatusChanged(h.ctx(), tx, []notify.StatusChange{c})
		}); err != nil {
			h.t.Fatal(err)
		}
	}
}

// What notify withdrew after all gives its promise back.
func TestPlanner_StatusChanged(t *testing.T) {
	t.Parallel()
	for why, want := range map[notify.Reason][]string{
		notify.ReasonReceipt:   {"anna queued", "anna skipped already_sent"},
		notify.ReasonWithdrawn: {"anna dropped withdrawn", "anna planned"},
		// The gate saw that it doesn't stand, and now it does: the clerk has another look.
		notify.ReasonStale: {"anna planned", "anna planned"},
	} {
		t.Run(string(why), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.sync(h.cal, h.appointment("a"), h.appointment("b"))
			h.at("06-01 14:00")
			h.tick()
			h.want("one queued", "anna queued", "anna skipped already_sent")
			h.claim()
			h.tell(why)
			h.want("then", want...)
			h.tick()
			if got := h.count(`SELECT count(*) FROM messages WHERE account_id = $1`); got != 2 && why != notify.ReasonReceipt {
				t.Errorf("%d messages, want the one taken back and a new one", got)
			}
		})
	}
}

// An appointment leaves its time and returns to it while the dispatcher has its text in
// hand, which then doesn't leave: it is not lost.
func TestPlanner_backBeforeTheNews(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]func(h *house, e *calendars.Event){
		"moved":     func(h *house, e *calendars.Event) { e.Start = at(h.t, "06-02 16:00"); e.End = at(h.t, "06-02 17:00") },
		"cancelled": func(_ *house, e *calendars.Event) { e.Cancelled = true },
	} {
		for _, why := range []notify.Reason{notify.ReasonStale, notify.ReasonWithdrawn} {
			t.Run(name+" "+string(why), func(t *testing.T) {
				t.Parallel()
				h := newHouse(t)
				was := h.sync(h.cal, h.appointment("a"))[0]
				h.at("06-01 14:00")
				h.tick()
				h.claim()
				h.at("06-01 14:01")
				e := was
				e.Changed = h.now()
				away(h, &e)
				h.sync(h.cal, e)
				if why == notify.ReasonWithdrawn { // news of a withdrawal that the restored appointment didn't ask for
					h.tell(why)
				}
				h.at("06-01 14:02")
				e = was
				e.Changed = h.now()
				h.sync(h.cal, e)
				if why == notify.ReasonStale {
					h.tell(why)
				}
				h.at("06-01 14:05")
				h.tick()
				h.want("texted", "anna queued")
				h.wantTexts("its time", annasText)
			})
		}
	}
}

// A freed promise brings nobody's text forward.
func TestPlanner_freedInTime(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	twin := h.rule
	twin.ID, twin.Kind, twin.Amount = 0, reminders.HoursBefore, 2
	for range 2 { // two rules for the same distance: the second is turned away from the start
		if _, err := h.rules.Save(h.ctx(), twin); err != nil {
			t.Fatal(err)
		}
	}
	e := h.sync(h.cal, h.appointment("a"), h.appointment("b"))
	h.at("06-01 14:00")
	h.tick()
	e[0].Cancelled = true
	h.sync(h.cal, e[0])
	h.tick()
	if got := h.texts(); len(got) != 1 {
		t.Errorf("%d texts a day ahead, want one", len(got))
	}
}

// T05, T12, T15: instances of one series are reminders of their own.
func TestPlanner_series(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.at("10-15 12:00")
	h.cal.PolledAt = ptr(at(t, "10-15 11:59"))
	var weekly []calendars.Event
	for i, day := range []string{"10-18", "10-25", "11-01"} { // the clocks go back on the 25th
		e := h.appointment(fmt.Sprintf("w%d", i))
		e.UID, e.Start = "weekly", at(t, day+" 14:00")
		e.Occurrence, e.End = e.Start.UTC().Format(time.RFC3339), e.Start.Add(time.Hour)
		weekly = append(weekly, e)
	}
	weekly = h.sync(h.cal, weekly...)
	dues := func() []string {
		var rows []time.Time
		if err := h.db.Select(&rows, `SELECT due_at FROM reminders WHERE account_id = $1 ORDER BY id`, h.account); err != nil {
			t.Fatal(err)
		}
		out := make([]string, len(rows))
		for i, r := range rows {
			out[i] = r.In(zurich(t)).Format("02.01. 15:04")
		}
		return out
	}
	if d := cmp.Diff([]string{"17.10. 14:00", "24.10. 14:00", "31.10. 14:00"}, dues()); d != "" {
		t.Errorf("T05 (-want +got):\n%s", d)
	}
	one := weekly[1]
	one.Start, one.End = at(t, "10-26 09:00"), at(t, "10-26 10:00")
	h.sync(h.cal, one)
	if d := cmp.Diff([]string{"17.10. 14:00", "25.10. 09:00", "31.10. 14:00"}, dues()); d != "" {
		t.Errorf("T12 (-want +got):\n%s", d)
	}
	weekly[1] = one // the exception is kept
	for _, i := range []int{0, 2} {
		weekly[i].Start, weekly[i].End = weekly[i].Start.Add(time.Hour), weekly[i].End.Add(time.Hour)
	}
	h.sync(h.cal, weekly...)
	if d := cmp.Diff([]string{"17.10. 15:00", "25.10. 09:00", "31.10. 15:00"}, dues()); d != "" {
		t.Errorf("T15 (-want +got):\n%s", d)
	}
	h.want("three, each once", "anna planned", "anna planned", "anna planned")
}
