package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/jmoiron/sqlx"

	"rappel/calendars"
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

// ring presses the calendar's doorbell.
func (s *Server) ring(r *request, ref calendars.CalendarRef) error {
	if _, err := s.Calendars.Calendar(r.Context(), ref); err != nil {
		return err
	}
	return r.tx(func(ctx context.Context, tx *sqlx.Tx) error { return s.Connector.Ring(ctx, tx, ref) })
}
