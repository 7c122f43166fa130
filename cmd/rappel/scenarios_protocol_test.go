package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"rappel/calendars"
	"rappel/calendars/standin"
	"rappel/reminders"
)

// six puts six patients of half an hour each into calendar a and returns their phones
// and starts.
func six(s *stage) (ids, phones, starts []string) {
	s.t.Helper()
	for i := range 6 {
		start := fmt.Sprintf("Thu %02d:30", 9+i)
		e := s.add(fmt.Sprintf("Patient 079 333 44 %02d", i+50), start)
		ids, phones, starts = append(ids, e.ID), append(phones, fmt.Sprintf("+417933344%02d", i+50)), append(starts, start)
	}
	return ids, phones, starts
}

// pageOf matches the further pages of any list.
const pageOf = `(pageToken|skiptoken|skip)=`

// TestScenarioProtocol: what providers and networks do between two polls must never
// show on a phone.
func TestScenarioProtocol(t *testing.T) {
	type trouble struct {
		name   string
		start  func(s *stage)
		alarms []string
	}
	gone := func(s *stage, path string, after, times int) {
		spec := standin.CursorGone(s.provider)
		spec.Path, spec.After, spec.Times = path, after, times
		s.fault(spec)
	}
	troubles := []trouble{
		{"T29 T30 the cursor is lost", func(s *stage) { s.must(s.world.ExpireSyncTokens(s.a().ID)) }, nil},
		{"T29 T30 the cursor is lost each time", func(s *stage) { s.fault(standin.CursorGone(s.provider)) }, nil},
		{"T29 T30 410 on the second page", func(s *stage) { gone(s, pageOf, 0, 1) }, nil},
		{"T29 T30 410 on the third page", func(s *stage) { gone(s, pageOf, 1, 1) }, nil},
		{"T32 cut off on the third page", func(s *stage) {
			s.fault(standin.FaultSpec{Provider: s.provider, Path: pageOf, Kind: standin.Cut, After: 1, Times: 2})
		}, nil},
		{"T32 cut in the middle of an answer", func(s *stage) {
			s.fault(standin.FaultSpec{Provider: s.provider, Path: pageOf, Kind: standin.CutMiddle, After: 1, Times: 2})
		}, nil},
		{"T32 garbage for a page", func(s *stage) {
			s.fault(standin.FaultSpec{Provider: s.provider, Path: pageOf, Kind: standin.Garbage, Times: 2})
		}, nil},
		{"T31 the same page again and again", func(s *stage) {
			s.fault(standin.FaultSpec{Provider: s.provider, Path: pageOf, Kind: standin.RepeatPage, Times: 20})
		}, []string{calendars.AlarmPagingLoop}},
		{"T34 the token endpoint is down", func(s *stage) {
			spec := standin.TokenDown(s.provider)
			spec.Times = 3
			s.fault(spec)
			s.must(s.world.ExpireAccessTokens(s.person.ID))
		}, nil},
		{"T34 our secret is refused", func(s *stage) {
			spec := standin.WrongSecret(s.provider)
			spec.Times = 3
			s.fault(spec)
			s.must(s.world.ExpireAccessTokens(s.person.ID))
		}, []string{calendars.AlarmClientConfig}},
		{"T37 five times 503", func(s *stage) {
			s.fault(standin.FaultSpec{Provider: s.provider, Path: `GET `, Kind: standin.Respond, Status: http.StatusServiceUnavailable, Times: 5})
		}, nil},
	}
	for _, tr := range troubles {
		play(t, tr.name, func(s *stage) {
			s.alarms = tr.alarms
			ids, phones, starts := six(s)
			s.walk("Tue 10:00")
			tr.start(s)
			s.move(ids[2], "Thu 16:00")
			starts[2] = "Thu 16:00"
			s.must(s.world.CancelEvent(ids[3], standin.Delete))
			s.poll()
			for i, id := range ids {
				if i != 3 {
					s.wantVerdict(id, "") // nothing was taken for gone
				}
			}
			s.walk("Fri 10:00")
			for i, phone := range phones {
				if i == 3 {
					s.wantTexts(phone)
				} else {
					s.wantTexts(phone, starts[i])
				}
			}
			if status, problem := s.connectionStatus(); status != "active" {
				s.t.Errorf("the connection is %s (%s)", status, problem)
			}
			s.wantNotices()
		}, func(sc *scene) { sc.mode.PageSize = 2 })
		// The same begins two minutes before the moved one was due: only verifying sees it.
		play(t, tr.name+", while verifying", func(s *stage) {
			s.alarms = tr.alarms
			ids, phones, starts := six(s)
			s.walk("Wed 09:00")
			s.at("Wed 09:28")
			tr.start(s)
			s.move(ids[0], "Thu 16:00")
			starts[0] = "Thu 16:00"
			s.walk("Fri 10:00")
			for i, phone := range phones {
				s.wantTexts(phone, starts[i])
			}
		}, func(sc *scene) { sc.mode.PageSize = 2 })
	}
	for name, mode := range map[string]standin.Mode{
		"T31 duplicates and empty pages":                           {Duplicates: true, EmptyPages: true, PageSize: 1, EmptyNextLink: true},
		"T13 a server without sync tokens and without tombstones":  {NoSyncTokens: true, NoTombstones: true},
		"T31 a server without sync tokens, in pages of one":        {NoSyncTokens: true, PageSize: 1, EmptyPages: true},
		"T13 a server without tombstones, read by snapshots alone": {NoTombstones: true},
	} {
		play(t, name, func(s *stage) {
			if mode.NoTombstones && !mode.NoSyncTokens {
				s.setMode(calendars.ModeSnapshot)
			}
			ids, phones, starts := six(s)
			series := s.daily("Carla "+carla, "Wed 17:00", 3)
			s.walk("Tue 10:00")
			s.move(ids[2], "Fri 08:00")
			starts[2] = "Fri 08:00"
			s.must(s.world.CancelEvent(ids[3], standin.Delete))
			s.walk("Wed 09:28")
			s.move(ids[0], "Thu 16:00") // two minutes before due
			starts[0] = "Thu 16:00"
			s.walk("Wed 10:28")
			s.must(s.world.CancelEvent(ids[1], standin.Delete))
			s.must(s.world.CancelInstance(series.ID, s.when("Thu 17:00")))
			s.walk("Fri 20:00")
			for i, phone := range phones {
				if i == 1 || i == 3 {
					s.wantTexts(phone)
				} else {
					s.wantTexts(phone, starts[i])
				}
			}
			s.wantTexts(carlaPhone, "Wed 17:00", "Fri 17:00")
		}, func(sc *scene) { sc.mode = mode })
	}
	for name, header := range map[string]func(s *stage) standin.FaultSpec{
		"seconds": func(s *stage) standin.FaultSpec { return standin.Throttled(s.provider, 20*time.Minute, time.Time{}) },
		"a date":  func(s *stage) standin.FaultSpec { return standin.Throttled(s.provider, 0, s.when("Wed 14:50")) },
	} {
		play(t, "T37 throttled with Retry-After in "+name, func(s *stage) {
			other := s.open("praxis@clinic-two.example")
			s.add("Anna "+anna, "Thu 14:30")
			other.add("Berta "+berta, "Thu 14:30")
			s.walk("Wed 14:29")
			spec := header(s)
			mine := regexp.QuoteMeta(strings.TrimSuffix(strings.ReplaceAll(s.a().ID, "@", "%40"), "="))
			spec.Path = "GET .*" + mine
			throttling := s.fault(spec)
			s.walk("Wed 14:30")
			s.world.ForgetRequests()
			s.walk("Wed 14:48")
			if n := s.world.Count(s.provider, mine); n > 0 {
				s.t.Errorf("%d requests although we were told to stay away", n)
			}
			s.wantTexts(annaPhone)
			s.wantTexts(bertaPhone, "Thu 14:30")
			throttling.Clear()
			s.walk("Wed 15:05")
			s.wantTexts(annaPhone, "Thu 14:30")
			s.walk("Thu 20:00")
			s.wantTexts(annaPhone, "Thu 14:30")
			s.wantNotices()
		})
	}
	play(t, "T52 ten thousand appointments in one snapshot", func(s *stage) {
		const n = 10000
		var ids []string
		for i := range n {
			start := s.when("Tue 09:10").Add(time.Duration(i%60) * 10 * time.Minute)
			e := s.add(fmt.Sprintf("Patient +4176%07d", 1000000+i*37), start.Format("2006-01-02 15:04"))
			ids = append(ids, e.ID)
		}
		count := func(status string, want int) {
			var got int
			s.must(s.app.pools.owner.GetContext(s.t.Context(), &got, `SELECT count(*) FROM reminders WHERE status = $1`, status))
			if got != want {
				s.t.Errorf("%d reminders are %s, want %d", got, status, want)
			}
		}
		s.poll()
		count("planned", n)
		// All but a thousand are cancelled, which the next read finds out at once.
		for _, id := range ids[1000:] {
			s.must(s.world.CancelEvent(id, standin.Delete))
		}
		s.must(s.world.ExpireSyncTokens(s.a().ID))
		s.poll()
		count("planned", 1000)
		count("dropped", n-1000)
		s.walk("Mon 09:29")
		if got, want := s.allTexts(), 2*((1000+59)/60); got != want {
			s.t.Errorf("%d texts for the appointments of two times, want %d", got, want)
		}
	})
	playAt(t, standin.Microsoft, "T41 a link to another host", func(s *stage) {
		s.alarms = []string{calendars.AlarmForeignLink}
		six(s)
		s.walk("Tue 10:00")
		s.fault(standin.FaultSpec{Provider: s.provider, Path: `/v1\.0/.*calendar`, Kind: standin.ForeignLink, Host: "127.0.0.1:9", Times: 4})
		s.walk("Fri 10:00")
		if n := s.allTexts(); n != 6 {
			s.t.Errorf("%d texts, want 6", n)
		}
	}, func(sc *scene) { sc.mode.PageSize = 2 })
}

