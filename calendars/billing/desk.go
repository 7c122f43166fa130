package billing

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

// What an admin's screens ask beside the commands.

// Creditable reads an invoice with what is left to be credited of it. ErrUnknown when
// there is none.
func (s *Service) Creditable(ctx context.Context, ref DocumentRef) (b Billed, err error) {
	err = migrations.InAccount(ctx, s.DB, ref.Account, func(tx *sqlx.Tx) error {
		doc, err := DocumentTx(ctx, tx, ref)
		if err != nil {
			return err
		}
		if doc.Kind != Invoice {
			return fmt.Errorf("%w: invoice %d of account %d", ErrUnknown, ref.Document, ref.Account)
		}
		catalogue, err := CatalogueOf(ctx, tx)
		if err != nil {
			return err
		}
		list, err := billedTx(ctx, tx, ref.Account, []int64{ref.Document}, catalogue.Taxes)
		if err == nil && len(list) == 1 {
			b = list[0]
		}
		return err
	})
	return b, err
}

// Resend has a document's letter written and sent once more.
func (s *Service) Resend(ctx context.Context, c Correction, document int64) (Corrected, error) {
	return s.correct(ctx, c, "resend", map[string]any{"document": document}, func(tx *sqlx.Tx, _ Payer, now time.Time) (r Corrected, err error) {
		if _, err := DocumentTx(ctx, tx, DocumentRef{c.Account, document}); err != nil {
			return r, err
		}
		return Corrected{Document: document}, addJob(ctx, tx, Job{Account: c.Account, Kind: JobMail, Key: fmt.Sprintf("document/%d/again/%s", document, c.Key), Invoice: &document}, now)
	})
}
