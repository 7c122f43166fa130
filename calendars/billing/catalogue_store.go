package billing

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// CatalogueOf reads all prices and tax rates. q is any role's pool or transaction.
func CatalogueOf(ctx context.Context, q sqlx.QueryerContext) (c Catalogue, err error) {
	var rows []struct {
		Price
		UpTo   pq.Int64Array `db:"tier_up_to"`
		Rappen pq.Int64Array `db:"tier_rappen"`
	}
	if err := sqlx.SelectContext(ctx, q, &rows, `SELECT id, plan_code, billing_interval, free_sms_per_month, valid_from, tier_up_to, tier_rappen FROM prices ORDER BY id`); err != nil {
		return c, fmt.Errorf("read prices: %w", err)
	}
	for _, r := range rows {
		for i := range r.UpTo {
			r.Tiers = append(r.Tiers, Tier{r.UpTo[i], r.Rappen[i]})
		}
		c.Prices = append(c.Prices, r.Price)
	}
	if err := sqlx.SelectContext(ctx, q, &c.Taxes, `SELECT id, code, rate_bp, valid_from, valid_to FROM tax_rates ORDER BY id`); err != nil {
		return c, fmt.Errorf("read tax rates: %w", err)
	}
	return c, nil
}

// AddPriceTx enters a new price. ErrCatalogue when its tiers are wrong. q may work as the
// operator's role.
func AddPriceTx(ctx context.Context, tx *sqlx.Tx, p Price) (id int64, err error) {
	if err := p.Tiers.Check(); err != nil {
		return 0, err
	}
	var upTo, rappen pq.Int64Array
	for _, t := range p.Tiers {
		upTo, rappen = append(upTo, t.UpTo), append(rappen, t.Unit)
	}
	err = tx.GetContext(ctx, &id, `INSERT INTO prices AS p (plan_code, billing_interval, free_sms_per_month, valid_from, tier_up_to, tier_rappen)
		VALUES ($1, $2, $3, $4, $5, $6) RETURNING p.id`, p.Plan, p.Interval, p.FreeSMS, p.From, upTo, rappen)
	switch {
	case pq.As(err, "23505") != nil:
		return 0, fmt.Errorf("%w: there is a price from %s on already; prices are not changed, so begin the new one on another day", ErrCatalogue, p.From)
	case err != nil:
		return 0, fmt.Errorf("add price: %w", err)
	}
	return id, nil
}
