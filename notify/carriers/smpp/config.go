package smpp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ErrConfig says that a URL or Config can't work. Its text carries no password.
var ErrConfig = errors.New("smpp: configuration")

// Alphabet is what the gateway takes data_coding 0 for.
type Alphabet string

// Concat is how the parts of a message say that they belong together.
type Concat string

// IDForm is how message ids are written in answers and in receipts.
type IDForm string

// The values of the three.
const (
	GSM    Alphabet = "gsm"
	Latin1 Alphabet = "latin1"

	UDH Concat = "udh"
	SAR Concat = "sar"

	IDAuto    IDForm = "auto"
	IDDecimal IDForm = "dec"
	IDHex     IDForm = "hex"

	IDHexReceipt IDForm = "hexreceipt"
)

// Config is one gateway. See the package's doc for what each field means; ParseURL
// fills in the defaults.
type Config struct {
	Name                 string
	Address              string // host:port
	TLS                  bool
	User, Password       string
	SystemType           string
	Window, Binds        int
	Rate                 float64 // parts per second, 0 = no limit
	Enquire, Timeout     time.Duration
	Pause                time.Duration // after an answer that says throttled, 0 = none
	SourceTON, SourceNPI int           // -1 = by the rule
	DestTON, DestNPI     int
	Alphabet             Alphabet
	Concat               Concat
	Reference            int // bits of the reference in the UDH: 8 or 16
	ID                   IDForm
	Receipts             bool
	Validity             bool
	Unknown              []string // codes of receipts by which nobody has the number
	Zone                 *time.Location

	// What the surroundings give; nil is usual.
	Log       *slog.Logger                    // nil: none
	Now       func() time.Time                // nil: time.Now
	Wait      Wait                            // nil: real timers
	Backoff   func(attempt int) time.Duration // pause before bind attempt+1; nil: half a second doubling to a minute
	TLSConfig *tls.Config                     // nil: the system's authorities and the host's name; set by ca and tls_name
}

// DefaultConfig returns what a URL without parameters means.
func DefaultConfig() Config {
	return Config{
		Name: "smpp", Window: 10, Binds: 1, Enquire: 30 * time.Second, Timeout: 10 * time.Second, Pause: 500 * time.Millisecond,
		SourceTON: -1, SourceNPI: -1, DestTON: 1, DestNPI: 1,
		Alphabet: GSM, Concat: UDH, Reference: 8, ID: IDAuto, Receipts: true, Validity: true, Zone: time.UTC,
	}
}

// ParseURL reads a carrier URL; see the package's doc. Every parameter it doesn't
// know is an error, so that a slip of the pen isn't taken for the default.
func ParseURL(u *url.URL) (Config, error) {
	cfg := DefaultConfig()
	switch u.Scheme {
	case "smpp":
	case "smpps":
		cfg.TLS = true
	default:
		return Config{}, fmt.Errorf("%w: scheme %q, want smpp or smpps", ErrConfig, u.Scheme)
	}
	port := u.Port()
	if port == "" {
		port = "2775" // registered for SMPP
	}
	cfg.Address = net.JoinHostPort(u.Hostname(), port)
	cfg.User = u.User.Username()
	cfg.Password, _ = u.User.Password() // absent is empty
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Config{}, fmt.Errorf("%w: the part after ? can't be read", ErrConfig)
	}
	var ca, tlsName string
	for key, values := range query {
		if len(values) != 1 {
			return Config{}, fmt.Errorf("%w: %s given %d times", ErrConfig, key, len(values))
		}
		switch key {
		case "ca":
			ca = values[0]
		case "tls_name":
			tlsName = values[0]
		default:
			err = cfg.set(key, values[0])
		}
		if err != nil {
			return Config{}, fmt.Errorf("%w: %s: %w", ErrConfig, key, err)
		}
	}
	if err := cfg.Validate(); err != nil {
		return Config{}, err
	}
	if ca != "" || tlsName != "" {
		err = cfg.trust(ca, tlsName)
	}
	return cfg, err
}

