package carriers

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

// ErrConfig says that a carrier URL or its settings can't work. Its text carries no
// secret.
var ErrConfig = errors.New("carrier URL")

// ErrNoParameter is what a carrier's reader of its own parameters says to a key it
// doesn't know.
var ErrNoParameter = errors.New("no such parameter")

// Settings are what every carrier over HTTP is told by its URL.
type Settings struct {
	Name    string        // key stored with every message
	API     string        // scheme and host, without a path
	Window  int           // requests under way at once
	Rate    float64       // segments per second, 0 = no limit
	Timeout time.Duration // for one request
}

// Defaults are the settings of a carrier URL without parameters.
func Defaults(name string) Settings {
	return Settings{Name: name, Window: 10, Timeout: 15 * time.Second}
}

// Read takes in u's host and parameters; those it doesn't know go to own, which answers
// ErrNoParameter to what it doesn't know either. The errors are ErrConfig and quote no
// value, for a secret may have slipped into the wrong place.
func (s *Settings) Read(u *url.URL, own func(key, value string) error) error {
	scheme := "https"
	if Loopback(u.Hostname()) {
		scheme = "http"
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return fmt.Errorf("%w: the part after ? can't be read", ErrConfig)
	}
	for key, values := range query {
		if len(values) != 1 {
			return fmt.Errorf("%w: %s given %d times", ErrConfig, key, len(values))
		}
		value := values[0]
		var err error
		switch key {
		case "name":
			s.Name = value
		case "window":
			if s.Window, err = strconv.Atoi(value); err != nil {
				err = errors.New("want a whole number")
			}
		case "rate":
			if s.Rate, err = strconv.ParseFloat(value, 64); err != nil {
				err = errors.New("want a number")
			}
		case "timeout":
			s.Timeout, err = Duration(value)
		case "scheme":
			scheme = value
		default:
			err = own(key, value)
		}
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrConfig, key, err)
		}
	}
	if u.Path != "" && u.Path != "/" {
		return fmt.Errorf("%w: want no path", ErrConfig)
	}
	s.API = scheme + "://" + u.Host
	return s.Validate()
}

// Duration reads a time with its unit; its error doesn't quote the value.
func Duration(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil {
		return 0, errors.New("want a time with its unit, such as 15s")
	}
	return d, nil
}

// Bad is the ErrConfig for a field out of its bounds.
func Bad(field, want string) error { return fmt.Errorf("%w: %s: want %s", ErrConfig, field, want) }

// Validate returns an ErrConfig that names the first field out of its bounds.
func (s Settings) Validate() error {
	api, err := url.Parse(s.API)
	switch {
	case err != nil || api.Host == "" || api.Scheme != "https" && api.Scheme != "http":
		return Bad("host", "a host name, and scheme http or https")
	case !Word(s.Name):
		return Bad("name", "letters, digits, - and _")
	case s.Window < 1 || s.Window > 1000:
		return Bad("window", "1 to 1000")
	case !(s.Rate >= 0 && s.Rate <= 1e6): // also refuses NaN
		return Bad("rate", "0 to 1000000")
	case s.Timeout < 10*time.Millisecond:
		return Bad("timeout", "at least 10ms")
	}
	return nil
}

// Logger returns log with the carrier's name on every line; nil logs nothing.
func (s Settings) Logger(log *slog.Logger) *slog.Logger {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return log.With(slog.String("carrier", s.Name))
}

// Word reports whether s can stand in a path as it is: ASCII letters, digits, - and _.
func Word(s string) bool {
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
		default:
			return false
		}
	}
	return s != ""
}

// Secret reports whether s can go into an HTTP header: visible ASCII without spaces.
func Secret(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// Callback returns ours, a URL of ours for the gateway at api to call, or "" if the
// gateway could not reach it: it is no URL, or one of this machine while the gateway is
// elsewhere. Gateways refuse such URLs, some the message with it.
func Callback(ours, api string) string {
	u, err := url.Parse(ours)
	if err != nil || u.Host == "" {
		return ""
	}
	if gateway, err := url.Parse(api); err != nil || Loopback(u.Hostname()) && !Loopback(gateway.Hostname()) {
		return ""
	}
	return ours
}

// Loopback reports whether host is this machine.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
