package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"rappel/calendars"
	"rappel/calendars/billing"
	"rappel/migrations"
	"rappel/notify"
	"rappel/notify/carriers/sandbox"
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

// close ends the connections to the database.
func (a *app) close() error { return a.pools.close() }
