package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"rappel/calendars"
	"rappel/calendars/standin"
	"rappel/migrations"
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

// handClock stands still unless a scenario moves it.
type handClock struct {
	mu sync.Mutex
	at time.Time
}

func (c *handClock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }

func (c *handClock) set(at time.Time) { c.mu.Lock(); defer c.mu.Unlock(); c.at = at }

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

var weekdays = []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}

// when reads "Thu 14:30", "Thu 14:30:05" (of the scenarios' week; "Mon+" and so on of
// the next) or "2026-03-29 03:30", all in Zurich.
func (s *stage) when(text string) time.Time {
	s.t.Helper()
	day, clock, _ := strings.Cut(text, " ")
	if strings.Count(clock, ":") == 1 {
		clock += ":00"
	}
	if i := slices.Index(weekdays, strings.TrimSuffix(day, "+")); i >= 0 {
		if strings.HasSuffix(day, "+") {
			i += 7
		}
		day = s.week.AddDate(0, 0, i).Format(time.DateOnly)
	}
	at, err := time.ParseInLocation(time.DateTime, day+" "+clock, zurich)
	s.must(err)
	return at
}

func (s *stage) now() time.Time { return s.clock.now() }

// at sets the clock and lets nobody work.
func (s *stage) at(when string) {
	s.t.Helper()
	at := s.when(when)
	if at.Before(s.now()) {
		s.t.Fatalf("the clock would run backwards to %s", when)
	}
	s.clock.set(at)
}

// jump sets the clock and then lets everybody work: all were asleep between.
func (s *stage) jump(when string) { s.t.Helper(); s.at(when); s.settle() }

// walk lets time pass until when: whoever has something to do does it at its time.
func (s *stage) walk(when string) { s.t.Helper(); s.walkTo(s.when(when)) }

func (s *stage) walkTo(end time.Time) {
	s.t.Helper()
	for range 5000 {
		s.settle()
		var next *time.Time
		s.must(s.app.pools.owner.GetContext(s.t.Context(), &next, `SELECT min(due_at) FROM due
			WHERE kind IN ('sync', 'remind', 'dispatch') AND due_at < 'infinity' AND NOT (kind = 'dispatch' AND $1)`, s.stuck))
		if next == nil || next.After(end) {
			if !s.now().After(end) {
				s.clock.set(end)
			}
			s.settle()
			return
		}
		// Work that stays due at once is work that failed: it gets another second.
		at := *next
		if least := s.now().Add(time.Second); at.Before(least) {
			at = least
		}
		s.clock.set(at)
	}
	s.t.Fatal("work without end")
}

// settle lets everybody work at this very moment until nobody has anything to do.
func (s *stage) settle() {
	s.t.Helper()
	for range 50 {
		// One question in place of the dozens that workers without work would ask.
		var has struct{ Sync, Remind, Dispatch bool }
		s.must(s.app.pools.owner.GetContext(s.t.Context(), &has, `
			WITH ready AS MATERIALIZED (SELECT DISTINCT kind FROM due WHERE due_at <= $1 OR lease_until <= $1)
			SELECT EXISTS (SELECT 1 FROM ready WHERE kind = 'sync') AS sync, EXISTS (SELECT 1 FROM ready WHERE kind = 'remind') AS remind,
				EXISTS (SELECT 1 FROM ready WHERE kind NOT IN ('sync', 'remind')) OR EXISTS (SELECT 1 FROM claims WHERE lease_until <= $1) OR
				EXISTS (SELECT 1 FROM unanswered WHERE decide_at <= $1) OR
				EXISTS (SELECT 1 FROM sandbox_texts WHERE NOT receipted AND receipt_at <= $1) AS dispatch`, s.now()))
		n := 0
		if has.Sync {
			n += s.sync()
		}
		if has.Remind {
			n += s.remind()
		}
		if has.Dispatch {
			n += s.dispatch()
		}
		if n == 0 {
			return
		}
	}
	s.t.Fatal("work without end at one moment")
}

func (s *stage) sync() int {
	s.t.Helper()
	n, err := s.app.syncer.Tick(s.t.Context())
	s.must(err)
	return n
}

