package stripe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"
	sdk "github.com/stripe/stripe-go/v85"

	"rappel/calendars/billing/payments"
)

// provider is what payments by way of Stripe are called in the books.
const provider = "stripe"

// Config is what a Client stands on. Fields without a remark must be set.
type Config struct {
	DB      *sqlx.DB // the owner's pool
	Desk    *payments.Desk
	Key     string       // sk_… or rk_…
	Secret  string       // whsec_…, of the endpoint
	APIURL  string       // "" = Stripe's own
	BaseURL string       // public URL of the product, without a slash at the end
	Methods []string     // offered on pages; nil = card, paypal, twint
	HTTP    *http.Client // nil = one with a time-out of 30 s
	Now     func() time.Time
	Log     *slog.Logger
	Every   time.Duration // pause between looks in Run; 0 = 5 s
}

// Client talks to Stripe and takes its word. It is safe for concurrent use, by any
// number of processes over one database.
type Client struct {
	c   Config
	api *sdk.Client
}

// New returns a Client, or [ErrConfig].
func New(c Config) (*Client, error) {
	if c.Key == "" || c.Secret == "" {
		return nil, ErrConfig
	}
	clock := c.Now
	// PostgreSQL keeps microseconds: an instant must compare equal after it was stored.
	c.Now = func() time.Time { return clock().UTC().Truncate(time.Microsecond) }
	if len(c.Methods) == 0 {
		c.Methods = []string{"card", "paypal", "twint"}
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{Timeout: 30 * time.Second}
	}
	if c.Every <= 0 {
		c.Every = 5 * time.Second
	}
	cfg := &sdk.BackendConfig{HTTPClient: c.HTTP, LeveledLogger: &sdk.LeveledLogger{Level: sdk.LevelNull}, // its lines quote requests
		EnableTelemetry: sdk.Bool(false), MaxNetworkRetries: sdk.Int64(2)}
	if c.APIURL != "" {
		cfg.URL = sdk.String(c.APIURL)
	}
	return &Client{c: c, api: sdk.NewClient(c.Key, sdk.WithBackends(sdk.NewBackendsWithConfig(cfg)))}, nil
}

// Names of our metadata at Stripe.
const (
	metaAccount = "rappel_account"
	metaOrder   = "rappel_order"
	metaInvoice = "rappel_invoice"
	metaAttempt = "rappel_attempt"
	metaRefund  = "rappel_refund"
)

// about is what an object of Stripe's is about, as its metadata says.
func about(meta map[string]string) payments.Target {
	id := func(name string) int64 {
		n, err := strconv.ParseInt(meta[name], 10, 64)
		if err != nil || n < 0 {
			return 0
		}
		return n
	}
	return payments.Target{Account: id(metaAccount), Invoice: id(metaInvoice), Order: id(metaOrder)}
}

func meta(t payments.Target) map[string]string {
	m := map[string]string{metaAccount: strconv.FormatInt(t.Account, 10)}
	if t.Order != 0 {
		m[metaOrder] = strconv.FormatInt(t.Order, 10)
	}
	if t.Invoice != 0 {
		m[metaInvoice] = strconv.FormatInt(t.Invoice, 10)
	}
	return m
}

// failure turns what the SDK answers into an error without its text: that may name
// people and cards.
func failure(what string, err error) error {
	var e *sdk.Error
	if errors.As(err, &e) {
		return fmt.Errorf("%w: %s: HTTP %d %s %s (request %s)", ErrProvider, what, e.HTTPStatusCode, e.Type, e.Code, e.RequestID)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %s: %w", ErrProvider, what, err)
	}
	return fmt.Errorf("%w: %s", ErrProvider, what)
}
