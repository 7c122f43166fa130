package payments

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

const (
	maxFile  = 10 << 20
	maxFiles = 10
)

// Upload is a signed form as somebody sends it.
type Upload struct {
	Ref
	Name    string // as the sender calls it; only shown
	Content []byte
	By      string // user:7, operator:3
}

// FileInfo is an uploaded form without its content.
type FileInfo struct {
	Seq        int       `db:"seq"`
	Name       string    `db:"name"`
	Type       string    `db:"mime"`
	Size       int64     `db:"size"`
	UploadedBy string    `db:"uploaded_by"`
	UploadedAt time.Time `db:"uploaded_at"`
}

// Kind tells what a file is by its first bytes, as a media type. It fails with
// [ErrFile]: what isn't a PDF or a picture isn't a signed form.
func Kind(content []byte) (string, error) {
	for _, k := range []struct{ magic, mime string }{
		{"%PDF-", "application/pdf"}, {"\xff\xd8\xff", "image/jpeg"}, {"\x89PNG\r\n\x1a\n", "image/png"},
	} {
		if bytes.HasPrefix(content, []byte(k.magic)) {
			return k.mime, nil
		}
	}
	return "", ErrFile
}

// Attach keeps a signed form with its order; the same file a second time changes
// nothing. It fails with [ErrNoOrder], [ErrState] when nothing is to be signed any more,
// [ErrFile], [ErrTooLarge] or [ErrTooMany].
func (d *Desk) Attach(ctx context.Context, u Upload) error {
	if len(u.Content) > maxFile {
		return ErrTooLarge
	}
	mime, err := Kind(u.Content)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(u.Content)
	return migrations.InTx(ctx, d.c.DB, func(tx *sqlx.Tx) error {
		o, err := lock(ctx, tx, u.Ref)
		if err != nil {
			return err
		}
		if o.Method != Bank || o.Status == Fulfilled || o.Status == Paid {
			return ErrState
		}
		var n int
		var known bool
		if err := tx.QueryRowxContext(ctx, `SELECT count(*), COALESCE(bool_or(f.sha256 = $3), false) FROM order_files f WHERE f.account_id = $1 AND f.order_id = $2`,
			u.Account, u.Order, sum[:]).Scan(&n, &known); err != nil {
			return fmt.Errorf("count the files of order %d: %w", u.Order, err)
		}
		switch {
		case known:
			return nil
		case n >= maxFiles:
			return ErrTooMany
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO order_files (account_id, order_id, seq, name, mime, sha256, content, uploaded_by, uploaded_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, u.Account, u.Order, n+1, fileName(u.Name), mime, sum[:], u.Content, u.By, d.c.Now()); err != nil {
			return fmt.Errorf("keep a file of order %d: %w", u.Order, err)
		}
		return nil
	})
}

// fileName is a name fit to be shown and to be offered for download.
func fileName(s string) string {
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || strings.ContainsRune(`"<>:|?*`, r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if r := []rune(strings.TrimSpace(s)); len(r) > 0 {
		return string(r[:min(len(r), 100)])
	}
	return "Bestellung"
}

// Files lists what was uploaded for an order. q is a pool or transaction that sees the
// account.
func Files(ctx context.Context, q sqlx.QueryerContext, r Ref) (all []FileInfo, err error) {
	if err := sqlx.SelectContext(ctx, q, &all, `SELECT f.seq, f.name, f.mime, octet_length(f.content) AS size, f.uploaded_by, f.uploaded_at
		FROM order_files f WHERE f.account_id = $1 AND f.order_id = $2 ORDER BY f.seq`, r.Account, r.Order); err != nil {
		return nil, fmt.Errorf("list the files of order %d: %w", r.Order, err)
	}
	return all, nil
}

// File returns one uploaded form with its content. It fails with [ErrNoOrder].
func File(ctx context.Context, q sqlx.QueryerContext, r Ref, seq int) (info FileInfo, content []byte, err error) {
	var row struct {
		FileInfo
		Content []byte `db:"content"`
	}
	err = sqlx.GetContext(ctx, q, &row, `SELECT f.seq, f.name, f.mime, octet_length(f.content) AS size, f.uploaded_by, f.uploaded_at, f.content
		FROM order_files f WHERE f.account_id = $1 AND f.order_id = $2 AND f.seq = $3`, r.Account, r.Order, seq)
	if errors.Is(err, sql.ErrNoRows) {
		return info, nil, ErrNoOrder
	} else if err != nil {
		return info, nil, fmt.Errorf("read a file of order %d: %w", r.Order, err)
	}
	return row.FileInfo, row.Content, nil
}
