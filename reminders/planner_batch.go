package reminders

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars"
)

// batch is one planning of many appointments of one calendar. Everything is read
// in a handful of statements, whatever their number (T52).
type batch struct {
	planner *Planner
	cal     calendars.Calendar
	events  []calendars.Event
	now     time.Time

	settings Settings
	rules    []Rule
	found    []Extraction // of each event
	stored   map[Key]Reminder
	previous [][]Reminder // of each event
	promised map[Promise]bool
	coming   map[Promise]bool

	out       []Outcome
	withdrawn map[int64]bool // reminders whose message was taken back
	refused   map[int64]bool // whose message had left
	planned   int
}

func (b *batch) load(ctx context.Context, tx *sqlx.Tx) (err error) {
	b.withdrawn, b.refused = map[int64]bool{}, map[int64]bool{}
	account := b.cal.AccountID
	if b.settings, err = settingsTx(ctx, tx, account); err != nil {
		return err
	}
	if b.rules, err = rulesTx(ctx, tx, account, b.cal.ID); err != nil {
		return err
	}
	zone, cfg := b.settings.Location(), b.settings.Extract()
	b.found = make([]Extraction, len(b.events))
	numbers, overdue := map[string]bool{}, map[string]bool{}
	for i, e := range b.events {
		if e.Gone != nil || e.Hidden {
			continue
		}
		b.found[i] = Extract(FieldsOf(e), cfg)
		from := reckonFrom(e, zone)
		for _, n := range b.found[i].Recipients {
			numbers[n.E164] = true
			for _, r := range b.rules {
				if r.Enabled && from.After(b.now) && !r.Due(from, zone).After(b.now) {
					overdue[n.E164] = true
				}
			}
		}
	}
	if err := b.loadPrevious(ctx, tx); err != nil {
		return err
	}
	// Reminders first: whoever holds one of them may be about to make a promise.
	if b.promised, err = promisedTx(ctx, tx, account, keys(numbers), b.now.Add(-24*time.Hour)); err != nil {
		return err
	}
	b.coming, err = comingTx(ctx, tx, account, keys(overdue), b.now)
	return err
}

// loadPrevious locks the reminders the events have, or had under another event id,
// and gives each to one event: to the one that bears its uid and occurrence now, else
// to the one it was made for.
func (b *batch) loadPrevious(ctx context.Context, tx *sqlx.Tx) error {
	type slot struct{ uid, occurrence string }
	bySlot, byID := map[slot]int{}, map[int64]int{}
	ids, uids := make([]int64, len(b.events)), map[string]bool{}
	for i, e := range b.events {
		ids[i], byID[e.ID] = e.ID, i
		if e.Gone == nil {
			bySlot[slot{e.UID, e.Occurrence}] = i
			uids[e.UID] = true
		}
	}
	rows, err := lockRemindersTx(ctx, tx, b.cal.Ref(), ids, keys(uids))
	if err != nil {
		return err
	}
	b.previous = make([][]Reminder, len(b.events))
	b.stored = make(map[Key]Reminder, len(rows))
	for _, r := range rows {
		b.stored[r.Key()] = r
		i, ok := bySlot[slot{r.UID, r.Occurrence}]
		if !ok {
			i, ok = byID[r.EventID]
		}
		if ok {
			b.previous[i] = append(b.previous[i], r)
		}
	}
	return nil
}

func (b *batch) decide() {
	b.out = make([]Outcome, len(b.events))
	for i, e := range b.events {
		b.out[i] = Plan(PlanInput{
			Event: e, Calendar: b.cal, Rules: b.rules, Settings: b.settings, Found: &b.found[i], Previous: b.previous[i],
			Promised: b.promised, Coming: b.coming, Debounce: max(b.planner.debounce, 0), Now: b.now,
		})
	}
}

// withdraw takes back what must not go out. It reports whether anything came back.
func (b *batch) withdraw(ctx context.Context, tx *sqlx.Tx) (back bool, err error) {
	for i := range b.out {
		for _, id := range b.out[i].Withdraw {
			for j, prev := range b.previous[i] {
				if prev.ID != id {
					continue
				}
				taken, freed, err := b.planner.withdraw(ctx, tx, prev, b.whyOf(i, prev), b.now)
				if err != nil {
					return false, err
				}
				if !taken {
					b.refused[id] = true
					continue
				}
				back, b.withdrawn[id] = true, true
				for _, promise := range freed { // whatever became of its rule
					delete(b.promised, promise)
				}
				// It never left, so it was as good as planned.
				prev.Status, prev.Reason = StatusPlanned, Planned
				b.previous[i][j] = prev
			}
		}
	}
	return back, nil
}

// whyOf is what becomes of prev according to the outcome of event i.
func (b *batch) whyOf(i int, prev Reminder) Reason {
	for _, r := range b.out[i].Reminders {
		if r.Key() == prev.Key() && r.Reason != Planned && r.Reason != Settling {
			return r.Reason
		}
	}
	return Withdrawn
}

func (b *batch) write(ctx context.Context, tx *sqlx.Tx) error {
	var put []Reminder
	verdicts := make([]Verdict, 0, len(b.out))
	var earliest time.Time
	for _, o := range b.out {
		verdicts = append(verdicts, o.Verdict)
		for _, r := range o.Reminders {
			if b.refused[r.ID] && r.Status == StatusDropped {
				r.Status = StatusQueued // its text has left, or is about to: the Gate sees the reason
			}
			if r.Status == StatusPlanned {
				b.planned++
				if earliest.IsZero() || r.NotBefore.Before(earliest) {
					earliest = r.NotBefore
				}
			}
			if was, ok := b.stored[r.Key()]; !ok || !sameReminder(was, r) {
				put = append(put, r)
			}
		}
	}
	if err := putReminders(ctx, tx, b.cal.AccountID, put); err != nil {
		return err
	}
	if err := putVerdicts(ctx, tx, b.cal.AccountID, verdicts); err != nil {
		return err
	}
	if earliest.IsZero() {
		return nil
	}
	if err := raise(ctx, tx, b.cal.AccountID, earliest); err != nil {
		return fmt.Errorf("raise: %w", err)
	}
	return nil
}

func sameReminder(a, b Reminder) bool {
	return a.EventID == b.EventID && a.Field == b.Field && a.StartsAt.Equal(b.StartsAt) && a.DueAt.Equal(b.DueAt) &&
		a.NotBefore.Equal(b.NotBefore) && a.Status == b.Status && a.Reason == b.Reason
}

func keys[K comparable](m map[K]bool) []K {
	out := make([]K, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}
