package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rappel/calendars/standin"
)

// TestScenarioRandom lets a receptionist, two providers and the network do what they
// like for a week and holds the product to its promises, whatever that was:
//
//   - Every text announces an appointment that stood in a watched calendar, at that
//     start and with that number, at some moment of the last 60 seconds.
//   - No number is told the same start twice.
//   - What stood from long before its reminder was due until the last moment was
//     announced.
//
// The weeks are one in summer and those at whose end the clocks change.
//
// RAPPEL_TEST_SEED adds a seed to those always tried.
func TestScenarioRandom(t *testing.T) {
	seeds := []uint64{1, 2, 3}
	if more, err := strconv.ParseUint(os.Getenv("RAPPEL_TEST_SEED"), 10, 64); err == nil {
		seeds = []uint64{more}
	}
	for _, seed := range seeds {
		play(t, fmt.Sprintf("seed %d", seed), func(s *stage) {
			r := &randomWeek{stage: s, r: rand.New(rand.NewPCG(seed, 0))}
			s.sent = r.look
			r.play()
		}, hourly, func(sc *scene) {
			sc.start = []time.Time{monday, time.Date(2026, 3, 23, 9, 0, 0, 0, zurich), time.Date(2026, 10, 19, 9, 0, 0, 0, zurich)}[seed%3]
			sc.week = sc.start
		})
	}
}

// told is one promise: a number and a start.
type told struct {
	phone string
	start time.Time
}

// standing is what could rightly be announced from an instant on.
type standing struct {
	from time.Time
	set  map[told]bool
}

type randomWeek struct {
	*stage
	r       *rand.Rand
	history []standing
	texts   map[told]int
	seen    int64 // the last text looked at
	apps    [2]*app
	story   []string
	unread  map[reading]bool // why calendars are not read, or not planned, now
	crowded bool             // everybody works
	later   []later
}

// reading is a calendar and why it is not read or planned.
type reading struct{ calendar, why string }

// later is something to be put right again.
type later struct {
	at time.Time
	do func()
}

func (w *randomWeek) note(format string, args ...any) {
	w.story = append(w.story, w.now().In(zurich).Format("Mon 15:04:05 ")+fmt.Sprintf(format, args...))
}

// number is the i-th patient's, as typed and as phones know it.
func number(i int) (typed, phone string) {
	return fmt.Sprintf("079 555 11 %02d", 20+i), fmt.Sprintf("+417955511%02d", 20+i)
}

const patients = 9

// instances are all appointments in both watched calendars.
func (w *randomWeek) instances() []standin.Event {
	var all []standin.Event
	for _, cal := range w.cals[:2] {
		list, err := w.world.Instances(cal.ID, w.week, w.week.AddDate(0, 0, 12))
		w.must(err)
		all = append(all, list...)
	}
	return all
}

// changed notes what stands from now on.
func (w *randomWeek) changed() {
	set := map[told]bool{}
	for _, e := range w.instances() {
		if e.Cancelled || e.Declined || w.idle(e.Calendar) {
			continue
		}
		// The place is looked at before the title.
		text := e.Title
		if e.Location != "" {
			text = e.Location
		}
		for i := range patients {
			if typed, phone := number(i); strings.Contains(text, typed) {
				set[told{phone, e.Start.UTC()}] = true
			}
		}
	}
	w.history = append(w.history, standing{w.now(), set})
}

// idle reports whether nothing may be sent about a calendar now.
func (w *randomWeek) idle(calendar string) bool {
	for k, on := range w.unread {
		if on && k.calendar == calendar {
			return true
		}
	}
	return false
}

// look judges texts that came since the last look.
func (w *randomWeek) look() {
	var rows []struct {
		ID          int64
		Phone, Body string
	}
	w.must(w.app.pools.owner.SelectContext(w.t.Context(), &rows,
		`SELECT id, phone, body FROM sandbox_texts WHERE direction = 'to_phone' AND id > $1 ORDER BY id`, w.seen))
	for _, row := range rows {
		w.seen = row.ID
		w.note("text to %s: %s", row.Phone, row.Body)
		var rightly *told
		for i := len(w.history) - 1; i >= 0 && rightly == nil; i-- {
			if i+1 < len(w.history) && w.now().Sub(w.history[i+1].from) > time.Minute {
				break // it was over more than a minute ago
			}
			for k := range w.history[i].set {
				if k.phone == row.Phone && w.text(k.start.In(zurich).Format("2006-01-02 15:04")) == row.Body {
					rightly = &k
				}
			}
		}
		if rightly == nil {
			w.t.Errorf("%s: %s was told %q, which did not stand", w.now().In(zurich).Format("Mon 15:04:05"), row.Phone, row.Body)
			continue
		}
		if w.texts[*rightly]++; w.texts[*rightly] > 1 {
			w.t.Errorf("%s was told %q twice", row.Phone, row.Body)
		}
	}
}

