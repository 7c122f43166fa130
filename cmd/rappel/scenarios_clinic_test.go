package main

import (
	"net/url"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars"
	"rappel/calendars/standin"
	"rappel/migrations"
	"rappel/reminders"
)

// clinic is one account with a connection, two watched calendars and one that isn't.
type clinic struct {
	stage     *stage
	account   int64
	person    standin.Person
	cals      []standin.Calendar // a, b: watched, with a rule each; c: not watched
	refs      map[string]calendars.CalendarRef
	conn      calendars.ConnectionRef
	template  int64
	rules     map[string]reminders.Rule // by calendar
	connector *calendars.Connector
	planner   *reminders.Planner
	ruleStore *reminders.Rules
}

// connect signs in at the provider; reconnect 0 is a new connection.
func (c *clinic) connect(reconnect int64, d standin.Decision) (calendars.Finished, error) {
	s := c.stage
	s.t.Helper()
	ctx, provider := s.t.Context(), string(s.provider)
	authURL, err := c.connector.Begin(ctx, c.account, "session", provider, reconnect)
	s.must(err)
	back, err := s.world.Approve(s.provider, authURL, d)
	s.must(err)
	u, err := url.Parse(back)
	s.must(err)
	return c.connector.Finish(ctx, c.account, "session", provider, u.Query())
}

func (c *clinic) ref(cal standin.Calendar) calendars.CalendarRef {
	c.stage.t.Helper()
	ref, ok := c.refs[cal.ID]
	if !ok {
		c.stage.t.Fatal("the clinic's list lacks a calendar")
	}
	return ref
}

func (c *clinic) a() standin.Calendar { return c.cals[0] }

func (c *clinic) b() standin.Calendar { return c.cals[1] }

func (c *clinic) c() standin.Calendar { return c.cals[2] }

// rule changes the rule of calendar a.
func (c *clinic) rule(change func(*reminders.Rule)) {
	c.stage.t.Helper()
	for _, cal := range c.cals[:2] {
		r := c.rules[cal.ID]
		change(&r)
		r, err := c.ruleStore.Save(c.stage.t.Context(), r)
		c.stage.must(err)
		c.rules[cal.ID] = r
	}
}

// add puts an appointment of half an hour into calendar a.
func (c *clinic) add(title, when string, change ...func(*standin.Event)) standin.Event {
	c.stage.t.Helper()
	return c.addTo(c.a(), title, when, change...)
}

func (c *clinic) addTo(cal standin.Calendar, title, when string, change ...func(*standin.Event)) standin.Event {
	c.stage.t.Helper()
	start := c.stage.when(when)
	e := standin.Event{Title: "Kontrolle " + title, Start: start, End: start.Add(30 * time.Minute)}
	for _, f := range change {
		f(&e)
	}
	e, err := c.stage.world.AddEvent(cal.ID, e)
	c.stage.must(err)
	return e
}

// daily puts a series of n days into calendar a.
func (c *clinic) daily(title, when string, n int) standin.Event {
	c.stage.t.Helper()
	return c.add(title, when, func(e *standin.Event) { r := standin.Daily(n); e.Repeat = &r })
}

func (c *clinic) calendar(cal standin.Calendar) calendars.Calendar {
	s := c.stage
	s.t.Helper()
	got, err := s.app.calendars.Calendar(s.t.Context(), c.ref(cal))
	s.must(err)
	return got
}

// settings changes the clinic's settings.
func (c *clinic) settings(change func(*reminders.Settings)) {
	s := c.stage
	s.t.Helper()
	store := reminders.NewSettings(s.app.pools.web, s.clock.now, c.planner)
	set, err := store.Get(s.t.Context(), c.account)
	s.must(err)
	change(&set)
	s.must(store.Save(s.t.Context(), set))
}

// replan plans a calendar anew, as the web does after its own settings changed.
func (c *clinic) replan(cal standin.Calendar) {
	s := c.stage
	s.t.Helper()
	s.must(migrations.InAccount(s.t.Context(), s.app.pools.web, c.account, func(tx *sqlx.Tx) error {
		return c.planner.Replan(s.t.Context(), tx, c.ref(cal), s.now())
	}))
}

// setMode has calendar a read otherwise: "delta" or "snapshot".
func (c *clinic) setMode(mode calendars.Mode) {
	c.stage.t.Helper()
	c.stage.must(c.connector.UpdateCalendar(c.stage.t.Context(), c.ref(c.a()), calendars.Settings{Cron: c.calendar(c.a()).Cron, Mode: mode}))
}
