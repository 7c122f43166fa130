package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"rappel/calendars"
	"rappel/calendars/standin"
	"rappel/migrations/dbtest"
	"rappel/notify"
	"rappel/reminders"
)

// Patients of the scenarios: as a receptionist types their numbers, and as phones know
// them. None ends as one of the sandbox's demo numbers does.
const (
	anna, annaPhone   = "079 123 45 67", "+41791234567"
	berta, bertaPhone = "078 765 43 21", "+41787654321"
	carla, carlaPhone = "076 222 33 44", "+41762223344"
)

// monday is when every scenario begins unless it says otherwise: nine in the morning,
// in a week without a clock change.
var zurich, monday = func() (*time.Location, time.Time) {
	zone, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		panic(err) // calendars embeds the zones
	}
	return zone, time.Date(2026, 6, 1, 9, 0, 0, 0, zone)
}()

// stage is the whole product in one process, its workers driven by hand, before
// stand-ins of a provider over real HTTP.
type stage struct {
	*clinic
	t        *testing.T
	provider standin.Provider
	clock    handClock
	world    *standin.World
	cfg      Config
	app      *app
	log      lockedBuffer
	alarms   []string  // kinds a scenario expects; any other one fails it
	rhythm   string    // cron of calendar a
	week     time.Time // the Monday that "Thu" and so on belong to
	doubles  int       // texts that may look the same
	sent     func()    // told whenever texts may have left
	stuck    bool      // nobody dispatches
	receive  func(phone string) []string
}

// scene is what a scenario may want otherwise.
type scene struct {
	t        *testing.T
	start    time.Time
	week     time.Time // the Monday that "Thu" and so on belong to
	carriers string
	receive  func(phone string) []string // what phones show; nil = the sandbox's table
	mode     standin.Mode
	rhythm   string // cron of calendar a
}

// hourly is for scenarios that need calendar a read more often.
func hourly(sc *scene) { sc.rhythm = "7 6-20 * * *" }

// play runs a scenario for both providers.
func play(t *testing.T, name string, run func(s *stage), change ...func(*scene)) {
	t.Helper()
	for _, p := range []standin.Provider{standin.Google, standin.Microsoft} {
		playAt(t, p, name, run, change...)
	}
}

// playAt runs a scenario for one provider.
func playAt(t *testing.T, p standin.Provider, name string, run func(s *stage), change ...func(*scene)) {
	t.Helper()
	t.Run(strings.ReplaceAll(name, " ", "_")+"/"+string(p), func(t *testing.T) {
		t.Parallel()
		sc := scene{t: t, start: monday, week: monday, carriers: "sandbox://?receipt=0s", rhythm: "7 8-20/3 * * *"}
		for _, f := range change {
			f(&sc)
		}
		run(newStage(t, p, sc))
	})
}

func newStage(t *testing.T, p standin.Provider, sc scene) *stage {
	t.Helper()
	s := &stage{t: t, provider: p, receive: sc.receive, rhythm: sc.rhythm, week: sc.week}
	s.clock.set(sc.start)
	client := standin.Client{ID: "rappel-test", Secret: "rappel-test-secret"}
	var err error
	s.world, err = standin.New(standin.Options{Now: s.clock.now, GoogleClient: client, MicrosoftClient: client})
	s.must(err)
	mux := http.NewServeMux()
	mux.Handle("/google/", http.StripPrefix("/google", s.world.Google()))
	mux.Handle("/microsoft/", http.StripPrefix("/microsoft", s.world.Microsoft()))
	outside := httptest.NewServer(mux)
	s.world.SetBases(outside.URL+"/google", outside.URL+"/microsoft")
	s.world.SetMode(p, sc.mode)

	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	s.must(err)
	keys, err := keysetJSON(handle)
	s.must(err)
	s.cfg = Config{databaseConfig: databaseConfig{dbtest.NewDSN(t)}, Keyset: string(keys), Carriers: sc.carriers,
		Listen: "127.0.0.1:8080", BaseURL: "http://127.0.0.1:8080", Debounce: 2 * time.Minute, UnansweredWait: 2 * time.Minute, LeaseFor: 30 * time.Second, StopAfter: time.Second,
		GoogleClientID: client.ID, GoogleClientSecret: client.Secret, GoogleAuthURL: outside.URL + "/google/o/oauth2/v2/auth",
		GoogleTokenURL: outside.URL + "/google/token", GoogleAPIURL: outside.URL + "/google",
		MicrosoftClientID: client.ID, MicrosoftClientSecret: client.Secret,
		MicrosoftAuthorityURL: outside.URL + "/microsoft/common", MicrosoftGraphURL: outside.URL + "/microsoft/v1.0"}
	s.app = s.newApp()
	// The server last: clients that keep connections would hold up its end.
	t.Cleanup(outside.Close)
	t.Cleanup(outside.CloseClientConnections)
	t.Cleanup(s.audit)
	s.clinic = s.open("praxis@clinic-one.example")
	return s
}

// ampleTime is for machines that have much else to do: on the stage time passes by hand.
const ampleTime = 10 * time.Minute