func (c *Config) set(key, value string) (err error) {
	switch key {
	case "name":
		c.Name = value
	case "tls":
		c.TLS, err = parseBool(value)
	case "system_type":
		c.SystemType = value
	case "window":
		c.Window, err = parseInt(value)
	case "binds":
		c.Binds, err = parseInt(value)
	case "rate":
		if c.Rate, err = strconv.ParseFloat(value, 64); err != nil {
			err = errors.New("want a number")
		}
	case "enquire":
		c.Enquire, err = parseDuration(value)
	case "timeout":
		c.Timeout, err = parseDuration(value)
	case "pause":
		c.Pause, err = parseDuration(value)
	case "ref":
		c.Reference, err = parseInt(value)
	case "source_ton":
		c.SourceTON, err = parseInt(value)
	case "source_npi":
		c.SourceNPI, err = parseInt(value)
	case "dest_ton":
		c.DestTON, err = parseInt(value)
	case "dest_npi":
		c.DestNPI, err = parseInt(value)
	case "alphabet":
		c.Alphabet = Alphabet(value)
	case "concat":
		c.Concat = Concat(value)
	case "id":
		c.ID = IDForm(value)
	case "receipts":
		c.Receipts, err = parseBool(value)
	case "unknown":
		if c.Unknown = strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' }); len(c.Unknown) == 0 {
			err = errors.New("want codes with commas between")
		}
	case "validity":
		c.Validity, err = parseBool(value)
	case "zone":
		if c.Zone, err = time.LoadLocation(value); err != nil {
			err = errors.New("want an IANA name such as Europe/Zurich")
		}
	default:
		return errors.New("no such parameter")
	}
	return err
}

// The errors of strconv and time quote their input, which after a slip of the pen may
// be a part of the password.

func parseInt(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, errors.New("want a whole number")
	}
	return n, nil
}

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, errors.New("want a time with its unit, such as 30s")
	}
	return d, nil
}

func parseBool(s string) (bool, error) {
	switch s {
	case "1", "true", "yes", "on":
		return true, nil
	case "0", "false", "no", "off":
		return false, nil
	}
	return false, errors.New("want 1 or 0")
}

// Validate returns an ErrConfig that names the first field out of its bounds.
// Lengths are those of SMPP 3.4 §4.1.1, less the closing NUL; for user and password see
// Warnings.
func (c Config) Validate() error {
	host, _, err := net.SplitHostPort(c.Address)
	bad := func(field, want string) error { return fmt.Errorf("%w: %s: want %s", ErrConfig, field, want) }
	switch {
	case err != nil || host == "":
		return bad("address", "host:port")
	case c.Name == "":
		return bad("name", "a word")
	case len(c.User) > 255 || strings.Contains(c.User, "\x00"):
		return bad("user", "at most 255 octets, none of them NUL")
	case len(c.Password) > 255 || strings.Contains(c.Password, "\x00"):
		return bad("password", "at most 255 octets, none of them NUL")
	case len(c.SystemType) > 12:
		return bad("system_type", "at most 12 octets")
	case c.Window < 1 || c.Window > 10_000:
		return bad("window", "1 to 10000")
	case c.Binds < 1 || c.Binds > 100:
		return bad("binds", "1 to 100")
	case !(c.Rate >= 0 && c.Rate <= 1e6): // also refuses NaN
		return bad("rate", "0 to 1000000")
	case c.Enquire < time.Second:
		return bad("enquire", "at least 1s")
	case c.Timeout < 10*time.Millisecond:
		return bad("timeout", "at least 10ms")
	case c.Pause < 0 || c.Pause > time.Minute:
		return bad("pause", "0 to 1m")
	case c.Reference != 8 && c.Reference != 16:
		return bad("ref", "8 or 16")
	case c.SourceTON < -1 || c.SourceTON > 6, c.DestTON < 0 || c.DestTON > 6:
		return bad("ton", "0 to 6")
	case c.SourceNPI < -1 || c.SourceNPI > 18, c.DestNPI < 0 || c.DestNPI > 18:
		return bad("npi", "0 to 18")
	case c.Alphabet != GSM && c.Alphabet != Latin1:
		return bad("alphabet", "gsm or latin1")
	case c.Concat != UDH && c.Concat != SAR:
		return bad("concat", "udh or sar")
	case c.ID != IDAuto && c.ID != IDDecimal && c.ID != IDHex && c.ID != IDHexReceipt:
		return bad("id", "auto, dec, hex or hexreceipt")
	case c.Zone == nil:
		return bad("zone", "an IANA name")
	}
	return nil
}

// Warnings are what may be wrong with c, though it is sent as it is. They carry no password.
//
// SMPP 3.4 §4.1.1 has 15 octets for a user and 8 for a password, but many gateways hand out
// longer ones. One that keeps to it refuses the bind, or cuts them.
func (c Config) Warnings() (all []string) {
	if len(c.User) > 15 {
		all = append(all, "user is longer than SMPP's 15 octets")
	}
	if len(c.Password) > 8 {
		all = append(all, "password is longer than SMPP's 8 octets")
	}
	return all
}
