package outlook

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"rappel/calendars"
)

// Name is the key stored with every connection to Microsoft.
const Name = "microsoft"

// Microsoft's own endpoints.
const (
	defaultAuthorityURL = "https://login.microsoftonline.com/common"
	defaultGraphURL     = "https://graph.microsoft.com/v1.0"
)

// Config of the adapter. Empty URLs mean Microsoft's own.
type Config struct {
	ClientID     string
	ClientSecret string

	AuthorityURL string // taken as it stands, so with the tenant if there are any
	GraphURL     string // /v1.0 is appended if it is missing

	// HTTPClient makes the calls to the authority, unless their context carries
	// one under oauth2.HTTPClient. nil: one with a timeout of 20 s.
	HTTPClient *http.Client
	Now        func() time.Time // nil: time.Now
}

// New makes the provider. A URL that cannot be parsed shows when it is used.
func New(cfg Config) calendars.Provider {
	cfg.AuthorityURL = strings.TrimRight(cmp.Or(cfg.AuthorityURL, defaultAuthorityURL), "/")
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = &http.Client{Timeout: 20 * time.Second}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	register()
	r := &Reader{base: graphURL(cmp.Or(cfg.GraphURL, defaultGraphURL)), now: cfg.Now, bodies: newBodies(maxBodyMemory)}
	return calendars.Provider{Name: Name, Authority: &Authority{cfg: cfg}, Reader: r, DoubtfulBell: true}
}

// graphURL is the part in front of /me.
func graphURL(raw string) string {
	return strings.TrimSuffix(strings.TrimRight(raw, "/"), "/v1.0") + "/v1.0"
}
