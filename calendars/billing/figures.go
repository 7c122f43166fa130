package billing

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"
)

// Figures over all accounts. They only read; q works as the owner or the operator.

// RevenueMonth is how monthly revenue moved in one month, in Rappen.
type RevenueMonth struct {
	Month    string // YYYY-MM
	Begin    int64  // revenue as the month began
	Moves    map[MovementKind]int64
	End      int64
	Clinics  int64 // that brought revenue as the month began
	Lost     int64 // of those, how many had none as it ended
	Churned  int64 // basis points of Clinics
	LostRate int64 // basis points of Begin: what churn and contraction took
}

// RevenueMonths tells the months from the one of from until before that of to.
func RevenueMonths(ctx context.Context, q sqlx.QueryerContext, from, to Date) ([]RevenueMonth, error) {
	var out []RevenueMonth
	for i := 0; ; i++ {
		y, m, _ := from.Civil()
		begin := AddMonths(NewDate(y, m, 1), i)
		end := AddMonths(begin, 1)
		if begin >= to {
			return out, nil
		}
		month := RevenueMonth{Month: begin.Month(), Moves: map[MovementKind]int64{}}
		var rows []struct {
			Kind  MovementKind `db:"kind"`
			Delta int64        `db:"delta"`
		}
		if err := sqlx.SelectContext(ctx, q, &rows, `SELECT kind, CAST(sum(after_rappen - before_rappen) AS bigint) AS delta FROM mrr_movements
			WHERE moved_on >= $1 AND moved_on < $2 GROUP BY kind`, begin, end); err != nil {
			return nil, fmt.Errorf("read movements of %s: %w", month.Month, err)
		}
		var err error
		if month.Begin, err = RevenueOn(ctx, q, begin-1); err != nil {
			return nil, err
		}
		month.End = month.Begin
		for _, r := range rows {
			month.Moves[r.Kind] = r.Delta
			month.End += r.Delta
		}
		var logos struct {
			Clinics int64 `db:"clinics"`
			Lost    int64 `db:"lost"`
		}
		if err := sqlx.GetContext(ctx, q, &logos, `SELECT count(*) FILTER (WHERE x.before > 0) AS clinics, count(*) FILTER (WHERE x.before > 0 AND x.after = 0) AS lost
			FROM (SELECT account_id, COALESCE(sum(after_rappen - before_rappen) FILTER (WHERE moved_on < $1), 0) AS before, sum(after_rappen - before_rappen) AS after
			      FROM mrr_movements WHERE moved_on < $2 GROUP BY account_id) x`, begin, end); err != nil {
			return nil, fmt.Errorf("count clinics of %s: %w", month.Month, err)
		}
		month.Clinics, month.Lost = logos.Clinics, logos.Lost
		if month.Clinics > 0 {
			month.Churned = MulDiv(month.Lost, wholeRate, month.Clinics)
		}
		if month.Begin > 0 {
			month.LostRate = MulDiv(-month.Moves[MoveChurn]-month.Moves[MoveContraction], wholeRate, month.Begin)
		}
		out = append(out, month)
	}
}

// RevenueOn is the monthly revenue at the end of a day, in Rappen.
func RevenueOn(ctx context.Context, q sqlx.QueryerContext, day Date) (sum int64, err error) {
	if err := sqlx.GetContext(ctx, q, &sum, `SELECT CAST(COALESCE(sum(after_rappen - before_rappen), 0) AS bigint) FROM mrr_movements WHERE moved_on <= $1`, day); err != nil {
		return 0, fmt.Errorf("read the revenue of %s: %w", day, err)
	}
	return sum, nil
}

// AgeBucket is what is open by how long it is overdue.
type AgeBucket struct {
	From, To int // days overdue, half-open; To 0 = no end; the first, 0 to 1, is not overdue
	Invoices int64
	Open     int64 // Rappen
}

