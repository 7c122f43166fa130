package billing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations/ledger"
)

const subscriptionColumns = `s.account_id, s.id, s.status, s.plan_code, s.billing_interval, s.quantity, s.anchor_date, s.next_month, s.next_seq, s.next_on,
	s.granted_until, s.trial_end, s.cancel_on, s.started_on, s.ended_on, s.pending_quantity, s.pending_interval, s.past_due_since, s.suspended_on, s.suspended_by, s.dunning_after, s.version`

// scene is a state with what surrounds it.
type scene struct {
	State
	payer   Payer
	seller  Seller
	Granted Date // before this day the account has had its free SMS; 0 = never
}

// read brings all a change of account's subscription depends on. tx has locked the payer
// where something is to be written.
func (s *Service) read(ctx context.Context, tx *sqlx.Tx, payer Payer) (sc scene, err error) {
	sc.payer = payer
	if sc.seller, err = SellerOf(ctx, tx); err != nil {
		return sc, err
	}
	sc.Round = sc.seller.FiveRappen
	if sc.Catalogue, err = CatalogueOf(ctx, tx); err != nil {
		return sc, err
	}
	account := payer.Account
	sc.Sub.AccountID = account
	err = tx.GetContext(ctx, &sc.Sub, `SELECT `+subscriptionColumns+` FROM subscriptions s
		WHERE s.account_id = $1 AND s.status NOT IN ('canceled', 'expired')`, account)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return sc, fmt.Errorf("read the subscription of account %d: %w", account, err)
	}
	if err := tx.GetContext(ctx, &sc.Had, `SELECT EXISTS (SELECT 1 FROM subscriptions s WHERE s.account_id = $1 AND s.status = 'canceled')`, account); err != nil {
		return sc, fmt.Errorf("read former subscriptions of account %d: %w", account, err)
	}
	if err := tx.GetContext(ctx, &sc.Earned, `SELECT EXISTS (SELECT 1 FROM mrr_movements m WHERE m.account_id = $1 AND m.after_rappen > 0)`, account); err != nil {
		return sc, fmt.Errorf("read former revenue of account %d: %w", account, err)
	}
	if err := tx.GetContext(ctx, &sc.Granted, `SELECT max(s.granted_until) FROM subscriptions s WHERE s.account_id = $1`, account); err != nil {
		return sc, fmt.Errorf("read the free SMS of account %d: %w", account, err)
	}
	if sc.Watched, err = watchedTx(ctx, tx, account); err != nil {
		return sc, err
	}
	if sc.Credit, err = CreditTx(ctx, tx, account); err != nil {
		return sc, err
	}
	if sc.Open, err = openTx(ctx, tx, account); err != nil {
		return sc, err
	}
	if sc.Sub.NextSeq == 0 {
		return sc, nil
	}
	if sc.Current, err = periodTx(ctx, tx, sc.Sub, sc.Catalogue); err != nil {
		return sc, err
	}
	var ids []int64
	err = tx.SelectContext(ctx, &ids, `SELECT DISTINCT l.invoice_id FROM invoice_lines l JOIN invoices i ON i.account_id = $1 AND i.id = l.invoice_id
		WHERE l.account_id = $1 AND l.subscription_id = $2 AND l.period_seq = $3 AND i.kind = 'invoice' AND i.status <> 'draft' ORDER BY 1`,
		account, sc.Sub.ID, sc.Current.Seq)
	if err != nil {
		return sc, fmt.Errorf("read what was billed to account %d: %w", account, err)
	}
	sc.Billed, err = billedTx(ctx, tx, account, ids, sc.Catalogue.Taxes)
	return sc, err
}

// family are the accounts root pays for, itself first.
func family(ctx context.Context, q sqlx.QueryerContext, root int64) (ids []int64, err error) {
	if err := sqlx.SelectContext(ctx, q, &ids, `SELECT a.account_id FROM accounts a WHERE a.account_id = $1 OR a.parent_id = $1
		ORDER BY a.account_id <> $1, a.account_id`, root); err != nil {
		return nil, fmt.Errorf("read the sub-accounts of account %d: %w", root, err)
	}
	return ids, nil
}

// watchedTx counts the calendars being read in all accounts root pays for.
func watchedTx(ctx context.Context, q sqlx.QueryerContext, root int64) (n int64, err error) {
	ids, err := family(ctx, q, root)
	if err != nil {
		return 0, err
	}
	if err := sqlx.GetContext(ctx, q, &n, `SELECT count(*) FROM calendars c WHERE c.account_id = ANY ($1) AND c.watched`, pq.Array(ids)); err != nil {
		return 0, fmt.Errorf("count the calendars of account %d: %w", root, err)
	}
	return n, nil
}

