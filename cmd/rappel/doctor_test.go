package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"rappel/migrations/dbtest"
	"rappel/notify/standin"
)

// Secrets that no line of doctor's may show.
const (
	secretDatabase = "Db-S3cret"
	secretClient   = "GOCSPX-topsecret"
	secretSMSC     = "geheim12"
)

// fakeGoogle answers like Google's token endpoint and Calendar API to strangers.
func fakeGoogle(t *testing.T) string {
	m := http.NewServeMux()
	m.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		code, status := "invalid_grant", http.StatusBadRequest
		if r.PostFormValue("client_secret") != secretClient {
			code, status = "invalid_client", http.StatusUnauthorized
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":%q,"error_description":"…"}`, code)
	})
	m.HandleFunc("GET /calendar/v3/users/me/calendarList", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":{"code":401,"message":"Login Required.","errors":[{"reason":"required"}]}}`)
	})
	srv := httptest.NewServer(m)
	t.Cleanup(srv.Close)
	return srv.URL
}

func newKeyset(t *testing.T) string {
	var out bytes.Buffer
	if err := (keysetCreateCmd{}).Run(stdio{out: &out}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// closedPort is an address nobody listens on.
func closedPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func newSMSC(t *testing.T, cfg standin.SMSCConfig) (address string) {
	smsc, err := standin.NewSMSC("127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := smsc.Close(); err != nil {
			t.Error(err)
		}
	})
	return smsc.Address()
}

