package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/notify/segment"
)

// Price is what a message costs once a carrier takes it. It is fixed when the message is
// asked for, and written with it.
type Price struct {
	TariffID int64 // 0: it was never priced
	Credits  int
}

// Charge is a message to be paid for, as far as notify knows it: the Meter knows the
// tariff.
type Charge struct {
	MessageID int64 // 0 while it is only priced
	Kind      Kind
	Origin    Origin
	Country   string // of the recipient, ISO 3166-1; "" = unknown
	Encoding  segment.Encoding
	Segments  int
	Units     int
	// Owed messages must go whatever the balance: an opt-out must be confirmed.
	Owed  bool
	Price // what PriceTx said
}

// Settlement ends what a message has set aside.
type Settlement struct {
	MessageRef
	Captured bool // a carrier took it, so it is paid; else it is given back
	At       time.Time
}

// Meter knows what messages cost and whether an account can pay. Implementations are safe
// for concurrent use.
type Meter interface {
	// PriceTx says what charges cost now, in their order. It should answer from memory.
	PriceTx(ctx context.Context, q sqlx.QueryerContext, charges []Charge) ([]Price, error)
	// HoldTx sets credit aside for charges of account, in their order, in the transaction
	// that queues the messages, and returns the ids of those that isn't enough for. They
	// are held back until ReleaseTx is called for reason credit, which asks again.
	HoldTx(ctx context.Context, tx *sqlx.Tx, account int64, charges []Charge) (uncovered []int64, err error)
	// SettleTx ends what is set aside, in the transaction that writes the status it follows.
	// What has nothing set aside, since it was settled or never charged, is passed over. It
	// is on the message path, so it should wait for nobody.
	SettleTx(ctx context.Context, tx *sqlx.Tx, all []Settlement) error
}

// ends reports whether a message with this standing needs its credit no more, and whether
// it is used.
func ends(status Status, reason Reason) (over, captured bool) {
	switch {
	case status == NotSent:
		return reason == ReasonWithdrawn || reason == ReasonStale, false
	case status == Sent, status == Delivered:
		return true, true
	}
	return true, false
}

// settleTx tells the Meter, if there is one.
func (b *book) settleTx(ctx context.Context, tx *sqlx.Tx, all []Settlement) error {
	if b.meter == nil || len(all) == 0 {
		return nil
	}
	if err := b.meter.SettleTx(ctx, tx, all); err != nil {
		return fmt.Errorf("settle the credits of %d messages: %w", len(all), err)
	}
	return nil
}

// priceTx gives drafts that may go their price.
func (o *Outbox) priceTx(ctx context.Context, tx *sqlx.Tx, drafts []draft) error {
	meter := o.meter()
	if meter == nil {
		return nil
	}
	var charges []Charge
	var of []*draft
	for i := range drafts {
		if d := &drafts[i]; d.end == NotSent {
			charges, of = append(charges, d.charge()), append(of, d)
		}
	}
	if len(charges) == 0 {
		return nil
	}
	prices, err := meter.PriceTx(ctx, tx, charges)
	if err != nil {
		return fmt.Errorf("price %d messages: %w", len(charges), err)
	}
	for i, d := range of {
		d.price, d.out.Credits = prices[i], prices[i].Credits
	}
	return nil
}

// charge is the draft as the Meter sees it.
func (d *draft) charge() Charge {
	return Charge{MessageID: d.out.ID, Kind: d.Kind, Origin: d.Origin, Country: d.country, Encoding: d.out.Encoding,
		Segments: d.out.Segments, Units: d.out.Units, Owed: d.Origin == OriginOptOut, Price: d.price}
}

// meter is the policy's; nil: nothing is charged.
func (o *Outbox) meter() Meter {
	if o.policy == nil {
		return nil
	}
	return o.policy.cfg.Meter
}