// CreditTx is what account has to its credit, in Rappen.
func CreditTx(ctx context.Context, q sqlx.QueryerContext, account int64) (int64, error) {
	n, err := ledger.BalanceTx(ctx, q, account, ledger.Place{Unit: ledger.CHF, Name: "customer_credit"})
	return -n, err
}

// openTx lists what account owes, oldest invoice first, those being made included.
func openTx(ctx context.Context, q sqlx.QueryerContext, account int64) (open []OpenInvoice, err error) {
	items, err := ledger.ItemsTx(ctx, q, account, ledger.CHF, "receivable")
	if err != nil || len(items) == 0 {
		return nil, err
	}
	if err := sqlx.SelectContext(ctx, q, &open, `SELECT i.id, i.due_on FROM invoices i
		WHERE i.account_id = $1 AND i.status IN ('draft', 'open') AND i.kind = 'invoice' ORDER BY i.id`, account); err != nil {
		return nil, fmt.Errorf("read open invoices of account %d: %w", account, err)
	}
	for i := range open {
		open[i].Open = items[open[i].Invoice]
	}
	return slices.DeleteFunc(open, func(o OpenInvoice) bool { return o.Open == 0 }), nil
}

// periodTx reads the last period that began.
func periodTx(ctx context.Context, q sqlx.QueryerContext, sub Subscription, c Catalogue) (*Current, error) {
	var row struct {
		Seq     int   `db:"seq"`
		Month   int   `db:"from_month"`
		From    Date  `db:"starts_on"`
		To      Date  `db:"ends_on"`
		Full    int64 `db:"full_days"`
		PriceID int64 `db:"price_id"`
	}
	if err := sqlx.GetContext(ctx, q, &row, `SELECT p.seq, p.from_month, p.starts_on, p.ends_on, p.full_days, p.price_id FROM subscription_periods p
		WHERE p.account_id = $1 AND p.subscription_id = $2 AND p.seq = $3`, sub.AccountID, sub.ID, sub.NextSeq-1); err != nil {
		return nil, fmt.Errorf("read period %d of subscription %d: %w", sub.NextSeq-1, sub.ID, err)
	}
	cur := &Current{Seq: row.Seq, Month: row.Month, Timeline: Timeline{Span: Period{row.From, row.To}, Full: row.Full}}
	i := slices.IndexFunc(c.Prices, func(p Price) bool { return p.ID == row.PriceID })
	if i < 0 {
		return nil, fmt.Errorf("%w: price %d of subscription %d", ErrCatalogue, row.PriceID, sub.ID)
	}
	cur.Price = c.Prices[i]
	cur.Timeline.Price = cur.Price.Tiers
	if err := sqlx.SelectContext(ctx, q, &cur.Steps, `SELECT e.effective_on, e.quantity FROM quantity_events e
		WHERE e.account_id = $1 AND e.subscription_id = $2 AND e.period_seq = $3 ORDER BY e.seq`, sub.AccountID, sub.ID, row.Seq); err != nil {
		return nil, fmt.Errorf("read the quantities of subscription %d: %w", sub.ID, err)
	}
	return cur, nil
}

