package web

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
)

// The month end: what was billed and booked in a month of the operator's zone, all its
// documents, and a journal that agrees with the ledger.

// deskPlace is a ledger account over a month, in Rappen.
type deskPlace struct {
	Name  string `db:"name"`
	Begin int64  `db:"begin"` // the sum of all entries before
	Moved int64  `db:"moved"` // of those of the journal
	Now   int64  `db:"now"`   // its balance today
	Since int64  `db:"since"` // the sum of all entries after
}

// End is what the balance was as the month ended, reckoned from today's.
func (p deskPlace) End() int64 { return p.Now - p.Since }

// monthEnd is a month with its sums, in Rappen.
type monthEnd struct {
	Month    billing.Date
	From, To time.Time
	Docs     []monthDoc
	Places   []deskPlace
	Rows     []billing.JournalRow
}

type monthDoc struct {
	Account  int64  `db:"account_id"`
	ID       int64  `db:"id"`
	Kind     string `db:"kind"`
	Net      int64  `db:"net"`
	Tax      int64  `db:"tax"`
	Rounding int64  `db:"rounding"`
	Total    int64  `db:"total"`
}

// sum adds up documents of a kind.
func (m monthEnd) sum(kind string) (n int, net, tax, rounding, total int64) {
	for _, d := range m.Docs {
		if d.Kind == kind {
			n, net, tax, rounding, total = n+1, net+d.Net, tax+d.Tax, rounding+d.Rounding, total+d.Total
		}
	}
	return n, net, tax, rounding, total
}

// agrees reports whether the journal sums to nothing, leads every ledger account from its
// beginning to its end, and has the documents' revenue.
func (m monthEnd) agrees() bool {
	var all, revenue int64
	for _, r := range m.Rows {
		all += r.Amount
		if r.Place == "revenue" && (r.Kind == string(billing.Invoice) || r.Kind == string(billing.CreditNote)) {
			revenue += r.Amount
		}
	}
	_, invoiced, _, _, _ := m.sum(string(billing.Invoice))
	_, credited, _, _, _ := m.sum(string(billing.CreditNote))
	return all == 0 && revenue == credited-invoiced && !slices.ContainsFunc(m.Places, func(p deskPlace) bool { return p.Begin+p.Moved != p.End() })
}

