package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/notify/optout"
)

// strayKept is how long a reply that belongs to no account is kept for the operator to
// look at. It holds what a person wrote, so no longer than it takes to find out why.
const strayKept = 30 * 24 * time.Hour

// Stray is a reply that belongs to no account: nobody here wrote to that number from
// there, or it was purged. The operator decides; one who wants no more texts is meant,
// whoever's they were.
type Stray struct {
	Carrier    string        `db:"carrier"`
	CarrierID  string        `db:"carrier_message_id"`
	Sender     string        `db:"sender"`    // E.164 of who wrote
	Recipient  string        `db:"recipient"` // the number or name they wrote to
	Body       string        `db:"body"`
	Action     optout.Action `db:"action"`
	ReceivedAt time.Time     `db:"received_at"`
}

// keepStray keeps m until somebody has looked. The same carrier id again changes nothing.
func (d *Desk) keepStray(ctx context.Context, m Inbound, now time.Time) error {
	at := m.At
	if at.IsZero() {
		at = now
	}
	if _, err := d.cfg.DB.ExecContext(ctx, `
		INSERT INTO stray_inbound (carrier, carrier_message_id, sender, recipient, body, action, received_at, kept_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (carrier, carrier_message_id) DO NOTHING`,
		m.Carrier, m.CarrierID, m.From, m.To, m.Body, optout.Parse(m.Body), at, now); err != nil {
		return fmt.Errorf("keep a stray reply: %w", err)
	}
	d.cfg.Log.WarnContext(ctx, "reply belongs to no account", "carrier", m.Carrier, "carrier_message_id", m.CarrierID)
	return nil
}

// Strays returns the replies that belong to no account, the newest first, at most limit.
// It needs the owner's pool. They are kept for 30 days.
func Strays(ctx context.Context, db *sqlx.DB, limit int) ([]Stray, error) {
	var out []Stray
	if err := db.SelectContext(ctx, &out, `SELECT carrier, carrier_message_id, sender, recipient, body, action, received_at
		FROM stray_inbound ORDER BY kept_at DESC, carrier, carrier_message_id LIMIT $1`, limit); err != nil {
		return nil, fmt.Errorf("list stray replies: %w", err)
	}
	return out, nil
}
