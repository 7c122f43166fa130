package standin

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// pageDays is how far the page looks ahead. It covers five working days from
// any day on.
const pageDays = 14

// Page is a small web page on which one sees everybody's appointments and adds,
// moves, edits and cancels them as if in the real calendar. Times are shown and
// read in the default zone. It needs no script; mount it under a path that ends
// in a slash.
func (w *World) Page() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", w.showPage)
	mux.HandleFunc("POST /add", w.acting(w.actAdd))
	mux.HandleFunc("POST /move", w.acting(w.actMove))
	mux.HandleFunc("POST /edit", w.acting(w.actEdit))
	mux.HandleFunc("POST /cancel", w.acting(w.actCancel))
	mux.HandleFunc("POST /restore", w.acting(w.actRestore))
	// Another web page open in the same browser must not edit appointments here.
	return http.NewCrossOriginProtection().Handler(mux)
}

type pageView struct {
	German     bool
	Lang       string
	From       string
	Earlier    string
	Later      string
	Today      string
	Zone       string
	Problem    string
	Restorable string
	People     []personView
}

type personView struct {
	Person
	Label     string // the provider's product
	Calendars []calendarView
}

type calendarView struct {
	Calendar
	Days  []dayView
	Count int
	Date  string // suggestion for a new appointment
}

type dayView struct {
	Label  string
	Date   string
	Events []eventView
}

type eventView struct {
	Event
	Date, Time, Until string
	Minutes           int
	Whole             string // id of the series, "" for single events
}

// T chooses the page's language.
func (v pageView) T(de, en string) string {
	if v.German {
		return de
	}
	return en
}

func (w *World) pageZone() *time.Location {
	zone, err := time.LoadLocation(w.opt.DefaultZone)
	if err != nil { // New has loaded it
		return time.UTC
	}
	return zone
}

var (
	weekdaysDE = [...]string{"Sonntag", "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag"}
	// problems are the messages a redirect can name: German, English.
	problems = map[string][2]string{
		"title": {"Bitte einen Titel eingeben.", "Please enter a title."},
		"when":  {"Datum, Uhrzeit oder Dauer ist ungültig.", "The date, time or duration is not valid."},
		"gone":  {"Diesen Termin gibt es nicht mehr.", "This appointment no longer exists."},
		"weeks": {"Die Anzahl Wochen liegt zwischen 1 und 104.", "The number of weeks is between 1 and 104."},
		"state": {"Die Änderung gilt, konnte aber nicht gespeichert werden.", "The change stands but could not be saved."},
	}
)

func (w *World) showPage(rw http.ResponseWriter, r *http.Request) {
	zone := w.pageZone()
	q := r.URL.Query()
	today := w.now().In(zone)
	from, err := time.ParseInLocation("2006-01-02", q.Get("from"), zone)
	if err != nil {
		from = time.Date(today.Year(), today.Month(), today.Day(), 0, 0, 0, 0, zone)
	}
	v := pageView{
		German: german(r), Lang: q.Get("lang"), Zone: zone.String(), From: from.Format("2006-01-02"), Today: today.Format("2006-01-02"),
		Earlier: from.AddDate(0, 0, -7).Format("2006-01-02"), Later: from.AddDate(0, 0, 7).Format("2006-01-02"),
		Restorable: q.Get("cancelled"),
	}
	if texts, ok := problems[q.Get("problem")]; ok {
		v.Problem = v.T(texts[0], texts[1])
	}
	w.mu.Lock()
	for _, p := range w.peopleOf("") {
		pv := personView{Person: p, Label: "Google Calendar"}
		if p.Provider == Microsoft {
			pv.Label = "Outlook"
		}
		for _, c := range w.calendarsOf(p.ID) {
			if !c.Deleted {
				pv.Calendars = append(pv.Calendars, v.calendar(c, from, zone))
			}
		}
		v.People = append(v.People, pv)
	}
	w.mu.Unlock()
	w.render(rw, http.StatusOK, "page.html", v)
}

func (v pageView) calendar(c *calendar, from time.Time, zone *time.Location) calendarView {
	cv := calendarView{Calendar: c.Calendar, Date: v.From}
	days := map[string]*dayView{}
	for i := range pageDays {
		day := from.AddDate(0, 0, i)
		label := v.T(weekdaysDE[day.Weekday()]+", "+day.Format("2.1.2006"), day.Format("Monday, 2 January 2006"))
		cv.Days = append(cv.Days, dayView{Label: label, Date: day.Format("2006-01-02")})
	}
	for i := range cv.Days {
		days[cv.Days[i].Date] = &cv.Days[i]
	}
	for _, e := range c.expand(overlaps(from.AddDate(0, 0, -1), from.AddDate(0, 0, pageDays+1))) {
		at := e.Start.In(zone)
		if e.AllDay {
			at = e.Start
		}
		day, ok := days[at.Format("2006-01-02")]
		if !ok {
			continue
		}
		day.Events = append(day.Events, eventView{
			Event: e, Date: at.Format("2006-01-02"), Time: at.Format("15:04"), Until: e.End.In(zone).Format("15:04"),
			Minutes: int(e.End.Sub(e.Start).Minutes()), Whole: e.Master,
		})
		cv.Count++
	}
	return cv
}