func (w *randomWeek) play() {
	w.texts, w.unread = map[told]int{}, map[reading]bool{}
	w.apps = [2]*app{w.app, w.newApp()}
	defer func() { w.app = w.apps[0] }() // the second is closed first
	modes := []standin.Mode{{}, {PageSize: 3}, {Duplicates: true, EmptyPages: true, PageSize: 2}, {SilentInstances: true}, {NoSyncTokens: true, NoTombstones: true}}
	w.world.SetMode(w.provider, modes[w.r.IntN(len(modes))])
	for range 10 {
		w.add()
	}
	w.changed()
	end := w.when("Sun 20:00")
	for w.now().Before(end) {
		step := time.Duration(w.r.IntN(150)) * time.Minute
		if w.r.IntN(3) == 0 {
			step = time.Duration(w.r.IntN(240)) * time.Second
		}
		at := w.now().Add(step).Truncate(time.Second)
		// Just before something is due is the most dangerous time.
		if due := w.nextDue(); !due.IsZero() && w.r.IntN(3) == 0 {
			at = due.Add(time.Duration(w.r.IntN(300)-240) * time.Second)
		}
		w.until(at)
		if w.r.IntN(8) == 0 {
			w.crowd(w.act)
		} else {
			w.act()
		}
		w.changed()
		w.look()
		w.app = w.apps[w.r.IntN(2)]
		if w.r.IntN(3) == 0 {
			w.poll(w.a(), w.b())
		}
	}
	for len(w.later) > 0 {
		w.until(w.later[0].at)
	}
	w.until(end.Add(3 * 24 * time.Hour))
	w.complete(end)
	w.t.Logf("%d things happened, %d texts", len(w.story), len(w.texts))
	if len(w.texts) == 0 {
		w.t.Error("no texts at all: this week proves nothing")
	}
	if w.t.Failed() {
		w.t.Logf("what happened:\n%s", strings.Join(w.story, "\n"))
	}
}

// until lets time pass and puts right what is to be put right on the way.
func (w *randomWeek) until(at time.Time) {
	slices.SortStableFunc(w.later, func(a, b later) int { return a.at.Compare(b.at) })
	for len(w.later) > 0 && !w.later[0].at.After(at) {
		l := w.later[0]
		w.later = w.later[1:]
		if l.at.After(w.now()) {
			w.walkTo(l.at)
		}
		l.do()
		w.changed()
	}
	if at.After(w.now()) {
		w.walkTo(at)
	}
}

// soon has do done within so many minutes, and tried again while it fails.
func (w *randomWeek) soon(minutes int, do func() bool) {
	w.later = append(w.later, later{w.now().Add(time.Duration(w.r.IntN(minutes)) * time.Minute), func() {
		if !do() {
			w.soon(30, do)
		}
	}})
}

func (w *randomWeek) nextDue() time.Time {
	var at *time.Time
	w.must(w.app.pools.owner.GetContext(w.t.Context(), &at, `SELECT min(not_before) FROM reminders WHERE status = 'planned' AND not_before > $1`, w.now().Add(4*time.Minute)))
	if at == nil {
		return time.Time{}
	}
	return *at
}

// someStart is in the daytime of one of the next days.
func (w *randomWeek) someStart() time.Time {
	day := w.now().In(zurich).AddDate(0, 0, w.r.IntN(4))
	return time.Date(day.Year(), day.Month(), day.Day(), 8+w.r.IntN(10), 10*w.r.IntN(6), 0, 0, zurich)
}

func (w *randomWeek) add() {
	typed, _ := number(w.r.IntN(patients))
	cal := w.cals[w.r.IntN(2)]
	start := w.someStart()
	w.addTo(cal, "für "+typed, start.Format("2006-01-02 15:04"), func(e *standin.Event) {
		if w.r.IntN(4) == 0 {
			r := standin.Daily(2 + w.r.IntN(4))
			e.Repeat = &r
		}
	})
	w.note("new in %s for %s at %s", cal.Name, typed, start.Format("Mon 15:04"))
}

