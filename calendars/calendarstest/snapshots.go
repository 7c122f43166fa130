package calendarstest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rappel/calendars"
	"rappel/calendars/standin"
)

// slot is what the suite compares of an instance with the stand-in's own view.
type slot struct {
	Key, Occurrence string
	Start, End      time.Time
	AllDay          bool
	Title           string
}

// slotsOf are the instances that an adapter read.
func slotsOf(list []calendars.Instance) []slot {
	out := []slot{}
	for _, i := range list {
		if !i.Cancelled {
			out = append(out, slot{i.Key, i.Occurrence, i.Start, i.End, i.AllDay, i.Title})
		}
	}
	sortSlots(out)
	return out
}

// truth are the instances there are, by the stand-in's own expansion.
func (b *bench) truth(w calendars.Window) []slot {
	b.t.Helper()
	loc := must(time.LoadLocation(zone))(b.t)
	floating := func(t time.Time, allDay bool) time.Time {
		if !allDay {
			return t.UTC()
		}
		y, m, d := t.UTC().Date()
		return time.Date(y, m, d, 0, 0, 0, 0, loc).UTC()
	}
	out := []slot{}
	for _, e := range must(b.Instances(b.cal.ID, w.From.AddDate(0, 0, -2), w.To.AddDate(0, 0, 2)))(b.t) {
		if e.Cancelled {
			continue
		}
		s := slot{Key: b.key(e.ID), Start: floating(e.Start, e.AllDay), End: floating(e.End, e.AllDay), AllDay: e.AllDay, Title: e.Title}
		if e.Master != "" {
			s.Occurrence = floating(e.Original, e.AllDay).Format(time.RFC3339)
		}
		if s.Start.Before(w.To) && (s.End.After(w.From) || !s.Start.Before(w.From)) {
			out = append(out, s)
		}
	}
	sortSlots(out)
	return out
}

func sortSlots(list []slot) {
	slices.SortFunc(list, func(a, b slot) int { return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Key, b.Key)) })
}

// same checks that a snapshot is the truth.
func (b *bench) same() {
	b.t.Helper()
	if diff := gocmp.Diff(b.truth(week), slotsOf(b.snapshot())); diff != "" {
		b.t.Errorf("snapshot (-truth +read):\n%s", diff)
	}
}

