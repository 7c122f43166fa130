package web

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"rappel/calendars"
	"rappel/reminders"
)

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
