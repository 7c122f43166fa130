package accounts

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// Scopes are what a program with a token may do.
var Scopes = []string{"messages.send", "messages.read", "appointments.read"}

// APIToken is a secret a program works with at an account; the secret itself is shown
// once, when it is made.
type APIToken struct {
	ID        int64          `db:"id"`
	Name      string         `db:"name"`
	Prefix    string         `db:"prefix"` // its beginning, to tell tokens apart
	Scopes    pq.StringArray `db:"scopes"`
	CreatedBy string         `db:"created_by"`
	CreatedAt time.Time      `db:"created_at"`
	UsedAt    *time.Time     `db:"used_at"`
}

// TokensTx lists an account's tokens, the newest first.
func TokensTx(ctx context.Context, tx *sqlx.Tx, account int64) (all []APIToken, err error) {
	if err := tx.SelectContext(ctx, &all, `SELECT id, name, prefix, scopes, created_by, created_at, used_at FROM api_tokens
		WHERE account_id = $1 ORDER BY created_at DESC, id DESC`, account); err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return all, nil
}

// NewToken is what it takes to make one.
type NewToken struct {
	AccountID int64
	Name      string
	Scopes    []string
	By        User
}

// CreateTokenTx makes a token and returns its secret, which is nowhere else: the account's
// number, so that it is found, and 256 random bits. A *FieldError of name or scopes.
func CreateTokenTx(ctx context.Context, tx *sqlx.Tx, n NewToken, now time.Time) (secret string, err error) {
	if n.Name = strings.Join(strings.Fields(n.Name), " "); n.Name == "" || len([]rune(n.Name)) > 100 {
		return "", &FieldError{"name", "required"}
	}
	if len(n.Scopes) == 0 || slices.ContainsFunc(n.Scopes, func(s string) bool { return !slices.Contains(Scopes, s) }) {
		return "", &FieldError{"scopes", "required"}
	}
	random, _ := newToken()
	secret = fmt.Sprintf("rpl_%d_%s", n.AccountID, random)
	if _, err := tx.ExecContext(ctx, `INSERT INTO api_tokens (account_id, name, prefix, token_hash, scopes, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		n.AccountID, n.Name, secret[:len(secret)-len(random)+4], hashToken(secret), pq.StringArray(n.Scopes), n.By.Called(), now); err != nil {
		return "", fmt.Errorf("make token: %w", err)
	}
	return secret, nil
}

// RemoveTokenTx ends a token at once; ErrNotFound if there is none.
func RemoveTokenTx(ctx context.Context, tx *sqlx.Tx, account, id int64) error {
	return changed(tx.ExecContext(ctx, `DELETE FROM api_tokens WHERE account_id = $1 AND id = $2`, account, id))
}
