package calendarstest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rappel/calendars"
	"rappel/calendars/standin"
)

func runCalendars(t *testing.T, h Harness) {
	list := func(b *bench) map[string]calendars.Remote {
		b.t.Helper()
		out := map[string]calendars.Remote{}
		for _, r := range must(b.provider.Reader.Calendars(context.Background(), b.client()))(b.t) {
			if _, twice := out[r.Ref]; twice {
				b.t.Error("a calendar is listed twice")
			}
			out[r.Ref] = r
		}
		return out
	}
	cases := map[string]func(t *testing.T, b *bench){
		"names, zones and the primary one": func(t *testing.T, b *bench) {
			other := must(b.AddCalendar(b.person.ID, "Behandlung 2"))(t)
			check(t, b.RenameCalendar(other.ID, "Behandlung 3", "America/New_York"))
			got := list(b)
			if len(got) != 2 || !got[b.cal.ID].Primary || got[other.ID].Primary || got[other.ID].Name != "Behandlung 3" {
				t.Errorf("calendars = %+v", got)
			}
			if want := map[standin.Provider]string{standin.Google: "America/New_York"}[b.side]; got[other.ID].Zone != want {
				t.Errorf("zone = %q, want %q", got[other.ID].Zone, want)
			}
		},
		"T38 roles": func(t *testing.T, b *bench) {
			roles := []struct {
				role           string
				readable, hide bool
			}{
				{standin.RoleOwner, true, false},
				{standin.RoleWriter, true, false},
				{standin.RoleWriterWithoutPrivateAccess, true, true},
				{standin.RoleReader, true, true},
			}
			if b.side == standin.Google { // Graph does not tell free/busy apart in its list
				roles = append(roles, struct {
					role           string
					readable, hide bool
				}{standin.RoleFreeBusyReader, false, false})
			}
			other := must(b.AddCalendar(b.person.ID, "Geteilt"))(t)
			for _, c := range roles {
				check(t, b.SetRole(other.ID, c.role))
				got := list(b)[other.ID]
				if got.Readable != c.readable || got.HidesTexts != c.hide {
					t.Errorf("%s: readable %v, hides texts %v", c.role, got.Readable, got.HidesTexts)
				}
			}
			check(t, b.SetRole(other.ID, standin.NoRole))
			if _, there := list(b)[other.ID]; there {
				t.Error("a calendar that is no longer shared is listed")
			}
			check(t, b.DeleteCalendar(other.ID))
			if len(list(b)) != 1 {
				t.Error("a deleted calendar is listed")
			}
		},
		"T31 many pages, some empty": func(t *testing.T, b *bench) {
			for range 7 {
				must(b.AddCalendar(b.person.ID, "Noch einer"))(t)
			}
			want := list(b)
			b.SetMode(b.side, standin.Mode{PageSize: 2, EmptyPages: true})
			b.ForgetRequests()
			if diff := cmp.Diff(want, list(b)); diff != "" {
				t.Errorf("paged (-whole +paged):\n%s", diff)
			}
			if n := b.Count(b.side, b.api()); n != 5 {
				t.Errorf("%d requests for 8 calendars by 2 and an empty page, want 5", n)
			}
		},
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, newBench(t, h))
		})
	}
}

