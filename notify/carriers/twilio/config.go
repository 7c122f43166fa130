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
	SID              string // of the account
	Token            string // auth token, by which webhooks are proved; "" = none are taken
	Key, Secret      string // API key to log in with in place of SID and Token; "" = none
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
	byKey := strings.HasPrefix(cfg.SID, "SK")
	if byKey {
		cfg.Key, cfg.Secret, cfg.SID, cfg.Token = cfg.SID, cfg.Token, "", ""
	}
	err := cfg.Read(u, func(key, value string) error {
		switch {
		case key == "messaging_service":
			cfg.MessagingService = value
		case key == "account" && byKey:
			cfg.SID = value
		case key == "token" && byKey:
			cfg.Token = value
		default:
			return carriers.ErrNoParameter
		}
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
	case c.Key != "" && (!carriers.Word(c.SID) || c.SID == c.Key):
		return carriers.Bad("account", "the account's SID, beside an API key")
	case c.Key != "" && c.Secret == "":
		return carriers.Bad("secret", "the API key's secret after the colon")
	case c.SID == "" || strings.ContainsAny(c.SID, "/?#"):
		return carriers.Bad("SID", "the account's SID before the colon")
	case c.Key == "" && c.Token == "":
		return carriers.Bad("token", "the auth token after the colon")
	}
	return c.Settings.Validate()
}

// callback is the URL for status callbacks, or "".
func (c Config) callback() string {
	ours := carriers.Callback(c.StatusCallback, c.API)
	if c.Token == "" {
		return "" // nothing would be believed
	}
	if ours == "" || strings.Contains(ours, "#") {
		return ours
	}
	return ours + overrides
}

// login is user and password of requests.
func (c Config) login() string {
	if c.Key != "" {
		return c.Key + ":" + c.Secret
	}
	return c.SID + ":" + c.Token
}

// overrides ask Twilio to repeat a callback up to five times, whatever went wrong.
//
// Source: https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
const overrides = "#rc=5&rp=all"
