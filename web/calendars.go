package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/jmoiron/sqlx"

	"rappel/calendars"
	"rappel/reminders"
)

// calendarRoutes are connections, the choice of calendars, and one calendar's
// settings and rules.
//
// Ids for browser tests: a#connect-google, a#connect-microsoft; form#pick-<connection>
// with checkboxes name=watch value=<calendar>, button .pick-save; a[data-calendar="<id>"];
// on a calendar form#rule-new and form#rule-<id> with kind, amount, at_time, template,
// late…; form#calendar-settings; form#disconnect-<connection>.
func (s *Server) calendarRoutes() []route {
	return []route{
		{"GET /calendars", daily, s.calendarList},
		{"POST /connections/{id}/pick", managers, s.calendarPick},
		{"POST /connections/{id}/relist", managers, s.connectionRelist},
		{"POST /connections/{id}/disconnect", managers, s.connectionDisconnect},
		{"GET /calendars/{id}", daily, s.calendarPage},
		{"POST /calendars/{id}", managers, s.calendarSave},
		{"POST /calendars/{id}/read", daily, s.calendarRead},
		{"POST /calendars/{id}/rules", managers, s.ruleSave},
		{"POST /rules/{id}/delete", managers, s.ruleDelete},
		{"GET /connect/{provider}", roleOwner, s.connect},
		{"GET /connect/{provider}/callback", roleOwner, s.connected},
	}
}

type connectionView struct {
	calendars.Connection
	Calendars []calendarView
	Watching  int
}

type calendarView struct {
	calendars.Calendar
	Rules int
}

type calendarsPage struct {
	Connections []connectionView
	Providers   []string
	Watching    int
}

func (s *Server) calendarList(w http.ResponseWriter, r *request) error {
	conns, err := s.Calendars.Connections(r.Context(), r.Account.ID)
	if err != nil {
		return err
	}
	cals, err := s.Calendars.Calendars(r.Context(), r.Account.ID)
	if err != nil {
		return err
	}
	rules, err := s.Rules.All(r.Context(), r.Account.ID)
	if err != nil {
		return err
	}
	perCalendar := map[int64]int{}
	for _, rule := range rules {
		if rule.Enabled {
			perCalendar[rule.CalendarID]++
		}
	}
	p := calendarsPage{Providers: s.Providers}
	for _, c := range conns {
		if c.Status == calendars.ConnectionDisconnected {
			continue
		}
		v := connectionView{Connection: c}
		for _, cal := range cals {
			if cal.ConnectionID != c.ID || (cal.Status == calendars.CalendarGone && !cal.Watched) {
				continue
			}
			v.Calendars = append(v.Calendars, calendarView{cal, perCalendar[cal.ID]})
			if cal.Watched {
				v.Watching++
			}
		}
		p.Watching += v.Watching
		p.Connections = append(p.Connections, v)
	}
	return r.page(w, "calendars.html", "calendars", p)
}

// calendarPick stores which calendars of a connection are watched.
func (s *Server) calendarPick(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	if _, err := s.Calendars.Connection(r.Context(), calendars.ConnectionRef{AccountID: r.Account.ID, ID: id}); err != nil {
		return err
	}
	cals, err := s.Calendars.Calendars(r.Context(), r.Account.ID)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return &problem{http.StatusBadRequest, "bad_form", err}
	}
	// What is given up comes first, for it may make room for what is picked.
	slices.SortStableFunc(cals, func(a, b calendars.Calendar) int {
		switch {
		case a.Watched == b.Watched:
			return 0
		case a.Watched:
			return -1
		}
		return 1
	})
	var begun []int64
	for i, cal := range cals {
		want := slices.Contains(r.PostForm["watch"], strconv.FormatInt(cal.ID, 10))
		if cal.ConnectionID != id || want == cal.Watched {
			continue
		}
		switch err := s.Connector.Watch(r.Context(), cal.Ref(), want); {
		case errors.Is(err, calendars.ErrNotCovered):
			if r.role&money != 0 {
				return s.raise(w, r, uncovered(cals[i:], id, r.PostForm["watch"]))
			}
			r.flash("bad", "calendars.not_covered", "Name", cal.Name)
			return r.see(w, "/calendars", "")
		case errors.Is(err, calendars.ErrNotPickable):
			r.flash("bad", "calendars.not_pickable", "Name", cal.Name)
			return r.see(w, "/calendars", "")
		case err != nil:
			return err
		}
		if want {
			begun = append(begun, cal.ID)
		}
	}
	if len(begun) == 1 {
		rules, err := s.Rules.List(r.Context(), calendars.CalendarRef{AccountID: r.Account.ID, ID: begun[0]})
		if err != nil {
			return err
		}
		if len(rules) == 0 {
			return r.see(w, fmt.Sprintf("/calendars/%d", begun[0]), "calendars.picked_one")
		}
	}
	return r.see(w, "/calendars", "calendars.picked")
}

