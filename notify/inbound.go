package notify

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/notify/optout"
)

// Inbound keeps m with the account it is for, follows STOP and START words, and returns
// nil once that is durable. The same carrier id again changes nothing.
//
// The account is the one that wrote last to that number from the sender the person wrote
// to; failing that (gateways show senders of their own), the one that wrote last to it
// through this carrier; failing that, the one whose sender it is. What belongs to none is
// kept for the operator, see [Strays].
func (d *Desk) Inbound(ctx context.Context, m Inbound) error {
	m.From, m.To, m.Body = clean(m.From), clean(m.To), clean(m.Body)
	now := d.cfg.Now()
	if m.Carrier == "" || m.From == "" {
		return fmt.Errorf("reply: %w: no carrier or no number", ErrRequest)
	}
	if m.CarrierID = clean(m.CarrierID); m.CarrierID == "" {
		m.CarrierID = madeUpID(m)
	}
	var err error
	for try := range deskTries {
		if try > 0 {
			time.Sleep(time.Duration(try*try) * 10 * time.Millisecond)
		}
		if err = d.inbound(ctx, m, now); err == nil || !passing(err) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("reply through %s: %w", m.Carrier, err)
	}
	return nil
}

// madeUpID is for carriers that give replies no id (SMPP): what makes two replies the same.
func madeUpID(m Inbound) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %d", m.From, m.To, m.Body, m.At.UnixNano()))
	return "made-" + hex.EncodeToString(sum[:16])
}

// origin is the message a reply most likely answers. One whose acceptance nobody knows of
// may be it as well.
type origin struct {
	AccountID int64  `db:"account_id"`
	MessageID *int64 `db:"id"`
}

func (d *Desk) inbound(ctx context.Context, m Inbound, now time.Time) error {
	known, err := d.replayed(ctx, m)
	if err != nil || known {
		return err
	}
	o, err := d.origin(ctx, m)
	if errors.Is(err, sql.ErrNoRows) {
		return d.keepStray(ctx, m, now)
	}
	if err != nil {
		return err
	}
	action := optout.Parse(m.Body)
	at := m.At
	if at.IsZero() {
		at = now
	}
	return migrations.InAccount(ctx, d.cfg.DB, o.AccountID, func(tx *sqlx.Tx) error {
		var id int64
		err := tx.GetContext(ctx, &id, `
			INSERT INTO inbound AS i (account_id, carrier, carrier_message_id, sender, recipient, body, message_id, action, received_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			ON CONFLICT (account_id, carrier, carrier_message_id) DO NOTHING RETURNING i.id`,
			o.AccountID, m.Carrier, m.CarrierID, m.From, m.To, m.Body, o.MessageID, action, at)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // it came twice at the same time
		}
		if err != nil {
			return err
		}
		withdrawn := 0
		switch action {
		case optout.Out:
			var first bool
			withdrawn, first, err = optOutOnceTx(ctx, tx, d.book, o.AccountID, m.From, SourceReply, now)
			if err == nil && first && d.cfg.Outbox != nil {
				err = d.cfg.Outbox.confirmTx(ctx, tx, OptOut{o.AccountID, m.From, SourceReply, m.To}, now)
			}
		case optout.In:
			_, err = OptInTx(ctx, tx, o.AccountID, m.From)
		}
		if err == nil {
			d.cfg.Log.InfoContext(ctx, "reply kept", "account_id", o.AccountID, "inbound_id", id, "action", string(action), "withdrawn", withdrawn)
		}
		return err
	})
}

// The directories of replies and of numbers written to are kept per account, so these ask
// account by account, each by its index. Replies are few.

func (d *Desk) replayed(ctx context.Context, m Inbound) (known bool, err error) {
	err = d.cfg.DB.GetContext(ctx, &known, `
		SELECT EXISTS (SELECT 1 FROM accounts a CROSS JOIN LATERAL (
		    SELECT 1 FROM inbound i WHERE i.account_id = a.account_id AND i.carrier = $1 AND i.carrier_message_id = $2 LIMIT 1) AS x)`,
		m.Carrier, m.CarrierID)
	if err != nil {
		return false, fmt.Errorf("look for the reply: %w", err)
	}
	return known, nil
}

func (d *Desk) origin(ctx context.Context, m Inbound) (o origin, err error) {
	for _, query := range []string{`
		SELECT a.account_id, x.id FROM accounts a CROSS JOIN LATERAL (
		    SELECT m.id, COALESCE(s.accepted_at, s.status_at) AS left_at FROM messages m JOIN sent s ON s.account_id = a.account_id AND s.message_id = m.id
		    WHERE m.account_id = a.account_id AND m.recipient = $1 AND lower(m.sender) = lower($2) AND (s.accepted_at IS NOT NULL OR s.reason = 'unanswered') AND $3 <> ''
		    ORDER BY m.created_at DESC LIMIT 1) AS x
		ORDER BY x.left_at DESC, x.id DESC LIMIT 1`, `
		SELECT a.account_id, x.id FROM accounts a CROSS JOIN LATERAL (
		    SELECT m.id, COALESCE(s.accepted_at, s.status_at) AS left_at FROM messages m JOIN sent s ON s.account_id = a.account_id AND s.message_id = m.id
		    WHERE m.account_id = a.account_id AND m.recipient = $1 AND s.carrier = $3 AND (s.accepted_at IS NOT NULL OR s.reason = 'unanswered') AND CAST($2 AS text) IS NOT NULL
		    ORDER BY m.created_at DESC LIMIT 1) AS x
		ORDER BY x.left_at DESC, x.id DESC LIMIT 1`, `
		SELECT a.account_id, CAST(NULL AS bigint) AS id FROM accounts a
		WHERE lower(a.sender) = lower($2) AND $1 <> '' AND $3 <> '' AND
		    1 = (SELECT count(*) FROM accounts b WHERE lower(b.sender) = lower($2))`} {
		err = d.cfg.DB.GetContext(ctx, &o, query, m.From, m.To, m.Carrier)
		if err == nil || !errors.Is(err, sql.ErrNoRows) {
			break
		}
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("look for the account of a reply: %w", err)
	}
	return o, err
}
