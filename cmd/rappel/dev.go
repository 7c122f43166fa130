package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars"
	paystandin "rappel/calendars/billing/standin"
	"rappel/calendars/standin"
	"rappel/migrations"
	"rappel/migrations/private"
	"rappel/notify/credits"
	"rappel/web"
	"rappel/web/accounts"
)

// The demo clinic's log-in, printed at the start and shown on the log-in page.
const (
	demoEmail    = "demo@rappel.example"
	demoPassword = "rappel-demo"
)

// demoOperators log in as the operator's people, in the order of accounts.OperatorRoles.
var demoOperators = []string{"admin@rappel.example", "review@rappel.example", "support@rappel.example"}

type devCmd struct {
	Listen        string        `env:"RAPPEL_LISTEN" default:"127.0.0.1:8080" help:"Address of the product (host:port)."`
	StandinListen string        `env:"RAPPEL_STANDIN_LISTEN" default:"127.0.0.1:8081" help:"Address of the stand-ins for Google, Microsoft and the phone. If it is taken, a free port is used."`
	BaseURL       string        `env:"RAPPEL_BASE_URL" placeholder:"URL" help:"Public https URL that leads here, such as a tunnel's, for real carriers to bring receipts and replies to. Default: http:// and the listen address."`
	Data          string        `env:"RAPPEL_DATA" placeholder:"DIR" help:"Folder for the database and everything else. Default: $XDG_DATA_HOME/rappel, or ~/.local/share/rappel."`
	Carriers      string        `env:"RAPPEL_CARRIERS" default:"sandbox://" placeholder:"URL,…" help:"SMS carriers, real ones too; the default is the phone page."`
	SMTPURL       string        `name:"smtp-url" env:"RAPPEL_SMTP_URL" placeholder:"URL" help:"Mail server to really send through. Default: none; mails show at /dev/mail."`
	Debounce      time.Duration `env:"RAPPEL_DEBOUNCE" default:"5s" help:"How long an appointment must stay unchanged before a reminder that is due already leaves."`
	Lease         time.Duration `env:"RAPPEL_LEASE" default:"5s" help:"How long a process holds work before another may take it over, should it die."`
	Unanswered    time.Duration `name:"unanswered-wait" env:"RAPPEL_UNANSWERED_WAIT" default:"30s" help:"How long evidence is awaited for a message whose fate a crash or time-out left open."`
	LogLevel      string        `env:"RAPPEL_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"Least level logged: debug, info, warn, error."`

	now func() time.Time // tests: an injected clock
	up  func(d *devRun)  // tests: told when everything listens
	cfg func(c *Config)  // tests: last changes to the configuration
}

// devRun is a running `rappel dev`, for tests.
type devRun struct {
	BaseURL, StandinURL string
	World               *standin.World
	App                 *app
}

// dataDir is where dev keeps its things.
func (c devCmd) dataDir() (string, error) {
	if c.Data != "" {
		return filepath.Abs(c.Data)
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "rappel"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no home folder to keep data in; give one with --data: %w", err)
	}
	return filepath.Join(home, ".local", "share", "rappel"), nil
}

