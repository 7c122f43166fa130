package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/notify"
)

type doctorCmd struct{ Config }

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
	} else {
		f.ok("configuration is complete; the web is %s", c.BaseURL)
	}
	if c.Keyset != "" {
		if _, _, err := loadKeyset(c.Keyset); err != nil {
			f.bad("keyset", err.Error())
		} else {
			f.ok("keyset can be read")
		}
	}
	if c.GoogleClientID == "" && c.MicrosoftClientID == "" {
		f.bad("no calendar provider is configured", "set RAPPEL_GOOGLE_CLIENT_ID and _CLIENT_SECRET, or those of RAPPEL_MICROSOFT")
	}
	c.checkReach(ctx, f)
	c.checkDatabase(ctx, f)
	if f.trouble > 0 {
		fmt.Fprintf(std.out, "\n%d things to do.\n", f.trouble)
		return errQuiet
	}
	fmt.Fprintln(std.out, "\nAll is well.")
	return nil
}

func unjoin(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()
	}
	return []error{err}
}

// checkReach asks the providers' token endpoints for any answer at all.
func (c doctorCmd) checkReach(ctx context.Context, f *findings) {
	client := &http.Client{Timeout: 8 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	reach := func(name, raw string) {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" {
			f.bad(name+": the endpoint is not a URL", "correct the URL in the environment")
			return
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, raw, nil)
		if err != nil {
			f.bad(name+": the endpoint is not a URL", "correct the URL in the environment")
			return
		}
		resp, err := client.Do(req)
		if err != nil {
			f.bad(name+" can't be reached at "+u.Host, "check network, DNS and proxy of this machine")
			return
		}
		_ = resp.Body.Close() // any answer will do
		f.ok("%s answers at %s", name, u.Host)
		if skew := clockSkew(resp.Header.Get("Date"), time.Now()); skew > time.Minute || skew < -time.Minute {
			f.bad(fmt.Sprintf("this machine's clock is off by %s against %s", skew.Round(time.Second), name), "set the clock (systemctl status systemd-timesyncd)")
		}
	}
	if c.GoogleClientID != "" {
		reach("Google", orDefault(c.GoogleTokenURL, "https://oauth2.googleapis.com/token"))
	}
	if c.MicrosoftClientID != "" {
		reach("Microsoft", orDefault(c.MicrosoftAuthorityURL, "https://login.microsoftonline.com/common")+"/oauth2/v2.0/token")
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
		f.bad("database", err.Error())
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
		f.bad(fmt.Sprintf("the schema lacks %d steps", n), "run 'rappel migrate up'")
		return
	}
	f.ok("schema is up to date")
	c.checkWebRole(ctx, f)
	c.checkCarriers(ctx, f, db)
	checkWork(ctx, f, db)
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

func (c doctorCmd) checkCarriers(ctx context.Context, f *findings, db *sqlx.DB) {
	a := &app{cfg: c.Config, log: slog.New(slog.DiscardHandler), now: time.Now, pools: pools{owner: db}}
	list, err := a.buildCarriers(c.Carriers)
	if err != nil {
		f.bad("carriers", err.Error())
		return
	}
	for _, carrier := range list {
		check, ok := carrier.(notify.Checker)
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
		case errors.Is(err, notify.ErrMisconfigured):
			f.bad("carrier "+carrier.Name()+" refuses our configuration: "+err.Error(), "check user, password and sender in RAPPEL_CARRIERS")
		default:
			f.bad("carrier "+carrier.Name()+" does not answer: "+err.Error(), "check address, port and firewall; ask the carrier whether it is up")
		}
	}
}

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
