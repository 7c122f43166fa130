package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/robfig/cron/v3"

	"rappel/calendars"
	"rappel/calendars/billing"
	"rappel/calendars/google"
	"rappel/calendars/outlook"
	"rappel/migrations"
	"rappel/notify"
	"rappel/notify/carriers/sandbox"
	"rappel/notify/carriers/smpp"
	"rappel/notify/carriers/smsmode"
	"rappel/notify/carriers/smsup"
	"rappel/notify/carriers/twilio"
	"rappel/notify/credits"
	"rappel/notify/links"
	"rappel/reminders"
	"rappel/web"
	"rappel/web/accounts"
	"rappel/web/mail"
)

// app is one process's share of the product, wired and not yet running.
type app struct {
	cfg        Config
	log        *slog.Logger
	now        func() time.Time
	pools      pools
	metrics    *metrics
	carriers   []notify.Carrier
	routes     map[string]notify.Route // of those bound to destinations
	sandbox    *sandbox.Carrier        // nil unless configured
	credits    *credits.Credits
	outbox     *notify.Outbox
	desk       *notify.Desk
	dispatcher *notify.Dispatcher
	holds      *notify.Holds
	syncer     *calendars.Syncer
	billing    *billing.Service
	money      money
	clerk      *reminders.Clerk
	purger     *notify.Purger
	accounts   *accounts.Store
	mails      *mail.Outbox
	postman    *web.Postman
	mailer     *mail.Worker
	keepMails  bool // rappel dev: what was sent can be looked at
	sessions   *web.SessionStore
	calendars  *calendars.Store
	web        *web.Server
}

// extras is what `rappel dev` and tests change about an app.
type extras struct {
	now    func() time.Time // nil = time.Now
	dev    *web.DevLinks
	steady bool // poll at the cron's own pace
	// patience with a calendar that is read before a text leaves; 0 = as each room has it
	patience time.Duration
}

