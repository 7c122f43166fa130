package sandbox

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"time"
	_ "time/tzdata" // the page's zone, also where the system has none

	"github.com/jmoiron/sqlx"
)

// ErrConfig says that a URL or Config can't work.
var ErrConfig = errors.New("sandbox: configuration")

// Config is a sandbox. ParseURL fills in all down to Zone.
type Config struct {
	Name    string
	Receipt time.Duration // from acceptance to receipt
	Window  int
	Zone    *time.Location

	DB  *sqlx.DB         // the owner's pool
	Log *slog.Logger     // nil: none
	Now func() time.Time // nil: time.Now
}

// ParseURL reads a carrier URL; see the package's doc. Every parameter it doesn't
// know is an error.
func ParseURL(u *url.URL) (Config, error) {
	zone, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		return Config{}, fmt.Errorf("%w: zone: %w", ErrConfig, err)
	}
	cfg := Config{Name: "sandbox", Receipt: 2 * time.Second, Window: 16, Zone: zone}
	if u.Scheme != "sandbox" {
		return Config{}, fmt.Errorf("%w: scheme %q, want sandbox", ErrConfig, u.Scheme)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Config{}, fmt.Errorf("%w: the part after ? can't be read", ErrConfig)
	}
	for key, values := range query {
		if len(values) != 1 {
			return Config{}, fmt.Errorf("%w: %s given %d times", ErrConfig, key, len(values))
		}
		switch value := values[0]; key {
		case "name":
			cfg.Name = value
		case "receipt":
			cfg.Receipt, err = time.ParseDuration(value)
		case "window":
			cfg.Window, err = strconv.Atoi(value)
		case "zone":
			cfg.Zone, err = time.LoadLocation(value)
		default:
			err = errors.New("no such parameter")
		}
		if err != nil {
			return Config{}, fmt.Errorf("%w: %s: %w", ErrConfig, key, err)
		}
	}
	return cfg, cfg.validate()
}

func (c Config) validate() error {
	switch {
	case c.Name == "":
		return fmt.Errorf("%w: name: want a word", ErrConfig)
	case c.Receipt < 0 || c.Receipt > 24*time.Hour:
		return fmt.Errorf("%w: receipt: want 0 to 24h", ErrConfig)
	case c.Window < 1 || c.Window > 1000:
		return fmt.Errorf("%w: window: want 1 to 1000", ErrConfig)
	case c.Zone == nil:
		return fmt.Errorf("%w: zone: want an IANA name", ErrConfig)
	}
	return nil
}
