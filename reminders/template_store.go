package reminders

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations"
)

// TemplateRef names a template.
type TemplateRef struct{ AccountID, ID int64 }

// Templates keeps templates. It works on either pool.
type Templates struct {
	db  *sqlx.DB
	now func() time.Time
}

// NewTemplates returns the templates in db; now nil means time.Now.
func NewTemplates(db *sqlx.DB, now func() time.Time) *Templates {
	return &Templates{db: db, now: clockOr(now)}
}

func clockOr(now func() time.Time) func() time.Time {
	if now == nil {
		return time.Now
	}
	return now
}

type templateRow struct {
	AccountID int64     `db:"account_id"`
	ID        int64     `db:"id"`
	Name      string    `db:"name"`
	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`
}

type textRow struct {
	TemplateID int64  `db:"template_id"`
	Language   string `db:"language"`
	Body       string `db:"body"`
}

// List returns the account's templates by name.
func (t *Templates) List(ctx context.Context, account int64) (out []Template, err error) {
	err = migrations.InAccount(ctx, t.db, account, func(tx *sqlx.Tx) error {
		out, err = t.ListTx(ctx, tx, account)
		return err
	})
	return out, err
}

// ListTx is List within tx.
func (t *Templates) ListTx(ctx context.Context, tx *sqlx.Tx, account int64) ([]Template, error) {
	return templatesTx(ctx, tx, account, nil)
}

// templatesTx reads the templates with ids, all for nil.
func templatesTx(ctx context.Context, tx *sqlx.Tx, account int64, ids []int64) ([]Template, error) {
	var rows []templateRow
	if err := tx.SelectContext(ctx, &rows, `
		SELECT account_id, id, name, created_at, updated_at FROM templates
		WHERE account_id = $1 AND (CAST($2 AS bigint[]) IS NULL OR id = ANY(CAST($2 AS bigint[]))) ORDER BY lower(name), id`,
		account, pq.Array(ids)); err != nil {
		return nil, fmt.Errorf("read templates: %w", err)
	}
	var texts []textRow
	if err := tx.SelectContext(ctx, &texts, `
		SELECT template_id, language, body FROM template_texts
		WHERE account_id = $1 AND (CAST($2 AS bigint[]) IS NULL OR template_id = ANY(CAST($2 AS bigint[])))`,
		account, pq.Array(ids)); err != nil {
		return nil, fmt.Errorf("read template texts: %w", err)
	}
	byID := map[int64]map[string]string{}
	for _, x := range texts {
		if byID[x.TemplateID] == nil {
			byID[x.TemplateID] = map[string]string{}
		}
		byID[x.TemplateID][x.Language] = x.Body
	}
	out := make([]Template, len(rows))
	for i, r := range rows {
		out[i] = Template{AccountID: r.AccountID, ID: r.ID, Name: r.Name, Texts: byID[r.ID], CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt}
	}
	return out, nil
}

// Get returns one template, or ErrNotFound.
func (t *Templates) Get(ctx context.Context, ref TemplateRef) (out Template, err error) {
	err = migrations.InAccount(ctx, t.db, ref.AccountID, func(tx *sqlx.Tx) error {
		out, err = t.GetTx(ctx, tx, ref)
		return err
	})
	return out, err
}

// GetTx is Get within tx.
func (t *Templates) GetTx(ctx context.Context, tx *sqlx.Tx, ref TemplateRef) (Template, error) {
	all, err := templatesTx(ctx, tx, ref.AccountID, []int64{ref.ID})
	if err != nil {
		return Template{}, err
	}
	if len(all) == 0 {
		return Template{}, fmt.Errorf("template %d: %w", ref.ID, ErrNotFound)
	}
	return all[0], nil
}

// Save creates in (ID 0) or replaces it, with exactly the texts given; empty texts
// are left out. Reminders planned already are sent with the new wording. Fails with
// an *[Invalid] (Code taken on "name" for a name there is) or ErrNotFound.
func (t *Templates) Save(ctx context.Context, in Template) (out Template, err error) {
	err = migrations.InAccount(ctx, t.db, in.AccountID, func(tx *sqlx.Tx) error {
		out, err = t.SaveTx(ctx, tx, in)
		return err
	})
	return out, err
}

// SaveTx is Save within tx.
func (t *Templates) SaveTx(ctx context.Context, tx *sqlx.Tx, in Template) (Template, error) {
	in.Name = strings.TrimSpace(in.Name)
	texts := map[string]string{}
	for l, body := range in.Texts {
		if body = strings.TrimSpace(strings.ReplaceAll(body, "\r\n", "\n")); body != "" {
			texts[l] = body
		}
	}
	in.Texts = texts
	if err := in.Validate(); err != nil {
		return Template{}, err
	}
	now := t.now()
	in.UpdatedAt = now
	var taken bool
	if err := tx.GetContext(ctx, &taken, `SELECT EXISTS (SELECT 1 FROM templates WHERE account_id = $1 AND name = $2 AND id <> $3)`,
		in.AccountID, in.Name, in.ID); err != nil {
		return Template{}, fmt.Errorf("look for template name: %w", err)
	}
	nameTaken := &Invalid{Fields: []FieldError{{Field: "name", Code: CodeTaken}}}
	if taken {
		return Template{}, nameTaken
	}
	if in.ID == 0 {
		in.CreatedAt = now
		// Two people may save the same new name at once: the second meets the row.
		err := tx.GetContext(ctx, &in.ID, `
			INSERT INTO templates AS t (account_id, name, created_at, updated_at) VALUES ($1, $2, $3, $3)
			ON CONFLICT (account_id, name) DO NOTHING RETURNING t.id`, in.AccountID, in.Name, now)
		if errors.Is(err, sql.ErrNoRows) {
			return Template{}, nameTaken
		}
		if err != nil {
			return Template{}, fmt.Errorf("create template: %w", err)
		}
	} else {
		err := tx.GetContext(ctx, &in.CreatedAt, `
			UPDATE templates SET name = $3, updated_at = $4 WHERE account_id = $1 AND id = $2 RETURNING created_at`,
			in.AccountID, in.ID, in.Name, now)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return Template{}, fmt.Errorf("template %d: %w", in.ID, ErrNotFound)
		case isUnique(err):
			return Template{}, nameTaken
		case err != nil:
			return Template{}, fmt.Errorf("save template %d: %w", in.ID, err)
		}
	}
	langs := in.Languages()
	if _, err := tx.ExecContext(ctx, `DELETE FROM template_texts WHERE account_id = $1 AND template_id = $2 AND language <> ALL($3)`,
		in.AccountID, in.ID, pq.Array(langs)); err != nil {
		return Template{}, fmt.Errorf("remove texts of template %d: %w", in.ID, err)
	}
	for _, l := range langs {
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO template_texts (account_id, template_id, language, body) VALUES ($1, $2, $3, $4)
			ON CONFLICT (account_id, template_id, language) DO UPDATE SET body = EXCLUDED.body`,
			in.AccountID, in.ID, l, in.Texts[l]); err != nil {
			return Template{}, fmt.Errorf("save text of template %d: %w", in.ID, err)
		}
	}
	return in, nil
}