// Run starts everything on this machine and stops it, in order, when interrupted.
func (c devCmd) Run(ctx context.Context, std stdio) (err error) {
	began := time.Now()
	if c.now == nil {
		c.now = time.Now
	}
	dir, err := c.dataDir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("can't make the data folder; give another with --data: %w", err)
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("can't listen on %s; another program may already, or choose another address with --listen: %w", c.Listen, err)
	}
	defer listener.Close() // closed by the server as a rule; this is for early returns
	standins, err := net.Listen("tcp", c.StandinListen)
	if err != nil {
		if standins, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return fmt.Errorf("can't listen for the stand-ins: %w", err)
		}
	}
	defer standins.Close()

	cfg := Config{Listen: listener.Addr().String(), BaseURL: c.BaseURL, Carriers: c.Carriers, SMTPURL: c.SMTPURL, Debounce: c.Debounce, LeaseFor: c.Lease,
		UnansweredWait: c.Unanswered, StopAfter: 20 * time.Second, LogLevel: c.LogLevel, LogFormat: "text"}
	log := cfg.logger(std)
	fmt.Fprintf(std.out, "Rappel: starting PostgreSQL in %s\n", dir)
	pg, err := private.Start(ctx, private.Options{Dir: filepath.Join(dir, "postgres"), Log: log})
	if err != nil {
		return err
	}
	defer func() {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		err = errors.Join(err, pg.Stop(stopCtx))
	}()
	if err := pg.CreateDatabase(ctx, "rappel"); err != nil {
		return err
	}
	cfg.DatabaseURL = pg.DSN("rappel")
	if cfg.Keyset, err = devKeyset(dir); err != nil {
		return err
	}
	if err := c.prepare(ctx, cfg); err != nil {
		return err
	}

	standinURL := "http://" + standins.Addr().String()
	world, err := standin.New(standin.Options{Now: c.now, StateFile: filepath.Join(dir, "standin.json"), Log: log,
		GoogleBase: standinURL + "/google", MicrosoftBase: standinURL + "/microsoft",
		GoogleClient:    standin.Client{ID: "rappel-dev", Secret: "rappel-dev-secret"},
		MicrosoftClient: standin.Client{ID: "rappel-dev", Secret: "rappel-dev-secret"}})
	if err != nil {
		return err
	}
	defer world.Close()
	if err := world.SeedDemo(c.now()); err != nil {
		return err
	}
	cfg.GoogleClientID, cfg.GoogleClientSecret = "rappel-dev", "rappel-dev-secret"
	cfg.MicrosoftClientID, cfg.MicrosoftClientSecret = "rappel-dev", "rappel-dev-secret"
	cfg.GoogleAuthURL, cfg.GoogleTokenURL, cfg.GoogleAPIURL = standinURL+"/google/o/oauth2/v2/auth", standinURL+"/google/token", standinURL+"/google"
	cfg.MicrosoftAuthorityURL, cfg.MicrosoftGraphURL = standinURL+"/microsoft/common", standinURL+"/microsoft/v1.0"
	till, err := devStripe(c, &cfg, dir, standinURL, log)
	if err != nil {
		return err
	}
	if c.cfg != nil {
		c.cfg(&cfg)
	}

	phone := standinURL + "/phone/"
	if !strings.Contains(cfg.Carriers, "sandbox:") {
		phone = ""
	}
	a, err := newApp(ctx, cfg, log, extras{now: c.now, steady: true,
		dev: &web.DevLinks{Calendars: standinURL + "/", Phone: phone, Email: demoEmail, Password: demoPassword, Operators: demoOperators}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()

	services := a.services(roles{web: true, sync: true, remind: true, dispatch: true}, listener)
	// The world outside starts first and stops last.
	services = append([]service{{"stand-ins", func(ctx context.Context) error {
		return serveHTTP(ctx, standins, c.outside(a, world, till, log), log, cfg.StopAfter)
	}}, {"stand-in for Stripe", till.Run}}, services...)
	fmt.Fprintf(std.out, `
Rappel is ready (%.1f s)
  the product          %s
  log in with          %s / %s
  or as operator       %s
  mails                %s/dev/mail
  stand-in calendars   %s/
  test phone           %s
Stop with Ctrl-C.

`, time.Since(began).Seconds(), cfg.webURL(), demoEmail, demoPassword, strings.Join(demoOperators, ", "), cfg.webURL(), standinURL, cmp.Or(phone, "none: real carriers are set"))
	if c.up != nil {
		c.up(&devRun{BaseURL: cfg.webURL(), StandinURL: standinURL, World: world, App: a})
	}
	return runServices(ctx, log, cfg.StopAfter, services)
}

// webURL is where the web is reached on this machine.
func (c Config) webURL() string {
	if c.BaseURL != "" {
		return c.BaseURL
	}
	return "http://" + c.Listen
}

// prepare brings the schema up to date and makes the demo clinic on first use.
func (c devCmd) prepare(ctx context.Context, cfg Config) error {
	db, err := openPool(ctx, cfg.DatabaseURL, 2)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := migrations.Up(ctx, db.DB); err != nil {
		return err
	}
	store, err := accounts.NewStore(accounts.Config{DB: db, Now: c.now})
	if err != nil {
		return err
	}
	for i, role := range accounts.OperatorRoles {
		_, err := store.AddOperator(ctx, accounts.NewOperator{Email: demoOperators[i], Name: "Demo", Role: role, Password: demoPassword})
		if err != nil && !errors.Is(err, accounts.ErrEmailTaken) {
			return err
		}
	}
	_, err = store.ByEmail(ctx, demoEmail)
	if !errors.Is(err, accounts.ErrNotFound) {
		return err // it exists, or the look-up failed
	}
	u, err := store.Create(ctx, accounts.NewUser{Business: "Praxis Seefeld", Email: demoEmail, Name: "Demo", Password: demoPassword})
	if err != nil {
		return err
	}
	if err := seedBilling(ctx, db, u.AccountID, c.now()); err != nil {
		return err
	}
	return migrations.InAccount(ctx, db, u.AccountID, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE accounts SET callback = $2, sender = $3, review = 'none', billing = 'metered' WHERE account_id = $1`,
			u.AccountID, "044 000 12 34", "Seefeld"); err != nil {
			return fmt.Errorf("demo clinic: %w", err)
		}
		purse, err := credits.New(credits.Config{DB: db, Now: c.now})
		if err != nil {
			return err
		}
		// Enough that nothing here ever stops for lack of it.
		if err := purse.GrantTx(ctx, tx, credits.Grant{Account: u.AccountID, Key: "demo", Source: credits.Gift, Credits: 10_000}); err != nil {
			return fmt.Errorf("demo clinic: %w", err)
		}
		return seedTemplates(ctx, tx, u.AccountID, c.now())
	})
}

// outside is the world beyond the product: Google, Microsoft, Stripe and the phone network.
func (c devCmd) outside(a *app, world *standin.World, till *paystandin.World, log *slog.Logger) http.Handler {
	m := http.NewServeMux()
	m.Handle("/v1/", till.Handler()) // Stripe's SDK knows no path before it
	m.Handle("/stripe/", http.StripPrefix("/stripe", till.Handler()))
	m.Handle("/google/", http.StripPrefix("/google", world.Google()))
	m.Handle("/microsoft/", http.StripPrefix("/microsoft", world.Microsoft()))
	if a.sandbox != nil {
		m.Handle("/phone/", http.StripPrefix("/phone", a.sandbox.Phone(a.desk)))
	}
	page := world.Page()
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		page.ServeHTTP(w, r)
		if r.Method != http.MethodPost {
			return
		}
		// A real provider would push; the stand-in rings the same bell.
		if err := a.ringAll(context.WithoutCancel(r.Context())); err != nil {
			log.ErrorContext(r.Context(), "ring the doorbell", slog.Any("err", err))
		}
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The stand-ins are for this machine alone, whatever name a page calls them by.
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !isLoopback(strings.Trim(host, "[]")) && !strings.HasPrefix(c.StandinListen, host) {
			http.Error(w, "the stand-ins answer on this machine only", http.StatusForbidden)
			return
		}
		m.ServeHTTP(w, r)
	})
}

// ringAll presses the doorbell of every watched calendar, as a push notification
// would. It is how the stand-ins of `rappel dev` make changes show at once.
func (a *app) ringAll(ctx context.Context) error {
	var refs []calendars.CalendarRef
	rows := []struct {
		AccountID int64 `db:"account_id"`
		ID        int64 `db:"id"`
	}{}
	if err := a.pools.owner.SelectContext(ctx, &rows, `SELECT account_id, id FROM calendars WHERE watched`); err != nil {
		return fmt.Errorf("list watched calendars: %w", err)
	}
	for _, r := range rows {
		refs = append(refs, calendars.CalendarRef{AccountID: r.AccountID, ID: r.ID})
	}
	for _, ref := range refs {
		if err := migrations.InAccount(ctx, a.pools.owner, ref.AccountID, func(tx *sqlx.Tx) error { return a.syncer.Ring(ctx, tx, ref) }); err != nil {
			return err
		}
	}
	return nil
}
