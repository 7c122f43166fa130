package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations"
	"rappel/notify"
	"rappel/notify/credits"
	"rappel/notify/segment"
	"rappel/notify/standin"
)

// chaosMessage is what the clinic asked for.
type chaosMessage struct {
	notify.NewMessage
	ID        int64
	Segments  int
	OwnNumber bool // nobody before it had the same recipient
	Withdrawn bool // and was told that it was in time
	Asked     bool // withdrawal asked for, whatever came of it
	Stopped   bool // the person wrote STOP to this sender
}

const chaosReference = "chaos-%d"

// chaosClinic asks for messages, and takes some back.
type chaosClinic struct {
	w      *chaosWorld
	random *rand.Rand
	outbox *notify.Outbox
	// credits are what the messages are paid with. That outbox knows no rules, so they are
	// asked here.
	credits *credits.Credits

	mu       sync.Mutex
	ahead    time.Duration
	messages []*chaosMessage
}

// chaosGranted is more than an account uses.
const chaosGranted = 1_000_000

// chaosAccounts are the senders; numbers can be written back to.
var chaosAccounts = []string{"+41790000101", "Praxis", "+41790000103", "Zahnarzt", "+41790000105", "Physio 3", "+41790000107"}

func newChaosClinic(w *chaosWorld, random *rand.Rand) *chaosClinic {
	w.t.Helper()
	c := &chaosClinic{w: w, random: random}
	c.outbox = notify.NewOutbox(c.now)
	var err error
	if c.credits, err = credits.New(credits.Config{DB: w.db, Now: c.now}); err != nil {
		w.t.Fatal(err)
	}
	for i, sender := range chaosAccounts {
		if _, err := w.db.Exec(`INSERT INTO accounts (account_id, business, sender, billing, created_at) VALUES ($1, 'Praxis', $2, 'metered', $3)`, i+1, sender, c.now()); err != nil {
			w.t.Fatal(err)
		}
		if err := migrations.InAccount(w.ctx, w.db, int64(i+1), func(tx *sqlx.Tx) error {
			return c.credits.GrantTx(w.ctx, tx, credits.Grant{Account: int64(i + 1), Key: "all", Source: credits.Gift, Credits: chaosGranted})
		}); err != nil {
			w.t.Fatal(err)
		}
	}
	return c
}

func (c *chaosClinic) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *chaosClinic) setAhead(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = d
}

// chaosRecipient is a phone of its own for each message; asked goes through the gateway
// that can be asked. Such have one id for a message, so these are of one segment.
func chaosRecipient(number int, asked bool) string {
	if asked {
		return fmt.Sprintf("%s%07d", chaosAskedNumbers, number)
	}
	return fmt.Sprintf("+4179%07d", number)
}

// draw makes up the next message for account.
func (c *chaosClinic) draw(account int64, number int) *chaosMessage {
	enc, parts := segment.GSM7, 1
	switch n := c.random.IntN(20); {
	case n < 10:
	case n < 14:
		parts = 2 + n%2
	case n < 17:
		enc = segment.UCS2
	default:
		enc, parts = segment.UCS2, 2+n%2
	}
	m := &chaosMessage{Segments: parts, NewMessage: notify.NewMessage{
		AccountID: account, Kind: notify.Notification, Reference: fmt.Sprintf(chaosReference, number), Origin: notify.OriginReminder, OriginID: int64(number),
		Recipient: chaosRecipient(number, parts == 1 && c.random.IntN(3) == 0), Sender: chaosAccounts[account-1], Body: chaosText(number, parts, enc),
		Expires: c.now().Add(24 * time.Hour),
	}}
	m.OwnNumber = true
	// The second account is one with campaigns, the others have few.
	if c.random.IntN(10) < 2 || account == 2 {
		m.Kind, m.Origin = notify.Marketing, notify.OriginCampaign
	}
	if c.random.IntN(40) == 0 {
		m.Expires = c.now().Add(chaosUnansweredWait / 2) // no time to spare for resending
	}
	// Some people get texts of two clinics.
	if before := number - 137; before >= 0 && c.random.IntN(30) == 0 {
		c.mu.Lock()
		if other := c.messages[before]; other.AccountID != account && other.OwnNumber {
			m.Recipient, m.OwnNumber = other.Recipient, false
		}
		c.mu.Unlock()
	}
	return m
}

