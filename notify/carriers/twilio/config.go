package twilio

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ErrConfig says that a URL or Config can't work. Its text carries no token.
var ErrConfig = errors.New("twilio: configuration")

// Config is one account at Twilio. ParseURL fills in all down to Timeout.
type Config struct {
	Name             string
	SID, Token       string
	API              string // scheme and host, without a path
	MessagingService string
	Window           int
	Rate             float64 // segments per second, 0 = no limit
	Timeout          time.Duration

	StatusCallback string           // where Twilio reaches ServeHook; "" = no receipts
	Log            *slog.Logger     // nil: none
	Now            func() time.Time // nil: time.Now
}

// ParseURL reads a carrier URL; see the package's doc. Every parameter it doesn't
// know is an error.
func ParseURL(u *url.URL) (Config, error) {
	cfg := Config{Name: "twilio", Window: 10, Timeout: 15 * time.Second, SID: u.User.Username()}
	if u.Scheme != "twilio" {
		return Config{}, fmt.Errorf("%w: scheme %q, want twilio", ErrConfig, u.Scheme)
	}
	cfg.Token, _ = u.User.Password() // Validate refuses an absent one
	scheme := "https"
	if isLoopback(u.Hostname()) {
		scheme = "http"
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Config{}, fmt.Errorf("%w: the part after ? can't be read", ErrConfig)
	}
	for key, values := range query {
		if len(values) != 1 {
			return Config{}, fmt.Errorf("%w: %s given %d times", ErrConfig, key, len(values))
		}
		value := values[0]
		switch key {
		case "name":
			cfg.Name = value
		case "messaging_service":
			cfg.MessagingService = value
		case "window":
			// The errors of strconv and time quote what may be a part of the token.
			if cfg.Window, err = strconv.Atoi(value); err != nil {
				err = errors.New("want a whole number")
			}
		case "rate":
			if cfg.Rate, err = strconv.ParseFloat(value, 64); err != nil {
				err = errors.New("want a number")
			}
		case "timeout":
			if cfg.Timeout, err = time.ParseDuration(value); err != nil {
				err = errors.New("want a time with its unit, such as 15s")
			}
		case "scheme":
			scheme = value
		default:
			err = errors.New("no such parameter")
		}
		if err != nil {
			return Config{}, fmt.Errorf("%w: %s: %w", ErrConfig, key, err)
		}
	}
	if u.Path != "" && u.Path != "/" {
		return Config{}, fmt.Errorf("%w: want no path", ErrConfig)
	}
	cfg.API = scheme + "://" + u.Host
	return cfg, cfg.Validate()
}

// Validate returns an ErrConfig that names the first field out of its bounds.
func (c Config) Validate() error {
	bad := func(field, want string) error { return fmt.Errorf("%w: %s: want %s", ErrConfig, field, want) }
	api, err := url.Parse(c.API)
	switch {
	case err != nil || api.Host == "" || api.Scheme != "https" && api.Scheme != "http":
		return bad("host", "a host name, and scheme http or https")
	case c.Name == "" || strings.ContainsAny(c.Name, "/?#"):
		return bad("name", "a word")
	case c.SID == "" || strings.ContainsAny(c.SID, "/?#"):
		return bad("SID", "the account's SID before the colon")
	case c.Token == "":
		return bad("token", "the auth token after the colon")
	case c.Window < 1 || c.Window > 1000:
		return bad("window", "1 to 1000")
	case !(c.Rate >= 0 && c.Rate <= 1e6): // also refuses NaN
		return bad("rate", "0 to 1000000")
	case c.Timeout < 10*time.Millisecond:
		return bad("timeout", "at least 10ms")
	}
	return nil
}

// callback is the URL for status callbacks, or "".
func (c Config) callback() string {
	ours, err := url.Parse(c.StatusCallback)
	if err != nil || ours.Host == "" {
		return ""
	}
	if api, err := url.Parse(c.API); err != nil || isLoopback(ours.Hostname()) && !isLoopback(api.Hostname()) {
		return ""
	}
	if ours.Fragment != "" {
		return c.StatusCallback
	}
	return c.StatusCallback + overrides
}

// overrides ask Twilio to repeat a callback up to five times, whatever went wrong.
//
// Source: https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
const overrides = "#rc=5&rp=all"

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
