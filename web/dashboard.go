package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars"
	"rappel/notify"
	"rappel/notify/credits"
	"rappel/reminders"
)

// dashboardRoutes is the first page.
//
// Ids for browser tests: #steps with li[data-step="connect|pick|template|rule"]
// (.done when ticked); #tiles with a.tile#tile-planned, -today, -delivered, -failed,
// -number; #coming with li[data-reminder="<id>"]; #days; #problems with
// [data-problem="<kind>"] and form#dismiss-<notice>; #chart with a.bar.
func (s *Server) dashboardRoutes() []route {
	return []route{{"GET /{$}", daily, s.dashboard}}
}

const (
	comingDays    = 7  // how far ahead the first page looks
	comingRows    = 8  // reminders it names
	chartDays     = 14 // bars of its chart
	failedLookout = 3  // days a failed message stays a problem
	// notReadFor is how long a poll may be overdue before it is a problem.
	notReadFor = 30 * time.Minute
)

// step is one of the first steps of a clinic.
type step struct {
	Name string // words "steps.<Name>" and "steps.<Name>.do"
	Href string
	Done bool
	Next bool // the first that is not done
}

// trouble is something somebody at the clinic can solve.
type trouble struct {
	Kind    string // words "trouble.<Kind>", ".do", ".action"
	Mood    string // bad or warn
	Words   string
	Do      string
	Href    string
	Action  string
	Dismiss int64 // notice that a person ends; 0 = none
}

// comingRow is a reminder about to go out.
type comingRow struct {
	reminders.Reminder
	Event    calendars.Event
	Calendar string
	Overdue  bool
}

// bar is one day of the chart, in its own coordinates.
type bar struct {
	dayCount
	X, Y, W, H, FailedY, FailedH float64
	LabelX                       float64
	Href                         string
	Labelled                     bool
}

type dashboardPage struct {
	Steps        []step
	Ready        bool // every step is done
	Days         []sendingDay
	Coming       []comingRow
	Preview      *textPreview // the next one
	Planned      int
	Today        int
	Delivered    int
	Failed       int
	NoNumber     int
	PlannedHref  string
	TodayHref    string
	DeliverHref  string
	FailedHref   string
	NoNumberHref string
	Troubles     []trouble
	Bars         []bar
	Most         int // of the highest bar
	Sent         int // messages in the chart
}

func (s *Server) dashboard(w http.ResponseWriter, r *request) error {
	ctx, account, now := r.Context(), r.Account.ID, r.now()
	today := startOfDay(now)
	last := today.AddDate(0, 0, comingDays-1)
	conns, err := s.Calendars.Connections(ctx, account)
	if err != nil {
		return err
	}
	cals, err := s.Calendars.Calendars(ctx, account)
	if err != nil {
		return err
	}
	rules, err := s.Rules.All(ctx, account)
	if err != nil {
		return err
	}
	templates, err := s.Templates.List(ctx, account)
	if err != nil {
		return err
	}
	week, err := s.Messages.Counts(ctx, account, notify.Filter{From: today.AddDate(0, 0, 1-comingDays), To: today.AddDate(0, 0, 1)}, 0)
	if err != nil {
		return err
	}
	recent, err := s.Messages.Counts(ctx, account, notify.Filter{From: today.AddDate(0, 0, 1-failedLookout), To: today.AddDate(0, 0, 1)}, 0)
	if err != nil {
		return err
	}
	coming, err := s.Planned.Planned(ctx, account, last.AddDate(0, 0, 1), comingRows)
	if err != nil {
		return err
	}
	p := dashboardPage{Delivered: week.By[notify.Delivered], Failed: failures(week.By)}
	var counts []dayCount
	var notices []noticeRow
	var stuck int
	events := map[int64]calendars.Event{}
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		if p.Days, err = sendingDays(ctx, tx, account, now, last.AddDate(0, 0, 1)); err != nil {
			return err
		}
		if counts, err = messagesPerDay(ctx, tx, account, now, chartDays); err != nil {
			return err
		}
		if notices, err = openNotices(ctx, tx, account); err != nil {
			return err
		}
		if stuck, err = unsendable(ctx, tx, account); err != nil {
			return err
		}
		if p.NoNumber, err = countAppointments(ctx, tx, account, appointmentQuery{From: today, To: last.AddDate(0, 0, 1), Show: "number", Now: now}); err != nil {
			return err
		}
		ids := make([]int64, len(coming))
		for i, c := range coming {
			ids[i] = c.EventID
		}
		found, err := s.Calendars.EventsByIDTx(ctx, tx, account, ids)
		for _, e := range found {
			events[e.ID] = e
		}
		return err
	}); err != nil {
		return err
	}
	for _, d := range p.Days {
		p.Planned += d.N
	}
	p.Today = counts[len(counts)-1].Total()
	names := map[int64]calendars.Calendar{}
	for _, c := range cals {
		names[c.ID] = c
	}
	for _, c := range coming {
		p.Coming = append(p.Coming, comingRow{c, events[c.EventID], names[c.CalendarID].Name, c.NotBefore.Before(now)})
	}
	if len(coming) > 0 {
		if p.Preview, err = s.comingPreview(r, coming[0], names, events, rules); err != nil {
			return err
		}
	}
	day := func(t time.Time) string { return t.Format(time.DateOnly) }
	p.PlannedHref = link("/appointments", "show", "planned", "when", "send", "from", day(today), "to", day(last))
	p.TodayHref = link("/messages", "from", day(today), "to", day(today))
	weekFrom := day(today.AddDate(0, 0, 1-comingDays))
	p.DeliverHref = link("/messages", "status", notify.Delivered.String(), "from", weekFrom, "to", day(today))
	p.FailedHref = link("/messages", "status", statusFailed, "from", weekFrom, "to", day(today))
	p.NoNumberHref = link("/appointments", "show", "number", "from", day(today), "to", day(last))
	p.Steps, p.Ready = firstSteps(conns, cals, templates, rules)
	p.Troubles = r.troubles(troubleFacts{notices: notices, connections: conns, calendars: cals, rules: rules, templates: len(templates),
		noNumber: p.NoNumber, noNumberHref: p.NoNumberHref, stuck: stuck, failed: failures(recent.By),
		failedHref: link("/messages", "status", statusFailed, "from", day(today.AddDate(0, 0, 1-failedLookout)), "to", day(today)), ready: p.Ready})
	p.chart(counts)
	if r.fragment() {
		return r.piece(w, "dashboard.html", "board", p)
	}
	return r.page(w, "dashboard.html", "home", p)
}