// newApp opens the database and wires every room. Nothing runs yet; the caller
// must close it.
func newApp(ctx context.Context, cfg Config, log *slog.Logger, x extras) (a *app, err error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	seal, secret, err := loadKeyset(cfg.Keyset)
	if err != nil {
		return nil, err
	}
	a = &app{cfg: cfg, log: log, now: x.now, metrics: newMetrics(), keepMails: x.dev != nil}
	if a.now == nil {
		a.now = time.Now
	}
	if a.pools, err = openPools(ctx, cfg.DatabaseURL); err != nil {
		return nil, err
	}
	opened := a.pools // a is nil by then
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.close())
		}
	}()
	a.metrics.watchQueue(a.pools.owner, a.now)
	alarm := func(_ context.Context, kind string) { a.metrics.alarms.WithLabelValues(kind).Inc() }

	// notify
	if a.carriers, err = a.buildCarriers(cfg.Carriers); err != nil {
		return nil, err
	}
	if err = a.buildPost(seal); err != nil {
		return nil, err
	}
	if a.credits, err = credits.New(credits.Config{DB: a.pools.owner, Mailer: creditMailer{a.postman}, Now: a.now, Log: log}); err != nil {
		return nil, err
	}
	policy, err := a.policy(secret)
	if err != nil {
		return nil, err
	}
	a.outbox = notify.NewPolicyOutbox(a.now, policy)

	// reminders and calendars know each other through small interfaces only.
	a.calendars = calendars.NewStore(a.pools.owner, seal)
	planner := reminders.NewPlanner(reminders.PlannerConfig{Events: a.calendars, Outbox: a.outbox, Debounce: cfg.Debounce, Log: log})
	calendarsConfig := calendars.Config{
		DB: a.pools.owner, Sealer: seal, Providers: a.providers(), Sink: planner, BaseURL: cfg.BaseURL,
		Now: a.now, Log: log, Alarm: alarm, Meter: a.metrics, Steady: x.steady, Lease: cfg.LeaseFor, Patience: x.patience,
	}
	a.syncer = calendars.NewSyncer(calendarsConfig)
	a.billing = a.newBilling(log)
	a.clerk = reminders.NewClerk(reminders.ClerkConfig{DB: a.pools.owner, Verifier: a.syncer, Outbox: a.outbox, Now: a.now, Log: log, Lease: cfg.LeaseFor, Patience: x.patience})
	if a.money, err = a.newMoney(granter{a.credits}, log); err != nil {
		return nil, err
	}
	notifyConfig := notify.Config{
		DB: a.pools.dispatch, Carriers: a.carriers, Gate: reminders.NewGate(reminders.GateConfig{DB: a.pools.owner, Verifier: a.syncer, Log: log}),
		Window: policy, Outbox: a.outbox, Observer: planner, Meter: a.credits, Count: a.metrics.count, Routes: a.routes, Flights: notify.NewFlights(), Now: a.now, Log: log,
		Alarm: func(ctx context.Context, carrier string, err error) {
			alarm(ctx, "carrier_misconfigured")
			log.ErrorContext(ctx, "carrier refuses our configuration", slog.String("carrier", carrier), slog.Any("err", err))
		},
		ClaimLease: cfg.LeaseFor, UnansweredWait: cfg.UnansweredWait,
	}
	if a.dispatcher, err = notify.NewDispatcher(notifyConfig); err != nil {
		return nil, err
	}
	if a.desk, err = notify.NewDesk(notifyConfig); err != nil {
		return nil, err
	}
	if a.holds, err = notify.NewHolds(notify.HoldsConfig{DB: a.pools.owner, Policy: policy, Observer: planner, Count: a.metrics.count, Now: a.now, Log: log}); err != nil {
		return nil, err
	}

	if a.purger, err = notify.NewPurger(notify.PurgerConfig{DB: a.pools.owner, Keeper: reminders.Archive{}, Meter: a.metrics.Purged, Now: a.now, Log: log}); err != nil {
		return nil, err
	}

	// web: the same stores over the pool that row-level security binds
	if err = a.buildPeople(seal, secret); err != nil {
		return nil, err
	}
	var box *mail.Box
	if a.keepMails {
		box = mail.NewBox(a.pools.owner, seal)
	}
	a.sessions = web.NewSessionStore(a.pools.owner, a.now)
	webStore := calendars.NewStore(a.pools.web, seal)
	webPlanner := reminders.NewPlanner(reminders.PlannerConfig{Events: webStore, Outbox: a.outbox, Debounce: cfg.Debounce, Log: log})
	calendarsConfig.DB, calendarsConfig.Sink, calendarsConfig.Quota = a.pools.web, webPlanner, a.billing
	a.web, err = web.New(web.Config{
		DB: a.pools.web, Operator: a.pools.operator, Mails: box, Sessions: a.sessions, Accounts: a.accounts, Now: a.now, Log: log, BaseURL: cfg.BaseURL, Secure: cfg.secure(),
		Ready: a.ready, Metrics: a.metrics.handler(), Dev: x.dev, Own: web.OwnPages{Terms: cfg.TermsURL, Privacy: cfg.PrivacyURL},
		Rooms: web.Rooms{
			Hooks: a.hooks(), Inbox: a.desk, Providers: providerNames(calendarsConfig.Providers),
			Calendars: webStore, Connector: calendars.NewConnector(calendarsConfig), Planner: webPlanner,
			Templates: reminders.NewTemplates(a.pools.web, a.now), Rules: reminders.NewRules(a.pools.web, a.now, webPlanner, a.syncer),
			Settings: reminders.NewSettings(a.pools.web, a.now, webPlanner), Planned: reminders.NewStore(a.pools.web),
			Billing: a.billing, Orders: a.money.desk, Purse: a.credits, Cashier: a.money.cashier(a.pools.owner, cfg.StripeAPIURL),
			Stripe: a.money.hook(), Messages: notify.NewStore(a.pools.web), Unsubscriber: notify.NewUnsubscriber(a.pools.owner, a.outbox),
			Books:  a.books(),
			Review: reviewDesk{a.pools.owner, a.holds, a.now}, Transferer: transferer{a.pools.owner, a.credits, a.now},
		},
	})
	return a, err
}

// policy is what may be sent where, when and as whom, with links to our own page.
func (a *app) policy(secret []byte) (*notify.Policy, error) {
	l, err := links.New(a.cfg.linkBase(), secret)
	if err != nil {
		return nil, fmt.Errorf("RAPPEL_LINK_BASE: %w", err)
	}
	return notify.NewPolicy(notify.PolicyConfig{DB: a.pools.owner, Now: a.now, Links: l, Service: a.cfg.StopService, Meter: a.credits})
}

// ready is what /readyz answers: the database is there and has our schema.
func (a *app) ready(ctx context.Context) error {
	n, err := migrations.Pending(ctx, a.pools.owner.DB)
	if err != nil {
		return errors.New("the database does not answer")
	}
	if n > 0 {
		return fmt.Errorf("the database lacks %d steps of the schema", n)
	}
	return nil
}