// act does one thing, at random.
func (w *randomWeek) act() {
	all := slices.DeleteFunc(w.instances(), func(e standin.Event) bool { return e.Start.Before(w.now()) })
	if len(all) == 0 || w.r.IntN(5) == 0 {
		w.add()
		return
	}
	e := all[w.r.IntN(len(all))]
	whole := e.ID
	if e.Master != "" {
		whole = e.Master
	}
	name := fmt.Sprintf("%s (%s)", e.Title, e.Start.In(zurich).Format("Mon 15:04"))
	switch w.r.IntN(25) {
	case 0, 1, 2:
		to := w.someStart()
		w.note("%s moves to %s", name, to.Format("Mon 15:04"))
		_, err := w.world.MoveEvent(e.ID, to)
		w.must(err)
	case 3, 4:
		w.note("%s is cancelled", name)
		how := standin.Manner(w.r.IntN(4))
		if how == standin.Vanish { // leaves nothing a bell could ring for
			how = standin.Delete
		}
		w.must(w.world.CancelEvent(e.ID, how))
		if w.r.IntN(2) == 0 {
			w.soon(120, func() bool {
				w.note("%s is restored", name)
				if err := w.world.Restore(e.ID); err != nil {
					w.note("which it can't be: %v", err)
				}
				return true
			})
		}
	case 5:
		w.note("the whole of %s is cancelled", name)
		w.must(w.world.CancelEvent(whole, standin.Delete))
	case 6, 7:
		typed, _ := number(w.r.IntN(patients))
		w.note("%s is for %s", name, typed)
		w.edit(e.ID, func(e *standin.Event) { e.Title = "Kontrolle für " + typed })
	case 8:
		w.note("%s is declined, or not", name)
		w.edit(e.ID, func(e *standin.Event) { e.Declined = !e.Declined })
	case 9:
		to := w.cals[w.r.IntN(3)]
		w.note("the whole of %s goes to calendar %s", name, to.Name)
		if err := w.world.MoveToCalendar(whole, to.ID); err != nil {
			w.note("which it can't: %v", err)
		}
	case 10:
		if e.Master == "" {
			return
		}
		w.note("%s and following are split off", name)
		if _, err := w.world.SplitSeries(e.Master, e.Original, nil); err != nil {
			w.note("which they can't: %v", err)
		}
	case 11:
		w.note("sync tokens expire")
		w.must(w.world.ExpireSyncTokens(w.a().ID))
		w.must(w.world.ExpireAccessTokens(w.person.ID))
	case 12:
		w.note("the provider goes down")
		down := w.apiDown()
		w.soon(150, func() bool { w.note("the provider is back"); down.Clear(); return true })
	case 13:
		if status, _ := w.connectionStatus(); status != "active" {
			return
		}
		w.note("the grant ends")
		w.must(w.world.RevokeGrants(w.person.ID, standin.Revoked))
		w.soon(120, func() bool {
			w.note("and is renewed")
			_, err := w.connect(w.conn.ID, standin.Decision{Email: w.person.Email})
			return err == nil
		})
	case 14:
		cal := w.b()
		why := reading{cal.ID, "not watched"}
		if status, _ := w.connectionStatus(); status != "active" || w.unread[why] {
			return
		}
		w.note("calendar b is not watched")
		w.must(w.connector.Watch(w.t.Context(), w.ref(cal), false))
		w.unread[why] = true
		w.soon(600, func() bool {
			if err := w.connector.Watch(w.t.Context(), w.ref(cal), true); err != nil {
				return false // its connection must be renewed first
			}
			w.note("calendar b is watched again")
			w.unread[why] = false
			return true
		})
	case 15:
		down := time.Duration(w.r.IntN(300)) * time.Minute
		w.note("we are down for %s", down)
		w.clock.set(w.now().Add(down))
	case 16:
		w.note("nothing is dispatched")
		w.stuck = true
		w.soon(150, func() bool { w.note("dispatching goes on"); w.stuck = false; return true })
	case 17:
		wait := time.Duration(1+w.r.IntN(40)) * time.Minute
		w.note("the provider wants to be left alone for %s", wait)
		calm := w.fault(standin.Throttled(w.provider, wait, time.Time{}))
		w.soon(60, func() bool { w.note("the provider may be asked again"); calm.Clear(); return true })
	case 18:
		cal := w.b()
		why := reading{cal.ID, "not shared"}
		if w.unread[why] {
			return
		}
		w.note("calendar b is not shared")
		w.must(w.world.SetRole(cal.ID, standin.NoRole))
		w.unread[why] = true
		w.soon(600, func() bool {
			w.note("calendar b is shared again")
			w.must(w.world.SetRole(cal.ID, standin.RoleWriter))
			w.unread[why] = false
			return true
		})
	case 19:
		cal := w.cals[w.r.IntN(2)]
		why := reading{cal.ID, "rule off"}
		if w.unread[why] {
			return
		}
		w.note("the rule of calendar %s is switched off", cal.Name)
		w.enable(cal, false)
		w.unread[why] = true
		w.soon(600, func() bool {
			w.note("the rule of calendar %s is switched on", cal.Name)
			w.enable(cal, true)
			w.unread[why] = false
			return true
		})
	case 20:
		typed, place := "", ""
		if w.r.IntN(3) > 0 {
			typed, _ = number(w.r.IntN(patients))
			place = "Haus B, Tel. " + typed
		}
		w.note("%s takes place at %q", name, place)
		w.edit(e.ID, func(e *standin.Event) { e.Location = place })
	case 21:
		if w.crowded {
			return // it works for somebody right now
		}
		w.note("the second process starts anew")
		w.must(w.apps[1].close())
		same := w.app == w.apps[1]
		if w.apps[1] = w.newApp(); same {
			w.app = w.apps[1]
		}
	case 22:
		to := w.someStart()
		w.note("the whole of %s moves to %s", name, to.Format("Mon 15:04"))
		_, err := w.world.MoveEvent(whole, to)
		w.must(err)
	case 23:
		if e.Master == "" {
			return
		}
		hour := 8 + w.r.IntN(10)
		w.note("%s and following are at %d:15", name, hour)
		if _, err := w.world.SplitSeries(e.Master, e.Original, func(e *standin.Event) {
			day := e.Start.In(zurich)
			e.Start = time.Date(day.Year(), day.Month(), day.Day(), hour, 15, 0, 0, zurich)
			e.End = e.Start.Add(30 * time.Minute)
		}); err != nil {
			w.note("which they can't: %v", err)
		}
	case 24:
		kind := []standin.FaultKind{standin.Cut, standin.CutMiddle, standin.Garbage}[w.r.IntN(3)]
		path := ` /calendar/v3/`
		if w.provider == standin.Microsoft {
			path = ` /v1\.0/`
		}
		w.note("answers come broken: %s", kind)
		w.fault(standin.FaultSpec{Provider: w.provider, Path: path, Kind: kind, After: w.r.IntN(3), Times: 1 + w.r.IntN(5)})
	}
}