// Every single thing broken in turn: doctor names it with its remedy, ends with
// status 1 and shows no secret.
func TestDoctor(t *testing.T) {
	t.Parallel()
	google, keyset, nobody := fakeGoogle(t), newKeyset(t), closedPort(t)
	smsc := newSMSC(t, standin.SMSCConfig{User: "rappel", Password: secretSMSC})
	dsn := dbtest.NewDSN(t)
	db := dbtest.Open(t, dsn)
	seal, _, err := loadKeyset(keyset)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := seal.Seal([]byte("refresh"), "connections/1/1/refresh")
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		`INSERT INTO accounts (account_id, business, created_at) VALUES (1, 'Clinic', now())`,
		`INSERT INTO connections (account_id, id, provider, subject, label, created_at) VALUES (1, 1, 'google', 's', 'l', now())`,
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec(`UPDATE connections SET sealed_refresh = $1 WHERE account_id = 1`, sealed); err != nil {
		t.Fatal(err)
	}
	good := doctorCmd{Roles: []string{"web", "sync", "remind", "dispatch"}, Config: Config{
		databaseConfig: databaseConfig{DatabaseURL: dsn}, Listen: "127.0.0.1:8080", Keyset: keyset, Carriers: "smpp://rappel:" + secretSMSC + "@" + smsc,
		GoogleClientID: "id", GoogleClientSecret: secretClient, GoogleAuthURL: google + "/auth", GoogleTokenURL: google + "/token", GoogleAPIURL: google,
		Debounce: time.Minute, UnansweredWait: time.Minute, LeaseFor: time.Minute, StopAfter: time.Minute,
	}}
	at, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	dsnOf := func(change func(u *url.URL)) string {
		u := *at
		change(&u)
		return u.String()
	}
	for _, tt := range []struct {
		name   string
		change func(c *doctorCmd)
		want   string // "" = all is well
	}{
		{"nothing", func(*doctorCmd) {}, ""},
		{"no database", func(c *doctorCmd) { c.DatabaseURL = "" }, "RAPPEL_DATABASE_URL is not set"},
		{"database of another kind", func(c *doctorCmd) { c.DatabaseURL = "mysql://rappel:" + secretDatabase + "@127.0.0.1/x" }, "RAPPEL_DATABASE_URL can't be read"},
		{"database's port", func(c *doctorCmd) { c.DatabaseURL = "postgres://rappel:" + secretDatabase + "@127.0.0.1:port/x" }, "RAPPEL_DATABASE_URL can't be read"},
		{"percent in the password", func(c *doctorCmd) { c.DatabaseURL = "postgres://rappel:" + secretDatabase + "%zz@127.0.0.1/x" }, "%XX in place of special characters"},
		{"database down", func(c *doctorCmd) {
			c.DatabaseURL = "postgres://rappel:" + secretDatabase + "@" + nobody + "/x?sslmode=disable"
		}, "check host and port in RAPPEL_DATABASE_URL"},
		{"database missing", func(c *doctorCmd) { c.DatabaseURL = dsnOf(func(u *url.URL) { u.Path = "/nosuch" }) }, "create the database"},
		{"no keyset", func(c *doctorCmd) { c.Keyset = "" }, "rappel keyset create"},
		{"keyset is no keyset", func(c *doctorCmd) { c.Keyset = `{"primaryKeyId":1}` }, "rappel keyset create"},
		{"keyset of another database", func(c *doctorCmd) { c.Keyset = newKeyset(t) }, "does not open 1 of 1 connections' tokens"},
		{"base URL in the clear", func(c *doctorCmd) { c.BaseURL = "http://rappel.example.ch" }, "RAPPEL_BASE_URL must be https"},
		{"base URL with a path", func(c *doctorCmd) { c.BaseURL = "https://rappel.example.ch/app" }, "RAPPEL_BASE_URL must end after host and port"},
		{"listen", func(c *doctorCmd) { c.Listen = "8080" }, "RAPPEL_LISTEN must be host:port"},
		{"lease", func(c *doctorCmd) { c.LeaseFor = 0 }, "RAPPEL_LEASE must be"},
		{"roles", func(c *doctorCmd) { c.Roles = []string{"cook"} }, "correct RAPPEL_ROLES"},
		{"no carrier", func(c *doctorCmd) { c.Carriers = "" }, "RAPPEL_CARRIERS is not set"},
		{"carrier's URL", func(c *doctorCmd) { c.Carriers = "smpp://rappel:" + secretSMSC + "%zz@x" }, "entry 1 is not a URL"},
		{"kind of carrier", func(c *doctorCmd) { c.Carriers = "pigeon://rappel:" + secretSMSC + "@x" }, "unknown kind of carrier"},
		{"carrier's parameter", func(c *doctorCmd) { c.Carriers = "smpp://rappel:" + secretSMSC + "@x?windw=5" }, "windw: no such parameter"},
		{"carrier's number", func(c *doctorCmd) { c.Carriers = "smpp://rappel@x?window=" + secretSMSC }, "window: want a whole number"},
		{"carriers of one name", func(c *doctorCmd) { c.Carriers += "," + c.Carriers }, "give one of them a name"},
		{"carrier down", func(c *doctorCmd) { c.Carriers = "smpp://rappel:" + secretSMSC + "@" + nobody }, "does not answer"},
		{"carrier's password", func(c *doctorCmd) { c.Carriers = "smpp://rappel:falsch@" + smsc }, "correct user and password, token or key in RAPPEL_CARRIERS"},
		{"no provider", func(c *doctorCmd) { c.GoogleClientID, c.GoogleClientSecret = "", "" }, "no calendar provider is configured"},
		{"half a client", func(c *doctorCmd) { c.GoogleClientID = "" }, "set both or neither"},
		{"client secret", func(c *doctorCmd) { c.GoogleClientSecret += "-old" }, "refuses our client id or secret"},
		{"token endpoint down", func(c *doctorCmd) { c.GoogleTokenURL = "http://" + nobody + "/token" }, "Google can't be reached"},
		{"token endpoint elsewhere", func(c *doctorCmd) { c.GoogleTokenURL = google + "/oauth/token" }, "RAPPEL_GOOGLE_TOKEN_URL"},
		{"token endpoint is no URL", func(c *doctorCmd) { c.GoogleTokenURL = "google" }, "RAPPEL_GOOGLE_TOKEN_URL must be"},
		{"API down", func(c *doctorCmd) { c.GoogleAPIURL = "http://" + nobody }, "RAPPEL_GOOGLE_API_URL"},
		{"API elsewhere", func(c *doctorCmd) { c.GoogleAPIURL = google + "/v9" }, "RAPPEL_GOOGLE_API_URL"},
		{"API is no URL", func(c *doctorCmd) { c.GoogleAPIURL = "ht tp://x" }, "RAPPEL_GOOGLE_API_URL must be"},
		{"Graph elsewhere", func(c *doctorCmd) {
			c.MicrosoftClientID, c.MicrosoftClientSecret, c.MicrosoftAuthorityURL, c.MicrosoftGraphURL = "id", "s", google, "http://"+nobody
		}, "RAPPEL_MICROSOFT_GRAPH_URL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := good
			tt.change(&c)
			var out bytes.Buffer
			err := c.Run(context.Background(), stdio{out: &out, err: &out})
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("trouble where there is none:\n%s", &out)
			case tt.want != "" && !errors.Is(err, errQuiet):
				t.Errorf("error %v, want status 1:\n%s", err, &out)
			case !strings.Contains(out.String(), tt.want):
				t.Errorf("lacks %q:\n%s", tt.want, &out)
			}
			for _, secret := range []string{secretDatabase, secretClient, secretSMSC, keyset} {
				if strings.Contains(out.String(), secret) {
					t.Errorf("shows a secret:\n%s", &out)
				}
			}
			if tt.want != "" && strings.Count(out.String(), "TROUBLE") != strings.Count(out.String(), "→")-strings.Count(out.String(), "note ") {
				t.Errorf("a trouble without remedy:\n%s", &out)
			}
		})
	}
}