// billedTx reads invoices with what was credited of them.
func billedTx(ctx context.Context, q sqlx.QueryerContext, account int64, ids []int64, taxes TaxRates) ([]Billed, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	fail := func(err error) ([]Billed, error) {
		return nil, fmt.Errorf("read invoices of account %d: %w", account, err)
	}
	var heads []struct {
		ID       int64 `db:"id"`
		Closed   bool  `db:"closed"`
		Round    bool  `db:"five_rappen"`
		Rounding int64 `db:"rounding"`
		Credited int64 `db:"credited"`
		Lost     int64 `db:"lost"`
	}
	if err := sqlx.SelectContext(ctx, q, &heads, `SELECT i.id, i.status = 'void' AS closed, i.five_rappen, i.rounding,
		CAST(COALESCE((SELECT sum(n.rounding) FROM invoices n WHERE n.account_id = $1 AND n.credits_invoice_id = i.id AND n.status <> 'draft'), 0) AS bigint) AS credited,
		CAST(COALESCE((SELECT sum(a.amount) FROM payment_allocations a WHERE a.account_id = $1 AND a.invoice_id = i.id AND a.payment_id IS NULL AND a.credit_note_id IS NULL), 0) AS bigint) AS lost
		FROM invoices i WHERE i.account_id = $1 AND i.id = ANY ($2) ORDER BY i.id`, account, pq.Array(ids)); err != nil {
		return fail(err)
	}
	var sums []struct {
		Invoice     int64 `db:"invoice_id"`
		Rate        int64 `db:"tax_rate_id"`
		Net         int64 `db:"net"`
		Tax         int64 `db:"tax"`
		CreditedNet int64 `db:"credited_net"`
		CreditedTax int64 `db:"credited_tax"`
	}
	if err := sqlx.SelectContext(ctx, q, &sums, `SELECT x.invoice_id, x.tax_rate_id, x.net, x.tax,
		CAST(COALESCE(sum(c.net), 0) AS bigint) AS credited_net, CAST(COALESCE(sum(c.tax), 0) AS bigint) AS credited_tax
		FROM invoice_taxes x
		LEFT JOIN invoices n ON n.account_id = $1 AND n.account_id = x.account_id AND n.credits_invoice_id = x.invoice_id AND n.status <> 'draft'
		LEFT JOIN invoice_taxes c ON c.account_id = $1 AND c.account_id = n.account_id AND c.invoice_id = n.id AND c.tax_rate_id = x.tax_rate_id
		WHERE x.account_id = $1 AND x.invoice_id = ANY ($2)
		GROUP BY x.invoice_id, x.tax_rate_id, x.net, x.tax ORDER BY x.invoice_id, x.tax_rate_id`, account, pq.Array(ids)); err != nil {
		return fail(err)
	}
	var lines []struct {
		lineRow
		Credited int64 `db:"credited"`
		Prorated int64 `db:"prorated"`
	}
	if err := sqlx.SelectContext(ctx, q, &lines, `SELECT `+lineColumns+`,
		CAST(COALESCE(sum(c.net_rappen), 0) AS bigint) AS credited,
		CAST(COALESCE(sum(c.net_rappen) FILTER (WHERE c.period_seq IS NOT NULL), 0) AS bigint) AS prorated
		FROM invoice_lines l LEFT JOIN invoice_lines c ON c.account_id = $1 AND c.account_id = l.account_id AND c.credits_line_id = l.id
		WHERE l.account_id = $1 AND l.invoice_id = ANY ($2)
		GROUP BY l.account_id, l.id ORDER BY l.invoice_id, l.position`, account, pq.Array(ids)); err != nil {
		return fail(err)
	}
	rate := func(id int64) TaxRate {
		for _, t := range taxes {
			if t.ID == id {
				return t
			}
		}
		return TaxRate{ID: id}
	}
	var out []Billed
	for _, h := range heads {
		b := Billed{Invoice: h.ID, Closed: h.Closed, Round: h.Round, Rounding: h.Rounding, Credited: h.Credited, Lost: h.Lost}
		for _, x := range sums {
			if x.Invoice == h.ID {
				b.Sums = append(b.Sums, BilledSum{TaxSum{rate(x.Rate), x.Net, x.Tax}, x.CreditedNet, x.CreditedTax})
			}
		}
		for _, l := range lines {
			if l.InvoiceID == h.ID {
				line := l.line(rate(l.TaxRateID))
				b.Lines = append(b.Lines, BilledLine{ID: l.ID, Line: line, Credited: l.Credited, Prorated: l.Prorated})
			}
		}
		out = append(out, b)
	}
	return out, nil
}

// lineRow is a line as stored.
type lineRow struct {
	ID        int64    `db:"id"`
	InvoiceID int64    `db:"invoice_id"`
	Kind      LineKind `db:"kind"`
	Key       string   `db:"billing_key"`
	Part      int      `db:"part"`
	Seq       *int     `db:"period_seq"`
	Interval  Interval `db:"billing_interval"`
	Quantity  int64    `db:"quantity"`
	Before    int64    `db:"quantity_before"`
	Text      string   `db:"text"`
	From      Date     `db:"service_from"`
	To        Date     `db:"service_to"`
	Net       int64    `db:"net_rappen"`
	TaxRateID int64    `db:"tax_rate_id"`
	Credits   *int64   `db:"credits_line_id"`
}

const lineColumns = `l.id, l.invoice_id, l.kind, l.billing_key, l.part, l.period_seq, l.billing_interval, l.quantity, l.quantity_before,
	l.text, l.service_from, l.service_to, l.net_rappen, l.tax_rate_id, l.credits_line_id`

func (r lineRow) line(rate TaxRate) Line {
	l := Line{Kind: r.Kind, Key: r.Key, Quantity: r.Quantity, Interval: r.Interval, Before: r.Before, Text: r.Text,
		Service: Period{r.From, r.To}, Seq: NoPeriod, Part: r.Part, Net: r.Net, Tax: rate}
	if r.Seq != nil {
		l.Seq = *r.Seq
	}
	if r.Credits != nil {
		l.Credits = *r.Credits
	}
	return l
}