// uncovered are the calendars of a connection that were asked for and aren't read.
func uncovered(cals []calendars.Calendar, connection int64, asked []string) (ids []int64) {
	for _, c := range cals {
		if c.ConnectionID == connection && !c.Watched && slices.Contains(asked, strconv.FormatInt(c.ID, 10)) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

func (s *Server) connectionRelist(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	if err := s.Connector.Relist(r.Context(), calendars.ConnectionRef{AccountID: r.Account.ID, ID: id}); err != nil {
		return s.connectFailed(w, r, err)
	}
	return r.see(w, "/calendars", "calendars.relisted")
}

func (s *Server) connectionDisconnect(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	err = s.Connector.Disconnect(r.Context(), calendars.ConnectionRef{AccountID: r.Account.ID, ID: id})
	if errors.Is(err, calendars.ErrNotRevoked) {
		r.flash("warn", "calendars.disconnected_only_here")
		return r.see(w, "/calendars", "")
	}
	if err != nil {
		return err
	}
	return r.see(w, "/calendars", "calendars.disconnected")
}

// connect sends the browser to the provider's consent page.
func (s *Server) connect(w http.ResponseWriter, r *request) error {
	provider := r.PathValue("provider")
	if !slices.Contains(s.Providers, provider) {
		return errNoPage
	}
	reconnect, err := strconv.ParseInt(r.URL.Query().Get("reconnect"), 10, 64)
	if err != nil {
		reconnect = 0 // a new connection
	}
	to, err := s.Connector.Begin(r.Context(), r.Account.ID, r.binding(), provider, reconnect)
	if err != nil {
		return err
	}
	http.Redirect(w, r.Request, to, http.StatusSeeOther)
	return nil
}

// connected is where the provider sends the browser back to.
func (s *Server) connected(w http.ResponseWriter, r *request) error {
	provider := r.PathValue("provider")
	if !slices.Contains(s.Providers, provider) {
		return errNoPage
	}
	done, err := s.Connector.Finish(r.Context(), r.Account.ID, r.binding(), provider, r.URL.Query())
	if err != nil {
		return s.connectFailed(w, r, err)
	}
	switch done.Outcome {
	case calendars.Renewed:
		return r.see(w, "/calendars", "connect.renewed", "Label", done.Connection.Label)
	case calendars.OtherAccount:
		r.flash("warn", "connect.other_account", "Label", done.Connection.Label, "Other", done.OtherLabel)
		return r.see(w, "/calendars", "")
	}
	return r.see(w, "/calendars", "connect.connected", "Label", done.Connection.Label)
}

// connectFailed says in plain words why a sign-in or a reading of the list failed.
func (s *Server) connectFailed(w http.ResponseWriter, r *request, err error) error {
	for kind, key := range map[error]string{
		calendars.ErrConsentDenied: "connect.denied",
		calendars.ErrScopeMissing:  "connect.scope_missing",
		calendars.ErrAdminConsent:  "connect.admin_consent",
		calendars.ErrStateMismatch: "connect.state",
		calendars.ErrCodeUsed:      "connect.state",
		calendars.ErrClientConfig:  "connect.operator",
		calendars.ErrGrantRevoked:  "connect.revoked",
		calendars.ErrUnavailable:   "connect.unavailable",
		calendars.ErrThrottled:     "connect.unavailable",
	} {
		if errors.Is(err, kind) {
			r.flash("bad", key)
			return r.see(w, "/calendars", "")
		}
	}
	return err
}

type calendarPage struct {
	calendars.Calendar
	Connection calendars.Connection
	Rules      []ruleForm
	New        ruleForm
	Templates  []reminders.Template
	Settings   reminders.Settings
	Errors     map[string]string
	Everyday   []string // cron choices
}

// ruleForm is a rule in its form, with what is wrong.
type ruleForm struct {
	reminders.Rule
	AmountText, LateHours string
	Errors                map[string]string
	Open                  bool
}

func newRuleForm(rule reminders.Rule) ruleForm {
	return ruleForm{Rule: rule, AmountText: strconv.Itoa(rule.Amount), LateHours: trimFloat(float64(rule.LateMinMinutes) / 60), Errors: map[string]string{}}
}

func trimFloat(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// pollChoices are offered as pace of polling; any other cron spec stays as it is.
var pollChoices = []string{"*/5 * * * *", "*/15 * * * *", "*/30 * * * *", "@hourly"}

func (s *Server) calendarPage(w http.ResponseWriter, r *request) error {
	return s.showCalendar(w, r, http.StatusOK, nil, nil)
}

// showCalendar renders one calendar; wrong is a rule form to show as typed, errs
// what is wrong with the settings.
func (s *Server) showCalendar(w http.ResponseWriter, r *request, status int, wrong *ruleForm, errs map[string]string, set ...calendars.Settings) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	ref := calendars.CalendarRef{AccountID: r.Account.ID, ID: id}
	p := calendarPage{Errors: errs, Everyday: pollChoices}
	if p.Errors == nil {
		p.Errors = map[string]string{}
	}
	if p.Calendar, err = s.Calendars.Calendar(r.Context(), ref); err != nil {
		return err
	}
	if len(set) > 0 {
		c := &p.Calendar
		c.Practitioner, c.LocationName, c.AllDay, c.Cron, c.Mode = set[0].Practitioner, set[0].LocationName, set[0].AllDay, set[0].Cron, set[0].Mode
	}
	if !slices.Contains(p.Everyday, p.Cron) {
		p.Everyday = append([]string{p.Cron}, p.Everyday...)
	}
	if p.Connection, err = s.Calendars.Connection(r.Context(), p.Calendar.Connection()); err != nil {
		return err
	}
	if p.Templates, err = s.Templates.List(r.Context(), r.Account.ID); err != nil {
		return err
	}
	if p.Settings, err = s.Settings.Get(r.Context(), r.Account.ID); err != nil {
		return err
	}
	rules, err := s.Rules.List(r.Context(), ref)
	if err != nil {
		return err
	}
	for _, rule := range rules {
		f := newRuleForm(rule)
		if wrong != nil && wrong.ID == rule.ID {
			f = *wrong
		}
		p.Rules = append(p.Rules, f)
	}
	p.New = newRuleForm(reminders.Rule{Kind: reminders.DaysBefore, Amount: 1, AtTime: "10:00", Enabled: true, Late: reminders.LateSkip, LateMinMinutes: 120})
	p.New.Open = len(rules) == 0
	if wrong != nil && wrong.ID == 0 {
		p.New = *wrong
		p.New.Open = true
	}
	return s.render(w, r, status, "calendar.html", "calendars", p)
}

// calendarSave stores a calendar's own settings.
func (s *Server) calendarSave(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	ref := calendars.CalendarRef{AccountID: r.Account.ID, ID: id}
	old, err := s.Calendars.Calendar(r.Context(), ref)
	if err != nil {
		return err
	}
	set := calendars.Settings{Practitioner: strings.TrimSpace(r.PostFormValue("practitioner")), LocationName: strings.TrimSpace(r.PostFormValue("location_name")),
		AllDay: r.PostFormValue("all_day") != "", Cron: strings.TrimSpace(r.PostFormValue("cron")), Mode: old.Mode}
	err = r.tx(func(ctx context.Context, tx *sqlx.Tx) error {
		if err := s.Connector.UpdateCalendarTx(ctx, tx, ref, set); err != nil {
			return err
		}
		return s.Planner.Replan(ctx, tx, ref, s.Now())
	})
	var bad *calendars.SettingsError
	if errors.As(err, &bad) {
		return s.showCalendar(w, r, http.StatusUnprocessableEntity, nil, map[string]string{bad.Field: r.say("calendars.wrong." + bad.Why)}, set)
	}
	if err != nil {
		return err
	}
	return r.see(w, fmt.Sprintf("/calendars/%d", id), "calendars.saved")
}

// calendarRead asks for the calendar to be read at once.
func (s *Server) calendarRead(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	if err := s.ring(r, calendars.CalendarRef{AccountID: r.Account.ID, ID: id}); err != nil {
		return err
	}
	return r.see(w, fmt.Sprintf("/calendars/%d", id), "calendars.reading")
}

// ruleSave adds or changes a rule of a calendar.
func (s *Server) ruleSave(w http.ResponseWriter, r *request) error {
	calendar, err := r.id("id")
	if err != nil {
		return err
	}
	if _, err := s.Calendars.Calendar(r.Context(), calendars.CalendarRef{AccountID: r.Account.ID, ID: calendar}); err != nil {
		return err
	}
	f := ruleForm{AmountText: strings.TrimSpace(r.PostFormValue("amount")), LateHours: strings.TrimSpace(r.PostFormValue("late_hours")), Errors: map[string]string{}}
	f.Rule = reminders.Rule{AccountID: r.Account.ID, CalendarID: calendar, Kind: reminders.RuleKind(r.PostFormValue("kind")), AtTime: r.PostFormValue("at_time"),
		Language: r.PostFormValue("language"), Sender: strings.TrimSpace(r.PostFormValue("sender")), Enabled: r.PostFormValue("enabled") != "",
		Late: reminders.Late(r.PostFormValue("late"))}
	f.ID, f.TemplateID = formInt(r, "rule"), formInt(r, "template")
	if f.Kind == reminders.HoursBefore {
		f.AtTime = ""
	}
	if f.Amount, err = strconv.Atoi(f.AmountText); err != nil {
		f.Amount = -1 // out of range: answered beside its field
	}
	hours, err := strconv.ParseFloat(strings.ReplaceAll(orZero(f.LateHours), ",", "."), 64)
	if err != nil || hours < 0 || hours > 8760 {
		hours = -1
	}
	f.LateMinMinutes = int(hours * 60)
	_, err = s.Rules.Save(r.Context(), f.Rule)
	var bad *reminders.Invalid
	if errors.As(err, &bad) {
		f.Errors = r.fieldErrors(bad)
		return s.showCalendar(w, r, http.StatusUnprocessableEntity, &f, nil)
	}
	if err != nil {
		return err
	}
	return r.see(w, fmt.Sprintf("/calendars/%d", calendar), "rules.saved")
}

func orZero(s string) string {
	if s == "" {
		return "0"
	}
	return s
}

// formInt reads a number from the form, 0 for anything else.
func formInt(r *request, name string) int64 {
	n, err := strconv.ParseInt(r.PostFormValue(name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (s *Server) ruleDelete(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	ref := reminders.RuleRef{AccountID: r.Account.ID, ID: id}
	rule, err := s.Rules.Get(r.Context(), ref)
	if err != nil {
		return err
	}
	if err := s.Rules.Delete(r.Context(), ref); err != nil {
		return err
	}
	return r.see(w, fmt.Sprintf("/calendars/%d", rule.CalendarID), "rules.deleted")
}

// ring presses the calendar's doorbell.
func (s *Server) ring(r *request, ref calendars.CalendarRef) error {
	if _, err := s.Calendars.Calendar(r.Context(), ref); err != nil {
		return err
	}
	return r.tx(func(ctx context.Context, tx *sqlx.Tx) error { return s.Connector.Ring(ctx, tx, ref) })
}