func runBell(t *testing.T, h Harness) {
	cases := map[string]func(t *testing.T, b *bench){
		"silent until something changes": func(t *testing.T, b *bench) {
			e := b.event("Erstens", start.Add(26*time.Hour))
			series := must(b.AddSeries(b.cal.ID, standin.Event{Title: "Therapie", Start: start.Add(2 * time.Hour), End: start.Add(3 * time.Hour)}, standin.Weekly(30)))(t)
			cursor := b.arm()
			edits := []struct {
				what string
				do   func() error
			}{
				{"nothing", nil},
				{"an event added", func() error { b.event("Zweitens", start.Add(27*time.Hour)); return nil }},
				{"an event edited", func() error {
					return second(b.EditEvent(e.ID, func(e *standin.Event) { e.Location = "+41 79 000 00 00" }))
				}},
				{"an event moved", func() error { return second(b.MoveEvent(e.ID, start.Add(40*time.Hour))) }},
				{"T12 an instance moved", func() error {
					return second(b.MoveInstance(series.ID, start.Add(2*time.Hour), start.Add(5*time.Hour)))
				}},
				{"an event deleted", func() error { return b.CancelEvent(e.ID, standin.Delete) }},
				{"an event restored", func() error { return b.Restore(e.ID) }},
				{"T15 a series moved", func() error { return second(b.MoveEvent(series.ID, start.Add(4*time.Hour))) }},
				{"a series deleted", func() error { return b.CancelEvent(series.ID, standin.Delete) }},
			}
			for _, c := range edits {
				if c.do != nil {
					check(t, c.do())
				}
				bell := must(b.ring(cursor))(t)
				if bell.Changed != (c.do != nil) || bell.Cursor == nil {
					t.Errorf("%s: changed %v, cursor of %d bytes", c.what, bell.Changed, len(bell.Cursor))
				}
				cursor = bell.Cursor
				if again := must(b.ring(cursor))(t); again.Changed {
					t.Errorf("%s: rings a second time", c.what)
				}
			}
		},
		"an idle ring is one request": func(t *testing.T, b *bench) {
			cursor := b.arm()
			b.ForgetRequests()
			must(b.ring(cursor))(t)
			if n := b.Count(b.side, ""); n != 1 {
				t.Errorf("%d requests", n)
			}
		},
		"T13 a deleted instance rings, or the bell admits to doubts": func(t *testing.T, b *bench) {
			at := start.Add(2 * time.Hour)
			series := must(b.AddSeries(b.cal.ID, standin.Event{Title: "Therapie", Start: at, End: at.Add(time.Hour)}, standin.Weekly(5)))(t)
			if b.side == standin.Microsoft {
				b.SetMode(b.side, standin.Mode{SilentInstances: true})
			}
			cursor := b.arm()
			check(t, b.CancelInstance(series.ID, at))
			if bell := must(b.ring(cursor))(t); !bell.Changed && !b.provider.DoubtfulBell {
				t.Error("no ring")
			}
			if _, there := b.find(b.snapshot(), standin.InstanceID(series.ID, at, false)); there {
				t.Error("the snapshot still has the instance")
			}
		},
		"T29 T30 a lost cursor": func(t *testing.T, b *bench) {
			cursor := b.arm()
			check(t, b.ExpireSyncTokens(b.cal.ID))
			_, err := b.ring(cursor)
			b.failed(err, calendars.ErrCursorLost)
			check(t, second(b.ring(b.arm())))

			cursor = b.arm()
			specs := []standin.FaultSpec{standin.CursorGone(b.side)}
			if b.side == standin.Google {
				specs = append(specs, standin.FaultSpec{Path: "syncToken=", Kind: standin.Respond, Status: 400,
					Body: `{"error":{"code":400,"message":"Invalid sync token value.","errors":[{"domain":"global","reason":"invalid","message":"Invalid sync token value."}]}}`})
			} else {
				for status, code := range map[int]string{410: "syncStateNotFound", 400: "SyncStateInvalid", 409: "resyncRequired", 404: "SyncStateNotFound"} {
					specs = append(specs, standin.FaultSpec{Path: "deltatoken", Kind: standin.Respond, Status: status,
						Body: `{"error":{"code":"` + code + `","message":"Start over."}}`})
				}
				specs = append(specs, standin.FaultSpec{Path: "deltatoken", Kind: standin.Respond, Status: 410, Body: "gone"})
			}
			for _, spec := range specs {
				f := b.fault(spec)
				_, err := b.ring(cursor)
				b.failed(err, calendars.ErrCursorLost)
				f.Clear()
			}
		},
		"T29 T30 a cursor lost on the third page": func(t *testing.T, b *bench) {
			cursor := b.arm()
			for i := range 9 {
				b.event("Termin", start.Add(time.Duration(24+i)*time.Hour))
			}
			b.SetMode(b.side, standin.Mode{PageSize: 2})
			gone := standin.CursorGone(b.side)
			gone.Path, gone.After = b.api(), 2
			b.fault(gone)
			_, err := b.ring(cursor)
			b.failed(err, calendars.ErrCursorLost)
			b.ClearFaults()
			if bell := must(b.ring(cursor))(t); !bell.Changed { // T32: the old cursor still tells all
				t.Error("the repeated round does not ring")
			}
		},
		"a damaged cursor is lost": func(t *testing.T, b *bench) {
			for _, raw := range []string{"x", "{}", `{"v":2}`, `[]`, "\x00"} {
				_, err := b.ring([]byte(raw))
				b.failed(err, calendars.ErrCursorLost)
			}
			if n := b.Count(b.side, ""); n != 0 {
				t.Errorf("%d requests were made with it", n)
			}
		},
		"T31 pages of changes": func(t *testing.T, b *bench) {
			cursor := b.arm()
			for i := range 5 {
				b.event("Termin", start.Add(time.Duration(24+i)*time.Hour))
			}
			b.SetMode(b.side, standin.Mode{PageSize: 2, EmptyPages: true, Duplicates: true, EmptyNextLink: true})
			bell := must(b.ring(cursor))(t)
			if !bell.Changed {
				t.Error("no ring")
			}
			if again := must(b.ring(bell.Cursor))(t); again.Changed {
				t.Error("the cursor of the last page rings again")
			}
		},
		"T31 a list that turns in a circle": func(t *testing.T, b *bench) {
			cursor := b.arm()
			b.manyPages()
			b.fault(standin.FaultSpec{Path: b.api(), Kind: standin.RepeatPage})
			b.ForgetRequests()
			_, err := b.ring(cursor)
			b.failed(err, calendars.ErrPagingLoop)
			if n := b.Count(b.side, ""); n > 4 {
				t.Errorf("%d requests before it was noticed", n)
			}
		},
		"a server without change feed": func(t *testing.T, b *bench) {
			b.SetMode(b.side, standin.Mode{NoSyncTokens: true, NoTombstones: true})
			for range 2 {
				if bell := must(b.ring(nil))(t); !bell.Changed || bell.Cursor != nil {
					t.Errorf("bell = %v with a cursor of %d bytes", bell.Changed, len(bell.Cursor))
				}
			}
			e := b.event("Termin", start.Add(24*time.Hour))
			if _, there := b.find(b.snapshot(), e.ID); !there {
				t.Error("the snapshot lacks the event")
			}
			check(t, b.CancelEvent(e.ID, standin.Vanish))
			if _, there := b.find(b.snapshot(), e.ID); there {
				t.Error("the snapshot has the vanished event")
			}
		},
		"the cursor outlives weeks": func(t *testing.T, b *bench) {
			cursor := b.arm()
			rang := 0
			for range 21 {
				b.wait(24 * time.Hour)
				bell := must(b.ring(cursor))(t)
				if bell.Changed {
					rang++
				}
				cursor = bell.Cursor
			}
			if rang > 3 { // a range that is anchored weekly rings then
				t.Errorf("rang %d times in three quiet weeks", rang)
			}
			b.event("Spät", b.clock().Add(48*time.Hour))
			if bell := must(b.ring(cursor))(t); !bell.Changed {
				t.Error("an event after three weeks does not ring")
			}
		},
		"two calendars do not disturb each other": func(t *testing.T, b *bench) {
			cursor := b.arm()
			other := must(b.AddCalendar(b.person.ID, "Zweiter"))(t)
			must(b.AddEvent(other.ID, standin.Event{Title: "Fremd", Start: start.Add(24 * time.Hour), End: start.Add(25 * time.Hour)}))(t)
			if bell := must(b.ring(cursor))(t); bell.Changed {
				t.Error("rings for the other calendar")
			}
			if n := len(b.snapshot()); n != 0 {
				t.Errorf("%d events of the other calendar", n)
			}
		},
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, newBench(t, h))
		})
	}
}