// TestScenarioConnection: grants that end, calendars that are taken away.
func TestScenarioConnection(t *testing.T) {
	for _, why := range []string{standin.Revoked, standin.PasswordChanged, standin.NeedsMFA} {
		play(t, "T33 the grant ends ("+why+"): nothing is sent blind, and renewing it goes on", func(s *stage) {
			s.add("Anna "+anna, "Thu 14:30")
			s.add("Berta "+berta, "Fri 10:00")
			s.walk("Wed 14:20")
			s.must(s.world.RevokeGrants(s.person.ID, why))
			s.walk("Wed 18:00")
			s.wantTexts(annaPhone)
			s.wantReminders("planned connection_lost Thu 14:30", "planned Fri 10:00")
			s.wantNotices(calendars.NoticeReconnect)
			if status, problem := s.connectionStatus(); status != "needs_reconnect" || problem != "grant_revoked" {
				s.t.Errorf("the connection is %s (%s)", status, problem)
			}
			f, err := s.connect(s.conn.ID, standin.Decision{Email: s.person.Email})
			if err != nil || f.Outcome != calendars.Renewed {
				s.t.Fatalf("renewing: %+v, %v", f, err)
			}
			s.wantNotices()
			s.walk("Wed 18:20")
			s.wantTexts(annaPhone, "Thu 14:30")
			s.walk("Sat 10:00")
			s.wantTexts(annaPhone, "Thu 14:30")
			s.wantTexts(bertaPhone, "Fri 10:00")
		})
	}
	play(t, "T33 the appointment moved while the grant was gone", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 14:20")
		s.must(s.world.RevokeGrants(s.person.ID, standin.Revoked))
		s.walk("Wed 16:00")
		s.move(e.ID, "Thu 17:00")
		_, err := s.connect(s.conn.ID, standin.Decision{Email: s.person.Email})
		s.must(err)
		s.walk("Sat 10:00")
		s.wantTexts(annaPhone, "Thu 17:00")
	})
	play(t, "T33 not renewed in time", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 14:20")
		s.must(s.world.RevokeGrants(s.person.ID, standin.Revoked))
		s.walk("Thu 15:00")
		s.wantTexts(annaPhone)
		s.wantReminders("skipped connection_lost Thu 14:30")
		s.wantVerdict(e.ID, reminders.ConnectionLost)
		s.wantNotices(calendars.NoticeReconnect, reminders.NoticeMissed)
	})
	play(t, "T33 somebody else signs in", func(s *stage) {
		s.add("Anna "+anna, "Thu 14:30")
		other, err := s.world.AddPerson(s.provider, "andere@clinic-one.example", "Andere")
		s.must(err)
		s.walk("Wed 12:00")
		s.must(s.world.RevokeGrants(s.person.ID, standin.Revoked))
		s.walk("Wed 14:00")
		f, err := s.connect(s.conn.ID, standin.Decision{Email: other.Email})
		if err != nil || f.Outcome != calendars.OtherAccount {
			s.t.Fatalf("somebody else's sign-in: %+v, %v", f, err)
		}
		s.walk("Wed 16:00")
		s.wantTexts(annaPhone)
		s.wantNotices(calendars.NoticeReconnect)
		if _, err := s.connect(s.conn.ID, standin.Decision{Email: s.person.Email, Deny: true}); !errors.Is(err, calendars.ErrConsentDenied) {
			s.t.Errorf("pressed cancel: %v", err)
		}
		_, err = s.connect(s.conn.ID, standin.Decision{Email: s.person.Email})
		s.must(err)
		s.walk("Sat 10:00")
		s.wantTexts(annaPhone, "Thu 14:30")
	})
	play(t, "T35 two processes want a new token at once", func(s *stage) {
		s.add("Anna "+anna, "Thu 14:30")
		second := s.newApp()
		s.walk("Wed 12:00")
		s.must(s.world.ExpireAccessTokens(s.person.ID))
		s.world.ForgetRequests()
		var wg sync.WaitGroup
		for range 4 {
			for _, a := range []*app{s.app, second} {
				for _, cal := range s.cals[:2] {
					wg.Go(func() {
						if err := a.syncer.Verify(s.t.Context(), s.ref(cal), 0); err != nil {
							s.t.Error(err)
						}
					})
				}
			}
		}
		wg.Wait()
		if n := s.world.Count(s.provider, `^POST .*token$`); n != 1 {
			s.t.Errorf("%d refreshes, want 1", n)
		}
		if status, problem := s.connectionStatus(); status != "active" {
			s.t.Errorf("the connection is %s (%s)", status, problem)
		}
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone, "Thu 14:30")
	})
	play(t, "T36 sign-ins that fail leave the connection as it was", func(s *stage) {
		s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 12:00")
		ctx, provider := s.t.Context(), string(s.provider)
		missing := "https://www.googleapis.com/auth/calendar.events.readonly"
		if s.provider == standin.Microsoft {
			missing = "Calendars.Read"
		}
		if _, err := s.connect(s.conn.ID, standin.Decision{Email: s.person.Email, Untick: []string{missing}}); !errors.Is(err, calendars.ErrScopeMissing) {
			s.t.Errorf("a permission unticked: %v", err)
		}
		if _, err := s.connect(s.conn.ID, standin.Decision{Email: s.person.Email, Deny: true}); !errors.Is(err, calendars.ErrConsentDenied) {
			s.t.Errorf("cancel pressed: %v", err)
		}
		sign := func(binding string) (url.Values, error) {
			at, err := s.connector.Begin(ctx, s.account, "session", provider, s.conn.ID)
			s.must(err)
			back, err := s.world.Approve(s.provider, at, standin.Decision{Email: s.person.Email})
			s.must(err)
			u, err := url.Parse(back)
			s.must(err)
			_, err = s.connector.Finish(ctx, s.account, binding, provider, u.Query())
			return u.Query(), err
		}
		if _, err := sign("another session"); !errors.Is(err, calendars.ErrStateMismatch) {
			s.t.Errorf("another browser's callback: %v", err)
		}
		used, err := sign("session")
		s.must(err)
		if _, err := s.connector.Finish(ctx, s.account, "session", provider, used); !errors.Is(err, calendars.ErrStateMismatch) {
			s.t.Errorf("the callback twice: %v", err)
		}
		if status, _ := s.connectionStatus(); status != "active" {
			s.t.Errorf("the connection is %s", status)
		}
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone, "Thu 14:30")
	})
	for name, leave := range map[string]func(s *stage) error{
		"disconnected": func(s *stage) error { return s.connector.Disconnect(s.t.Context(), s.conn) },
		"no longer watched": func(s *stage) error {
			for _, cal := range s.cals[:2] {
				if err := s.connector.Watch(s.t.Context(), s.ref(cal), false); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		comeBack := func(s *stage) {
			s.t.Helper()
			if name == "disconnected" {
				f, err := s.connect(0, standin.Decision{Email: s.person.Email})
				if err != nil || f.Outcome != calendars.Renewed {
					s.t.Fatalf("connecting again: %+v, %v", f, err)
				}
				return
			}
			for _, cal := range s.cals[:2] {
				s.must(s.connector.Watch(s.t.Context(), s.ref(cal), true))
			}
		}
		play(t, "T25 "+name+": everything unsent stops at once", func(s *stage) {
			e := s.add("Anna "+anna, "Thu 14:30")
			s.add("Berta "+berta, "Thu 15:00")
			s.walk("Wed 14:29")
			s.at("Wed 14:30")
			s.remind() // Anna's is queued already, Berta's planned
			s.must(leave(s))
			s.wantReminders("dropped calendar_stopped Thu 14:30", "dropped calendar_stopped Thu 15:00")
			s.world.ForgetRequests()
			s.poll(s.a(), s.b()) // a late push
			s.walk("Sat 10:00")
			s.wantTexts(annaPhone)
			s.wantTexts(bertaPhone)
			s.wantVerdict(e.ID, reminders.CalendarStopped)
			s.wantNotices()
			if n := s.world.Count(s.provider, `(events|calendarView)`); n > 0 {
				s.t.Errorf("%d reads after leaving", n)
			}
		})
		play(t, "T25 "+name+" and back before it is due", func(s *stage) {
			s.add("Anna "+anna, "Thu 14:30")
			s.add("Berta "+berta, "Wed 09:30") // sent before
			s.walk("Tue 12:00")
			s.must(leave(s))
			s.walk("Wed 10:00")
			comeBack(s)
			s.walk("Sat 10:00")
			s.wantTexts(annaPhone, "Thu 14:30")
			s.wantTexts(bertaPhone, "Wed 09:30")
		})
	}
	play(t, "T38 no longer shared: paused, told, and resumed when it is again", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.addTo(s.b(), "Berta "+berta, "Thu 15:00")
		s.walk("Tue 12:00")
		s.must(s.world.SetRole(s.a().ID, standin.NoRole))
		s.walk("Tue 14:00")
		s.wantNotices(calendars.NoticePaused)
		s.wantVerdict(e.ID, reminders.CalendarStopped)
		if got := s.calendar(s.a()); got.Status != calendars.CalendarPaused && got.Status != calendars.CalendarGone {
			s.t.Errorf("the calendar is %s", got.Status)
		}
		s.walk("Wed 16:00")
		s.wantTexts(annaPhone)
		s.wantTexts(bertaPhone, "Thu 15:00")
		s.must(s.world.SetRole(s.a().ID, standin.RoleWriter))
		s.walk("Wed 20:00")
		s.wantNotices()
		s.wantTexts(annaPhone, "Thu 14:30")
	}, hourly)
	play(t, "T38 only free or busy is shared any more", func(s *stage) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.addTo(s.b(), "Berta "+berta, "Thu 15:00")
		s.walk("Tue 12:00")
		s.must(s.world.SetRole(s.a().ID, standin.RoleFreeBusyReader))
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone)
		s.wantTexts(bertaPhone, "Thu 15:00")
		if s.provider == standin.Microsoft {
			// Graph's list does not say it: the appointments are called "Busy" from then on.
			s.wantVerdict(e.ID, reminders.NoNumber)
			return
		}
		s.wantVerdict(e.ID, reminders.CalendarStopped)
		s.wantNotices(calendars.NoticePaused)
	})
	play(t, "T38 the calendar is deleted", func(s *stage) {
		s.add("Anna "+anna, "Thu 14:30")
		s.addTo(s.b(), "Berta "+berta, "Thu 15:00")
		s.walk("Wed 14:28")
		s.must(s.world.DeleteCalendar(s.a().ID))
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone)
		s.wantTexts(bertaPhone, "Thu 15:00")
		s.wantNotices(calendars.NoticePaused)
	})
}
