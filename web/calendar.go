package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"rappel/calendars"
	"rappel/reminders"
)

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
