package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/notify"
	"rappel/web/mail"
)

// Config is everything a running Rappel can be told. Every field is a flag and an
// environment variable; units and defaults stand in the help.
type Config struct {
	databaseConfig
	Listen   string `env:"RAPPEL_LISTEN" default:"127.0.0.1:8080" help:"Address the web listens on (host:port)."`
	BaseURL  string `env:"RAPPEL_BASE_URL" placeholder:"URL" help:"Public URL of the web, as providers and gateways reach it. Default: http:// and the listen address."`
	Keyset   string `env:"RAPPEL_KEYSET" placeholder:"JSON|FILE" help:"Tink keyset (AEAD) that seals tokens and calendar texts: the JSON itself or a file's path. Make one with 'rappel keyset create'."`
	Carriers string `env:"RAPPEL_CARRIERS" placeholder:"URL,…" help:"SMS carriers as URLs, separated by commas or spaces, the first is the default: smpp://user:pass@host:2775?window=50&rate=200&binds=2, twilio://SID:TOKEN@api.twilio.com, smsup://TOKEN@api.smsup.ch?hook=SECRET, smsmode://KEY@rest.smsmode.com, sandbox://."`

	LinkBase    string `env:"RAPPEL_LINK_BASE" placeholder:"HOST/PATH" help:"What unsubscribe links in marketing texts begin with; it must lead to this web's /u/. Up to nine characters with the slash behind, such as rpl.ch/u, keep STOP and link at 26. Default: the public URL and /u."`
	StopService string `env:"RAPPEL_STOP_SERVICE" placeholder:"NAME" help:"STOP service that the carriers' operator runs, such as no-sms.eu (smsmode; to France its short code 36034): its short form then replaces the link. Default: none."`

	SMTPURL string `name:"smtp-url" env:"RAPPEL_SMTP_URL" placeholder:"URL" help:"Mail server for sign-ups, invitations and invoices: smtp://user:password@host:587?from=rappel@example.ch, or smtps:// for TLS from the first byte. Without it mails wait in the outbox."`

	TermsURL   string `name:"terms-url" env:"RAPPEL_TERMS_URL" placeholder:"URL" help:"Your own terms and conditions, to which /terms then leads. Default: the page that comes with Rappel."`
	PrivacyURL string `name:"privacy-url" env:"RAPPEL_PRIVACY_URL" placeholder:"URL" help:"Your own privacy notice, to which /privacy then leads. Default: the page that comes with Rappel."`

	GoogleClientID     string `env:"RAPPEL_GOOGLE_CLIENT_ID" help:"OAuth client id at Google; empty turns Google off."`
	GoogleClientSecret string `env:"RAPPEL_GOOGLE_CLIENT_SECRET" help:"OAuth client secret at Google."`
	GoogleAuthURL      string `env:"RAPPEL_GOOGLE_AUTH_URL" placeholder:"URL" help:"Authorization endpoint. Default: Google's own."`
	GoogleTokenURL     string `env:"RAPPEL_GOOGLE_TOKEN_URL" placeholder:"URL" help:"Token endpoint; revocation is its sibling 'revoke'. Default: Google's own."`
	GoogleAPIURL       string `env:"RAPPEL_GOOGLE_API_URL" placeholder:"URL" help:"Calendar API, with or without /calendar/v3. Default: Google's own."`

	MicrosoftClientID     string `env:"RAPPEL_MICROSOFT_CLIENT_ID" help:"OAuth client id at Microsoft; empty turns Outlook off."`
	MicrosoftClientSecret string `env:"RAPPEL_MICROSOFT_CLIENT_SECRET" help:"OAuth client secret at Microsoft."`
	MicrosoftAuthorityURL string `env:"RAPPEL_MICROSOFT_AUTHORITY_URL" placeholder:"URL" help:"Authority with its tenant segment, before /oauth2/v2.0. Default: https://login.microsoftonline.com/common."`
	MicrosoftGraphURL     string `env:"RAPPEL_MICROSOFT_GRAPH_URL" placeholder:"URL" help:"Microsoft Graph, with or without /v1.0. Default: Microsoft's own."`

	StripeKey           string `env:"RAPPEL_STRIPE_KEY" placeholder:"sk_…" help:"Secret or restricted key at Stripe; empty turns payment by card, PayPal and TWINT off."`
	StripeWebhookSecret string `env:"RAPPEL_STRIPE_WEBHOOK_SECRET" placeholder:"whsec_…" help:"Signing secret of the webhook endpoint <base>/hooks/stripe at Stripe."`
	StripeAPIURL        string `env:"RAPPEL_STRIPE_API_URL" placeholder:"URL" help:"Stripe's API, without a path. Default: Stripe's own."`

	Debounce       time.Duration `env:"RAPPEL_DEBOUNCE" default:"2m" help:"How long an appointment must stay unchanged before a reminder that is due already leaves."`
	UnansweredWait time.Duration `env:"RAPPEL_UNANSWERED_WAIT" default:"2m" help:"How long evidence is awaited for a message whose fate a crash or time-out left open."`
	LeaseFor       time.Duration `name:"lease" env:"RAPPEL_LEASE" default:"30s" help:"How long a process holds work before another may take it over, should it die."`
	StopAfter      time.Duration `env:"RAPPEL_STOP_AFTER" default:"25s" help:"How long a graceful stop may take."`
	LogLevel       string        `env:"RAPPEL_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"Least level logged: debug, info, warn, error."`
	LogFormat      string        `env:"RAPPEL_LOG_FORMAT" default:"text" enum:"text,json" help:"Form of log lines: text or json."`
}

