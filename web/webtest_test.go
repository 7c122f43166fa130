package web

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
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
	"github.com/tink-crypto/tink-go/v2/tink"

	"rappel/calendars"
	"rappel/calendars/billing"
	"rappel/calendars/billing/payments"
	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/notify"
	"rappel/notify/credits"
	"rappel/reminders"
	"rappel/web/accounts"
	"rappel/web/mail"
)

var update = flag.Bool("update", false, "write golden files anew")

// monday is the tests' present: Monday 1 June 2026, 09:00 in Zurich.
var monday = time.Date(2026, 6, 1, 7, 0, 0, 0, time.UTC)

const password = "ein langes Wort"

// clock stands still.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

// tinkSealer is a real AEAD with a key of the run.
type tinkSealer struct{ tink.AEAD }

func (s tinkSealer) Seal(plain []byte, context string) ([]byte, error) {
	return s.Encrypt(plain, []byte(context))
}

func (s tinkSealer) Open(sealed []byte, context string) ([]byte, error) {
	return s.Decrypt(sealed, []byte(context))
}

var newSealer = sync.OnceValue(func() calendars.Sealer {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		panic(err)
	}
	a, err := aead.New(handle)
	if err != nil {
		panic(err)
	}
	return tinkSealer{a}
})

// site is the web over a database of its own, wired as cmd/rappel does.
type site struct {
	t      testing.TB
	clock  *clock
	owner  *sqlx.DB
	server *Server
	http   *httptest.Server
	logs   *syncBuffer
	plan   *reminders.Planner // on the owner's pool
	box    *mail.Box          // every mail

	welcomed []accounts.Newcomer
	credits  map[int64]int64 // what Transferer moves
	cases    []ReviewCase    // what ReviewDesk shows
	settled  []string        // what it was told

	books *billing.Service
	desk  *payments.Desk
	purse *credits.Credits
	till  *till
}

// WelcomeTx, Available, Transfer, Waiting, Settle and Register are the rooms a site's
// accounts ask, as small as can be.
func (s *site) WelcomeTx(_ context.Context, _ *sqlx.Tx, n accounts.Newcomer) error {
	s.welcomed = append(s.welcomed, n)
	return nil
}

func (s *site) Available(_ context.Context, account int64) (int64, error) {
	return s.credits[account], nil
}

func (s *site) Transfer(_ context.Context, t Transfer) error {
	if s.credits[t.From] < t.Credits {
		return ErrTooFew
	}
	s.credits[t.From] -= t.Credits
	s.credits[t.To] += t.Credits
	return nil
}

func (s *site) Waiting(context.Context) ([]ReviewCase, error) { return slices.Clone(s.cases), nil }

func (s *site) Settle(_ context.Context, account int64, release bool) error {
	if !slices.ContainsFunc(s.cases, func(c ReviewCase) bool { return c.AccountID == account }) {
		return ErrReview
	}
	s.settled = append(s.settled, fmt.Sprintf("%d %t", account, release))
	return nil
}

func (s *site) Register(_ context.Context, reg SenderRegistration) error {
	if !slices.ContainsFunc(s.cases, func(c ReviewCase) bool { return c.AccountID == reg.AccountID }) {
		return ErrReview
	}
	s.settled = append(s.settled, fmt.Sprintf("%d %s %s", reg.AccountID, reg.Sender, reg.State))
	return nil
}

