package main

import (
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rappel/notify"
)

func TestBuildCarriers_routes(t *testing.T) {
	t.Parallel()
	a := &app{cfg: Config{BaseURL: "https://rappel.example.ch"}, log: slog.New(slog.DiscardHandler), now: time.Now}
	all, err := a.buildCarriers("smpp://u:p@h:2775?to=41&to=%2B423&window=7, twilio://AC1:t@api.twilio.com")
	if err != nil {
		t.Fatal(err)
	}
	if all[0].Window() != 7 {
		t.Errorf("window %d: the other parameters are lost", all[0].Window())
	}
	if diff := cmp.Diff(map[string]notify.Route{"smpp": {To: []string{"+41", "+423"}}}, a.routes); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"to=", "to=079", "to=Schweiz", "to=1234567890123456"} {
		u, err := url.Parse("smpp://u:p@h:2775?" + bad)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := takeRoute(u); err == nil || !strings.Contains(err.Error(), "to=41") {
			t.Errorf("%s: %v, want an error that says how it is written", bad, err)
		}
	}
}
