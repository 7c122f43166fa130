package bank

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing/camt"
	"rappel/calendars/billing/payments"
	"rappel/migrations"
)

// comesBack are the payments of a debit that may be money of a clinic going back: those
// the bank calls returned, and those under a reference of ours. All others are the
// operator's own affair.
func (m *Importer) comesBack(ctx context.Context, b camt.Booking) (back []camt.Detail, err error) {
	if b.Unclear != "" {
		return []camt.Detail{{Key: wholeKey(b), Rappen: b.Rappen}}, nil
	}
	if !slices.ContainsFunc(b.Details, func(d camt.Detail) bool { return d.Returned || d.Reference != "" }) {
		return nil, nil
	}
	err = migrations.InTx(ctx, m.c.DB, func(tx *sqlx.Tx) error {
		back = nil
		for _, d := range b.Details {
			_, ours, err := m.c.Desk.FindTx(ctx, tx, d.Reference)
			if err != nil {
				return err
			}
			if ours || d.Returned {
				back = append(back, d)
			}
		}
		return nil
	})
	return back, err
}

// Return says of money that went, and is in suspense, which payment it gives back.
type Return struct {
	Decision
	Of int64 // the entry by which that payment came
}

// AssignReturn books money that went as a payment that went back, or a part of one: what
// that had paid is open again. It fails as [Importer.Assign] does, with [ErrTarget] where no
// payment came by that entry or the bank took all of it back, and with [billing.ErrAmount]
// or [billing.ErrState] where less is left of the payment.
func (m *Importer) AssignReturn(ctx context.Context, r Return) error {
	return m.decide(ctx, r.Decision, func(tx *sqlx.Tx, e Entry) error {
		if e.Incoming {
			return fmt.Errorf("%w: it is money that came", ErrTarget)
		}
		var came Entry
		err := tx.GetContext(ctx, &came, `SELECT `+entryColumns+` FROM bank_entries e WHERE e.id = $1 AND e.incoming AND e.state IN ('matched', 'assigned')
			AND NOT EXISTS (SELECT 1 FROM bank_entries b WHERE b.reverses = e.id) FOR UPDATE OF e`, r.Of)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("%w: entry %d is no payment, or went back", ErrTarget, r.Of)
		case err != nil:
			return fmt.Errorf("read entry %d: %w", r.Of, err)
		}
		t := payments.Target{Account: *came.Account}
		if came.Invoice != nil {
			t.Invoice = *came.Invoice
		}
		if came.Order != nil {
			t.Order = *came.Order
		}
		var reverses *int64
		if e.Rappen == came.Rappen { // the bank won't take it back once more
			reverses = &came.ID
		}
		at, err := m.assign(ctx, tx, r.Decision, t, reverses)
		if err != nil {
			return err
		}
		return m.c.Desk.TakeBackTx(ctx, tx, payments.TakenBack{Account: t.Account, Provider: provider, Of: name(came.ID), Ref: name(e.ID), Rappen: e.Rappen, At: at})
	})
}

// reversed are the payments of the booking that b takes back as a whole, which has b's
// reference and amount; none where nothing is known of its parts.
func (m *Importer) reversed(ctx context.Context, b camt.Booking) (parts []camt.Detail, err error) {
	if b.Ref == "" {
		return nil, nil
	}
	var rows []struct {
		Key       string `db:"tx_key"`
		Rappen    int64  `db:"rappen"`
		Reference string `db:"reference"`
		Payer     string `db:"payer"`
		PayerIBAN string `db:"payer_iban"`
		Note      string `db:"note"`
	}
	came := b
	came.Credit, came.Reversal = true, false
	// Not by state: an import that broke off must find the same again.
	if err := m.c.DB.SelectContext(ctx, &rows, `SELECT tx_key, rappen, reference, payer, payer_iban, note FROM bank_entries
		WHERE iban = $1 AND booking_key = $2 AND state <> 'detailed' ORDER BY id`, b.IBAN, came.KeyUnder(b.Ref)); err != nil {
		return nil, fmt.Errorf("look for what is taken back: %w", err)
	}
	var sum int64
	for _, r := range rows {
		sum += r.Rappen
		parts = append(parts, camt.Detail{Key: r.Key, Rappen: r.Rappen, Reference: r.Reference, Name: r.Payer, IBAN: r.PayerIBAN, Text: r.Note})
	}
	if len(parts) < 2 || sum != b.Rappen {
		return nil, nil
	}
	return parts, nil
}
