package smpp

import (
	"math/rand/v2"
	"time"
)

// Purpose says what a wait is for.
type Purpose string

// What the adapter waits for.
const (
	WaitAnswer    Purpose = "answer"    // of a submit_sm
	WaitLink      Purpose = "link"      // a Send while nothing is bound
	WaitRate      Purpose = "rate"      // a Send held back by rate
	WaitRest      Purpose = "rest"      // before refused parts of a message are submitted again
	WaitReconnect Purpose = "reconnect" // between two attempts to bind
	WaitEnquire   Purpose = "enquire"   // between two enquire_link
	WaitPeer      Purpose = "peer"      // the answer to bind, enquire_link or unbind
	WaitDrain     Purpose = "drain"     // outstanding work before unbinding
	WaitParts     Purpose = "parts"     // the other parts of a long reply
	WaitID        Purpose = "id"        // the id of a receipt's message to be recorded
)

// Wait returns a channel that fires after d, and a function that ends the wait
// early. It lets a test decide when time has passed.
type Wait func(p Purpose, d time.Duration) (fired <-chan time.Time, stop func())

func realWait(_ Purpose, d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// backoff doubles from half a second to a minute, less up to a half at random so
// that several binds don't knock together.
func backoff(attempt int) time.Duration {
	d := time.Minute
	if attempt < 7 {
		d = 500 * time.Millisecond << attempt
	}
	return d - rand.N(d/2+1)
}
