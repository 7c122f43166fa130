package billing

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing/paper"
	"rappel/migrations/ledger"
)

// InvoiceStatus is where a document stands; see the diagram in doc.go.
type InvoiceStatus string

// The statuses of a document. Credit notes are paid when they are made.
const (
	InvoiceDraft         InvoiceStatus = "draft" // within the transaction that makes it only
	InvoiceOpen          InvoiceStatus = "open"
	InvoicePaid          InvoiceStatus = "paid"
	InvoiceVoid          InvoiceStatus = "void"          // taken back before anything was paid
	InvoiceUncollectible InvoiceStatus = "uncollectible" // written off
)

// invoiceMoves lists the legal changes of a document's status. The database has the same.
var invoiceMoves = map[InvoiceStatus][]InvoiceStatus{
	InvoiceDraft:         {InvoiceOpen, InvoicePaid},
	InvoiceOpen:          {InvoicePaid, InvoiceVoid, InvoiceUncollectible},
	InvoiceUncollectible: {InvoicePaid},
	InvoicePaid:          {InvoiceOpen}, // a payment went back
}

// MayBecome reports whether a document may go from s to next.
func (s InvoiceStatus) MayBecome(next InvoiceStatus) bool {
	return s == next || slices.Contains(invoiceMoves[s], next)
}

// Document is an invoice or credit note as stored. Amounts are Rappen.
type Document struct {
	Account      int64         `db:"account_id"`
	ID           int64         `db:"id"`
	Kind         Kind          `db:"kind"`
	Status       InvoiceStatus `db:"status"`
	Subscription *int64        `db:"subscription_id"`
	Series       string        `db:"series"`
	Year         int           `db:"year"`
	Number       int64         `db:"number"`
	IssuedOn     Date          `db:"issued_on"`
	DueOn        Date          `db:"due_on"`
	Net          int64         `db:"net"`
	Tax          int64         `db:"tax"`
	Rounding     int64         `db:"rounding"`
	Total        int64         `db:"total"`
	Of           *int64        `db:"credits_invoice_id"`
	Reference    string        `db:"qr_reference"`
	Snapshot     []byte        `db:"snapshot"`
	SHA256       []byte        `db:"pdf_sha256"`
	FinalizedAt  time.Time     `db:"finalized_at"`
	Open         int64         `db:"-"` // still to be paid
}

// Name is the document's number as printed.
func (d Document) Name() string { return Number{d.Series, d.Year, d.Number}.String() }

// Paper is the document as it was frozen.
func (d Document) Paper() (p paper.Invoice, err error) {
	if err := json.Unmarshal(d.Snapshot, &p); err != nil {
		return p, fmt.Errorf("read document %d of account %d: %w", d.ID, d.Account, err)
	}
	return p, nil
}

const documentColumns = `i.account_id, i.id, i.kind, i.status, i.subscription_id, i.series, i.year, i.number, i.issued_on, i.due_on, i.net, i.tax, i.rounding, i.total,
	i.credits_invoice_id, i.qr_reference, i.snapshot, i.pdf_sha256, i.finalized_at`

// DocumentTx reads a finalised document. ErrUnknown when there is none. q is any role's
// pool or transaction that may see the account.
func DocumentTx(ctx context.Context, q sqlx.QueryerContext, ref DocumentRef) (d Document, err error) {
	err = sqlx.GetContext(ctx, q, &d, `SELECT `+documentColumns+` FROM invoices i WHERE i.account_id = $1 AND i.id = $2 AND i.status <> 'draft'`, ref.Account, ref.Document)
	if errors.Is(err, sql.ErrNoRows) {
		return d, fmt.Errorf("%w: document %d of account %d", ErrUnknown, ref.Document, ref.Account)
	}
	if err != nil {
		return d, fmt.Errorf("read document %d: %w", ref.Document, err)
	}
	d.Open, err = openOf(ctx, q, ref)
	return d, err
}

// openOf is what is still to be paid of an invoice; 0 for other documents.
func openOf(ctx context.Context, q sqlx.QueryerContext, ref DocumentRef) (int64, error) {
	return ledger.BalanceTx(ctx, q, ref.Account, place("receivable", ref.Document))
}

// DocumentByReference finds the invoice a payment reference stands for, over all
// accounts. ErrUnknown when there is none. q works as the owner or the operator.
func DocumentByReference(ctx context.Context, q sqlx.QueryerContext, reference string) (ref DocumentRef, err error) {
	var rows []struct {
		Account int64 `db:"account_id"`
		ID      int64 `db:"id"`
	}
	if err := sqlx.SelectContext(ctx, q, &rows, `SELECT account_id, id FROM invoices WHERE qr_reference = $1 AND qr_reference <> '' AND status <> 'draft'`, reference); err != nil {
		return ref, fmt.Errorf("look up a reference: %w", err)
	}
	if len(rows) != 1 {
		return ref, fmt.Errorf("%w: no invoice has this reference", ErrUnknown)
	}
	return DocumentRef{rows[0].Account, rows[0].ID}, nil
}

// Printed notes the hash of a document's PDF as first made, and answers ErrState when it
// was another one before: a document made again must be the same, byte by byte.
func (s *Service) Printed(ctx context.Context, ref DocumentRef, sha256 []byte) error {
	return printedTx(ctx, s.DB, ref, sha256)
}

func printedTx(ctx context.Context, q sqlx.QueryerContext, ref DocumentRef, sha256 []byte) error {
	var had []byte
	err := sqlx.GetContext(ctx, q, &had, `UPDATE invoices AS i SET pdf_sha256 = COALESCE(i.pdf_sha256, $3) WHERE i.account_id = $1 AND i.id = $2 AND i.status <> 'draft'
		RETURNING i.pdf_sha256`, ref.Account, ref.Document, sha256)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%w: document %d of account %d", ErrUnknown, ref.Document, ref.Account)
	case err != nil:
		return fmt.Errorf("note the print of document %d: %w", ref.Document, err)
	case !slices.Equal(had, sha256):
		return fmt.Errorf("%w: document %d of account %d is no longer printed as it was", ErrState, ref.Document, ref.Account)
	}
	return nil
}

// setStatus moves an invoice on. Asking for what is already so changes nothing.
func setStatus(ctx context.Context, tx *sqlx.Tx, ref DocumentRef, status InvoiceStatus) error {
	if _, err := tx.ExecContext(ctx, `UPDATE invoices SET status = $3 WHERE account_id = $1 AND id = $2 AND status NOT IN ('draft', $3)`, ref.Account, ref.Document, status); err != nil {
		return fmt.Errorf("set invoice %d %s: %w", ref.Document, status, err)
	}
	return nil
}