// badInput is a mistake in a form; its value is a key of problems.
type badInput string

func (b badInput) Error() string { return "standin: bad input: " + string(b) }

// acting runs a form's action and goes back to the page, to the calendar it
// was about.
func (w *World) acting(act func(*http.Request, url.Values) error) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		back := url.Values{}
		err := r.ParseForm()
		if err == nil {
			err = act(r, back)
		}
		var bad badInput
		switch {
		case err == nil:
		case errors.As(err, &bad):
			back.Set("problem", string(bad))
		case errors.Is(err, ErrNotFound):
			back.Set("problem", "gone")
		case errors.Is(err, ErrInvalid):
			back.Set("problem", "when")
		default:
			w.log.Error("stand-in page", "error", err)
			back.Set("problem", "state")
		}
		for _, key := range []string{"from", "lang"} {
			if value := r.PostForm.Get(key); value != "" {
				back.Set(key, value)
			}
		}
		to := "./?" + back.Encode()
		if id := r.PostForm.Get("calendar"); id != "" {
			to += "#cal-" + url.PathEscape(id)
		}
		// Relative, so that it works under any mount point; http.Redirect would
		// resolve it against the path without the prefix.
		rw.Header().Set("Location", to)
		rw.WriteHeader(http.StatusSeeOther)
	}
}

// when reads date, time and minutes of a form.
func (w *World) when(form url.Values, allDay bool, length time.Duration) (start, end time.Time, err error) {
	if allDay {
		day, err := time.Parse("2006-01-02", form.Get("date"))
		if err != nil {
			return start, end, badInput("when")
		}
		if length < 24*time.Hour {
			length = 24 * time.Hour
		}
		return day, day.Add(length), nil
	}
	start, err = time.ParseInLocation("2006-01-02 15:04", form.Get("date")+" "+form.Get("time"), w.pageZone())
	if err != nil {
		return start, end, badInput("when")
	}
	if text := form.Get("minutes"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > 14*24*60 {
			return start, end, badInput("when")
		}
		length = time.Duration(n) * time.Minute
	}
	return start, start.Add(length), nil
}

func (w *World) actAdd(r *http.Request, _ url.Values) error {
	form := r.PostForm
	e := Event{
		Title: strings.TrimSpace(form.Get("title")), Location: strings.TrimSpace(form.Get("location")),
		Description: strings.TrimSpace(form.Get("description")), AllDay: form.Get("allday") != "",
	}
	if e.Title == "" {
		return badInput("title")
	}
	var err error
	if e.Start, e.End, err = w.when(form, e.AllDay, 30*time.Minute); err != nil {
		return err
	}
	if text := form.Get("weeks"); text != "" && text != "1" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 104 {
			return badInput("weeks")
		}
		weekly := Weekly(n)
		e.Repeat = &weekly
	}
	_, err = w.AddEvent(form.Get("calendar"), e)
	return err
}

func (w *World) actMove(r *http.Request, _ url.Values) error {
	e, err := w.Event(r.PostForm.Get("event"))
	if err != nil {
		return err
	}
	start, end, err := w.when(r.PostForm, e.AllDay, e.End.Sub(e.Start))
	if err != nil {
		return err
	}
	_, err = w.EditEvent(e.ID, func(e *Event) { e.Start, e.End = start, end })
	return err
}

func (w *World) actEdit(r *http.Request, _ url.Values) error {
	form := r.PostForm
	title := strings.TrimSpace(form.Get("title"))
	if title == "" {
		return badInput("title")
	}
	_, err := w.EditEvent(form.Get("event"), func(e *Event) {
		e.Title, e.Location, e.Description = title, strings.TrimSpace(form.Get("location")), strings.TrimSpace(form.Get("description"))
	})
	return err
}

func (w *World) actCancel(r *http.Request, back url.Values) error {
	id := r.PostForm.Get("event")
	if r.PostForm.Get("series") != "" {
		master, _, ok := splitInstanceID(id)
		if !ok {
			return fmt.Errorf("%w: not an instance", ErrNotFound)
		}
		id = master
	}
	if err := w.CancelEvent(id, Delete); err != nil {
		return err
	}
	back.Set("cancelled", id)
	return nil
}

func (w *World) actRestore(r *http.Request, _ url.Values) error {
	return w.Restore(r.PostForm.Get("event"))
}