// databaseConfig is what subcommands need that only talk to the database.
type databaseConfig struct {
	DatabaseURL string `env:"RAPPEL_DATABASE_URL" placeholder:"URL" help:"PostgreSQL 15 or newer: postgres://user:password@host:port/name."`
}

// open returns the owner's pool after one successful ping.
func (c databaseConfig) open(ctx context.Context, max int) (*sqlx.DB, error) {
	if c.DatabaseURL == "" {
		return nil, errors.New("RAPPEL_DATABASE_URL is not set; give the PostgreSQL database as postgres://user:password@host:port/name, or try 'rappel dev', which brings its own")
	}
	return openPool(ctx, c.DatabaseURL, max)
}

// pools are the connections of one process: one database, four ways to work on it.
type pools struct {
	owner    *sqlx.DB // sync, remind, and the directory
	operator *sqlx.DB // role rappel_operator: every account, nothing of patients
	web      *sqlx.DB // role rappel_web: row-level security applies
	dispatch *sqlx.DB // owner, with the planner settings the dispatcher needs
}

func openPools(ctx context.Context, dsn string) (p pools, err error) {
	if dsn == "" {
		_, err := databaseConfig{}.open(ctx, 0)
		return p, err
	}
	webDSN, err := migrations.WebDSN(dsn)
	if err != nil {
		return p, err
	}
	operatorDSN, err := migrations.OperatorDSN(dsn)
	if err != nil {
		return p, err
	}
	dispatchDSN, err := notify.DispatchDSN(dsn)
	if err != nil {
		return p, err
	}
	if p.owner, err = openPool(ctx, dsn, 16); err != nil {
		return p, err
	}
	// Before the schema is there, the web's role isn't either.
	switch n, err := migrations.Pending(ctx, p.owner.DB); {
	case err != nil:
		return p, errors.Join(err, p.close())
	case n > 0:
		return p, errors.Join(fmt.Errorf("the database lacks %d of the schema's steps; run 'rappel migrate up'", n), p.close())
	}
	if p.web, err = openPool(ctx, webDSN, 16); err != nil {
		return p, errors.Join(err, p.close())
	}
	if p.operator, err = openPool(ctx, operatorDSN, 4); err != nil {
		return p, errors.Join(err, p.close())
	}
	if p.dispatch, err = openPool(ctx, dispatchDSN, 8); err != nil {
		return p, errors.Join(err, p.close())
	}
	return p, nil
}

