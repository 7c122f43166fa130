package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"golang.org/x/oauth2"

	"rappel/calendars"
	"rappel/calendars/google"
	"rappel/migrations"
	"rappel/notify"
	"rappel/notify/carriers/sandbox"
	"rappel/notify/carriers/smsup"
	"rappel/notify/carriers/twilio"
	"rappel/notify/links"
	"rappel/notify/optout"
)

type doctorCmd struct {
	Config
	Roles []string `env:"RAPPEL_ROLES" default:"web,sync,remind,dispatch" help:"What the process to be checked is to do: web, sync, remind, dispatch."`
}

// findings collects what doctor sees; each trouble comes with its remedy.
type findings struct {
	std     stdio
	trouble int
}

func (f *findings) ok(format string, a ...any) {
	fmt.Fprintf(f.std.out, "ok       %s\n", fmt.Sprintf(format, a...))
}

func (f *findings) note(what, remedy string) {
	fmt.Fprintf(f.std.out, "note     %s\n         → %s\n", what, remedy)
}

// err is bad for an error that may bring its own remedy.
func (f *findings) err(about string, err error) {
	var re *remedyError
	if errors.As(err, &re) {
		f.bad(re.what, re.remedy)
		return
	}
	f.bad(about, err.Error())
}

func (f *findings) bad(what, remedy string) {
	f.trouble++
	fmt.Fprintf(f.std.out, "TROUBLE  %s\n         → %s\n", what, remedy)
}

// Run looks at configuration, database, carriers, providers and connections, and
// ends with status 1 when something must be done. It changes nothing and sends
// nothing.
func (c doctorCmd) Run(ctx context.Context, std stdio) error {
	f := &findings{std: std}
	if err := c.validate(); err != nil {
		for _, e := range unjoin(err) {
			f.bad("configuration", e.Error())
		}
	} else if _, err := parseRoles(c.Roles); err != nil {
		f.bad("RAPPEL_ROLES: "+err.Error(), "correct RAPPEL_ROLES")
	} else {
		f.ok("configuration is complete; the web is %s", c.BaseURL)
		c.checkLinkBase(f)
	}
	if c.Keyset != "" {
		if _, _, err := loadKeyset(c.Keyset); err != nil {
			f.bad("keyset", err.Error())
		} else {
			f.ok("keyset can be read")
		}
	}
	c.checkProviders(ctx, f)
	c.checkDatabase(ctx, f)
	if f.trouble > 0 {
		fmt.Fprintf(std.out, "\n%d things to do.\n", f.trouble)
		return errQuiet
	}
	fmt.Fprintln(std.out, "\nAll is well.")
	return nil
}

// checkLinkBase tells of a link base that makes marketing texts longer than need be.
func (c doctorCmd) checkLinkBase(f *findings) {
	l, err := links.New(c.linkBase(), make([]byte, 16)) // the key has no part in the length
	if err != nil {
		f.bad("unsubscribe links: "+err.Error(), "correct RAPPEL_LINK_BASE, such as rpl.ch/u")
		return
	}
	if more := l.Length() - links.Shortest; more > 0 {
		f.note(fmt.Sprintf("STOP and link at the end of marketing texts take %d characters, where 26 would do", 26+more),
			"set RAPPEL_LINK_BASE to a short host that leads to this web's /u/, up to nine characters with the slash behind, such as rpl.ch/u")
	}
}

func unjoin(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()
	}
	return []error{err}
}

// checkProviders tries what a sign-in and a sync need of each calendar provider,
// with a grant that doesn't exist, so that nothing is changed there.
func (c doctorCmd) checkProviders(ctx context.Context, f *findings) {
	if c.GoogleClientID == "" && c.MicrosoftClientID == "" {
		f.bad("no calendar provider is configured", "set RAPPEL_GOOGLE_CLIENT_ID and _CLIENT_SECRET, or those of RAPPEL_MICROSOFT")
	}
	a := &app{cfg: c.Config, now: time.Now}
	for _, p := range a.providers() {
		e := c.endpoints(p.Name)
		if isHTTP(e.token) && reachable(ctx, f, e.title, e.token) {
			checkClient(ctx, f, p, e)
		}
		if e.api == "" || isHTTP(e.api) { // else said with the configuration
			checkAPI(ctx, f, p, e)
		}
	}
}

// endpoints is what doctor says about a provider.
type endpoints struct{ title, token, api, tokenVariable, apiVariable, clientVariable string }