// DayHref leads to the appointments whose reminders go out on a day.
func (p dashboardPage) DayHref(d time.Time) string {
	on := d.Format(time.DateOnly)
	return link("/appointments", "show", "planned", "when", "send", "from", on, "to", on)
}

func failures(counts map[notify.Status]int) (n int) {
	for _, st := range failedStatuses() {
		n += counts[st]
	}
	return n
}

// comingPreview words the next reminder, nil when its rule or appointment is just
// being taken away.
func (s *Server) comingPreview(r *request, next reminders.Reminder, cals map[int64]calendars.Calendar, events map[int64]calendars.Event, rules []reminders.Rule) (*textPreview, error) {
	e, ok := events[next.EventID]
	if !ok {
		return nil, nil
	}
	set, err := s.Settings.Get(r.Context(), r.Account.ID)
	if err != nil {
		return nil, err
	}
	for i := range rules {
		if rules[i].ID == next.RuleID {
			l := reminderLine{Rule: &rules[i], Line: reminders.Line{Recipient: next.Recipient, At: next.NotBefore}}
			return s.wordedPreview(r, l, cals[next.CalendarID], e, set)
		}
	}
	return nil, nil
}

// firstSteps are what a clinic does before the first reminder goes out.
func firstSteps(conns []calendars.Connection, cals []calendars.Calendar, templates []reminders.Template, rules []reminders.Rule) (steps []step, ready bool) {
	var connected, picked, ruled bool
	ruleHref := "/calendars"
	for _, c := range conns {
		connected = connected || c.Status != calendars.ConnectionDisconnected
	}
	for _, c := range cals {
		if c.Watched && !picked {
			picked, ruleHref = true, fmt.Sprintf("/calendars/%d", c.ID)
		}
	}
	for _, rule := range rules {
		ruled = ruled || rule.Enabled
	}
	templateHref := "/templates/new"
	if len(templates) > 0 {
		templateHref = "/templates"
	}
	steps = []step{{Name: "connect", Href: "/calendars", Done: connected}, {Name: "pick", Href: "/calendars", Done: picked},
		{Name: "template", Href: templateHref, Done: len(templates) > 0}, {Name: "rule", Href: ruleHref, Done: ruled}}
	ready = true
	for i := range steps {
		if !steps[i].Done && ready {
			steps[i].Next, ready = true, false
		}
	}
	return steps, ready
}

// troubleFacts are what problems are told from.
type troubleFacts struct {
	notices                  []noticeRow
	connections              []calendars.Connection
	calendars                []calendars.Calendar
	rules                    []reminders.Rule
	templates                int
	noNumber, stuck, failed  int
	noNumberHref, failedHref string
	ready                    bool
}