func runSnapshot(t *testing.T, h Harness) {
	local := func(t *testing.T, text string) time.Time {
		t.Helper()
		loc := must(time.LoadLocation(zone))(t)
		return must(time.ParseInLocation("2006-01-02 15:04", text, loc))(t)
	}
	cases := map[string]func(t *testing.T, b *bench){
		"a single event with all its parts": func(t *testing.T, b *bench) {
			at := start.Add(26 * time.Hour)
			e := must(b.AddEvent(b.cal.ID, standin.Event{
				Title: "Frau " + secretWord, Location: "079 123 45 67", Description: "Kontrolle, bitte nüchtern", Start: at, End: at.Add(30 * time.Minute),
			}))(t)
			got, ok := b.find(b.snapshot(), e.ID)
			if !ok || got.UID == "" || got.ETag == "" {
				t.Fatalf("found %v, UID %q, ETag %q", ok, got.UID, got.ETag)
			}
			want := calendars.Instance{
				Key: b.key(e.ID), UID: got.UID, Start: at, End: at.Add(30 * time.Minute), Kind: "default",
				Title: "Frau " + secretWord, Location: "079 123 45 67", Description: "Kontrolle, bitte nüchtern", ETag: got.ETag,
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("instance (-want +got):\n%s", diff)
			}
			must(b.EditEvent(e.ID, func(e *standin.Event) { e.Title = "Herr " + secretWord }))(t)
			after, _ := b.find(b.snapshot(), e.ID)
			if after.ETag == got.ETag || after.UID != got.UID {
				t.Errorf("after an edit the ETag is %q as before, the UID %q", after.ETag, after.UID)
			}
		},
		"T01 T03 T05 a series across the change of clocks": func(t *testing.T, b *bench) {
			first := local(t, "2026-03-24 14:00")
			series := must(b.AddSeries(b.cal.ID, standin.Event{Title: "Therapie", Start: first, End: first.Add(time.Hour)}, standin.Weekly(0)))(t)
			night := local(t, "2026-03-29 03:30")
			must(b.AddEvent(b.cal.ID, standin.Event{Title: "Notfall", Start: night, End: night.Add(time.Hour)}))(t)
			b.same()
			second := local(t, "2026-03-31 14:00")
			got, ok := b.find(b.snapshot(), standin.InstanceID(series.ID, second, false))
			if !ok || !got.Start.Equal(second) || second.Sub(first) != 7*24*time.Hour-time.Hour {
				t.Errorf("the second instance: found %v, at %v", ok, got.Start)
			}
		},
		"T04 the repeated hour of autumn": func(t *testing.T, b *bench) {
			w := calendars.Window{From: time.Date(2026, 10, 24, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 10, 26, 0, 0, 0, 0, time.UTC)}
			once := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC)
			a, z := b.event("Erste", once), b.event("Zweite", once.Add(time.Hour))
			list := must(b.provider.Reader.Snapshot(context.Background(), b.client(), b.ref(), w))(t).Instances
			first, _ := b.find(list, a.ID)
			again, _ := b.find(list, z.ID)
			if !first.Start.Equal(once) || !again.Start.Equal(once.Add(time.Hour)) {
				t.Errorf("02:30 twice: %v and %v", first.Start, again.Start)
			}
		},
		"T06 an event made in another zone": func(t *testing.T, b *bench) {
			at := time.Date(2026, 3, 25, 22, 30, 0, 0, time.UTC)
			e := must(b.AddEvent(b.cal.ID, standin.Event{Title: "Reise", Start: at, End: at.Add(time.Hour), Zone: "America/New_York"}))(t)
			if got, ok := b.find(b.snapshot(), e.ID); !ok || !got.Start.Equal(at) {
				t.Errorf("found %v, at %v", ok, got.Start)
			}
		},
		"T08 an all-day event floats": func(t *testing.T, b *bench) {
			day := time.Date(2026, 3, 30, 0, 0, 0, 0, time.UTC)
			e := must(b.AddEvent(b.cal.ID, standin.Event{Title: "Kurs", AllDay: true, Start: day, End: day.AddDate(0, 0, 1)}))(t)
			for z, want := range map[string]string{
				zone: "2026-03-29T22:00:00Z", "America/New_York": "2026-03-30T04:00:00Z", "Pacific/Auckland": "2026-03-29T11:00:00Z",
			} {
				ref := b.ref()
				ref.Zone = z
				list := must(b.provider.Reader.Snapshot(context.Background(), b.client(), ref, week))(t).Instances
				got, ok := b.find(list, e.ID)
				if !ok || !got.AllDay || got.StartDate != "2026-03-30" || got.Start.UTC().Format(time.RFC3339) != want {
					t.Errorf("%s: found %v, %v %s %v, want %s", z, ok, got.AllDay, got.StartDate, got.Start.UTC(), want)
				}
				if got.End.Sub(got.Start) != 24*time.Hour {
					t.Errorf("%s: lasts %v", z, got.End.Sub(got.Start))
				}
			}
			series := must(b.AddSeries(b.cal.ID, standin.Event{Title: "Putzen", AllDay: true, Start: day, End: day.AddDate(0, 0, 1)}, standin.Daily(4)))(t)
			b.same()
			got, ok := b.find(b.snapshot(), standin.InstanceID(series.ID, day, true))
			if !ok || got.Occurrence != "2026-03-29T22:00:00Z" {
				t.Errorf("found %v, occurrence %q, want the date's midnight in the zone", ok, got.Occurrence)
			}
		},
		"T09 what overlaps the edges": func(t *testing.T, b *bench) {
			for i, span := range [][2]time.Time{
				{week.From.Add(-2 * time.Hour), week.From},                    // ends as the window begins
				{week.From.Add(-2 * time.Hour), week.From.Add(time.Second)},   // runs
				{week.From.Add(-72 * time.Hour), week.To.Add(72 * time.Hour)}, // over all of it
				{week.To.Add(-time.Second), week.To.Add(time.Hour)},           // begins before the end
				{week.To, week.To.Add(time.Hour)},                             // begins with the end
			} {
				e := must(b.AddEvent(b.cal.ID, standin.Event{Title: "Rand", Start: span[0], End: span[1]}))(t)
				if _, got := b.find(b.snapshot(), e.ID); got != slices.Contains([]int{1, 2, 3}, i) {
					t.Errorf("span %d: found %v", i, got)
				}
			}
			b.same()
		},
		"T12 an instance moved keeps its slot": func(t *testing.T, b *bench) {
			at := start.Add(2 * time.Hour)
			series := must(b.AddSeries(b.cal.ID, standin.Event{Title: "Therapie", Start: at, End: at.Add(time.Hour)}, standin.Weekly(5)))(t)
			must(b.MoveInstance(series.ID, at, at.Add(27*time.Hour)))(t)
			got, ok := b.find(b.snapshot(), standin.InstanceID(series.ID, at, false))
			if !ok || !got.Start.Equal(at.Add(27*time.Hour)) || got.Occurrence != at.Format(time.RFC3339) {
				t.Errorf("found %v, start %v, occurrence %q", ok, got.Start, got.Occurrence)
			}
			b.same()
		},
		"T13 T18 what was deleted is absent": func(t *testing.T, b *bench) {
			at := start.Add(2 * time.Hour)
			series := must(b.AddSeries(b.cal.ID, standin.Event{Title: "Therapie", Start: at, End: at.Add(time.Hour)}, standin.Weekly(5)))(t)
			check(t, b.CancelInstance(series.ID, at))
			if _, there := b.find(b.snapshot(), standin.InstanceID(series.ID, at, false)); there {
				t.Error("the deleted instance is there")
			}
			b.same()
			for _, how := range []standin.Manner{standin.Delete, standin.Vanish, standin.KeepDetails} {
				e := b.event("Termin", start.Add(30*time.Hour))
				check(t, b.CancelEvent(e.ID, how))
				if got, there := b.find(b.snapshot(), e.ID); there && !got.Cancelled {
					t.Errorf("cancelled in manner %d, and still there", how)
				}
			}
			e := b.event("Termin", start.Add(30*time.Hour))
			check(t, b.CancelEvent(e.ID, standin.Delete))
			check(t, b.Restore(e.ID))
			if _, there := b.find(b.snapshot(), e.ID); !there {
				t.Error("the restored event is missing")
			}
			b.same()
		},
		"T18 called off by the organiser": func(t *testing.T, b *bench) {
			e := b.event("Termin", start.Add(30*time.Hour))
			check(t, b.CancelEvent(e.ID, standin.MarkCancelled))
			got, there := b.find(b.snapshot(), e.ID)
			if there && !got.Cancelled || b.side == standin.Microsoft && !there {
				t.Errorf("listed %v, cancelled %v", there, got.Cancelled)
			}
		},
		"T14 this and following": func(t *testing.T, b *bench) {
			at := start.Add(2 * time.Hour)
			series := must(b.AddSeries(b.cal.ID, standin.Event{Title: "Therapie", Start: at, End: at.Add(time.Hour)}, standin.Daily(10)))(t)
			before := slotsOf(b.snapshot())
			fresh := must(b.SplitSeries(series.ID, local(t, "2026-03-26 11:00"), func(e *standin.Event) { e.Title = "Kontrolle" }))(t)
			after := slotsOf(b.snapshot())
			if len(after) != len(before) || fresh.ID == series.ID {
				t.Fatalf("%d instances before, %d after", len(before), len(after))
			}
			for i := range after {
				if !after[i].Start.Equal(before[i].Start) {
					t.Errorf("slot %d moved to %v", i, after[i].Start)
				}
			}
			b.same()
		},
		"T15 a series retimed costs one request": func(t *testing.T, b *bench) {
			at := start.Add(2 * time.Hour)
			series := must(b.AddSeries(b.cal.ID, standin.Event{Title: "Therapie", Start: at, End: at.Add(time.Hour)}, standin.Daily(13)))(t)
			must(b.MoveEvent(series.ID, at.Add(90*time.Minute)))(t)
			b.ForgetRequests()
			b.same()
			if n := b.Count(b.side, b.api()); n != 1 {
				t.Errorf("%d requests", n)
			}
		},
		"T16 a moved event keeps its key": func(t *testing.T, b *bench) {
			e := b.event("Termin", start.Add(30*time.Hour))
			must(b.MoveEvent(e.ID, start.Add(54*time.Hour)))(t)
			if got, ok := b.find(b.snapshot(), e.ID); !ok || !got.Start.Equal(start.Add(54*time.Hour)) {
				t.Errorf("found %v, at %v", ok, got.Start)
			}
		},
		"T17 moved to another calendar": func(t *testing.T, b *bench) {
			e := b.event("Termin", start.Add(30*time.Hour))
			other := must(b.AddCalendar(b.person.ID, "Zweiter"))(t)
			check(t, b.MoveToCalendar(e.ID, other.ID))
			if n := len(b.snapshot()); n != 0 {
				t.Errorf("%d events in the old calendar", n)
			}
			list := must(b.provider.Reader.Snapshot(context.Background(), b.client(), calendars.Ref{Calendar: other.ID, Zone: zone}, week))(t).Instances
			if len(list) != 1 || !list[0].Start.Equal(start.Add(30*time.Hour)) {
				t.Errorf("%d events in the new calendar", len(list))
			}
		},
		"T26 declined": func(t *testing.T, b *bench) {
			e := b.event("Sitzung", start.Add(30*time.Hour))
			for _, declined := range []bool{true, false} {
				must(b.EditEvent(e.ID, func(e *standin.Event) { e.Declined = declined }))(t)
				if got, ok := b.find(b.snapshot(), e.ID); !ok || got.Declined != declined {
					t.Errorf("found %v, declined %v, want %v", ok, got.Declined, declined)
				}
			}
		},
		"T27 kinds of event": func(t *testing.T, b *bench) {
			for _, kind := range []string{"default", "birthday", "focusTime", "fromGmail", "outOfOffice", "workingLocation"} {
				at := start.Add(30 * time.Hour)
				e := must(b.AddEvent(b.cal.ID, standin.Event{Title: "Ereignis", Start: at, End: at.Add(time.Hour), EventType: kind}))(t)
				want := kind
				if b.side == standin.Microsoft { // Outlook has no kinds
					want = "default"
				}
				if got, ok := b.find(b.snapshot(), e.ID); !ok || got.Kind != want {
					t.Errorf("%s: found %v, kind %q", kind, ok, got.Kind)
				}
			}
		},
		"T28 a private event": func(t *testing.T, b *bench) {
			at := start.Add(30 * time.Hour)
			e := must(b.AddEvent(b.cal.ID, standin.Event{
				Title: "Frau " + secretWord, Location: "079 123 45 67", Start: at, End: at.Add(time.Hour), Private: true,
			}))(t)
			open := b.event("Termin", at)
			for role, hidden := range map[string]bool{
				standin.RoleOwner: false, standin.RoleWriter: false, standin.RoleReader: true, standin.RoleWriterWithoutPrivateAccess: true,
			} {
				check(t, b.SetRole(b.cal.ID, role))
				list := b.snapshot()
				got, ok := b.find(list, e.ID)
				if !ok || got.Hidden != hidden || hidden && got.Location != "" {
					t.Errorf("%s: found %v, hidden %v, place %q", role, ok, got.Hidden, got.Location)
				}
				if got, _ := b.find(list, open.ID); got.Hidden {
					t.Errorf("%s: an ordinary event counts as hidden", role)
				}
			}
		},
		"T31 pages, empty ones and the same item again": func(t *testing.T, b *bench) {
			for i := range 9 {
				b.event("Termin", start.Add(time.Duration(24+i)*time.Hour))
			}
			b.SetMode(b.side, standin.Mode{PageSize: 2, EmptyPages: true, Duplicates: true})
			b.same()
		},
		"T43 a long description comes whole": func(t *testing.T, b *bench) {
			long := strings.Repeat("Bitte die Unterlagen mitbringen. ", 20) + "Rückfragen: 079 123 45 67"
			at := start.Add(30 * time.Hour)
			e := must(b.AddEvent(b.cal.ID, standin.Event{Title: "Kontrolle", Description: long, Start: at, End: at.Add(time.Hour)}))(t)
			if got, _ := b.find(b.snapshot(), e.ID); got.Description != long {
				t.Errorf("%d bytes of %d came", len(got.Description), len(long))
			}
			must(b.EditEvent(e.ID, func(e *standin.Event) { e.Description = long + " oder 079 765 43 21" }))(t)
			if got, _ := b.find(b.snapshot(), e.ID); got.Description != long+" oder 079 765 43 21" {
				t.Errorf("after an edit, the description ends in %q", got.Description[max(0, len(got.Description)-20):])
			}
		},
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, newBench(t, h))
		})
	}
	t.Run("random edits", func(t *testing.T) {
		t.Parallel()
		randomEdits(t, h)
	})
}

