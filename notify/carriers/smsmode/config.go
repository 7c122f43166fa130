package smsmode

import (
	"log/slog"
	"net/url"
	"strings"
	"time"

	"rappel/notify/carriers"
)

// Config is one channel at smsmode. ParseURL fills in all down to Listed.
type Config struct {
	carriers.Settings
	Key    string
	Hook   string        // end of the callbacks' path; "" = derived from Key
	Listed time.Duration // after this, absence from the listing is certain

	Callback string           // where smsmode reaches ServeHook, without the hook; "" = no receipts
	Log      *slog.Logger     // nil: none
	Now      func() time.Time // nil: time.Now
}

// ParseURL reads a carrier URL; see the package's doc. Its error is a
// carriers.ErrConfig and tells no secret.
func ParseURL(u *url.URL) (Config, error) {
	cfg := Config{Settings: carriers.Defaults("smsmode"), Key: u.User.Username(), Listed: 20 * time.Minute}
	if u.Scheme != "smsmode" {
		return Config{}, carriers.Bad("scheme", "smsmode")
	}
	if _, two := u.User.Password(); two {
		return Config{}, carriers.Bad("key", "the API key alone before the @, without a colon")
	}
	err := cfg.Read(u, func(key, value string) (err error) {
		switch key {
		case "hook":
			if cfg.Hook = value; value == "" {
				return carriers.Bad("hook", "16 to 128 letters, digits, - and _")
			}
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

// Validate returns a carriers.ErrConfig that names the first field out of its bounds.
func (c Config) Validate() error {
	switch {
	case !carriers.Secret(c.Key):
		return carriers.Bad("key", "the API key before the @")
	case c.Hook != "" && !carriers.IsToken(c.Hook):
		return carriers.Bad("hook", "16 to 128 letters, digits, - and _")
	case c.Listed < 0 || c.Listed > 24*time.Hour:
		return carriers.Bad("listed", "0s to 24h")
	}
	return c.Settings.Validate()
}

// hook is the callbacks' token.
func (c Config) hook() string {
	if c.Hook != "" {
		return c.Hook
	}
	return carriers.Token(c.Key, c.Name)
}

// callback is the URL for callbacks, or "".
func (c Config) callback() string {
	ours := carriers.Callback(c.Callback, c.API)
	if ours == "" {
		return ""
	}
	return strings.TrimRight(ours, "/") + "/" + c.hook()
}