// newApp wires one more process over the stage's database.
func (s *stage) newApp() *app {
	s.t.Helper()
	log := slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	a, err := newApp(s.t.Context(), s.cfg, log, extras{now: s.clock.now, patience: ampleTime})
	s.must(err)
	s.t.Cleanup(func() { s.must(a.close()) })
	return a
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// open makes a clinic and walks it through connecting, picking, a template and a rule
// "one day before" on both its calendars.
func (s *stage) open(email string) *clinic {
	s.t.Helper()
	ctx := s.t.Context()
	c := &clinic{stage: s, refs: map[string]calendars.CalendarRef{}, rules: map[string]reminders.Rule{}}
	s.must(s.app.pools.owner.GetContext(ctx, &c.account,
		`INSERT INTO accounts (business, callback, sender, created_at) VALUES ('Praxis', '044 000 11 22', 'Praxis', $1) RETURNING account_id`, s.now()))
	var err error
	c.person, err = s.world.AddPerson(s.provider, email, "Praxis")
	s.must(err)
	for _, name := range []string{"b", "c"} {
		_, err := s.world.AddCalendar(c.person.ID, name)
		s.must(err)
	}
	c.cals = s.world.Calendars(c.person.ID)

	// As the web does it: with the pool that row-level security binds.
	seal, _, err := loadKeyset(s.cfg.Keyset)
	s.must(err)
	web := s.app.pools.web
	c.planner = reminders.NewPlanner(reminders.PlannerConfig{Events: calendars.NewStore(web, seal), Outbox: notify.NewOutbox(s.clock.now),
		Debounce: s.cfg.Debounce, Log: s.app.log})
	c.connector = calendars.NewConnector(calendars.Config{DB: web, Sealer: seal, Providers: s.app.providers(), Sink: c.planner,
		BaseURL: s.cfg.BaseURL, Now: s.clock.now, Log: s.app.log})
	c.ruleStore = reminders.NewRules(web, s.clock.now, c.planner, s.app.syncer)
	f, err := c.connect(0, standin.Decision{Email: email})
	s.must(err)
	c.conn = f.Connection.Ref()
	list, err := s.app.calendars.Calendars(ctx, c.account)
	s.must(err)
	for _, cal := range list {
		c.refs[cal.ProviderRef] = cal.Ref()
	}
	tpl, err := reminders.NewTemplates(web, s.clock.now).Save(ctx, reminders.Template{AccountID: c.account, Name: "Termin",
		Texts: map[string]string{"de": "Termin {weekday} {date} {time}"}})
	s.must(err)
	c.template = tpl.ID
	for i, cal := range c.cals[:2] {
		ref := c.ref(cal)
		// Seldom, since every poll costs a scenario time; b is hardly used.
		rhythm := []string{s.rhythm, "23 6,12,18 * * *"}[i]
		s.must(c.connector.UpdateCalendar(ctx, ref, calendars.Settings{Cron: rhythm}))
		s.must(c.connector.Watch(ctx, ref, true))
		c.rules[cal.ID], err = c.ruleStore.Save(ctx, reminders.Rule{AccountID: c.account, CalendarID: ref.ID, Kind: reminders.DaysBefore, Amount: 1,
			TemplateID: c.template, Enabled: true, LateMinMinutes: 120})
		s.must(err)
	}
	s.settle()
	return c
}

// slot is the id of the instance of series m whose original start is when.
func (s *stage) slot(m standin.Event, when string) string {
	return standin.InstanceID(m.ID, s.when(when), false)
}

func (s *stage) move(id, to string) {
	s.t.Helper()
	_, err := s.world.MoveEvent(id, s.when(to))
	s.must(err)
}

func (s *stage) edit(id string, f func(*standin.Event)) {
	s.t.Helper()
	_, err := s.world.EditEvent(id, f)
	s.must(err)
}

func (s *stage) fault(spec standin.FaultSpec) *standin.Fault {
	s.t.Helper()
	f, err := s.world.Fault(spec)
	s.must(err)
	return f
}

// apiDown is a provider whose calendars don't answer.
func (s *stage) apiDown() *standin.Fault {
	s.t.Helper()
	path := ` /calendar/v3/`
	if s.provider == standin.Microsoft {
		path = ` /v1\.0/`
	}
	return s.fault(standin.FaultSpec{Provider: s.provider, Path: path, Kind: standin.Respond, Status: http.StatusServiceUnavailable})
}

// replies has phone write to the clinic.
func (s *stage) replies(phone, body string) {
	s.t.Helper()
	form := url.Values{"phone": {phone}, "partner": {"Praxis"}, "body": {body}}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.app.sandbox.Phone(s.app.desk).ServeHTTP(w, r)
	if w.Code != http.StatusSeeOther {
		s.t.Fatalf("the phone page answers %d", w.Code)
	}
}

// text is what the template says of an appointment at when.
func (s *stage) text(when string) string {
	s.t.Helper()
	at := s.when(when)
	return fmt.Sprintf("Termin %s %d.%d. %s", []string{"So", "Mo", "Di", "Mi", "Do", "Fr", "Sa"}[at.Weekday()], at.Day(), at.Month(), at.Format("15:04"))
}