// Ages are the open amounts by age: not overdue, 1–30, 31–60, 61–90 days and more.
func Ages(ctx context.Context, q sqlx.QueryerContext, today Date) ([]AgeBucket, error) {
	out := []AgeBucket{{0, 1, 0, 0}, {1, 31, 0, 0}, {31, 61, 0, 0}, {61, 91, 0, 0}, {91, 0, 0, 0}}
	open, err := OpenInvoices(ctx, q, OpenQuery{})
	if err != nil {
		return nil, err
	}
	for _, o := range open {
		late := max(int(today-o.DueOn), 0)
		for i := range out {
			if b := &out[i]; late >= b.From && (b.To == 0 || late < b.To) {
				b.Invoices++
				b.Open += o.Open
			}
		}
	}
	return out, nil
}

// OpenQuery selects open invoices.
type OpenQuery struct {
	Account   int64 // 0 = all
	DueBefore Date  // 0 = whenever
}

// OpenRow is an open invoice with how far its dunning has come.
type OpenRow struct {
	Account  int64  `db:"account_id"`
	Business string `db:"business"`
	ID       int64  `db:"id"`
	Series   string `db:"series"`
	Year     int    `db:"year"`
	Number   int64  `db:"number"`
	DueOn    Date   `db:"due_on"`
	Total    int64  `db:"total"` // Rappen
	Open     int64  `db:"open"`  // Rappen
	Level    int    `db:"level"` // last step taken; 0 = none
	StepOn   Date   `db:"step_on"`
}

// Name is the invoice's number as printed.
func (r OpenRow) Name() string { return Number{r.Series, r.Year, r.Number}.String() }

// OpenInvoices lists what is to be paid, longest overdue first.
func OpenInvoices(ctx context.Context, q sqlx.QueryerContext, query OpenQuery) (rows []OpenRow, err error) {
	if err := sqlx.SelectContext(ctx, q, &rows, `SELECT i.account_id, a.business, i.id, i.series, i.year, i.number, i.due_on, i.total, b.balance AS open,
		COALESCE(max(d.level), 0) AS level, max(d.taken_on) AS step_on
		FROM invoices i JOIN accounts a ON a.account_id = i.account_id
		JOIN ledger_balances b ON b.account_id = i.account_id AND b.unit = 'CHF' AND b.name = 'receivable' AND b.item = i.id
		LEFT JOIN dunning_steps d ON d.account_id = i.account_id AND d.invoice_id = i.id AND d.round = i.reopened
		WHERE i.kind = 'invoice' AND i.status = 'open' AND b.balance > 0 AND ($1 = 0 OR i.account_id = $1) AND (CAST($2 AS date) IS NULL OR i.due_on < $2)
		GROUP BY i.account_id, i.id, a.business, b.balance ORDER BY i.due_on, i.id`, query.Account, query.DueBefore); err != nil {
		return nil, fmt.Errorf("list open invoices: %w", err)
	}
	return rows, nil
}

// Liability is the SMS clinics have paid for or were given and not used.
type Liability struct {
	Account  int64  `db:"account_id"`
	Business string `db:"business"`
	SMS      int64  `db:"sms"` // available and held
}

// Liabilities lists them by account, the most first.
func Liabilities(ctx context.Context, q sqlx.QueryerContext) (rows []Liability, err error) {
	if err := sqlx.SelectContext(ctx, q, &rows, `SELECT b.account_id, a.business, CAST(sum(b.balance) AS bigint) AS sms FROM ledger_balances b
		JOIN accounts a ON a.account_id = b.account_id WHERE b.unit = 'SMS' AND b.name IN ('available', 'held')
		GROUP BY b.account_id, a.business HAVING sum(b.balance) > 0 ORDER BY 3 DESC, 1`); err != nil {
		return nil, fmt.Errorf("list unused SMS: %w", err)
	}
	return rows, nil
}

// JournalRow is one entry of the books.
type JournalRow struct {
	At       time.Time `db:"booked_at"`
	Account  int64     `db:"account_id"`
	Tx       int64     `db:"tx_id"`
	Kind     string    `db:"kind"`
	Key      string    `db:"key"`
	Place    string    `db:"name"`
	Item     int64     `db:"item"`
	Document string    `db:"document"` // number, where the entry is about a document
	Amount   int64     `db:"amount"`   // Rappen
	Note     string    `db:"note"`
}