// randomEdits changes a calendar at random and compares each snapshot with the
// truth, and each ring of an honest bell with whether anything was done.
func randomEdits(t *testing.T, h Harness) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t, h)
		b.SetMode(b.side, standin.Mode{
			PageSize: rapid.IntRange(0, 4).Draw(rt, "page"), EmptyPages: rapid.Bool().Draw(rt, "empty"), Duplicates: rapid.Bool().Draw(rt, "twice"),
		})
		at := func(name string) time.Time {
			return start.Add(time.Duration(rapid.IntRange(-48, 24*16).Draw(rt, name)) * time.Hour)
		}
		var ids []string // events, masters and slots
		pick := func() (string, bool) {
			if len(ids) == 0 {
				return "", false
			}
			return ids[rapid.IntRange(0, len(ids)-1).Draw(rt, "which")], true
		}
		cursor := b.arm()
		for range rapid.IntRange(1, 8).Draw(rt, "edits") {
			switch rapid.IntRange(0, 4).Draw(rt, "edit") {
			case 0:
				ids = append(ids, b.event("Termin", at("start")).ID)
			case 1:
				begin := at("start")
				e := standin.Event{Title: "Serie", Start: begin, End: begin.Add(45 * time.Minute)}
				if rapid.Bool().Draw(rt, "all day") {
					e.AllDay, e.Start = true, begin.Truncate(24*time.Hour)
					e.End = e.Start.AddDate(0, 0, 1)
				}
				s := must(b.AddSeries(b.cal.ID, e, standin.Daily(rapid.IntRange(1, 10).Draw(rt, "count"))))(t)
				ids = append(ids, s.ID, standin.InstanceID(s.ID, s.Start, s.AllDay))
			case 2:
				if id, ok := pick(); ok {
					if e, err := b.Event(id); err == nil { // else it was deleted before
						to := at("to")
						if e.AllDay {
							to = to.Truncate(24 * time.Hour)
						}
						must(b.MoveEvent(id, to))(t)
					}
				}
			case 3:
				if id, ok := pick(); ok {
					if _, err := b.Event(id); err == nil {
						check(t, b.CancelEvent(id, standin.Delete))
					}
				}
			case 4:
				if id, ok := pick(); ok {
					if _, err := b.Event(id); err == nil {
						must(b.EditEvent(id, func(e *standin.Event) { e.Title += "!" }))(t)
					}
				}
			}
			if diff := gocmp.Diff(b.truth(week), slotsOf(b.snapshot())); diff != "" {
				rt.Fatalf("snapshot (-truth +read):\n%s", diff)
			}
			bell, err := b.ring(cursor)
			if err != nil {
				rt.Fatal(err)
			}
			if again, err := b.ring(bell.Cursor); err != nil || again.Changed {
				rt.Fatalf("a second ring: changed %v, error %v", again.Changed, err)
			}
			cursor = bell.Cursor
		}
	})
}
