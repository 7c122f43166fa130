package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"rappel/notify"
)

// Of two accounts at Twilio each hears of its own messages: the callback asked for is
// the path its hook is served at.
func TestBuildCarriers_callbacksReachTheirHook(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 2)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.PostFormValue("StatusCallback")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"sid":"SM1"}`)
	}))
	t.Cleanup(srv.Close)
	host := strings.TrimPrefix(srv.URL, "http://")
	a := &app{cfg: Config{BaseURL: "https://rappel.example.ch"}, log: slog.New(slog.DiscardHandler), now: time.Now}
	var err error
	if a.carriers, err = a.buildCarriers("twilio://AC1:t@" + host + " twilio://AC2:t@" + host + "?name=second"); err != nil {
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
		name := strings.TrimPrefix(u.Path, "/hooks/")
		if hook, ok := c.(notify.Webhook); !ok || a.hooks()[name] != hook {
			t.Errorf("%s asks to be called at %s, where another's hook is", c.Name(), u.Path)
		}
	}
}