func (c doctorCmd) endpoints(provider string) endpoints {
	if provider == google.Name {
		return endpoints{"Google", orDefault(c.GoogleTokenURL, "https://oauth2.googleapis.com/token"), c.GoogleAPIURL,
			"RAPPEL_GOOGLE_TOKEN_URL", "RAPPEL_GOOGLE_API_URL", "RAPPEL_GOOGLE_CLIENT_ID and _CLIENT_SECRET"}
	}
	return endpoints{"Microsoft", strings.TrimRight(orDefault(c.MicrosoftAuthorityURL, "https://login.microsoftonline.com/common"), "/") + "/oauth2/v2.0/token", c.MicrosoftGraphURL,
		"RAPPEL_MICROSOFT_AUTHORITY_URL", "RAPPEL_MICROSOFT_GRAPH_URL", "RAPPEL_MICROSOFT_CLIENT_ID and _CLIENT_SECRET"}
}

// doctorClient follows no redirect, as in the real work.
func doctorClient() *http.Client {
	return &http.Client{Timeout: 8 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// reachable asks for any answer at all, and looks at the clocks by it.
func reachable(ctx context.Context, f *findings, title, raw string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, raw, nil)
	if err != nil {
		f.bad(title+": the token endpoint is not a URL", "correct it in the environment")
		return false
	}
	resp, err := doctorClient().Do(req)
	if err != nil {
		f.bad(title+" can't be reached at "+req.URL.Host, "check network, DNS and proxy of this machine")
		return false
	}
	_ = resp.Body.Close() // any answer will do
	f.ok("%s answers at %s", title, req.URL.Host)
	if skew := clockSkew(resp.Header.Get("Date"), time.Now()); skew > time.Minute || skew < -time.Minute {
		f.bad(fmt.Sprintf("this machine's clock is off by %s against %s", skew.Round(time.Second), title), "set the clock (systemctl status systemd-timesyncd)")
	}
	return true
}

// checkClient asks to renew a grant that doesn't exist: the provider refuses our id
// or secret before it refuses the grant.
func checkClient(ctx context.Context, f *findings, p calendars.Provider, e endpoints) {
	_, err := p.Authority.Refresh(context.WithValue(ctx, oauth2.HTTPClient, doctorClient()), "rappel-doctor")
	var pe *calendars.Error
	switch {
	case err == nil, errors.Is(err, calendars.ErrGrantRevoked):
		f.ok("%s knows our client", e.title)
	case errors.Is(err, calendars.ErrClientConfig) && errors.As(err, &pe) && strings.Contains(pe.Code, "client"):
		f.bad(e.title+" refuses our client id or secret", "correct "+e.clientVariable+"; a secret may have expired or been replaced in the provider's console")
	case errors.Is(err, calendars.ErrClientConfig), errors.Is(err, calendars.ErrThrottled):
		f.note("whether "+e.title+" knows our client could not be told", "a first connection will show; its error names the cause")
	default:
		f.bad("at "+e.title+"'s address is no token endpoint that works: "+err.Error(), "correct "+e.tokenVariable+", or wait if the provider has trouble")
	}
}

// checkAPI asks for calendars without authorisation and wants to be refused for that.
func checkAPI(ctx context.Context, f *findings, p calendars.Provider, e endpoints) {
	_, err := p.Reader.Calendars(ctx, doctorClient())
	switch {
	case err == nil, errors.Is(err, calendars.ErrUnauthorized), errors.Is(err, calendars.ErrForbidden):
		f.ok("%s's calendars answer", e.title)
	case errors.Is(err, calendars.ErrClientConfig):
		f.bad("the Calendar API is switched off in our project at "+e.title, "switch it on in the provider's console")
	case errors.Is(err, calendars.ErrThrottled):
		f.note(e.title+"'s calendars ask to slow down", "nothing, unless it stays so")
	default:
		f.bad(e.title+"'s calendars don't answer as they should: "+err.Error(), "check network and proxy of this machine, and "+e.apiVariable)
	}
}

func orDefault(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

// clockSkew is how far now is ahead of an HTTP Date; 0 when there is none.
func clockSkew(date string, now time.Time) time.Duration {
	t, err := http.ParseTime(date)
	if err != nil {
		return 0
	}
	return now.Sub(t)
}

func (c doctorCmd) checkDatabase(ctx context.Context, f *findings) {
	db, err := c.open(ctx, 4)
	if err != nil {
		f.err("database", err)
		c.checkCarriers(ctx, f, nil)
		return
	}
	defer db.Close()
	var version int
	if err := db.GetContext(ctx, &version, `SELECT current_setting('server_version_num')::int`); err != nil {
		f.bad("database does not answer a question: "+err.Error(), "look at its log")
		return
	}
	if version < 150000 {
		f.bad(fmt.Sprintf("PostgreSQL is version %d", version/10000), "upgrade to 15 or newer")
	} else {
		f.ok("PostgreSQL %d.%d answers", version/10000, version%10000)
	}
	switch n, err := migrations.Pending(ctx, db.DB); {
	case err != nil:
		f.bad("schema: "+err.Error(), "use the program that belongs to this database")
		return
	case n > 0:
		f.bad(fmt.Sprintf("the database lacks %d of the schema's steps", n), "run 'rappel migrate up'")
		c.checkCarriers(ctx, f, nil)
		return
	}
	f.ok("schema is up to date")
	c.checkWebRole(ctx, f)
	c.checkSeals(ctx, f, db)
	c.checkCarriers(ctx, f, db)
	checkWork(ctx, f, db)
	checkStrays(ctx, f, db)
}

// checkStrays tells of replies that no clinic got to see.
func checkStrays(ctx context.Context, f *findings, db *sqlx.DB) {
	strays, err := notify.Strays(ctx, db, 1000)
	switch stops := 0; {
	case err != nil:
		f.bad("replies that belong to no account can't be counted: "+err.Error(), "look at the database's log")
	case len(strays) > 0:
		for _, s := range strays {
			if s.Action == optout.Out {
				stops++
			}
		}
		f.note(fmt.Sprintf("%d replies of the last 30 days belong to no account, %d of them ask for no more texts", len(strays), stops),
			"look at table stray_inbound; is a number shared with another sender, or were old messages deleted?")
	}
}

// checkWebRole proves that the web's pool is bound by row-level security.
func (c doctorCmd) checkWebRole(ctx context.Context, f *findings) {
	dsn, err := migrations.WebDSN(c.DatabaseURL)
	if err != nil {
		f.bad("web role", err.Error())
		return
	}
	web, err := openPool(ctx, dsn, 1)
	if err != nil {
		f.bad("the login can't work as role "+migrations.WebRole, "GRANT "+migrations.WebRole+" TO the login of RAPPEL_DATABASE_URL")
		return
	}
	defer web.Close()
	var bypass bool
	if err := web.GetContext(ctx, &bypass, `SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user`); err != nil || bypass {
		f.bad("the web's role is not bound by row-level security", "ALTER ROLE "+migrations.WebRole+" NOSUPERUSER NOBYPASSRLS")
		return
	}
	f.ok("the web works as %s, bound by row-level security", migrations.WebRole)
}

// checkSeals looks whether the keyset is the one this database was written with.
func (c doctorCmd) checkSeals(ctx context.Context, f *findings, db *sqlx.DB) {
	seal, _, err := loadKeyset(c.Keyset)
	if err != nil {
		return // said already
	}
	switch n, closed, err := calendars.NewStore(db, seal).CheckSeals(ctx); {
	case err != nil:
		f.bad("a look into the database failed: "+err.Error(), "look at its log")
	case closed > 0:
		f.bad(fmt.Sprintf("the keyset does not open %d of %d connections' tokens", closed, n),
			"give the keyset they were sealed with in RAPPEL_KEYSET, or a copy of it; without it these calendars must be connected anew")
	case n > 0:
		f.ok("keyset opens what this database holds")
	}
}

// checkCarriers tries every carrier. db is nil when the database can't be used.
func (c doctorCmd) checkCarriers(ctx context.Context, f *findings, db *sqlx.DB) {
	if c.Carriers == "" {
		return // said already
	}
	without := db == nil
	if without { // carriers that keep things there want one all the same
		db = sqlx.NewDb(sql.OpenDB(noDatabase{}), "postgres")
	}
	a := &app{cfg: c.Config, log: slog.New(slog.DiscardHandler), now: time.Now, pools: pools{owner: db}}
	list, err := a.buildCarriers(c.Carriers)
	if err != nil {
		f.bad("carriers", err.Error())
		return
	}
	for _, carrier := range list {
		check, ok := carrier.(notify.Checker)
		if _, here := carrier.(*sandbox.Carrier); here && without {
			continue
		}
		if !ok {
			f.ok("carrier %s is configured", carrier.Name())
			continue
		}
		checkCtx, cancel := context.WithTimeout(ctx, 15*time.Second)
		err := check.Check(checkCtx)
		cancel()
		switch {
		case err == nil:
			f.ok("carrier %s accepts our configuration", carrier.Name())
			if !without { // those that rest since it didn't needn't any more
				if err := notify.Unpause(ctx, db, carrier.Name(), a.now()); err != nil {
					f.bad("carrier "+carrier.Name()+" could not be told to go on: "+err.Error(), "look at the database's log")
				}
			}
			c.checkReceives(f, carrier)
		case errors.Is(err, notify.ErrMisconfigured):
			f.bad("carrier "+carrier.Name()+" refuses our configuration: "+err.Error(), "correct user and password, token or key in RAPPEL_CARRIERS; ask the carrier whether the account is open, has credits, and admits this machine's address")
		default:
			f.bad("carrier "+carrier.Name()+" does not answer: "+err.Error(), "check address, port and firewall; ask the carrier whether it is up")
		}
	}
}

// checkReceives tells of a carrier that can send but not tell us what became of it.
func (c doctorCmd) checkReceives(f *findings, carrier notify.Carrier) {
	if s, own := carrier.(*smsup.Carrier); own && s.HookToken() != "" {
		f.ok("carrier %s takes webhooks, made in SMSup's console: DLR and MO at %s/hooks/%s/%s, STOP at the same with /stop behind",
			carrier.Name(), c.BaseURL, carrier.Name(), s.HookToken())
	}
	r, ok := carrier.(interface{ Receives() bool })
	if !ok || r.Receives() {
		return
	}
	what := "carrier " + carrier.Name() + " can't bring receipts and replies"
	if t, own := carrier.(*twilio.Carrier); own && !t.Proves() {
		f.note(what+": nothing proves its webhooks", "add token=, the account's auth token, to its URL in RAPPEL_CARRIERS")
		return
	}
	f.note(what+": it can't reach "+c.BaseURL, "set RAPPEL_BASE_URL to the public https URL")
}

// noDatabase stands in for the database that can't be reached.
type noDatabase struct{}

var errNoDatabase = errors.New("no database")

// Connect implements driver.Connector.
func (noDatabase) Connect(context.Context) (driver.Conn, error) { return nil, errNoDatabase }

// Driver implements driver.Connector.
func (noDatabase) Driver() driver.Driver { return noDatabase{} }

// Open implements driver.Driver.
func (noDatabase) Open(string) (driver.Conn, error) { return nil, errNoDatabase }

// checkWork looks for work that stands still.
func checkWork(ctx context.Context, f *findings, db *sqlx.DB) {
	now := time.Now()
	count := func(query string, args ...any) int {
		var n int
		if err := db.GetContext(ctx, &n, query, args...); err != nil {
			f.bad("a look into the database failed: "+err.Error(), "look at its log")
		}
		return n
	}
	if n := count(`SELECT count(*) FROM connections WHERE status = 'needs_reconnect'`); n > 0 {
		f.note(fmt.Sprintf("%d calendar connections need reconnecting", n), "the clinics see it on their pages; tell those that don't react")
	} else {
		f.ok("all connections are alive")
	}
	if n := count(`SELECT count(*) FROM calendars WHERE watched AND status = 'active' AND COALESCE(polled_at, watched_since) < $1`, now.Add(-3*time.Hour)); n > 0 {
		f.bad(fmt.Sprintf("%d watched calendars have not been read for three hours", n), "is a process with role sync running? Its log names the errors")
	} else {
		f.ok("all watched calendars were read lately")
	}
	if n := count(`SELECT count(*) FROM queue WHERE send_at < $1`, now.Add(-5*time.Minute)); n > 0 {
		f.bad(fmt.Sprintf("%d messages have waited for more than five minutes", n), "is a process with role dispatch running, and do the carriers answer?")
	} else {
		f.ok("no message waits in vain")
	}
	if n := count(`SELECT count(*) FROM reminders WHERE status = 'planned' AND not_before < $1`, now.Add(-5*time.Minute)); n > 0 {
		f.bad(fmt.Sprintf("%d reminders are overdue by more than five minutes", n), "is a process with role remind running? Their calendars may not answer")
	} else {
		f.ok("no reminder is overdue")
	}
	if n := count(`SELECT count(*) FROM unanswered`); n > 0 {
		f.note(fmt.Sprintf("%d messages may or may not have reached the carrier", n), "they are decided by receipts or by the waiting time; nothing to do unless this grows")
	}
}