// enable switches the rule of a calendar on or off.
func (w *randomWeek) enable(cal standin.Calendar, on bool) {
	r := w.rules[cal.ID]
	r.Enabled = on
	r, err := w.ruleStore.Save(w.t.Context(), r)
	w.must(err)
	w.rules[cal.ID] = r
}

// crowd has everybody of both processes work at once while do happens.
func (w *randomWeek) crowd(do func()) {
	w.note("everybody at once")
	w.crowded = true
	defer func() { w.crowded = false }()
	var wg sync.WaitGroup
	for _, a := range slices.Concat(w.apps[:], w.apps[:]) {
		ticks := []func(context.Context) (int, error){a.syncer.Tick, a.clerk.Tick}
		if !w.stuck {
			ticks = append(ticks, a.dispatcher.Tick)
		}
		for _, tick := range ticks {
			wg.Go(func() {
				for range 3 {
					if _, err := tick(w.t.Context()); err != nil {
						w.t.Error(err)
					}
				}
			})
		}
	}
	do()
	wg.Wait()
}

// complete finds what should have been announced and was not.
func (w *randomWeek) complete(end time.Time) {
	ever := map[told]bool{}
	for _, h := range w.history {
		maps.Copy(ever, h.set)
	}
	for k := range ever {
		due := k.start.In(zurich).AddDate(0, 0, -1)
		from, to := due.Add(-15*time.Hour), k.start.Add(-30*time.Minute)
		if from.Before(w.history[0].from) || to.After(end) || w.texts[k] > 0 {
			continue
		}
		always := true
		for i, h := range w.history {
			over := w.now()
			if i+1 < len(w.history) {
				over = w.history[i+1].from
			}
			if over.After(from) && h.from.Before(to) && !h.set[k] {
				always = false
			}
		}
		if always {
			w.t.Errorf("%s was never told of %s", k.phone, k.start.In(zurich).Format("Mon 15:04"))
		}
	}
}