// providers lists the calendar services that have a client id.
func (a *app) providers() []calendars.Provider {
	var all []calendars.Provider
	c := a.cfg
	if c.GoogleClientID != "" {
		all = append(all, google.New(google.Config{ClientID: c.GoogleClientID, ClientSecret: c.GoogleClientSecret,
			AuthURL: c.GoogleAuthURL, TokenURL: c.GoogleTokenURL, APIURL: c.GoogleAPIURL, Now: a.now}))
	}
	if c.MicrosoftClientID != "" {
		all = append(all, outlook.New(outlook.Config{ClientID: c.MicrosoftClientID, ClientSecret: c.MicrosoftClientSecret,
			AuthorityURL: c.MicrosoftAuthorityURL, GraphURL: c.MicrosoftGraphURL, Now: a.now}))
	}
	return all
}

func providerNames(all []calendars.Provider) []string {
	var names []string
	for _, p := range all {
		names = append(names, p.Name)
	}
	return names
}

// buildCarriers makes the carriers of RAPPEL_CARRIERS; the first is the default.
func (a *app) buildCarriers(list string) ([]notify.Carrier, error) {
	var all []notify.Carrier
	for _, raw := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' }) {
		u, err := url.Parse(raw)
		if err != nil {
			return nil, fmt.Errorf("RAPPEL_CARRIERS: entry %d is not a URL", len(all)+1) // not quoted: it holds a password
		}
		route, err := takeRoute(u)
		if err != nil {
			return nil, fmt.Errorf("RAPPEL_CARRIERS: entry %d (%s): %w", len(all)+1, u.Scheme, err)
		}
		c, err := a.buildCarrier(u)
		if err != nil {
			return nil, fmt.Errorf("RAPPEL_CARRIERS: entry %d (%s): %w", len(all)+1, u.Scheme, err)
		}
		if slices.ContainsFunc(all, func(other notify.Carrier) bool { return other.Name() == c.Name() }) {
			return nil, fmt.Errorf("RAPPEL_CARRIERS: entry %d (%s): another entry is called %q already; give one of them a name, as in smpp://…?name=second", len(all)+1, u.Scheme, c.Name())
		}
		all = append(all, c)
		if len(route.To) > 0 {
			if a.routes == nil {
				a.routes = map[string]notify.Route{}
			}
			a.routes[c.Name()] = route
		}
	}
	return all, nil
}

// takeRoute takes from a carrier's URL what is the dispatcher's affair: to=41&to=423, the
// beginnings of the numbers it is for.
func takeRoute(u *url.URL) (notify.Route, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return notify.Route{}, errors.New("the part after ? can't be read")
	}
	var r notify.Route
	for _, to := range query["to"] {
		to = strings.TrimLeft(to, "+ ") // a plus sign arrives as a space
		if len(to) == 0 || len(to) > 15 || strings.Trim(to, "0123456789") != "" || to[0] == '0' {
			return notify.Route{}, errors.New("to: want the beginning of international numbers, such as to=41")
		}
		r.To = append(r.To, "+"+to)
	}
	if len(r.To) > 0 {
		query.Del("to")
		u.RawQuery = query.Encode()
	}
	return r, nil
}

func (a *app) buildCarrier(u *url.URL) (notify.Carrier, error) {
	switch u.Scheme {
	case "smpp", "smpps":
		cfg, err := smpp.ParseURL(u)
		if err != nil {
			return nil, err
		}
		cfg.Log, cfg.Now = a.log, a.now
		return smpp.New(cfg)
	case "twilio":
		cfg, err := twilio.ParseURL(u)
		if err != nil {
			return nil, err
		}
		cfg.StatusCallback, cfg.Log, cfg.Now = a.cfg.BaseURL+"/hooks/"+cfg.Name, a.log, a.now
		return twilio.New(cfg, nil)
	case "smsup":
		cfg, err := smsup.ParseURL(u)
		if err != nil {
			return nil, err
		}
		cfg.Log, cfg.Now = a.log, a.now
		return smsup.New(cfg, nil)
	case "smsmode":
		cfg, err := smsmode.ParseURL(u)
		if err != nil {
			return nil, err
		}
		cfg.Callback, cfg.Log, cfg.Now = a.cfg.BaseURL+"/hooks/"+cfg.Name, a.log, a.now
		return smsmode.New(cfg, nil)
	case "sandbox":
		cfg, err := sandbox.ParseURL(u)
		if err != nil {
			return nil, err
		}
		cfg.DB, cfg.Now, cfg.Log = a.pools.owner, a.now, a.log
		c, err := sandbox.New(cfg)
		a.sandbox = c
		return c, err
	}
	return nil, errors.New("unknown kind of carrier; known are smpp, smpps, twilio, smsup, smsmode, sandbox")
}

