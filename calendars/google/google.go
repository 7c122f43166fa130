package google

import (
	"cmp"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"rappel/calendars"
)

// Name is the key stored with every connection to Google.
const Name = "google"

// Google's own endpoints.
const (
	defaultAuthURL  = "https://accounts.google.com/o/oauth2/v2/auth"
	defaultTokenURL = "https://oauth2.googleapis.com/token"
	defaultAPIURL   = "https://www.googleapis.com"
)

// perSecond is 70 % of the 10,000 requests a minute a project may make.
//
// Source: https://developers.google.com/workspace/calendar/api/guides/quota
const perSecond = 120

// Config of the adapter. Empty URLs mean Google's own.
type Config struct {
	ClientID     string
	ClientSecret string

	AuthURL   string
	TokenURL  string
	RevokeURL string // empty: the token URL with its last element replaced by "revoke"
	APIURL    string // with or without /calendar/v3 at its end

	// HTTPClient makes the calls to the OAuth endpoints, unless their context
	// carries one under oauth2.HTTPClient. nil: one with a timeout of 20 s.
	HTTPClient *http.Client
	Now        func() time.Time // nil: time.Now
}

// New makes the provider. A URL that cannot be parsed shows when it is used.
func New(cfg Config) calendars.Provider {
	cfg.AuthURL = cmp.Or(cfg.AuthURL, defaultAuthURL)
	cfg.TokenURL = cmp.Or(cfg.TokenURL, defaultTokenURL)
	cfg.RevokeURL = cmp.Or(cfg.RevokeURL, revokeURL(cfg.TokenURL))
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = &http.Client{Timeout: 20 * time.Second}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r := &Reader{endpoint: endpoint(cmp.Or(cfg.APIURL, defaultAPIURL)), now: cfg.Now}
	return calendars.Provider{Name: Name, Authority: &Authority{cfg: cfg, reader: r}, Reader: r, PerSecond: perSecond}
}

// revokeURL is the sibling of the token endpoint: Google has both at the same
// level, at oauth2.googleapis.com as well as below /oauth2/.
func revokeURL(token string) string {
	u, err := url.Parse(token)
	if err != nil {
		return token
	}
	u.Path = path.Join("/", path.Dir(u.Path), "revoke")
	return u.String()
}

// endpoint is the base of the API with the slash the client needs to resolve
// its relative paths.
func endpoint(api string) string {
	return strings.TrimSuffix(strings.TrimRight(api, "/"), "/calendar/v3") + "/calendar/v3/"
}
