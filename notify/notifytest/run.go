package notifytest

import (
	"sync"
	"testing"
	"time"

	"rappel/notify"
	"rappel/notify/segment"
)

// Run holds the carrier of h to package notify's promises.
func Run(t *testing.T, h Harness) {
	for _, c := range Cases() {
		_, shows := h.Cases[c]
		why, lacks := h.Lacks[c]
		if shows == lacks || lacks && why == "" {
			t.Errorf("case %q: want it in Cases, or in Lacks with a reason", c)
		}
	}
	t.Run("contract", h.contract)
	t.Run("accepted", h.accepted)
	t.Run("texts arrive as written", h.texts)
	for _, c := range Cases() {
		if want, ok := h.Cases[c]; ok {
			t.Run(string(c), func(t *testing.T) { h.fails(t, c, want) })
		}
	}
	t.Run("two alike", h.alike)
	t.Run("many at once, none lost, none twice", h.many)
	t.Run("receipts of every status", h.statuses)
	t.Run("receipts in any order", h.anyOrder)
	if !h.ReceiptOnce {
		t.Run("receipt twice", h.receiptTwice)
		t.Run("statuses out of order", h.statusesBackwards)
	}
	t.Run("receipt before its answer", h.receiptEarly)
	if !h.NoUnknownReceipt {
		t.Run("unknown receipt", h.unknownReceipt)
	}
	t.Run("inbox that panics", h.panics)
	t.Run("receipt comes again until kept", h.receiptAgain)
	t.Run("replies", h.replies)
	t.Run("reply comes again until kept", h.replyAgain)
	t.Run("the same words twice are two replies", h.sameWords)
}

var messageID int64

var messageMu sync.Mutex

// message returns a fresh message whose text is body, counted as notify counts it.
func message(recipient, body string) notify.Message {
	messageMu.Lock()
	defer messageMu.Unlock()
	messageID++
	n, enc := segment.Count(body)
	return notify.Message{
		AccountID: 7, ID: messageID, Kind: notify.Notification, Recipient: recipient, Sender: "Praxis",
		Body: body, Encoding: enc, Segments: n, Expires: time.Now().Add(6 * time.Hour),
	}
}

const somebody = "+41791234567"

func (h Harness) recipient(c Case, s notify.Status) string {
	if h.Recipient != nil {
		return h.Recipient(c, s)
	}
	return somebody
}

func (h Harness) contract(t *testing.T) {
	g := h.Open(t, NewInbox())
	if g.Carrier.Name() == "" {
		t.Error("no name")
	}
	if g.Carrier.Window() < 1 {
		t.Errorf("window %d, want at least 1", g.Carrier.Window())
	}
	if c, ok := g.Carrier.(notify.Checker); ok {
		if err := c.Check(t.Context()); err != nil {
			t.Errorf("check: %v", err)
		}
	}
}