// close ends the connections. What was to be stored is; that a connection at rest was
// cut meanwhile, as by a restart of the server, is no failure.
func (p pools) close() error {
	var errs []error
	for _, db := range []*sqlx.DB{p.dispatch, p.operator, p.web, p.owner} {
		if db != nil {
			var cut net.Error
			if err := db.Close(); !errors.As(err, &cut) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// validate fills what follows from other fields and says what is missing, all of
// it at once.
func (c *Config) validate() error {
	var errs []error
	if c.BaseURL == "" {
		c.BaseURL = "http://" + c.Listen
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	if u, err := url.Parse(c.BaseURL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		errs = append(errs, errors.New("RAPPEL_BASE_URL must be an http or https URL such as https://rappel.example.ch"))
	} else if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		errs = append(errs, errors.New("RAPPEL_BASE_URL must be https: sessions and OAuth codes would travel in the clear"))
	} else if u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		errs = append(errs, errors.New("RAPPEL_BASE_URL must end after host and port: the web needs a host name of its own"))
	}
	if c.Keyset == "" {
		errs = append(errs, errors.New("RAPPEL_KEYSET is not set; make one with 'rappel keyset create --out FILE' and keep a copy: without it stored tokens can't be opened"))
	}
	if c.Carriers == "" {
		errs = append(errs, errors.New("RAPPEL_CARRIERS is not set; give at least one, such as smpp://user:pass@host:2775 or sandbox://"))
	}
	if _, port, err := net.SplitHostPort(c.Listen); c.Listen != "" && (err != nil || port == "") {
		errs = append(errs, errors.New("RAPPEL_LISTEN must be host:port such as 127.0.0.1:8080"))
	}
	if c.SMTPURL != "" {
		if _, err := mail.ParseURL(c.SMTPURL); err != nil {
			errs = append(errs, fmt.Errorf("RAPPEL_SMTP_URL: %w", err))
		}
	}
	for _, own := range []struct{ name, value string }{{"RAPPEL_TERMS_URL", c.TermsURL}, {"RAPPEL_PRIVACY_URL", c.PrivacyURL}} {
		if own.value != "" && !isHTTP(own.value) {
			errs = append(errs, fmt.Errorf("%s must be an http or https URL; leave it empty for the page that comes with Rappel", own.name))
		}
	}
	if c.Debounce < 0 {
		errs = append(errs, errors.New("RAPPEL_DEBOUNCE can't be negative"))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"RAPPEL_UNANSWERED_WAIT", c.UnansweredWait}, {"RAPPEL_LEASE", c.LeaseFor}, {"RAPPEL_STOP_AFTER", c.StopAfter}} {
		if d.value <= 0 {
			errs = append(errs, fmt.Errorf("%s must be more than nothing, such as 30s", d.name))
		}
	}
	for _, e := range []struct{ name, value string }{
		{"RAPPEL_GOOGLE_AUTH_URL", c.GoogleAuthURL}, {"RAPPEL_GOOGLE_TOKEN_URL", c.GoogleTokenURL}, {"RAPPEL_GOOGLE_API_URL", c.GoogleAPIURL},
		{"RAPPEL_MICROSOFT_AUTHORITY_URL", c.MicrosoftAuthorityURL}, {"RAPPEL_MICROSOFT_GRAPH_URL", c.MicrosoftGraphURL},
		{"RAPPEL_STRIPE_API_URL", c.StripeAPIURL},
	} {
		if e.value != "" && !isHTTP(e.value) {
			errs = append(errs, fmt.Errorf("%s must be an http or https URL; leave it empty for the provider's own", e.name))
		}
	}
	for _, p := range []struct{ name, id, secret string }{{"GOOGLE", c.GoogleClientID, c.GoogleClientSecret}, {"MICROSOFT", c.MicrosoftClientID, c.MicrosoftClientSecret}} {
		if (p.id == "") != (p.secret == "") {
			errs = append(errs, fmt.Errorf("RAPPEL_%s_CLIENT_ID and RAPPEL_%s_CLIENT_SECRET belong together: set both or neither", p.name, p.name))
		}
	}
	if (c.StripeKey == "") != (c.StripeWebhookSecret == "") {
		errs = append(errs, errors.New("RAPPEL_STRIPE_KEY and RAPPEL_STRIPE_WEBHOOK_SECRET belong together: set both or neither"))
	}
	return errors.Join(errs...)
}

// isHTTP reports whether raw is a whole http or https URL.
func isHTTP(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// linkBase is what unsubscribe links begin with.
func (c *Config) linkBase() string {
	if c.LinkBase != "" {
		return c.LinkBase
	}
	return c.BaseURL + "/u"
}

// secure reports whether the web is reached over HTTPS.
func (c *Config) secure() bool { return strings.HasPrefix(c.BaseURL, "https://") }

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// logger builds the process's logger on w.
func (c *Config) logger(std stdio) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		level = slog.LevelInfo // kong has checked the words; an empty one means the default
	}
	o := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(std.err, o))
	}
	return slog.New(slog.NewTextHandler(std.err, o))
}
