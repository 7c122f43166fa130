package twilio

import (
	"log/slog"
	"net/url"
	"strings"
	"time"

	"rappel/notify/carriers"
)

// Config is one account at Twilio. ParseURL fills in all down to MessagingService.
type Config struct {
	carriers.Settings
	SID, Token       string
	MessagingService string

	StatusCallback string           // where Twilio reaches ServeHook; "" = no receipts
	Log            *slog.Logger     // nil: none
	Now            func() time.Time // nil: time.Now
}

// ParseURL reads a carrier URL; see the package's doc. Its error is a
// carriers.ErrConfig and tells no token.
func ParseURL(u *url.URL) (Config, error) {
	cfg := Config{Settings: carriers.Defaults("twilio"), SID: u.User.Username()}
	if u.Scheme != "twilio" {
		return Config{}, carriers.Bad("scheme", "twilio")
	}
	cfg.Token, _ = u.User.Password() // Validate refuses an absent one
	err := cfg.Read(u, func(key, value string) error {
		if key != "messaging_service" {
			return carriers.ErrNoParameter
		}
		cfg.MessagingService = value
		return nil
	})
	if err != nil {
		return Config{}, err
	}
	return cfg, cfg.Validate()
}

// Validate returns a carriers.ErrConfig that names the first field out of its bounds.
func (c Config) Validate() error {
	switch {
	case c.SID == "" || strings.ContainsAny(c.SID, "/?#"):
		return carriers.Bad("SID", "the account's SID before the colon")
	case c.Token == "":
		return carriers.Bad("token", "the auth token after the colon")
	}
	return c.Settings.Validate()
}

// callback is the URL for status callbacks, or "".
func (c Config) callback() string {
	ours := carriers.Callback(c.StatusCallback, c.API)
	if ours == "" || strings.Contains(ours, "#") {
		return ours
	}
	return ours + overrides
}

// overrides ask Twilio to repeat a callback up to five times, whatever went wrong.
//
// Source: https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
const overrides = "#rc=5&rp=all"
