package notifytest

import (
	"testing"
	"time"

	"rappel/notify"
)

// Case is a way for a Send to end other than well.
type Case string

// Every case. A Harness has each in Cases or in Lacks.
const (
	Rejected           Case = "rejected"
	OptedOut           Case = "opted out"
	InvalidDestination Case = "invalid destination"
	InvalidSender      Case = "invalid sender"
	NotAllowed         Case = "not allowed"
	NoRoute            Case = "no route"
	Throttled          Case = "throttled"
	ThrottledAfter     Case = "throttled with Retry-After"
	Misconfigured      Case = "configuration refused"
	ServerError        Case = "server error"
	Unavailable        Case = "certainly not taken, for now"
	Garbage            Case = "garbage for an answer"
	CutBefore          Case = "connection cut before the gateway has it"
	CutAfter           Case = "connection cut after the gateway has it"
	Slow               Case = "no answer before the context ends"
	Unreachable        Case = "nobody listens"
)

// Cases lists every case.
func Cases() []Case {
	return []Case{Rejected, OptedOut, InvalidDestination, InvalidSender, NotAllowed, NoRoute, Throttled, ThrottledAfter,
		Misconfigured, ServerError, Unavailable, Garbage, CutBefore, CutAfter, Slow, Unreachable}
}

// Want is what a case comes to.
type Want struct {
	Kind     error         // of the SendError
	Code     string        // of the SendError; "" = any
	After    time.Duration // of the SendError
	Accepted bool          // the gateway has the message all the same
}

// Harness is a carrier's side of the suite.
type Harness struct {
	// Open starts a gateway and a carrier whose news go to in, and ends both with t.
	Open func(t *testing.T, in notify.Inbox) *Gateway
	// Cases says what each case comes to; Lacks says why the carrier can't show it.
	Cases map[Case]Want
	Lacks map[Case]string
	// Statuses are those receipts of this gateway can bring.
	Statuses []notify.Status
	// PerPart: one id for each segment, not one for each message.
	PerPart bool
	// NoUnknownReceipt: the gateway can't name an id it never gave.
	NoUnknownReceipt bool
	// ReceiptOnce: the gateway has one receipt for a message and never another.
	ReceiptOnce bool
	// NoReplyTo: replies don't say which of our numbers they were written to.
	NoReplyTo bool
	// Recipient gives the number that makes the gateway show a case or status,
	// for gateways that go by number; nil: any number does.
	Recipient func(c Case, s notify.Status) string
}

// Gateway is the far side of one carrier.
type Gateway struct {
	Carrier notify.Carrier
	// Stage makes the next Send end in c. For Unreachable the gateway goes away.
	Stage func(t *testing.T, c Case)
	// Held returns when the gateway holds a message whose answer it withholds.
	Held func(t *testing.T)
	// Texts returns what phones received, in order, parts put together.
	Texts func(t *testing.T) []Text
	// Receipt has the gateway report s for the id it gave.
	Receipt func(t *testing.T, id string, s notify.Status)
	// Reply has a phone write to us.
	Reply func(t *testing.T, r Reply)
	// Redeliver has the gateway bring again what was not acknowledged.
	Redeliver func(t *testing.T)
	// Settled returns once everything brought was acknowledged.
	Settled func(t *testing.T)
	// Refused returns once n pieces of news were not acknowledged.
	Refused func(t *testing.T, n int)
	// Pending returns the ids, as receipts will name them, of the message whose answer
	// is withheld, and Release lets the answer go. Nil where the gateway gives no id
	// before its answer.
	Pending func(t *testing.T) []string
	Release func(t *testing.T)
	// Logged returns what the carrier logged so far; nil if it logs nothing.
	Logged func() string
}

// Text is a text on a phone.
type Text struct{ From, To, Body string }

// Reply is what a phone writes.
type Reply struct{ From, To, Body string }
