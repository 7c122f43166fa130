package smsup

import (
	"log/slog"
	"net/url"
	"strings"
	"time"

	"rappel/notify/carriers"
)

// Config is one account at SMSup. ParseURL fills in all down to Listed.
type Config struct {
	carriers.Settings
	Token     string
	Hook      string        // end of the webhooks' path; "" = derived from Token
	Signature string        // "" = webhooks carry none
	Listed    time.Duration // after this, absence from the history is certain

	Log *slog.Logger     // nil: none
	Now func() time.Time // nil: time.Now
}

// ParseURL reads a carrier URL; see the package's doc. Its error is a
// carriers.ErrConfig and tells no secret.
func ParseURL(u *url.URL) (Config, error) {
	cfg := Config{Settings: carriers.Defaults("smsup"), Token: u.User.Username(), Listed: 10 * time.Minute}
	if u.Scheme != "smsup" {
		return Config{}, carriers.Bad("scheme", "smsup")
	}
	if _, two := u.User.Password(); two {
		return Config{}, carriers.Bad("token", "the API token alone before the @, without a colon")
	}
	err := cfg.Read(u, func(key, value string) (err error) {
		switch key {
		case "hook":
			cfg.Hook = value
		case "signature":
			cfg.Signature = value
		case "listed":
			cfg.Listed, err = carriers.Duration(value)
		default:
			err = carriers.ErrNoParameter
		}
		return err
	})
	if err != nil {
		return Config{}, err
	}
	return cfg, cfg.Validate()
}

// hook is the webhooks' token.
func (c Config) hook() string {
	if c.Hook != "" {
		return c.Hook
	}
	return carriers.Token(c.Token, c.Name)
}

// Validate returns a carriers.ErrConfig that names the first field out of its bounds.
func (c Config) Validate() error {
	switch {
	case !carriers.Secret(c.Token):
		return carriers.Bad("token", "the API token before the @")
	case c.Hook != "" && !carriers.IsToken(c.Hook):
		return carriers.Bad("hook", "16 to 128 letters, digits, - and _")
	case c.Signature != strings.TrimSpace(c.Signature):
		return carriers.Bad("signature", "no space at its ends")
	case c.Listed < 0 || c.Listed > 24*time.Hour:
		return carriers.Bad("listed", "0s to 24h")
	}
	return c.Settings.Validate()
}
