package notifytest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"rappel/notify"
)

// ErrInbox is what an Inbox told to fail answers.
var ErrInbox = errors.New("notifytest: inbox told to fail")

// guard ends waits that will never come true; a test that passes never meets it.
const guard = time.Minute

// Inbox keeps what carriers bring, in memory, for a test to look at.
type Inbox struct {
	mu       sync.Mutex
	changed  chan struct{}
	receipts []notify.Receipt
	inbound  []notify.Inbound
	failing  int
	refused  int
}

// NewInbox returns an empty Inbox.
func NewInbox() *Inbox { return &Inbox{changed: make(chan struct{})} }

var _ notify.Inbox = (*Inbox)(nil)

// Receipt implements notify.Inbox.
func (i *Inbox) Receipt(_ context.Context, r notify.Receipt) error {
	return i.keep(func() { i.receipts = append(i.receipts, r) })
}

// Inbound implements notify.Inbox.
func (i *Inbox) Inbound(_ context.Context, m notify.Inbound) error {
	return i.keep(func() { i.inbound = append(i.inbound, m) })
}

func (i *Inbox) keep(f func()) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	defer func() { close(i.changed); i.changed = make(chan struct{}) }()
	if i.failing > 0 {
		i.failing--
		i.refused++
		return ErrInbox
	}
	f()
	return nil
}

// Fail makes the next n calls fail with ErrInbox.
func (i *Inbox) Fail(n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.failing = n
}

// Refused returns how many calls failed.
func (i *Inbox) Refused() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.refused
}

// Receipts returns those kept so far.
func (i *Inbox) Receipts() []notify.Receipt {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.receipts)
}

// Inbounds returns the messages kept so far.
func (i *Inbox) Inbounds() []notify.Inbound {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.inbound)
}

// AwaitReceipts returns once n receipts are kept.
func (i *Inbox) AwaitReceipts(t *testing.T, n int) []notify.Receipt {
	t.Helper()
	i.Until(t, func() bool { return len(i.Receipts()) >= n })
	return i.Receipts()
}

// AwaitInbounds returns once n messages are kept.
func (i *Inbox) AwaitInbounds(t *testing.T, n int) []notify.Inbound {
	t.Helper()
	i.Until(t, func() bool { return len(i.Inbounds()) >= n })
	return i.Inbounds()
}

// Until returns once done is true; it asks again after every call.
func (i *Inbox) Until(t *testing.T, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), guard)
	defer cancel()
	for {
		i.mu.Lock()
		changed := i.changed
		i.mu.Unlock()
		if done() {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatal("the inbox never got there")
		}
	}
}