// A long link base costs characters of each marketing text, which doctor says.
func TestDoctor_linkBase(t *testing.T) {
	for _, tt := range []struct {
		base, url, want string
		trouble         int
	}{
		{"rpl.ch/u", "https://rappel.example", "", 0},
		{"", "https://rappel.example", "take 34 characters", 0},
		{"rpl.ch/[u]", "https://rappel.example", "correct RAPPEL_LINK_BASE", 1},
	} {
		var out bytes.Buffer
		f := &findings{std: stdio{out: &out}}
		doctorCmd{Config: Config{BaseURL: tt.url, LinkBase: tt.base}}.checkLinkBase(f)
		if f.trouble != tt.trouble || !strings.Contains(out.String(), tt.want) || (tt.want == "") != (out.Len() == 0) {
			t.Errorf("%q: %q", tt.base, &out)
		}
	}
}

// Carriers over HTTP: what works, what is refused, what can't tell us of receipts; each
// with its remedy, and no secret but the token of the webhooks' address, which one has to
// tell the carrier.
func TestDoctor_carriersOverHTTP(t *testing.T) {
	t.Parallel()
	const secret, hook = "tok3n-secret", "0123456789abcdef"
	up := standin.NewSMSup(standin.SMSupConfig{Token: secret})
	mode := standin.NewSMSmode(standin.SMSmodeConfig{Key: secret})
	tw := standin.NewTwilio(standin.TwilioConfig{SID: "AC1", Token: secret})
	host := func(h http.Handler) string {
		srv := httptest.NewServer(h)
		t.Cleanup(srv.Close)
		return strings.TrimPrefix(srv.URL, "http://")
	}
	smsup, smsmode, twilio, nobody := host(up), host(mode), host(tw), closedPort(t)
	broke := standin.NewSMSup(standin.SMSupConfig{Token: secret})
	broke.SetCredits(0)
	for _, tt := range []struct{ name, carriers, want string }{
		{"smsup", "smsup://" + secret + "@" + smsup + "?hook=" + hook, "ok       carrier smsup accepts"},
		{"smsup's webhooks", "smsup://" + secret + "@" + smsup, "DLR and MO at http://127.0.0.1:8080/hooks/smsup/"},
		{"smsup's token", "smsup://falsch@" + smsup, "→ correct user and password, token or key"},
		{"smsup's credits", "smsup://" + secret + "@" + host(broke), "no credits left"},
		{"smsup down", "smsup://" + secret + "@" + nobody, "→ check address, port and firewall"},
		{"smsmode", "smsmode://" + secret + "@" + smsmode, "ok       carrier smsmode accepts"},
		{"smsmode's key", "smsmode://falsch@" + smsmode, "→ correct user and password, token or key"},
		{"smsmode down", "smsmode://" + secret + "@" + nobody, "→ check address, port and firewall"},
		{"twilio", "twilio://AC1:" + secret + "@" + twilio, "ok       carrier twilio accepts"},
		{"twilio's token", "twilio://AC1:falsch@" + twilio, "→ correct user and password, token or key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := doctorCmd{Config: Config{BaseURL: "http://127.0.0.1:8080", Carriers: tt.carriers}}
			var out bytes.Buffer
			c.checkCarriers(t.Context(), &findings{std: stdio{out: &out}}, nil)
			if !strings.Contains(out.String(), tt.want) {
				t.Errorf("lacks %q:\n%s", tt.want, &out)
			}
			if strings.Contains(out.String(), secret) || strings.Contains(out.String(), hook) {
				t.Errorf("shows a secret:\n%s", &out)
			}
		})
	}
	t.Run("nowhere to call", func(t *testing.T) {
		t.Parallel()
		var out bytes.Buffer
		c := doctorCmd{Config: Config{BaseURL: "http://127.0.0.1:8080"}}
		a := &app{cfg: c.Config, log: slog.New(slog.DiscardHandler), now: time.Now}
		all, err := a.buildCarriers("twilio://AC1:" + secret + "@api.twilio.com smsmode://" + secret + "@rest.smsmode.com")
		if err != nil {
			t.Fatal(err)
		}
		for _, carrier := range all {
			c.checkReceives(&findings{std: stdio{out: &out}}, carrier)
		}
		if strings.Count(out.String(), "→ set RAPPEL_BASE_URL to the public https URL") != 2 {
			t.Errorf("want the remedy twice:\n%s", &out)
		}
	})
}

// Before the schema is there, serve says so and doesn't blame the address.
func TestOpenPools_beforeMigrating(t *testing.T) {
	t.Parallel()
	dsn := dbtest.NewDSN(t)
	db := dbtest.Open(t, dsn)
	if _, err := db.Exec(`DROP SCHEMA public CASCADE; CREATE SCHEMA public`); err != nil {
		t.Fatal(err)
	}
	_, err := openPools(context.Background(), dsn)
	if err == nil || !strings.Contains(err.Error(), "rappel migrate up") {
		t.Errorf("error %v, want one that tells to migrate", err)
	}
}