// monthEnd reads a month in one transaction, so that all of it is of one moment.
func (r *request) monthEnd(month billing.Date) (m monthEnd, err error) {
	m = monthEnd{Month: month, From: month.Start(r.Loc), To: billing.AddMonths(month, 1).Start(r.Loc)}
	err = r.operatorTx(func(ctx context.Context, tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY`); err != nil {
			return fmt.Errorf("read the month at one moment: %w", err)
		}
		// By when they were booked, as the journal: a clinic far east dates its own a day ahead.
		if err := tx.SelectContext(ctx, &m.Docs, `SELECT account_id, id, kind, net, tax, rounding, total FROM invoices
			WHERE status <> 'draft' AND finalized_at >= $1 AND finalized_at < $2 ORDER BY series, year, number`, m.From, m.To); err != nil {
			return fmt.Errorf("list the documents of %s: %w", month.Month(), err)
		}
		if m.Rows, err = billing.Journal(ctx, tx, m.From, m.To); err != nil {
			return err
		}
		if err := tx.SelectContext(ctx, &m.Places, `SELECT l.name,
			(SELECT CAST(COALESCE(sum(e.amount), 0) AS bigint) FROM ledger_entries e JOIN ledger_tx t ON t.account_id = e.account_id AND t.id = e.tx_id WHERE e.unit = 'CHF' AND e.name = l.name AND t.booked_at < $1) AS begin,
			(SELECT CAST(COALESCE(sum(e.amount), 0) AS bigint) FROM ledger_entries e JOIN ledger_tx t ON t.account_id = e.account_id AND t.id = e.tx_id WHERE e.unit = 'CHF' AND e.name = l.name AND t.booked_at >= $2) AS since,
			(SELECT CAST(COALESCE(sum(b.balance), 0) AS bigint) FROM ledger_balances b WHERE b.unit = 'CHF' AND b.name = l.name) AS now, CAST(0 AS bigint) AS moved
			FROM ledger_accounts l WHERE l.unit = 'CHF' ORDER BY l.name`, m.From, m.To); err != nil {
			return fmt.Errorf("sum the ledger of %s: %w", month.Month(), err)
		}
		return nil
	})
	for i := range m.Places {
		for _, row := range m.Rows {
			if row.Place == m.Places[i].Name {
				m.Places[i].Moved += row.Amount
			}
		}
	}
	return m, err
}

type deskMonthsData struct {
	Month    string
	Key      string
	Agrees   bool
	Empty    bool
	Sums     deskTable
	Places   deskTable
	Months   []deskChoice
	Zip, CSV string
	Count    int
}

// monthsShown is how many months can be chosen.
const monthsShown = 24

func (s *Server) deskMonths(w http.ResponseWriter, r *request) error {
	month := r.monthOf()
	m, err := r.monthEnd(month)
	if err != nil {
		return err
	}
	d := deskMonthsData{Month: r.monthName(month), Key: month.Month(), Agrees: m.agrees(), Empty: len(m.Rows) == 0 && len(m.Docs) == 0, Count: len(m.Docs),
		Zip: "/admin/billing/months/zip?month=" + month.Month(), CSV: "/admin/billing/months/journal?month=" + month.Month()}
	d.Sums = deskTable{Heads: r.heads("what", "count", "net", "tax", "rounding", "total")}
	list := "/admin/billing/invoices?from=" + month.String() + "&to=" + (billing.AddMonths(month, 1) - 1).String()
	for _, kind := range []billing.Kind{billing.Invoice, billing.CreditNote} {
		n, net, tax, rounding, total := m.sum(string(kind))
		cells := r.cells("what", r.word("kind", string(kind)), "count", r.number(int64(n)), "net", chf(net), "tax", chf(tax), "rounding", chf(rounding), "total", chf(total))
		cells[0].Href = list
		if kind == billing.CreditNote {
			cells[0].Href += "&state=credit_note"
		}
		d.Sums.Rows = append(d.Sums.Rows, cells)
	}
	d.Places = deskTable{Heads: r.heads("place", "begin", "difference", "end")}
	for _, p := range m.Places {
		cells := r.cells("place", r.word("place", "CHF "+p.Name), "begin", chf(p.Begin), "difference", chf(p.Moved), "end", chf(p.End()))
		cells[0].Href = "/admin/billing/ledger?state=" + p.Name + "&from=" + month.String() + "&to=" + (billing.AddMonths(month, 1) - 1).String()
		d.Places.Rows = append(d.Places.Rows, cells)
	}
	y, mo, _ := r.today().Civil()
	this := billing.NewDate(y, mo, 1)
	for i := range monthsShown {
		at := billing.AddMonths(this, -i)
		d.Months = append(d.Months, deskChoice{Words: r.monthName(at), Name: at.Month(), Href: "/admin/billing/months?month=" + at.Month(), On: at == month})
	}
	return r.page(w, "admin_months.html", "admin-billing", d)
}

func (s *Server) deskJournal(w http.ResponseWriter, r *request) error {
	m, err := r.monthEnd(r.monthOf())
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := billing.WriteJournal(&b, m.Rows, r.Loc); err != nil {
		return err
	}
	attachment(w, "text/csv; charset=utf-8", "journal-"+m.Month.Month()+".csv")
	_, _ = w.Write(b.Bytes()) // a browser that left needs no answer
	return nil
}

// deskZip hands out a month: every document as it was printed first, and the journal. A
// failure on the way breaks the connection, so that half a month never looks like a whole.
func (s *Server) deskZip(w http.ResponseWriter, r *request) error {
	m, err := r.monthEnd(r.monthOf())
	if err != nil {
		return err
	}
	attachment(w, "application/zip", "rappel-"+m.Month.Month()+".zip")
	out := zip.NewWriter(w)
	if err := s.writeMonth(r, out, m); err != nil {
		s.Log.ErrorContext(r.Context(), "month end failed", "month", m.Month.Month(), "err", err)
		panic(http.ErrAbortHandler) // some of it has left
	}
	return nil
}

func (s *Server) writeMonth(r *request, out *zip.Writer, m monthEnd) error {
	for _, d := range m.Docs {
		doc, err := billing.DocumentTx(r.Context(), s.Operator, billing.DocumentRef{Account: d.Account, Document: d.ID})
		if err != nil {
			return err
		}
		pdf, err := printed(doc)
		if err != nil {
			return err
		}
		if err := addFile(out, doc.Name()+".pdf", doc.FinalizedAt, pdf); err != nil {
			return err
		}
	}
	var journal bytes.Buffer
	if err := billing.WriteJournal(&journal, m.Rows, r.Loc); err != nil {
		return err
	}
	if err := addFile(out, "journal-"+m.Month.Month()+".csv", m.To, journal.Bytes()); err != nil {
		return err
	}
	return out.Close()
}

func addFile(out *zip.Writer, name string, at time.Time, content []byte) error {
	f, err := out.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: at.UTC()})
	if err != nil {
		return fmt.Errorf("zip %s: %w", name, err)
	}
	if _, err := f.Write(content); err != nil {
		return fmt.Errorf("zip %s: %w", name, err)
	}
	return nil
}

// printed is a document as a PDF. One that was printed before must come out the same,
// byte by byte; a problem otherwise.
func printed(doc billing.Document) ([]byte, error) {
	page, err := doc.Paper()
	if err != nil {
		return nil, err
	}
	pdf, err := page.PDF()
	if err != nil {
		return nil, fmt.Errorf("print document %d: %w", doc.ID, err)
	}
	if sum := sha256.Sum256(pdf); len(doc.SHA256) > 0 && !bytes.Equal(sum[:], doc.SHA256) {
		return nil, fmt.Errorf("document %d of account %d: %w", doc.ID, doc.Account, billing.ErrState)
	}
	return pdf, nil
}

// shaOf names a file by its content.
func shaOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
