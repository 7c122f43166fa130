package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/notify"
	"rappel/notify/notifytest"
	"rappel/notify/standin"
	"rappel/web"
)

// gateway answers like Twilio and smsmode at once, and tells which callback it was asked
// for.
func gateway(t *testing.T) (host string, asked chan string) {
	asked = make(chan string, 4)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") == "application/json" {
			var m struct{ CallbackURLStatus string }
			if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
				t.Error(err)
			}
			asked <- m.CallbackURLStatus
		} else {
			asked <- r.PostFormValue("StatusCallback")
		}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"sid":"SM1","messageId":"e5ab32e9"}`)
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://"), asked
}

// Of two accounts at one gateway each hears of its own messages: the callback asked for is
// the path its hook is served at.
func TestBuildCarriers_callbacksReachTheirHook(t *testing.T) {
	t.Parallel()
	host, asked := gateway(t)
	a := &app{cfg: Config{BaseURL: "https://rappel.example.ch"}, log: slog.New(slog.DiscardHandler), now: time.Now}
	var err error
	if a.carriers, err = a.buildCarriers("twilio://AC1:t@" + host + " twilio://AC2:t@" + host + "?name=second smsmode://k@" + host + ", smsmode://l@" + host + "?name=third"); err != nil {
		t.Fatal(err)
	}
	for _, c := range a.carriers {
		if _, err := c.Send(context.Background(), notify.Message{Recipient: "+41790000000", Sender: "Praxis", Body: "x"}); err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(<-asked)
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/hooks/"), "/")
		if hook, ok := c.(notify.Webhook); !ok || a.hooks()[name] != hook {
			t.Errorf("%s asks to be called at %s, where another's hook is", c.Name(), u.Path)
		}
	}
}

// RAPPEL_CARRIERS knows every kind of carrier; no secret of one shows in what is wrong
// with another.
func TestBuildCarriers_kinds(t *testing.T) {
	t.Parallel()
	a := &app{cfg: Config{BaseURL: "https://rappel.example.ch"}, log: slog.New(slog.DiscardHandler), now: time.Now}
	all, err := a.buildCarriers("smpp://u:p@smsc.example:2775 twilio://AC1:t@api.twilio.com smsup://t@api.smsup.ch?hook=0123456789abcdef smsmode://k@rest.smsmode.com")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range all {
		names = append(names, c.Name())
	}
	if got := strings.Join(names, " "); got != "smpp twilio smsup smsmode" {
		t.Errorf("got %s", got)
	}
	for _, wrong := range []string{"smsup://s3cret@api.smsup.ch?hook=s3cret", "smsmode://s3cret@rest.smsmode.com/s3cret", "smsmode://s3cret@rest.smsmode.com?hock=s3cret", "pigeon://s3cret@x"} {
		if _, err := a.buildCarriers(wrong); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v", wrong, err)
		}
	}
}

// Receipts come in at the addresses the README names, through the web as it is served,
// whatever host a proxy asks for; without the token nothing does.
func TestHooks_throughTheWeb(t *testing.T) {
	t.Parallel()
	const hook = "0123456789abcdef"
	a := &app{cfg: Config{BaseURL: "https://rappel.example.ch"}, log: slog.New(slog.DiscardHandler), now: time.Now}
	var err error
	if a.carriers, err = a.buildCarriers("smsup://t@api.smsup.ch?hook=" + hook + " smsmode://k@rest.smsmode.com?hook=" + hook + " twilio://AC1:12345@api.twilio.com"); err != nil {
		t.Fatal(err)
	}
	in := notifytest.NewInbox()
	server, err := web.New(web.Config{Now: time.Now, Log: a.log, BaseURL: a.cfg.BaseURL, Rooms: web.Rooms{Hooks: a.hooks(), Inbox: in}})
	if err != nil {
		t.Fatal(err)
	}
	proxied := httptest.NewServer(server)
	t.Cleanup(proxied.Close)
	const dlr = `{"status":3,"destination":"41791234567","message_id":"rappel-1-2"}`
	const smsmodeDLR = `{"messageId":"e5ab32e9","direction":"MT","status":{"value":"DELIVERED"}}`
	twilioDLR := url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"delivered"}}
	for _, tt := range []struct {
		path, body, signature string
		want                  int
	}{
		{"/hooks/smsup/" + hook, dlr, "", 204},
		{"/hooks/smsup/" + hook + "/stop", `{"from":"41791234567","message":"stop","date":"2026-03-02T11:55:12+01:00"}`, "", 204},
		{"/hooks/smsup", dlr, "", 403},
		{"/hooks/smsup/fedcba9876543210", dlr, "", 403},
		{"/hooks/smsmode/" + hook, smsmodeDLR, "", 204},
		{"/hooks/smsmode", smsmodeDLR, "", 403},
		{"/hooks/twilio", twilioDLR.Encode(), standin.TwilioSignature("12345", "https://rappel.example.ch/hooks/twilio", twilioDLR), 204},
		{"/hooks/twilio?x=1", twilioDLR.Encode(), standin.TwilioSignature("12345", "https://rappel.example.ch/hooks/twilio?x=1", twilioDLR), 204},
		{"/hooks/twilio", twilioDLR.Encode(), standin.TwilioSignature("12345", proxied.URL+"/hooks/twilio", twilioDLR), 403},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, proxied.URL+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Twilio-Signature", tt.signature)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			t.Error(err)
		}
		if resp.StatusCode != tt.want {
			t.Errorf("%s: answered %d, want %d", tt.path, resp.StatusCode, tt.want)
		}
	}
	if n, m := len(in.Receipts()), len(in.Inbounds()); n != 4 || m != 1 {
		t.Errorf("%d receipts and %d replies kept, want 4 and 1", n, m)
	}
}

// The answer to a submission is lost, and the receipt that names our reference settles
// the message: it went out once, and is known as delivered without being asked for.
func TestSMSup_lostAnswer(t *testing.T) {
	t.Parallel()
	dsn := dbtest.NewDSN(t)
	db := dbtest.Open(t, dsn)
	if _, err := db.Exec(`INSERT INTO accounts (account_id, business, created_at) VALUES (1, 'Clinic', now())`); err != nil {
		t.Fatal(err)
	}
	const hook = "0123456789abcdef"
	a := &app{cfg: Config{BaseURL: "https://rappel.example.ch"}, log: slog.New(slog.DiscardHandler), now: time.Now}
	var desk *notify.Desk
	hooks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.hooks()["smsup"].ServeHook(w, r, "", desk)
	}))
	t.Cleanup(hooks.Close)
	gateway := standin.NewSMSup(standin.SMSupConfig{Token: "t", Webhooks: hooks.URL + "/hooks/smsup/" + hook})
	api := httptest.NewServer(gateway)
	t.Cleanup(api.Close)
	var err error
	if a.carriers, err = a.buildCarriers("smsup://t@" + strings.TrimPrefix(api.URL, "http://") + "?hook=" + hook); err != nil {
		t.Fatal(err)
	}
	cfg := notify.Config{DB: db, Carriers: a.carriers, Now: a.now, Log: a.log}
	if desk, err = notify.NewDesk(cfg); err != nil {
		t.Fatal(err)
	}
	dispatcher, err := notify.NewDispatcher(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var e notify.Enqueued
	if err := migrations.InAccount(t.Context(), db, 1, func(tx *sqlx.Tx) (err error) {
		e, err = notify.NewOutbox(a.now).EnqueueTx(t.Context(), tx, notify.NewMessage{AccountID: 1, Kind: notify.Notification, Reference: "r", Origin: notify.OriginTest,
			Recipient: "+41791234567", Sender: "Praxis", Body: strings.Repeat("Bis morgen. ", 20), Expires: time.Now().Add(24 * time.Hour)})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	ref := notify.MessageRef{AccountID: 1, ID: e.ID}
	status := func() (notify.Status, notify.Reason) {
		d, err := notify.NewStore(db).Get(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		return d.Status, d.Reason
	}
	gateway.Fault(standin.HTTPFault{Action: standin.HTTPCutAfter})
	if _, err := dispatcher.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, r := status(); s != notify.NotSent || r != notify.ReasonUnanswered {
		t.Fatalf("after the cut: %v %s", s, r)
	}
	gateway.Report(notify.Message{AccountID: 1, ID: e.ID}.Reference(), int(notify.Delivered))
	if s, r := status(); s != notify.Delivered || gateway.Undelivered() != 0 {
		t.Errorf("after the receipt: %v %s, %d webhooks left", s, r, gateway.Undelivered())
	}
	if _, err := dispatcher.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(gateway.Messages()); n != 1 {
		t.Errorf("%d texts, want one", n)
	}
}