// syncBuffer is a log that handlers write to and a test reads.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newSite(t testing.TB) *site {
	t.Helper()
	dsn := dbtest.NewDSN(t)
	s := &site{t: t, clock: &clock{t: monday}, owner: dbtest.Open(t, dsn), logs: &syncBuffer{}}
	pool := dbtest.Web(t, dsn)
	log := s.log()
	operator := dbtest.Operator(t, dsn)
	s.box = mail.NewBox(s.owner, newSealer())
	s.credits = map[int64]int64{}
	postman, err := NewPostman(mail.NewOutbox(newSealer(), s.clock.now), "http://rappel.test")
	if err != nil {
		t.Fatal(err)
	}
	people, err := accounts.NewStore(accounts.Config{DB: s.owner, Secret: []byte("0123456789abcdef0123456789abcdef"),
		Cost: accounts.Cost{Memory: 64, Passes: 1, Threads: 1}, Now: s.clock.now,
		Web: pool, Operator: operator, Sealer: newSealer(), Mailer: postman, Welcome: s, BaseURL: "http://rappel.test"})
	if err != nil {
		t.Fatal(err)
	}
	s.openBooks()
	outbox := notify.NewOutbox(s.clock.now)
	s.plan = reminders.NewPlanner(reminders.PlannerConfig{Events: calendars.NewStore(s.owner, newSealer()), Outbox: outbox, Debounce: -1, Log: log})
	store := calendars.NewStore(pool, newSealer())
	planner := reminders.NewPlanner(reminders.PlannerConfig{Events: store, Outbox: outbox, Debounce: -1, Log: log})
	connector := calendars.NewConnector(calendars.Config{DB: pool, Sealer: newSealer(), Sink: planner, BaseURL: "http://rappel.test", Quota: s.books, Now: s.clock.now, Log: log})
	s.server, err = New(Config{
		DB: pool, Operator: operator, Mails: s.box, Sessions: NewSessionStore(s.owner, s.clock.now), Accounts: people, Now: s.clock.now, Log: log, BaseURL: "http://rappel.test",
		Rooms: Rooms{
			Providers: []string{"google", "microsoft"}, Calendars: store, Connector: connector, Planner: planner,
			Templates: reminders.NewTemplates(pool, s.clock.now), Rules: reminders.NewRules(pool, s.clock.now, planner, connector),
			Settings: reminders.NewSettings(pool, s.clock.now, planner), Planned: reminders.NewStore(pool), Messages: notify.NewStore(pool),
			Transferer: s, Review: s, Billing: s.books, Orders: s.desk, Purse: s.purse, Cashier: s.till,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.openDesk()
	s.http = httptest.NewServer(s.server)
	t.Cleanup(s.http.Close)
	t.Cleanup(func() {
		if t.Failed() && s.logs.String() != "" {
			t.Log(s.logs.String())
		}
	})
	return s
}

// log writes into the site's.
func (s *site) log() *slog.Logger { return slog.New(slog.NewTextHandler(s.logs, nil)) }

// clinic is an account with somebody logged in.
type clinic struct {
	*site
	ID     int64
	client *http.Client
}

// clinic makes an account and logs in. Its pages are in German.
func (s *site) clinic(name string) *clinic {
	s.t.Helper()
	email := strings.ToLower(strings.ReplaceAll(name, " ", ".")) + "@example.com"
	u, err := s.server.Accounts.Create(context.Background(), accounts.NewUser{Business: name, Email: email, Password: password, Language: "de"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.exec(`UPDATE accounts SET callback = '044 123 45 67', sender = 'PraxisSee' WHERE account_id = $1`, u.AccountID)
	c := &clinic{site: s, ID: u.AccountID, client: s.stranger()}
	a := c.post("/login", url.Values{"email": {email}, "password": {password}})
	if a.status != http.StatusSeeOther || a.header.Get("Location") != "/" {
		s.t.Fatalf("log-in: %d to %q\n%s", a.status, a.header.Get("Location"), a.body)
	}
	return c
}

// stranger is a browser that nobody logged in with. It does not follow redirects.
func (s *site) stranger() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (c *clinic) get(path string) answer { c.t.Helper(); return c.do("GET", path, nil, nil) }
func (c *clinic) post(path string, form url.Values) answer {
	c.t.Helper()
	return c.do("POST", path, form, nil)
}

// page gets a page that must be there.
func (c *clinic) page(path string) string {
	c.t.Helper()
	a := c.get(path)
	if a.status != http.StatusOK {
		c.t.Fatalf("GET %s: %d\n%s", path, a.status, a.body)
	}
	return a.body
}

func (c *clinic) do(method, path string, form url.Values, header map[string]string) answer {
	c.t.Helper()
	return c.site.do(c.client, method, path, form, header)
}

func (s *site) do(client *http.Client, method, path string, form url.Values, header map[string]string) answer {
	s.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequest(method, s.http.URL+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }() // read to its end below
	data, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(data)}
}

// exec changes rows as the owner.
func (s *site) exec(query string, args ...any) {
	s.t.Helper()
	if _, err := s.owner.Exec(query, args...); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
}

// insert returns the id of a new row.
func (s *site) insert(query string, args ...any) (id int64) {
	s.t.Helper()
	if err := s.owner.Get(&id, query, args...); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return id
}

func (c *clinic) connection(provider, label string) int64 {
	c.t.Helper()
	return c.insert(`INSERT INTO connections (account_id, provider, subject, label, created_at) VALUES ($1, $2, $3, $3, $4) RETURNING id`,
		c.ID, provider, label, monday.AddDate(0, 0, -30))
}

// calendar is watched since a month ago and was read a minute ago.
func (c *clinic) calendar(connection int64, name string) calendars.CalendarRef {
	c.t.Helper()
	id := c.insert(`INSERT INTO calendars (account_id, connection_id, provider_ref, name, watched, watched_since, polled_at, snapshot_at, snapshot_to, next_poll_at, created_at)
		VALUES ($1, $2, $3, $3, true, $4, $5, $5, $6, $7, $4) RETURNING id`,
		c.ID, connection, name, monday.AddDate(0, 0, -30), monday.Add(-time.Minute), monday.AddDate(0, 0, 30), monday.Add(4*time.Minute))
	return calendars.CalendarRef{AccountID: c.ID, ID: id}
}

// event is an appointment, first seen a week ago unless e says when.
func (c *clinic) event(cal calendars.CalendarRef, e calendars.Event) int64 {
	c.t.Helper()
	if e.Key == "" {
		e.Key = fmt.Sprintf("%s@%d", e.Title, e.Start.Unix())
	}
	if e.UID == "" {
		e.UID = e.Key
	}
	if e.End.IsZero() {
		e.End = e.Start.Add(30 * time.Minute)
	}
	if e.FirstSeen.IsZero() {
		e.FirstSeen = monday.AddDate(0, 0, -7)
	}
	if e.Changed.IsZero() {
		e.Changed = e.FirstSeen
	}
	if e.Kind == "" {
		e.Kind = "default"
	}
	// As calendars seals it: the room has no door for tests to put events in.
	plain, err := json.Marshal(map[string]string{"t": e.Title, "l": e.Location, "d": e.Description})
	if err != nil {
		c.t.Fatal(err)
	}
	sealed, err := newSealer().Seal(plain, fmt.Sprintf("events/%d/%d/%s", cal.AccountID, cal.ID, e.Key))
	if err != nil {
		c.t.Fatal(err)
	}
	var date any
	if e.StartDate != "" {
		date = e.StartDate
	}
	return c.insert(`INSERT INTO events (account_id, calendar_id, instance_key, uid, starts_at, ends_at, all_day, start_date, kind, cancelled, declined, hidden,
		sealed_text, first_seen_at, changed_at, gone_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) RETURNING id`,
		cal.AccountID, cal.ID, e.Key, e.UID, e.Start, e.End, e.AllDay, date, e.Kind, e.Cancelled, e.Declined, e.Hidden, sealed, e.FirstSeen, e.Changed, e.Gone)
}

func (c *clinic) template(name string) int64 {
	c.t.Helper()
	t, err := c.server.Templates.Save(context.Background(), reminders.Template{AccountID: c.ID, Name: name, Texts: reminders.DefaultTexts()})
	if err != nil {
		c.t.Fatal(err)
	}
	return t.ID
}

// rule is the day before at ten, made a month ago.
func (c *clinic) rule(cal calendars.CalendarRef, template int64) int64 {
	c.t.Helper()
	return c.insert(`INSERT INTO rules (account_id, calendar_id, kind, amount, at_time, template_id, created_at, updated_at)
		VALUES ($1, $2, 'days_before', 1, '10:00', $3, $4, $4) RETURNING id`, c.ID, cal.ID, template, monday.AddDate(0, 0, -30))
}

// replan plans every calendar as the sync would.
func (c *clinic) replan() {
	c.t.Helper()
	if err := migrations.InAccount(context.Background(), c.owner, c.ID, func(tx *sqlx.Tx) error {
		return c.plan.Replan(context.Background(), tx, calendars.CalendarRef{AccountID: c.ID}, c.clock.now())
	}); err != nil {
		c.t.Fatal(err)
	}
}

// message is a text of a reminder with what became of it.
func (c *clinic) message(reminder int64, to, body string, at time.Time, status notify.Status, reason notify.Reason) int64 {
	c.t.Helper()
	id := c.insert(`INSERT INTO messages (account_id, kind, reference, origin, origin_id, recipient, sender, body, encoding, segments, units, send_at, expires_at, created_at)
		VALUES ($1, 1, $2, 'reminder', $3, $4, 'PraxisSee', $5, 0, 1, $6, $7, $8, $7) RETURNING id`,
		c.ID, fmt.Sprintf("reminder:%d:%d:%s", reminder, at.Unix(), to), reminder, to, body, len(body), at, at.AddDate(0, 0, 1))
	c.exec(`INSERT INTO sent (account_id, message_id, status, reason, carrier, parts, attempts, accepted_at, status_at) VALUES ($1, $2, $3, $4, 'sandbox', 1, 1, $5, $6)`,
		c.ID, id, status, reason, at.Add(time.Second), at.Add(5*time.Second))
	return id
}

var (
	hashedAsset = regexp.MustCompile(`(/static/[a-z]+)\.[0-9a-f]{8}\.`)
	blankLines  = regexp.MustCompile(`\n\s*\n+`)
)

// golden compares a page with its file, and the other way round with -update. What
// changes with every build is masked.
func golden(t *testing.T, name, body string) {
	t.Helper()
	body = hashedAsset.ReplaceAllString(body, "$1.HASH.")
	body = blankLines.ReplaceAllString(body, "\n")
	file := filepath.Join("testdata", name+".golden.html")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(body, "\n")); diff != "" {
		t.Errorf("%s (-want +got), refresh with -update:\n%s", file, diff)
	}
}
