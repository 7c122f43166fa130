package payments

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
	"rappel/calendars/billing/paper"
	"rappel/migrations"
)

// validDays is how long an order stands.
const validDays = 30

// Config is what a Desk stands on. Fields without a remark must be set.
type Config struct {
	DB      *sqlx.DB // the owner's pool
	Billing *billing.Service
	Granter billing.Granter // nil = no credits are given
	Now     func() time.Time
	Log     *slog.Logger
}

// Desk takes orders and money. It is safe for concurrent use, by any number of
// processes over one database.
type Desk struct{ c Config }

// NewDesk returns a Desk.
func NewDesk(c Config) *Desk {
	clock := c.Now
	// PostgreSQL keeps microseconds: an instant must compare equal after it was stored.
	c.Now = func() time.Time { return clock().UTC().Truncate(time.Microsecond) }
	return &Desk{c}
}

// Wish is what somebody wants to order.
type Wish struct {
	Account int64
	Key     string // a second wish with it is the first
	Package int64
	Method  Method
	By      string // user:7, operator:3
}

// Offer makes an order of a wish, or returns the one made of it before. It fails with
// [ErrNoPackage], or [ErrKeyReused] when the key belongs to another wish.
func (d *Desk) Offer(ctx context.Context, w Wish) (o Order, err error) {
	now := d.c.Now()
	err = migrations.InTx(ctx, d.c.DB, func(tx *sqlx.Tx) error {
		p, err := partiesTx(ctx, tx, w.Account)
		if err != nil {
			return err
		}
		today := p.payer.Today(now)
		validTo := today + validDays
		var pack struct {
			SMS int64 `db:"sms"`
			Net int64 `db:"price_rappen"`
		}
		err = tx.GetContext(ctx, &pack, `SELECT sms, price_rappen FROM packages
			WHERE id = $1 AND valid_from <= CAST($2 AS date) AND (valid_to IS NULL OR CAST($2 AS date) < valid_to)`, w.Package, today)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNoPackage
		} else if err != nil {
			return fmt.Errorf("read package %d: %w", w.Package, err)
		}
		// The form is completed with the number once that is known; the row keeps it as it
		// was first printed.
		id, err := nextOrder(ctx, tx, w)
		if err != nil {
			return err
		}
		if id != 0 {
			ref := Ref{w.Account, id}
			qr, err := reference(ref, p)
			if err != nil {
				return err
			}
			draft := Order{Account: w.Account, ID: id, SMS: pack.SMS, Net: pack.Net, Reference: qr}
			total, err := price(ctx, tx, draft, p, today)
			if err != nil {
				return err
			}
			form := form(draft, p, today, validTo)
			if err := form.Check(); err != nil {
				return err
			}
			text, err := json.Marshal(form)
			if err != nil {
				return fmt.Errorf("payments: freeze the order form: %w", err)
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO orders (account_id, id, key, package_id, sms, net, total, method, form, qr_reference, offered_on, valid_to, ordered_by, ordered_at)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (account_id, key) DO NOTHING`,
				w.Account, id, w.Key, w.Package, pack.SMS, pack.Net, total, w.Method, text, qr, today, validTo, w.By, now); err != nil {
				return fmt.Errorf("store the order: %w", err)
			}
		}
		if err := tx.GetContext(ctx, &o, `SELECT `+orderColumns+` FROM orders o WHERE o.account_id = $1 AND o.key = $2`, w.Account, w.Key); err != nil {
			return fmt.Errorf("read the order: %w", err)
		}
		if o.Package != w.Package || o.Method != w.Method {
			return ErrKeyReused
		}
		return nil
	})
	return o, err
}

// nextOrder takes the number of a new order, 0 where the wish was granted before.
func nextOrder(ctx context.Context, tx *sqlx.Tx, w Wish) (id int64, err error) {
	err = tx.GetContext(ctx, &id, `SELECT CASE WHEN EXISTS (SELECT 1 FROM orders o WHERE o.account_id = $1 AND o.key = $2) THEN 0
		ELSE nextval(pg_get_serial_sequence('orders', 'id')) END`, w.Account, w.Key)
	if err != nil {
		return 0, fmt.Errorf("number the order: %w", err)
	}
	return id, nil
}

// form is the order as it is printed.
func form(o Order, p parties, on, validTo billing.Date) paper.Order {
	return paper.Order{Language: p.payer.Language, Number: o.Number(), OfferedOn: paper.Day(on.String()), ValidTo: paper.Day(validTo.String()), Customer: o.Account,
		Seller: p.seller.Party(), Buyer: p.payer.Party(), Lines: []paper.Line{{Text: paper.PackageText(p.payer.Language, o.SMS), Quantity: 1, Unit: o.Net, Net: o.Net}},
		Net: o.Net, IBAN: p.seller.IBAN, Reference: o.Reference}
}

// Form prints the order form as it was offered. q is a pool or transaction that sees the
// account. It fails with [ErrNoOrder].
func Form(ctx context.Context, q sqlx.QueryerContext, r Ref) ([]byte, error) {
	var text []byte
	err := sqlx.GetContext(ctx, q, &text, `SELECT o.form FROM orders o WHERE o.account_id = $1 AND o.id = $2`, r.Account, r.Order)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNoOrder
	} else if err != nil {
		return nil, fmt.Errorf("read the order form: %w", err)
	}
	var f paper.Order
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("payments: the order form of order %d can't be read: %w", r.Order, err)
	}
	return f.PDF()
}

// lock reads an order and keeps others from changing it until tx ends.
func lock(ctx context.Context, tx *sqlx.Tx, r Ref) (o Order, err error) {
	err = tx.GetContext(ctx, &o, `SELECT `+orderColumns+` FROM orders o WHERE o.account_id = $1 AND o.id = $2 FOR UPDATE`, r.Account, r.Order)
	if errors.Is(err, sql.ErrNoRows) {
		return o, ErrNoOrder
	} else if err != nil {
		return o, fmt.Errorf("lock order %d: %w", r.Order, err)
	}
	return o, nil
}

// Sign says that the signed form has come and was looked at: the credit is given and the
// invoice made. Signing a second time changes nothing. It fails with [ErrNoOrder], or with
// [ErrState] for an order that isn't paid by transfer.
func (d *Desk) Sign(ctx context.Context, r Ref) error {
	return migrations.InTx(ctx, d.c.DB, func(tx *sqlx.Tx) error { return d.SignTx(ctx, tx, r) })
}

// SignTx is [Desk.Sign] within the caller's transaction.
func (d *Desk) SignTx(ctx context.Context, tx *sqlx.Tx, r Ref) error {
	o, err := lock(ctx, tx, r)
	switch {
	case err != nil:
		return err
	case o.Method != Bank:
		return fmt.Errorf("%w: it is paid by card", ErrState)
	case o.Status != Offered && o.Status != Expired:
		return nil // signed or paid already
	}
	now := d.c.Now()
	invoice, err := d.handOver(ctx, tx, o, 0, now)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE orders SET status = 'signed', signed_at = $3, fulfilled_at = $3, invoice_id = $4 WHERE account_id = $1 AND id = $2`,
		r.Account, r.Order, now, invoice); err != nil {
		return fmt.Errorf("sign order %d: %w", r.Order, err)
	}
	d.c.Log.InfoContext(ctx, "order signed", slog.Int64("account_id", r.Account), slog.Int64("order_id", r.Order), slog.Int64("invoice_id", invoice))
	return d.settle(ctx, tx, r, now)
}

// handOver gives the credit, then makes the invoice, of which the caller records that paid
// Rappen came. The payer is locked first, as whatever else gives credits does.
func (d *Desk) handOver(ctx context.Context, tx *sqlx.Tx, o Order, paid int64, now time.Time) (invoice int64, err error) {
	if err := billing.LockTx(ctx, tx, o.Account); err != nil {
		return 0, err
	}
	if d.c.Granter != nil {
		grant := billing.Grant{Account: o.Account, Key: o.Ref().Booked(), Source: "package", Credits: o.SMS, At: now}
		if err := d.c.Granter.GrantTx(ctx, tx, grant); err != nil {
			return 0, fmt.Errorf("give the credit of order %d: %w", o.ID, err)
		}
	}
	var language string
	if err := tx.GetContext(ctx, &language, `SELECT a.language FROM accounts a WHERE a.account_id = $1`, o.Account); err != nil {
		return 0, fmt.Errorf("read account %d: %w", o.Account, err)
	}
	b := bill(o, language)
	b.Paid = paid
	invoice, err = d.c.Billing.BillTx(ctx, tx, b)
	if err != nil {
		return 0, fmt.Errorf("make the invoice of order %d: %w", o.ID, err)
	}
	return invoice, nil
}

// settle moves a signed order on whose invoice is paid.
func (d *Desk) settle(ctx context.Context, tx *sqlx.Tx, r Ref, now time.Time) error {
	if _, err := tx.ExecContext(ctx, `UPDATE orders o SET status = 'fulfilled', paid_at = $3 FROM invoices i
		WHERE o.account_id = $1 AND o.id = $2 AND o.status = 'signed' AND i.account_id = $1 AND i.id = o.invoice_id AND i.status = 'paid'`, r.Account, r.Order, now); err != nil {
		return fmt.Errorf("settle order %d: %w", r.Order, err)
	}
	return nil
}

// Retry hands over an order that is paid but wasn't handed over. It changes nothing on
// any other order. What keeps it from being handed over is kept with the order.
func (d *Desk) Retry(ctx context.Context, r Ref) error {
	err := migrations.InTx(ctx, d.c.DB, func(tx *sqlx.Tx) error {
		o, err := lock(ctx, tx, r)
		if err != nil || o.Status != Paid {
			return err
		}
		now := d.c.Now()
		invoice, err := d.handOver(ctx, tx, o, 0, now)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE orders SET status = 'fulfilled', fulfilled_at = $3, invoice_id = $4, problem = '' WHERE account_id = $1 AND id = $2`,
			r.Account, r.Order, now, invoice)
		return err
	})
	if err == nil || errors.Is(err, ErrNoOrder) || ctx.Err() != nil {
		return err
	}
	if _, e := d.c.DB.ExecContext(ctx, `UPDATE orders SET problem = $3 WHERE account_id = $1 AND id = $2 AND status = 'paid'`, r.Account, r.Order, err.Error()); e != nil {
		return errors.Join(err, fmt.Errorf("note the problem of order %d: %w", r.Order, e))
	}
	return err
}

// Sweep expires orders nobody signed or paid in time and retries those that are paid.
// It goes on where one fails, and returns the failures.
func (d *Desk) Sweep(ctx context.Context) error {
	now := d.c.Now()
	var found []struct {
		Account int64  `db:"account_id"`
		Order   int64  `db:"id"`
		Status  Status `db:"status"`
	}
	// The day is over where the clinic is, not where the server stands.
	err := d.c.DB.SelectContext(ctx, &found, `SELECT o.account_id, o.id, o.status FROM orders o JOIN accounts a ON a.account_id = o.account_id
		WHERE o.status = 'paid' OR o.status = 'offered' AND o.valid_to < CAST($1 AT TIME ZONE a.zone AS date) ORDER BY 1, 2`, now)
	if err != nil {
		return fmt.Errorf("look for orders to expire: %w", err)
	}
	var errs []error
	for _, f := range found {
		if f.Status == Paid {
			errs = append(errs, d.Retry(ctx, Ref{f.Account, f.Order}))
			continue
		}
		if _, err := d.c.DB.ExecContext(ctx, `UPDATE orders SET status = 'expired', expired_at = $3 WHERE account_id = $1 AND id = $2 AND status = 'offered'`,
			f.Account, f.Order, now); err != nil {
			errs = append(errs, fmt.Errorf("expire order %d: %w", f.Order, err))
		}
	}
	return errors.Join(errs...)
}
