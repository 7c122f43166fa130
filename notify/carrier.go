package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"rappel/notify/segment"
)

// Kind is the type of a message; it decides footer, hours and priority.
type Kind int16

// The two types of message.
const (
	Notification Kind = 1 // no STOP footer, any hour
	Marketing    Kind = 2 // STOP footer, sending window
)

// Message is one MT message as a carrier gets it: final text, one recipient.
type Message struct {
	AccountID, ID int64
	Kind          Kind
	Recipient     string // E.164 with "+"
	Sender        string // up to 11 alphanumerics, or E.164 with "+"
	Body          string
	Encoding      segment.Encoding
	Segments      int
	Expires       time.Time // worthless to the recipient from here on
}

// Reference is our own id of m as given to carriers that carry one, and looked
// up there after a crash. It is stable over retries.
func (m Message) Reference() string { return fmt.Sprintf("rappel-%d-%d", m.AccountID, m.ID) }

// ParseReference is the inverse of Reference. Carriers whose gateway names messages by
// it use it as their carrier id.
func ParseReference(s string) (ref MessageRef, ok bool) {
	n, err := fmt.Sscanf(s, "rappel-%d-%d", &ref.AccountID, &ref.ID)
	return ref, err == nil && n == 2 && s == Message{AccountID: ref.AccountID, ID: ref.ID}.Reference()
}

// Submission is a carrier's acceptance.
type Submission struct {
	IDs []string // one per part where the carrier hands out several; receipts come per id
}

// Carrier submits MT messages to one SMS gateway. Implementations are safe for
// concurrent use and never retry; the Dispatcher owns retries.
type Carrier interface {
	Name() string // stable key stored with every message, such as "twilio"
	Window() int  // how many Sends may be under way at once, at least 1
	// Send returns every id the gateway gave, since receipts arrive per id. A nil
	// error means accepted, not delivered. Failures are a *SendError.
	Send(ctx context.Context, m Message) (Submission, error)
}

// Finder is a Carrier that can look up what it accepted, so that a crash between
// submitting and recording leaves no doubt.
type Finder interface {
	// Find looks for m by its Reference or, lacking that, by recipient, sender,
	// text and time since (see Skew), and returns all that may be m: one found by its
	// Reference alone, others the oldest first. No hit and no error mean that the carrier
	// certainly has it not. An error beside hits means that there may be more.
	Find(ctx context.Context, m Message, since time.Time) ([]Hit, error)
}

// Skew is how far a carrier's clock and ours may be apart where one is asked by time.
const Skew = 2 * time.Minute

// Match is what a Finder goes by.
type Match int

// The matches. Two texts may be alike, and of two only one may have arrived; so what is
// found by its text may be another message's.
const (
	// ByReference: it is the message looked for.
	ByReference Match = iota
	// ByText: it is, unless its id is another message's.
	ByText
	// ByCount: nothing tells which of several texts alike it is; the id is the one the
	// message looked for would have. As many of them as messages alike are known to have
	// arrived are theirs.
	ByCount
)

// Hit is what may be the message a Finder was asked for.
type Hit struct {
	Submission
	Match Match
}

// Limited is a Carrier whose gateway takes only so much. The Dispatcher keeps to it, for
// all processes together; what the carrier itself does about it can only smooth.
type Limited interface {
	Rate() float64 // segments a second, 0 = no bound
}

// Segmented is a Carrier whose gateway gives each segment of a message an id, and so a
// receipt, of its own. Only all of them together are evidence that it has the message.
// With others one id stands for the whole.
type Segmented interface {
	IDPerSegment() // does nothing; that it is there says it
}

// Session is a Carrier that keeps connections of its own, over which receipts and
// replies arrive. Run returns when ctx ends, after its connections are closed.
type Session interface {
	Run(ctx context.Context, in Inbox) error
}

// Webhook is a Carrier whose receipts and replies arrive as HTTP requests at
// /hooks/<name>. It answers the request itself, in the gateway's own manner, and
// only after in has kept what came. publicURL is the URL the gateway called, which
// some sign.
type Webhook interface {
	ServeHook(w http.ResponseWriter, r *http.Request, publicURL string, in Inbox)
}

// Linked is a Carrier that sends over connections which stand: whether one does says more
// than any pause made while none did.
type Linked interface {
	Bound() int // connections that stand now
}

// Checker is a Carrier that can say whether its configuration works, without
// sending anything. Used by doctor.
type Checker interface {
	Check(ctx context.Context) error
}

// Inbox takes what carriers bring. It returns nil once the news is durable; only
// then may the carrier acknowledge.
type Inbox interface {
	Receipt(ctx context.Context, r Receipt) error
	Inbound(ctx context.Context, m Inbound) error
}

// Directory is an Inbox that can tell which carrier ids it knows. Carriers ask it whose
// receipts may write an id otherwise than the answer did.
type Directory interface {
	// Known returns those of ids that carrier gave for messages of ours, each with its
	// message's recipient; that is "" where the message was purged.
	Known(ctx context.Context, carrier string, ids []string) (recipients map[string]string, err error)
}

// Receipt is a delivery receipt (DLR) for one carrier id.
type Receipt struct {
	Carrier   string
	CarrierID string
	Status    Status
	Code      string    // the carrier's own code
	At        time.Time // as the carrier says; zero when it does not
	Recipient string    // as the receipt names it, preferably E.164: evidence for messages without known id, and against others
	Sender    string
}

// Inbound is a message a phone sent to us (MO).
type Inbound struct {
	Carrier   string
	CarrierID string // unique per carrier; replays carry the same
	From      string // E.164
	To        string // our number or name
	Body      string
	At        time.Time
}

// Kinds of failure, matched with errors.Is. Each says whether sending again is safe.
var (
	ErrRejected           = errors.New("notify: rejected by carrier")               // final
	ErrOptedOut           = errors.New("notify: recipient opted out")               // final; suppress the number
	ErrInvalidDestination = errors.New("notify: invalid destination")               // final
	ErrInvalidSender      = errors.New("notify: invalid sender")                    // final
	ErrNotAllowed         = errors.New("notify: carrier may not deliver it")        // final
	ErrUndelivered        = errors.New("notify: carrier could not deliver it")      // final
	ErrNoRoute            = errors.New("notify: no route to this destination")      // final on this carrier
	ErrThrottled          = errors.New("notify: carrier is throttling")             // safe to retry; pause the route
	ErrTemporary          = errors.New("notify: carrier can't take it now")         // safe to retry: it certainly did not accept
	ErrMisconfigured      = errors.New("notify: carrier refuses our configuration") // the operator must act; safe to retry later
	ErrUnknown            = errors.New("notify: carrier may have accepted it")      // never retry blindly: it may arrive twice
)

// SendError is a failed Send. Its text carries no number and no body.
type SendError struct {
	Kind    error         // one of the kinds above
	Code    string        // the carrier's own code
	After   time.Duration // throttled: wait at least this long; 0 = not said
	Partial Submission    // ids of parts that were accepted, others were not; the next Send begins anew
	Refused bool          // no connection stands since the gateway refused it; of a Linked carrier
	Err     error
}

func (e *SendError) Error() string {
	s := e.Kind.Error()
	if e.Code != "" {
		s += " (" + e.Code + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap lets errors.Is find the Kind and errors.As the transport cause.
func (e *SendError) Unwrap() []error { return []error{e.Kind, e.Err} }
