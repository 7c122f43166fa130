package credits

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/notify"
)

// PriceTx implements notify.Meter by the tariffs in force, from memory while what was read
// is younger than Config.Refresh. It fails with ErrTariff.
func (c *Credits) PriceTx(ctx context.Context, q sqlx.QueryerContext, charges []notify.Charge) ([]notify.Price, error) {
	now := c.cfg.Now()
	t, err := c.tariffs(ctx, q, now)
	if err != nil {
		return nil, err
	}
	prices := make([]notify.Price, len(charges))
	for i, charge := range charges {
		var ok bool
		if prices[i], ok = t.price(charge, now); !ok {
			return nil, fmt.Errorf("price a text to %q: %w; add one for country ''", charge.Country, ErrTariff)
		}
	}
	return prices, nil
}

// tariffs returns all tariffs, read anew now and then.
func (c *Credits) tariffs(ctx context.Context, q sqlx.QueryerContext, now time.Time) (*tariffs, error) {
	if t := c.known.Load(); t != nil && now.Sub(t.read).Abs() < c.cfg.Refresh {
		return t, nil
	}
	rows, err := Tariffs(ctx, q)
	if err != nil {
		return nil, err
	}
	t := &tariffs{byCountry: map[string][]Tariff{}, read: now}
	for _, row := range rows {
		t.byCountry[row.Country] = append(t.byCountry[row.Country], row)
	}
	c.known.Store(t)
	return t, nil
}

// Tariffs lists all tariffs by country, newest first. It works on any pool.
func Tariffs(ctx context.Context, q sqlx.QueryerContext) (all []Tariff, err error) {
	if err := sqlx.SelectContext(ctx, q, &all, `SELECT id, country, valid_from, single_gsm, single_ucs2, part_gsm, part_ucs2, credits_per_part, source
		FROM sms_tariffs ORDER BY country, valid_from DESC`); err != nil {
		return nil, fmt.Errorf("read tariffs: %w", err)
	}
	return all, nil
}

// Package is a number of credits for sale.
type Package struct {
	ID          int64      `db:"id"`
	SMS         int        `db:"sms"`
	PriceRappen int64      `db:"price_rappen"` // net of VAT
	ValidFrom   time.Time  `db:"valid_from"`   // a date: on sale from this day
	ValidTo     *time.Time `db:"valid_to"`     // until before this day; nil = no end
}

// Packages lists what is on sale on a day, the smallest first; where a size has several
// rows, the newest. It works on any pool.
func Packages(ctx context.Context, q sqlx.QueryerContext, day time.Time) (all []Package, err error) {
	if err := sqlx.SelectContext(ctx, q, &all, `SELECT DISTINCT ON (sms) id, sms, price_rappen, valid_from, valid_to FROM packages
		WHERE valid_from <= $1 AND (valid_to IS NULL OR valid_to > $1) ORDER BY sms, valid_from DESC`, day); err != nil {
		return nil, fmt.Errorf("read packages: %w", err)
	}
	return all, nil
}
