package smpp

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"rappel/notify"
	"rappel/notify/notifytest"
	"rappel/notify/standin"
)

// Whoever configures must be able to tell a refusal from silence.
func TestCarrier_Check(t *testing.T) {
	t.Parallel()
	smsc, err := standin.NewSMSC("127.0.0.1:0", standin.SMSCConfig{User: "rappel", Password: "geheim12"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := smsc.Close(); err != nil {
			t.Error(err)
		}
	})
	mute, err := net.Listen("tcp", "127.0.0.1:0") // connects, and never says a word
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() }) // nothing depends on it any more
	now := func(Purpose, time.Duration) (<-chan time.Time, func()) {
		fired := make(chan time.Time)
		close(fired)
		return fired, func() {}
	}
	for _, tt := range []struct {
		name, scheme, password, address string
		wait                            Wait
		want                            error
	}{
		{"accepted", "smpp", "geheim12", smsc.Address(), nil, nil},
		{"refused", "smpp", "falsch", smsc.Address(), nil, notify.ErrMisconfigured},
		{"mute", "smpp", "geheim12", mute.Addr().String(), now, errNoAnswer},
		{"mute at TLS", "smpps", "geheim12", mute.Addr().String(), now, errNoAnswer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg, err := ParseURL(&url.URL{Scheme: tt.scheme, Host: tt.address, User: url.UserPassword("rappel", tt.password)})
			if err != nil {
				t.Fatal(err)
			}
			cfg.Wait = tt.wait
			c, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Check(context.Background()); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// A password with an @ or ? in it can end up anywhere in the URL.
func TestParseURL_quotesNoValue(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"window", "rate", "timeout", "enquire", "binds", "source_ton", "zone", "tls", "alphabet", "concat", "id", "wort"} {
		_, err := ParseURL(&url.URL{Scheme: "smpp", Host: "x", RawQuery: key + "=geheim"})
		if !errors.Is(err, ErrConfig) || strings.Contains(err.Error(), "geheim") || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// Users and passwords longer than SMPP allows are sent whole; the log tells of them, not what
// they are.
func TestBind_longCredentials(t *testing.T) {
	t.Parallel()
	smsc, err := standin.NewSMSC("127.0.0.1:0", standin.SMSCConfig{User: "clinic-of-the-long-street", Password: "quite-a-long-password"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSMSC(t, smsc) })
	var log notifytest.Log
	r := attachLogged(t, notifytest.NewInbox(), smsc, "", nil, log.Logger())
	until(t, smsc, func() bool { return smsc.Bound() == 1 })
	r.awaitBound(t, 1)
	text := log.String()
	if !strings.Contains(text, "user is longer") || !strings.Contains(text, "password is longer") || strings.Contains(text, "quite-a-long") {
		t.Errorf("the log says %s", text)
	}
}