// run asks for n more messages, never many more than there are waiting.
func (c *chaosClinic) run(n int) error {
	for n > 0 {
		if err := c.room(); err != nil {
			return err
		}
		account := int64(1 + c.random.IntN(len(chaosAccounts)))
		if c.random.IntN(3) == 0 {
			account = 2
		}
		size := min(n, 1+c.random.IntN(60))
		n -= size
		c.mu.Lock()
		first := len(c.messages)
		c.mu.Unlock()
		batch := make([]*chaosMessage, size)
		all := make([]notify.NewMessage, size)
		for i := range batch {
			batch[i] = c.draw(account, first+i)
			all[i] = batch[i].NewMessage
		}
		if err := c.w.insist("enqueue", func() error { return c.enqueue(batch, all) }); err != nil {
			return err
		}
		c.mu.Lock()
		c.messages = append(c.messages, batch...)
		recent := c.messages[max(0, len(c.messages)-300):]
		m := recent[c.random.IntN(len(recent))]
		c.mu.Unlock()
		if c.random.IntN(2) == 0 {
			if err := c.w.insist("withdraw", func() error { return c.withdraw(m) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// room waits until there is not much left to do.
func (c *chaosClinic) room() error {
	for {
		var n int
		if err := c.w.insist("look at the queue", func() error { return c.w.db.GetContext(c.w.ctx, &n, `SELECT count(*) FROM queue`) }); err != nil {
			return err
		}
		if n < 800 {
			return nil
		}
		select {
		case <-c.w.ctx.Done():
			return c.w.ctx.Err()
		case <-time.After(chaosBackLook):
		}
	}
}

func (c *chaosClinic) enqueue(batch []*chaosMessage, all []notify.NewMessage) error {
	return migrations.InAccount(c.w.ctx, c.w.db, all[0].AccountID, func(tx *sqlx.Tx) error {
		out, err := c.outbox.EnqueueAllTx(c.w.ctx, tx, all)
		if err != nil {
			return err
		}
		ids, what := []int64{}, []string{}
		var charges []notify.Charge
		for i, e := range out {
			if e.Segments != batch[i].Segments {
				return fmt.Errorf("%d segments, want %d", e.Segments, batch[i].Segments)
			}
			batch[i].ID = e.ID
			if !e.Duplicate { // else an earlier commit had come through, only not its confirmation
				ids, what = append(ids, e.ID), append(what, "hold")
				charges = append(charges, notify.Charge{MessageID: e.ID, Kind: all[i].Kind, Country: "CH", Encoding: e.Encoding, Segments: e.Segments, Units: e.Units})
			}
		}
		if uncovered, err := c.credits.HoldTx(c.w.ctx, tx, all[0].AccountID, charges); err != nil || len(uncovered) > 0 {
			return fmt.Errorf("%d not covered: %w", len(uncovered), err)
		}
		_, err = tx.ExecContext(c.w.ctx, chaosBook, all[0].AccountID, pq.Array(ids), pq.Array(what))
		return err
	})
}

// withdraw takes m back; its credits are released with it.
func (c *chaosClinic) withdraw(m *chaosMessage) error {
	in := false
	err := migrations.InAccount(c.w.ctx, c.w.db, m.AccountID, func(tx *sqlx.Tx) (err error) {
		in, err = c.outbox.WithdrawTx(c.w.ctx, tx, notify.MessageRef{AccountID: m.AccountID, ID: m.ID}, "cancelled", c.now())
		if err != nil || !in {
			return err
		}
		if err := c.credits.SettleTx(c.w.ctx, tx, []notify.Settlement{{MessageRef: notify.MessageRef{AccountID: m.AccountID, ID: m.ID}, At: c.now()}}); err != nil {
			return err
		}
		// An earlier try of this may have come through, or the dispatcher have ended it so.
		_, err = tx.ExecContext(c.w.ctx, `INSERT INTO chaos_credits (account_id, message_id, what, credits) VALUES ($1, $2, 'release', $3)
			ON CONFLICT (account_id, message_id, what) DO NOTHING`, m.AccountID, m.ID, m.Segments)
		return err
	})
	m.Asked = true
	m.Withdrawn = m.Withdrawn || err == nil && in
	return err
}

// stop has the person behind a random message write STOP; false when there is none who could.
func (c *chaosClinic) stop(random *rand.Rand) (mo standin.MO, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.messages) == 0 {
		return mo, false
	}
	recent := c.messages[max(0, len(c.messages)-300):]
	m := recent[random.IntN(len(recent))]
	if !strings.HasPrefix(m.Sender, "+") {
		return mo, false
	}
	m.Stopped = true
	return standin.MO{From: m.Recipient, To: m.Sender, Body: "STOP"}, true
}
