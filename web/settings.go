package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"rappel/notify"
	"rappel/reminders"
)

// settingsRoutes are what a clinic decides for all its calendars.
//
// Ids for browser tests: inputs by their column names (business, callback, sender,
// zone, region, min_lead_minutes, …), #save; the language buttons of the footer.
func (s *Server) settingsRoutes() []route {
	return []route{
		{"GET /settings", managers, s.settingsPage},
		{"POST /settings", managers, s.settingsSave},
	}
}

type settingsForm struct {
	reminders.Settings
	Fields     []string // location, title, description: what can be chosen as order
	OwnText    string
	MoreText   string
	LeadText   string
	Zones      []string
	Errors     map[string]string
	OrderSlots []string         // three choices, "" = none
	Retention  notify.Retention // without zeros
}

// zones are offered first; any other IANA name can be typed.
var zones = []string{"Europe/Zurich", "Europe/Vaduz", "Europe/Berlin", "Europe/Vienna", "Europe/Paris", "Europe/Rome", "Europe/London"}

func (s *Server) settingsPage(w http.ResponseWriter, r *request) error {
	set, err := s.Settings.Get(r.Context(), r.Account.ID)
	if err != nil {
		return err
	}
	return s.settingsForm(w, r, http.StatusOK, settingsForm{Settings: set, OwnText: strings.Join(set.OwnNumbers, "\n"),
		MoreText: strings.Join(set.MoreRegions, " "), LeadText: strconv.Itoa(set.MinLeadMinutes)})
}

func (s *Server) settingsForm(w http.ResponseWriter, r *request, status int, f settingsForm) error {
	f.Fields, f.Zones = reminders.FieldNames(), zones
	f.OrderSlots = append(slices.Clone([]string(f.FieldOrder)), "", "", "")[:3]
	if f.Errors == nil {
		f.Errors = map[string]string{}
	}
	kept, err := s.Messages.Retention(r.Context(), r.Account.ID)
	if err != nil {
		return err
	}
	f.Retention = kept.OrDefault()
	return s.render(w, r, status, "settings.html", "settings", f)
}

func (s *Server) settingsSave(w http.ResponseWriter, r *request) error {
	set, err := s.Settings.Get(r.Context(), r.Account.ID)
	if err != nil {
		return err
	}
	set.Business, set.Callback, set.Sender = r.PostFormValue("business"), r.PostFormValue("callback"), r.PostFormValue("sender")
	set.Language, set.Zone, set.Region = r.PostFormValue("language"), strings.TrimSpace(r.PostFormValue("zone")), r.PostFormValue("region")
	set.Several = reminders.Several(r.PostFormValue("several_numbers"))
	set.QuietFrom, set.QuietTo = r.PostFormValue("quiet_from"), r.PostFormValue("quiet_to")
	set.Smart = r.PostFormValue("smart_encoding") != ""
	set.FieldOrder = nil
	for _, field := range r.PostForm["field_order"] {
		if field != "" && !slices.Contains(set.FieldOrder, field) {
			set.FieldOrder = append(set.FieldOrder, field)
		}
	}
	f := settingsForm{OwnText: r.PostFormValue("own_numbers"), MoreText: r.PostFormValue("more_regions"), LeadText: strings.TrimSpace(r.PostFormValue("min_lead_minutes"))}
	set.OwnNumbers = strings.FieldsFunc(f.OwnText, func(c rune) bool { return c == '\n' || c == '\r' || c == ',' || c == ';' })
	set.MoreRegions = strings.FieldsFunc(f.MoreText, func(c rune) bool { return c == ' ' || c == ',' || c == ';' })
	lead, err := strconv.Atoi(f.LeadText)
	if err != nil {
		lead = -1 // out of range: answered beside its field
	}
	set.MinLeadMinutes = lead
	f.Settings = set
	err = s.Settings.Save(r.Context(), set)
	var bad *reminders.Invalid
	if errors.As(err, &bad) {
		f.Errors = r.fieldErrors(bad)
		return s.settingsForm(w, r, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	return r.see(w, "/settings", "settings.saved")
}