// hooks are the carriers that receive by HTTP, by name.
func (a *app) hooks() map[string]notify.Webhook {
	hooks := map[string]notify.Webhook{}
	for _, c := range a.carriers {
		if h, ok := c.(notify.Webhook); ok {
			hooks[c.Name()] = h
		}
	}
	return hooks
}

// roles are the shares of the work a process can take.
type roles struct{ web, sync, remind, dispatch bool }

func parseRoles(words []string) (r roles, err error) {
	for _, w := range words {
		switch strings.TrimSpace(w) {
		case "web":
			r.web = true
		case "sync":
			r.sync = true
		case "remind":
			r.remind = true
		case "dispatch":
			r.dispatch = true
		default:
			return r, fmt.Errorf("unknown role %q; known are web, sync, remind, dispatch", w)
		}
	}
	if r == (roles{}) {
		return r, errors.New("no role given; known are web, sync, remind, dispatch")
	}
	return r, nil
}

// services lists what runs for the roles, in the order of starting: what others
// hand work to comes first, so that a stop, in reverse, loses nothing.
func (a *app) services(r roles, listener net.Listener) []service {
	var all []service
	if r.dispatch {
		for _, c := range a.carriers {
			if s, ok := c.(notify.Session); ok {
				all = append(all, service{"carrier " + c.Name(), func(ctx context.Context) error { return s.Run(ctx, a.desk) }})
			}
		}
		all = append(all, service{"dispatch", a.dispatcher.Run}, service{"holds", a.holds.Run}, service{"credits", a.credits.Run})
	}
	if r.remind {
		all = append(all, service{"remind", a.clerk.Run}, service{"purge", a.purger.Run}, service{"billing", a.billing.Run})
		all = append(all, a.money.services()...)
	}
	if r.sync {
		all = append(all, service{"sync", a.syncer.Run})
	}
	all = append(all, service{"housekeeping", func(ctx context.Context) error { return a.housekeeping(ctx, r) }})
	if r.web {
		all = append(all, service{"mail", a.mailer.Run}, service{"web", func(ctx context.Context) error { return serveHTTP(ctx, listener, a.web, a.log, a.cfg.StopAfter) }})
	}
	return all
}

// housekeeping runs the jobs that have their hour, as cron entries.
func (a *app) housekeeping(ctx context.Context, r roles) error {
	c := cron.New(cron.WithLocation(time.UTC), cron.WithChain(cron.SkipIfStillRunning(cron.DiscardLogger)))
	job := func(spec, name string, do func(context.Context) error) error {
		_, err := c.AddFunc(spec, func() {
			if err := do(ctx); err != nil && ctx.Err() == nil {
				a.log.ErrorContext(ctx, "housekeeping failed", slog.String("job", name), slog.Any("err", err))
			}
		})
		return err
	}
	var errs []error
	if r.web {
		errs = append(errs, job("@every 1h", "sessions", a.sessions.Sweep), job("@every 15m", "log-ins", a.accounts.Sweep), job("@every 1h", "mails", a.mailer.Sweep))
	}
	if r.remind {
		errs = append(errs, job("@every 1h", "orders", a.money.desk.Sweep))
	}
	if r.sync {
		errs = append(errs, job("17 3 * * *", "old appointments", a.purgeEvents))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	c.Start()
	<-ctx.Done()
	<-c.Stop().Done()
	return nil
}

// keepEvents is how long an appointment is kept after its end, as the terms say.
const keepEvents = web.EventDays * 24 * time.Hour

// purgeEvents removes appointments long past, account by account.
func (a *app) purgeEvents(ctx context.Context) error {
	var ids []int64
	if err := a.pools.owner.SelectContext(ctx, &ids, `SELECT account_id FROM accounts ORDER BY account_id`); err != nil {
		return fmt.Errorf("list accounts: %w", err)
	}
	for _, id := range ids {
		for {
			n, err := a.calendars.PurgeBefore(ctx, id, a.now().Add(-keepEvents), 500)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
		}
	}
	return nil
}

// serveHTTP serves h on l until ctx ends, then lets requests under way finish.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger, patience time.Duration) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience/2)
	defer cancel()
	if err := srv.Shutdown(stopCtx); err != nil {
		return errors.Join(err, srv.Close())
	}
	return nil
}

// close ends the connections to the database.
func (a *app) close() error { return a.pools.close() }

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