// Delete removes a template that no rule uses. Fails with ErrInUse or ErrNotFound.
//
// Deleted rules stay for the history of what they sent. They never send again, so they
// only lose the name of their template: which words a text had stands in the message.
func (t *Templates) Delete(ctx context.Context, ref TemplateRef) error {
	return migrations.InAccount(ctx, t.db, ref.AccountID, func(tx *sqlx.Tx) error { return t.DeleteTx(ctx, tx, ref) })
}

// DeleteTx is Delete within tx.
func (t *Templates) DeleteTx(ctx context.Context, tx *sqlx.Tx, ref TemplateRef) error {
	var used bool
	if err := tx.GetContext(ctx, &used, `SELECT EXISTS (SELECT 1 FROM rules WHERE account_id = $1 AND template_id = $2 AND deleted_at IS NULL)`,
		ref.AccountID, ref.ID); err != nil {
		return fmt.Errorf("look for rules of template %d: %w", ref.ID, err)
	}
	if used {
		return fmt.Errorf("template %d: %w", ref.ID, ErrInUse)
	}
	if _, err := tx.ExecContext(ctx, `UPDATE rules SET template_id = NULL WHERE account_id = $1 AND template_id = $2 AND deleted_at IS NOT NULL`,
		ref.AccountID, ref.ID); err != nil {
		return fmt.Errorf("free template %d from deleted rules: %w", ref.ID, err)
	}
	res, err := tx.ExecContext(ctx, `DELETE FROM templates WHERE account_id = $1 AND id = $2`, ref.AccountID, ref.ID)
	if isForeignKey(err) {
		return fmt.Errorf("template %d: %w", ref.ID, ErrInUse)
	}
	if err != nil {
		return fmt.Errorf("delete template %d: %w", ref.ID, err)
	}
	return oneRow(res, "template", ref.ID)
}

// oneRow turns a statement that met no row into ErrNotFound.
func oneRow(res sql.Result, what string, id int64) error {
	n, err := res.RowsAffected()
	if err != nil {
		return fmt.Errorf("%s %d: %w", what, id, err)
	}
	if n == 0 {
		return fmt.Errorf("%s %d: %w", what, id, ErrNotFound)
	}
	return nil
}

// Told apart by SQLSTATE: names of constraints don't survive a distributed database.
func isUnique(err error) bool     { return sqlState(err) == "23505" }
func isForeignKey(err error) bool { return sqlState(err) == "23503" }

func sqlState(err error) string {
	var e *pq.Error
	if errors.As(err, &e) {
		return string(e.Code)
	}
	return ""
}
