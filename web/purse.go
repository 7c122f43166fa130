package web

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
	"rappel/notify/credits"
)

// purse is what every page says about the money of an account: what is left to send by,
// and whether something has to be paid.
type purse struct {
	credits.Balance
	Service string         `db:"service"` // on, suspended, ended
	Status  billing.Status `db:"status"`  // of a subscription of its own
	Nested  bool           `db:"nested"`  // another account pays
}

// purseTx is two looks at a few rows, for every page. The operator's own accounts have
// none.
func purseTx(ctx context.Context, tx *sqlx.Tx, account int64) (*purse, error) {
	var p purse
	var err error
	if p.Balance, err = credits.BalanceTx(ctx, tx, account); err != nil || p.Free {
		return nil, err
	}
	if err := tx.GetContext(ctx, &p, `SELECT a.service, a.parent_id IS NOT NULL AS nested, COALESCE(s.status, '') AS status FROM accounts a
		LEFT JOIN subscriptions s ON s.account_id = a.account_id AND s.status NOT IN ('canceled', 'expired') AND s.account_id = $1 WHERE a.account_id = $1`, account); err != nil {
		return nil, fmt.Errorf("read how an account stands: %w", err)
	}
	return &p, nil
}

// Alarm names what must be paid, see purse; "" also where nothing is known.
func (v *view) Alarm() string { return v.Purse.Alarm() }

// Alarm names what must be paid before things go on as they should: suspended, ended,
// past_due; "" where nothing is.
func (p *purse) Alarm() string {
	switch {
	case p == nil:
		return ""
	case p.Service == "suspended", p.Service == "ended":
		return p.Service
	case p.Status == billing.PastDue:
		return "past_due"
	}
	return ""
}