// Journal lists what was booked in CHF from an instant until before another. Each
// transaction of it sums to nothing.
func Journal(ctx context.Context, q sqlx.QueryerContext, from, to time.Time) (rows []JournalRow, err error) {
	if err := sqlx.SelectContext(ctx, q, &rows, `SELECT t.booked_at, t.account_id, e.tx_id, t.kind, t.key, e.name, e.item, e.amount, t.note,
		COALESCE(i.series || '-' || i.year || '-' || lpad(CAST(i.number AS text), 6, '0'), '') AS document
		FROM ledger_tx t JOIN ledger_entries e ON e.account_id = t.account_id AND e.tx_id = t.id
		LEFT JOIN invoices i ON i.account_id = t.account_id AND t.key = 'document/' || i.id
		WHERE e.unit = 'CHF' AND t.booked_at >= $1 AND t.booked_at < $2 ORDER BY t.booked_at, t.account_id, e.tx_id, e.line`, from, to); err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	return rows, nil
}

// WriteJournal writes rows as CSV, UTF-8, comma, CRLF, with a head line.
func WriteJournal(w io.Writer, rows []JournalRow, zone *time.Location) error {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	if err := c.Write([]string{"booked_at", "account", "transaction", "kind", "document", "ledger_account", "item", "amount_chf", "note"}); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	for _, r := range rows {
		if err := c.Write([]string{r.At.In(zone).Format(time.DateTime), strconv.FormatInt(r.Account, 10), strconv.FormatInt(r.Tx, 10), r.Kind, r.Document,
			r.Place, strconv.FormatInt(r.Item, 10), CHF(r.Amount), plainCell(r.Note)}); err != nil {
			return fmt.Errorf("write journal: %w", err)
		}
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

// plainCell keeps a spreadsheet from taking a text for a formula.
func plainCell(s string) string {
	if s != "" && (s[0] == '=' || s[0] == '+' || s[0] == '-' || s[0] == '@' || s[0] == '\t' || s[0] == '\r') {
		return "'" + s
	}
	return s
}

// StandingRow is a subscription as a list shows it.
type StandingRow struct {
	Subscription
	Business  string `db:"business"`
	Open      int64  `db:"open"`      // Rappen the account owes
	Credit    int64  `db:"credit"`    // Rappen it has to its credit
	Connected int64  `db:"connected"` // calendars being watched, those of its sub-accounts included
}

// Standing lists subscriptions that are not over, or all of a status, by next renewal.
func Standing(ctx context.Context, q sqlx.QueryerContext, status Status) (rows []StandingRow, err error) {
	if err := sqlx.SelectContext(ctx, q, &rows, `SELECT `+subscriptionColumns+`, a.business,
		CAST(COALESCE((SELECT sum(b.balance) FROM ledger_balances b WHERE b.account_id = s.account_id AND b.unit = 'CHF' AND b.name = 'receivable'), 0) AS bigint) AS open,
		CAST(COALESCE((SELECT -sum(b.balance) FROM ledger_balances b WHERE b.account_id = s.account_id AND b.unit = 'CHF' AND b.name = 'customer_credit'), 0) AS bigint) AS credit,
		CAST(COALESCE((SELECT sum(k.connected) FROM accounts f JOIN connected_calendars k ON k.account_id = f.account_id
			WHERE f.account_id = s.account_id OR f.parent_id = s.account_id), 0) AS bigint) AS connected
		FROM subscriptions s JOIN accounts a ON a.account_id = s.account_id
		WHERE CASE WHEN $1 = '' THEN s.status NOT IN ('canceled', 'expired') ELSE s.status = $1 END ORDER BY s.next_on, s.account_id`, status); err != nil {
		return nil, fmt.Errorf("list subscriptions: %w", err)
	}
	return rows, nil
}