func (s *stage) remind() int {
	s.t.Helper()
	n, err := s.app.clerk.Tick(s.t.Context())
	s.must(err)
	return n
}

func (s *stage) dispatch() int {
	s.t.Helper()
	if s.stuck {
		return 0
	}
	n, err := s.app.dispatcher.Tick(s.t.Context())
	s.must(err)
	if s.sent != nil {
		s.sent()
	}
	if s.app.sandbox != nil {
		m, err := s.app.sandbox.Tick(s.t.Context(), s.app.desk)
		s.must(err)
		n += m
	}
	return n
}

// poll has calendars read now, as a push notification would; without any, calendar a.
func (c *clinic) poll(cals ...standin.Calendar) {
	c.stage.t.Helper()
	if len(cals) == 0 {
		cals = c.cals[:1]
	}
	for _, cal := range cals {
		c.stage.must(c.stage.app.syncer.Ring(c.stage.t.Context(), c.stage.app.pools.owner, c.ref(cal)))
	}
	c.stage.sync()
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

// wantTexts compares what phone shows with appointments announced, in order.
func (s *stage) wantTexts(phone string, starts ...string) {
	s.t.Helper()
	want := []string{}
	for _, w := range starts {
		want = append(want, s.text(w))
	}
	if diff := cmp.Diff(want, s.texts(phone)); diff != "" {
		s.t.Errorf("at %s the phone of a patient shows otherwise (-want +got):\n%s", s.now().In(zurich).Format("Mon 15:04:05"), diff)
	}
}

func (s *stage) texts(phone string) []string {
	s.t.Helper()
	if s.receive != nil {
		return s.receive(phone)
	}
	got := []string{}
	s.must(s.app.pools.owner.SelectContext(s.t.Context(), &got, `SELECT body FROM sandbox_texts WHERE phone = $1 AND direction = 'to_phone' ORDER BY id`, phone))
	return got
}

// allTexts counts texts on all phones.
func (s *stage) allTexts() (n int) {
	s.t.Helper()
	s.must(s.app.pools.owner.GetContext(s.t.Context(), &n, `SELECT count(*) FROM sandbox_texts WHERE direction = 'to_phone'`))
	return n
}

// key is the instance key under which the product knows an event of the stand-in.
func (s *stage) key(id string) string {
	if s.provider == standin.Microsoft {
		return standin.GraphID(id)
	}
	return id
}

// wantVerdict compares why an appointment gets no text, as the web would say it.
func (c *clinic) wantVerdict(id string, want reminders.Reason) {
	s := c.stage
	s.t.Helper()
	ctx := s.t.Context()
	var ids []int64
	s.must(s.app.pools.owner.SelectContext(ctx, &ids, `SELECT id FROM events WHERE account_id = $1 AND instance_key = $2
		ORDER BY gone_at NULLS FIRST, id DESC`, c.account, s.key(id)))
	if len(ids) == 0 {
		s.t.Errorf("the appointment is not known, want %q", want)
		return
	}
	store := reminders.NewStore(s.app.pools.web)
	verdicts, err := store.Verdicts(ctx, c.account, ids[:1])
	s.must(err)
	planned, err := store.Reminders(ctx, c.account, ids[:1])
	s.must(err)
	rules, err := c.ruleStore.All(ctx, c.account)
	s.must(err)
	if got := reminders.Explain(verdicts[ids[0]], planned[ids[0]], rules, s.now()).Reason; got != want {
		s.t.Errorf("explained by %q, want %q", got, want)
	}
}

// wantReminders compares all reminders stored, as "status reason start", by start.
func (c *clinic) wantReminders(want ...string) {
	s := c.stage
	s.t.Helper()
	var rows []struct {
		Status, Reason string
		StartsAt       time.Time `db:"starts_at"`
	}
	s.must(s.app.pools.owner.SelectContext(s.t.Context(), &rows, `SELECT status, reason, starts_at FROM reminders WHERE account_id = $1 ORDER BY starts_at, status, reason`, c.account))
	got := []string{}
	for _, r := range rows {
		got = append(got, strings.Join(slices.DeleteFunc([]string{r.Status, r.Reason, r.StartsAt.In(zurich).Format("Mon 15:04")},
			func(w string) bool { return w == "" }), " "))
	}
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		s.t.Errorf("reminders (-want +got):\n%s", diff)
	}
}