// troubles lists problems, the gravest first, each once: what a notice says is not
// said again by the state it stems from.
func (r *request) troubles(f troubleFacts) []trouble {
	var bad, warn []trouble
	told := map[string]bool{}
	add := func(t trouble, pairs ...any) {
		t.Words, t.Do, t.Action = r.say("trouble."+t.Kind, pairs...), r.say("trouble."+t.Kind+".do", pairs...), r.say("trouble."+t.Kind+".action")
		if t.Mood == "bad" {
			bad = append(bad, t)
		} else {
			warn = append(warn, t)
		}
	}
	for _, n := range f.notices {
		t := trouble{Kind: n.Kind, Mood: "bad", Href: n.Href()}
		if !contains(noticeKinds, n.Kind) {
			continue
		}
		if n.Dismissable() {
			t.Mood, t.Dismiss = "warn", n.ID
		}
		if n.Kind == credits.NoticeLow {
			t.Mood = "warn"
		}
		told[n.Subject] = !n.Dismissable() || told[n.Subject]
		add(t, "Name", n.Name)
	}
	lost := map[int64]bool{}
	for _, c := range f.connections {
		if c.Status != calendars.ConnectionNeedsReconnect {
			continue
		}
		lost[c.ID] = true
		if !told[fmt.Sprintf("connection:%d", c.ID)] {
			add(trouble{Kind: calendars.NoticeReconnect, Mood: "bad", Href: fmt.Sprintf("/calendars#connection-%d", c.ID)}, "Name", c.Label)
		}
	}
	ruled := map[int64]bool{}
	for _, rule := range f.rules {
		ruled[rule.CalendarID] = ruled[rule.CalendarID] || rule.Enabled
	}
	for _, c := range f.calendars {
		if !c.Watched {
			continue
		}
		href := fmt.Sprintf("/calendars/%d", c.ID)
		switch {
		case told[fmt.Sprintf("calendar:%d", c.ID)] || lost[c.ConnectionID]:
		case c.Status != calendars.CalendarActive:
			add(trouble{Kind: calendars.NoticePaused, Mood: "bad", Href: href}, "Name", c.Name)
		case r.overdue(c):
			add(trouble{Kind: "not_read", Mood: "warn", Href: href}, "Name", c.Name)
		}
		if !ruled[c.ID] && f.ready {
			add(trouble{Kind: "no_rule", Mood: "warn", Href: href}, "Name", c.Name)
		}
	}
	if f.templates == 0 && f.ready {
		add(trouble{Kind: "no_template", Mood: "bad", Href: "/templates/new"})
	}
	if f.stuck > 0 {
		add(trouble{Kind: "not_sendable", Mood: "bad", Href: "/appointments?show=problems"}, "Count", f.stuck)
	}
	if f.failed > 0 {
		add(trouble{Kind: "failed", Mood: "warn", Href: f.failedHref}, "Count", f.failed)
	}
	if f.noNumber > 0 {
		add(trouble{Kind: "no_number", Mood: "warn", Href: f.noNumberHref}, "Count", f.noNumber)
	}
	return append(bad, warn...)
}

// overdue reports whether a calendar should have been read well before now.
func (r *request) overdue(c calendars.Calendar) bool {
	late := r.now().Add(-notReadFor)
	switch {
	case c.NextPollAt != nil:
		return c.NextPollAt.Before(late)
	case c.WatchedSince != nil && c.PolledAt == nil:
		return c.WatchedSince.Before(late)
	}
	return false
}

// Chart coordinates: bars stand on chartFloor and rise at most to chartTop.
const (
	chartWidth, chartFloor, chartTop = 560.0, 110.0, 14.0
	barGap                           = 8.0
)

// chart lays the bars out.
func (p *dashboardPage) chart(counts []dayCount) {
	for _, d := range counts {
		p.Most = max(p.Most, d.Total())
		p.Sent += d.Total()
	}
	slot := chartWidth / float64(len(counts))
	for i, d := range counts {
		b := bar{dayCount: d, X: float64(i)*slot + barGap/2, W: slot - barGap, Y: chartFloor, FailedY: chartFloor,
			Labelled: (len(counts)-1-i)%2 == 0}
		b.LabelX = b.X + b.W/2
		if p.Most > 0 {
			b.H = float64(d.Total()) / float64(p.Most) * (chartFloor - chartTop)
			b.FailedH = float64(d.Failed) / float64(p.Most) * (chartFloor - chartTop)
			b.Y, b.FailedY = chartFloor-b.H, chartFloor-b.FailedH
		}
		on := d.Day.Format(time.DateOnly)
		b.Href = link("/messages", "from", on, "to", on)
		p.Bars = append(p.Bars, b)
	}
}

// N writes a coordinate for SVG, briefly.
func (b bar) N(f float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") }
