package calendars

import (
	"context"
	"net/http"
	"time"
)

// Provider is one calendar service a clinic can connect to. cmd lists the
// providers in one slice; nothing registers itself.
type Provider struct {
	Name      string // stable key stored with every connection: "google", "microsoft"
	Authority Authority
	Reader    Reader
	// DoubtfulBell: silence of the change feed proves nothing, since it may leave
	// out what changed. Then only a snapshot counts as having looked.
	DoubtfulBell bool
	// PerSecond is how many requests this process may make to the provider in a
	// second, over all clinics; 0 = as many as it likes.
	PerSecond float64
}

// Token is what an authority grants. Times are instants.
type Token struct {
	Access  string
	Refresh string    // "" when the authority sent none: keep the old one
	Expiry  time.Time // of Access; zero when unknown
	Scopes  []string  // as granted; nil when the authority did not say
}

// Identity tells whose calendars a grant opens.
type Identity struct {
	Subject string // the provider's stable id, compared on reconnecting
	Label   string // what the clinic recognises, usually an e-mail address
}

// Authority is the OAuth side of a provider: authorization code flow with PKCE
// (RFC 7636, S256). Implementations are safe for concurrent use and keep no state;
// the core keeps state, verifier and tokens. Failures are an *Error.
type Authority interface {
	// AuthCodeURL is where the browser is sent. loginHint is the Label of the
	// connection being renewed, "" for a new one.
	AuthCodeURL(state, verifier, redirectURL, loginHint string) string
	// Exchange turns the code of the callback into a token and tells whose it is.
	// ErrScopeMissing when the person unticked a permission we need.
	Exchange(ctx context.Context, code, verifier, redirectURL string) (Token, Identity, error)
	// Refresh gets a new access token. ErrGrantRevoked when the grant has ended for
	// whatever reason, ErrClientConfig when our own id or secret is refused.
	Refresh(ctx context.Context, refresh string) (Token, error)
	// Revoke ends the grant at the provider. A grant that has ended already, or a
	// provider that offers no revocation, is not an error.
	Revoke(ctx context.Context, t Token) error
}

// Remote is a calendar in the provider's list.
type Remote struct {
	Ref        string // provider's calendar id
	Name       string
	Zone       string // IANA; "" when the provider does not say
	Role       string // owner, writer, reader, freeBusyReader…, as far as known
	Readable   bool   // false when its texts are not for us (free/busy only)
	HidesTexts bool   // private appointments come without their texts
	Primary    bool
}

// Ref names a calendar to an adapter.
type Ref struct {
	Calendar string // provider's calendar id
	Zone     string // IANA zone for floating dates; "" = UTC
}

// Window is the half-open span [From, To) of a snapshot.
type Window struct{ From, To time.Time }

// Bell is the doorbell's answer.
type Bell struct {
	Changed bool
	Cursor  []byte // to be stored with the outcome; nil when the provider hands out none
}

// Instance is one appointment as it stands: a single event, or one instance of a
// series. Only a complete snapshot carries meaning.
type Instance struct {
	Key         string // the provider's id of this instance, unique in its calendar
	UID         string // iCalendar UID; Key when the provider has none
	Occurrence  string // original start of a series' instance, RFC 3339 in UTC ("2006-01-02T15:04:05Z"); "" for a single event
	Start, End  time.Time
	AllDay      bool
	StartDate   string // all-day: the floating date, 2006-01-02; Start is then its midnight in the calendar's zone
	Kind        string // "default" is an appointment; else the provider's event type such as "focusTime"
	Cancelled   bool   // still listed, but called off
	Declined    bool   // the calendar's owner declined it
	Hidden      bool   // texts withheld from us
	Title       string
	Location    string
	Description string // plain text or HTML, as the provider has it
	ETag        string
}

// Snapshot is the complete truth about a window: all pages were read.
type Snapshot struct {
	Instances []Instance
	Zone      string // the calendar's zone if the provider told; ""
}

// Reader reads calendars. client already authorises every request with the
// connection's access token, wherever it goes, and follows no redirect, so an adapter
// must check the host of links it is handed (ErrForeignLink). It never sees tokens,
// never retries and never sleeps. Implementations are safe for concurrent use. Failures are an *Error.
type Reader interface {
	// Calendars reads the whole list, all pages.
	Calendars(ctx context.Context, client *http.Client) ([]Remote, error)
	// Changed asks with the cursor whether anything changed since it was made.
	// A nil cursor arms the bell: it returns Changed true and a first cursor.
	// ErrCursorLost when the provider no longer knows it. A provider without
	// change feed returns Bell{Changed: true} and no cursor.
	// now anchors the range of feeds that need one; horizon is how far ahead
	// snapshots will look.
	Changed(ctx context.Context, client *http.Client, ref Ref, cursor []byte, now time.Time, horizon time.Duration) (Bell, error)
	// Snapshot reads every instance that overlaps w. Any page that fails fails the
	// whole: half a snapshot would cancel reminders of what it did not see.
	Snapshot(ctx context.Context, client *http.Client, ref Ref, w Window) (Snapshot, error)
}