// wantNotices compares the kinds of problems the clinic is shown.
func (c *clinic) wantNotices(want ...string) {
	s := c.stage
	s.t.Helper()
	got := []string{}
	s.must(s.app.pools.owner.SelectContext(s.t.Context(), &got, `SELECT kind FROM notices WHERE account_id = $1 AND resolved_at IS NULL ORDER BY kind, subject`, c.account))
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		s.t.Errorf("notices (-want +got):\n%s", diff)
	}
}

// wantMessages compares all messages asked for, as "status reason".
func (c *clinic) wantMessages(want ...string) {
	s := c.stage
	s.t.Helper()
	var rows []struct {
		Status notify.Status
		Reason string
	}
	s.must(s.app.pools.owner.SelectContext(s.t.Context(), &rows, `SELECT COALESCE(s.status, 0) AS status, COALESCE(s.reason, '') AS reason
		FROM messages m LEFT JOIN sent s ON s.account_id = m.account_id AND s.message_id = m.id WHERE m.account_id = $1 ORDER BY m.id`, c.account))
	got := []string{}
	for _, r := range rows {
		got = append(got, strings.TrimSpace(r.Status.String()+" "+r.Reason))
	}
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		s.t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func (c *clinic) connectionStatus() (status, problem string) {
	s := c.stage
	s.t.Helper()
	row := struct{ Status, Problem string }{}
	s.must(s.app.pools.owner.GetContext(s.t.Context(), &row, `SELECT status, problem FROM connections WHERE account_id = $1 AND id = $2`, c.account, c.conn.ID))
	return row.Status, row.Problem
}

func (c *clinic) calendar(cal standin.Calendar) calendars.Calendar {
	s := c.stage
	s.t.Helper()
	got, err := s.app.calendars.Calendar(s.t.Context(), c.ref(cal))
	s.must(err)
	return got
}

// raised lists the kinds of alarm raised so far.
func (s *stage) raised() []string {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.app.metrics.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	kinds := []string{}
	for _, m := range regexp.MustCompile(`rappel_alarms_total\{kind="([^"]+)"\} [1-9]`).FindAllStringSubmatch(w.Body.String(), -1) {
		kinds = append(kinds, m[1])
	}
	return kinds
}

// confidential is what no log may hold: numbers, titles, bodies, e-mail addresses, tokens.
var confidential = regexp.MustCompile(`(?i)\b(?:\+?41|0041|0) ?7[5-9][ 0-9]{6,}|Kontrolle|Termin |@clinic|%40clinic|Bearer |refresh_token=|syncToken=[^ "]|rappel-test-secret`)

// audit ends every scenario: no alarm nobody expected, nothing private in the log, and
// no phone with the same text twice.
func (s *stage) audit() {
	for _, kind := range s.raised() {
		if !slices.Contains(s.alarms, kind) {
			s.t.Errorf("alarm %q was raised", kind)
		}
	}
	log := s.log.String()
	if at := confidential.FindStringIndex(log); at != nil {
		line := log[strings.LastIndex(log[:at[0]], "\n")+1:]
		line, _, _ = strings.Cut(line, "\n")
		s.t.Errorf("the log holds something private (%q) in:\n%s", log[at[0]:at[1]], line)
	}
	if s.receive == nil {
		var doubled int
		err := s.app.pools.owner.GetContext(context.Background(), &doubled, `SELECT count(*) FROM
			(SELECT 1 FROM sandbox_texts WHERE direction = 'to_phone' GROUP BY phone, body HAVING count(*) > 1) AS x`)
		if err != nil || doubled != s.doubles {
			s.t.Errorf("%d texts came twice, want %d (%v)", doubled, s.doubles, err)
		}
	}
	if s.t.Failed() {
		telling := regexp.MustCompile(`(?m)^.*outcome=(quiet|unchanged)\n`).ReplaceAllString(log, "")
		s.t.Logf("the log ends:\n%s", telling[max(0, len(telling)-6000):])
	}
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
