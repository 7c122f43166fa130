package calendars

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

// grant is an access token and the version of the row it comes from.
type grant struct {
	access   string
	version  int64
	provider Provider
}

// tokenRow is the part of a connection that holds its tokens.
type tokenRow struct {
	Provider string           `db:"provider"`
	Status   ConnectionStatus `db:"status"`
	Refresh  []byte           `db:"sealed_refresh"`
	Access   []byte           `db:"sealed_access"`
	Expires  *time.Time       `db:"access_expires"`
	Version  int64            `db:"token_version"`
}

const selectTokens = `SELECT provider, status, sealed_refresh, sealed_access, access_expires, token_version
	FROM connections WHERE account_id = $1 AND id = $2`

func tokens(ctx context.Context, tx *sqlx.Tx, ref ConnectionRef, lock string) (r tokenRow, err error) {
	err = tx.GetContext(ctx, &r, selectTokens+lock, ref.AccountID, ref.ID)
	return r, unknown(err, "connection", ref.ID)
}

// call runs op with a client of the connection. When the provider refuses the access
// token it is refreshed once and op run once more (T33). A grant that has ended
// marks the connection.
func (h *house) call(ctx context.Context, ref ConnectionRef, op func(*http.Client, Provider) error) error {
	g, err := h.access(ctx, ref, 0)
	if err != nil {
		return err
	}
	err = op(h.client(g.provider.Name, g.access), g.provider)
	if errors.Is(err, ErrUnauthorized) {
		if g, err = h.access(ctx, ref, g.version); err != nil {
			return err
		}
		err = op(h.client(g.provider.Name, g.access), g.provider)
	}
	if problem := grantProblem(err); problem != ProblemNone {
		if _, e := h.endGrant(ctx, ref, g.version, problem); e != nil {
			return errors.Join(err, e)
		}
	}
	return err
}

// grantProblem is how a connection is marked after err, ProblemNone when it isn't.
func grantProblem(err error) Problem {
	switch {
	case errors.Is(err, ErrGrantRevoked):
		return ProblemGrantRevoked
	case errors.Is(err, ErrScopeMissing):
		return ProblemScopeMissing
	}
	return ProblemNone
}

// access returns an access token newer than version refused, 0 for any. It refreshes
// at most one at a time per connection, over all processes.
func (h *house) access(ctx context.Context, ref ConnectionRef, refused int64) (grant, error) {
	var g grant
	err := migrations.InAccount(ctx, h.DB, ref.AccountID, func(tx *sqlx.Tx) error {
		row, err := tokens(ctx, tx, ref, "")
		if err == nil {
			g, err = h.usable(ref, row, refused)
		}
		return err
	})
	if err != nil || g.access != "" {
		return g, err
	}
	// Those who wait here hold no database connection.
	leave, err := h.refreshes.enter(ctx, ref)
	if err != nil {
		return grant{}, err
	}
	defer leave()
	slots := h.grants[g.provider.Name]
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return grant{}, ctx.Err()
	}
	g, seen, err := h.refresh(ctx, ref, refused)
	if problem := grantProblem(err); problem != ProblemNone {
		// Before anything is marked: has another worker rotated the token? Then ours was
		// merely the old one (T35).
		moved, e := h.endGrant(ctx, ref, seen, problem)
		if e != nil {
			return grant{}, errors.Join(err, e)
		}
		if moved {
			h.Meter.Refresh(g.provider.Name, "rotated_elsewhere")
			g, _, err = h.refresh(ctx, ref, seen)
		}
	}
	if errors.Is(err, ErrClientConfig) {
		h.alarm(ctx, AlarmClientConfig, slog.Int64("account_id", ref.AccountID), slog.Int64("connection_id", ref.ID), slog.Any("error", err))
	}
	return g, err
}

// usable takes the access token of row if it may be used; "" if it has to be
// refreshed.
func (h *house) usable(ref ConnectionRef, row tokenRow, refused int64) (grant, error) {
	p, ok := h.providers[row.Provider]
	g := grant{version: row.Version, provider: p}
	switch {
	case row.Status != ConnectionActive:
		return g, fmt.Errorf("%w: connection %d is %s", ErrNotSynced, ref.ID, row.Status)
	case !ok:
		return g, fmt.Errorf("%w: provider %q", ErrUnknown, row.Provider)
	case row.Version <= refused || row.Access == nil || row.Expires == nil || !row.Expires.After(h.Now().Add(accessMargin)):
		return g, nil
	}
	access, err := openSecret(h.Sealer, row.Access, accessContext(ref))
	if err != nil {
		return g, nil // the refresh token may still open; if not, that is the error to tell
	}
	g.access = string(access)
	return g, nil
}

// refresh gets a new access token under the connection's row lock, unless another
// worker did while we waited for it. seen is the version it worked with.
func (h *house) refresh(ctx context.Context, ref ConnectionRef, refused int64) (g grant, seen int64, err error) {
	// A new refresh token must reach the database even when the caller has lost
	// interest: many authorities have forgotten the old one by then. Hence ctx ends
	// the call to the authority, but not the transaction.
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), persistTimeout)
	defer cancel()
	outcome := ""
	err = migrations.InAccount(work, h.DB, ref.AccountID, func(tx *sqlx.Tx) error {
		row, err := tokens(work, tx, ref, " FOR UPDATE")
		if err != nil {
			return err
		}
		seen = row.Version
		if g, err = h.usable(ref, row, refused); err != nil || g.access != "" {
			return err
		}
		old, err := openSecret(h.Sealer, row.Refresh, refreshContext(ref))
		if err != nil {
			h.alarm(ctx, AlarmSealed, slog.Int64("account_id", ref.AccountID), slog.Int64("connection_id", ref.ID))
			return fmt.Errorf("refresh token of connection %d: %w", ref.ID, err)
		}
		call, done := context.WithTimeout(ctx, exchangeTimeout)
		defer done()
		token, err := g.provider.Authority.Refresh(call, string(old))
		if err == nil && token.Access == "" {
			err = &Error{Provider: row.Provider, Op: "refresh", Kind: ErrUnavailable}
		}
		if outcome = refreshOutcome(err); err != nil {
			return err
		}
		if err := h.storeTokens(work, tx, ref, token); err != nil {
			return err
		}
		g.access, g.version = token.Access, row.Version+1
		return nil
	})
	if outcome != "" {
		h.Meter.Refresh(g.provider.Name, outcome)
	}
	if err != nil {
		g.access = ""
	}
	return g, seen, err
}

func refreshOutcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case grantProblem(err) != ProblemNone:
		return "revoked"
	case errors.Is(err, ErrClientConfig):
		return "client_config"
	}
	return "failed"
}

// storeTokens seals and writes what an authority granted. The connection's row must
// be locked by tx.
func (h *house) storeTokens(ctx context.Context, tx *sqlx.Tx, ref ConnectionRef, t Token) error {
	refresh, err := sealSecret(h.Sealer, []byte(t.Refresh), refreshContext(ref))
	if err != nil {
		return err
	}
	access, err := sealSecret(h.Sealer, []byte(t.Access), accessContext(ref))
	if err != nil {
		return err
	}
	expires := t.Expiry
	if expires.IsZero() {
		expires = h.Now().Add(accessUnknown)
	}
	_, err = tx.ExecContext(ctx, `UPDATE connections SET sealed_refresh = COALESCE($3, sealed_refresh), sealed_access = $4,
		access_expires = $5, scopes = COALESCE(NULLIF($6, ''), scopes), token_version = token_version + 1
		WHERE account_id = $1 AND id = $2`,
		ref.AccountID, ref.ID, refresh, access, expires, strings.Join(t.Scopes, " "))
	if err != nil {
		return fmt.Errorf("store tokens of connection %d: %w", ref.ID, err)
	}
	return nil
}

// endGrant marks the connection as needing the clinic and tells it once, unless its
// tokens are no longer those of version seen: then moved is true and nothing changes.
// Its calendars stay watched and its reminders planned; verifying fails until it is
// renewed, so none is sent blind.
func (h *house) endGrant(ctx context.Context, ref ConnectionRef, seen int64, problem Problem) (moved bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), persistTimeout)
	defer cancel()
	err = migrations.InAccount(ctx, h.DB, ref.AccountID, func(tx *sqlx.Tx) error {
		row, err := tokens(ctx, tx, ref, " FOR UPDATE")
		if err != nil {
			return err
		}
		if row.Status != ConnectionActive {
			return nil
		}
		if row.Version != seen {
			moved = true
			return nil
		}
		_, err = tx.ExecContext(ctx, `UPDATE connections SET status = $3, problem = $4, sealed_refresh = NULL, sealed_access = NULL,
			access_expires = NULL, token_version = token_version + 1 WHERE account_id = $1 AND id = $2`,
			ref.AccountID, ref.ID, ConnectionNeedsReconnect, problem)
		if err != nil {
			return fmt.Errorf("mark connection %d: %w", ref.ID, err)
		}
		return openNotice(ctx, tx, ref.AccountID, NoticeReconnect, connectionSubject(ref), h.Now())
	})
	if err == nil && !moved {
		h.Log.WarnContext(ctx, "connection needs reconnecting", slog.Int64("account_id", ref.AccountID),
			slog.Int64("connection_id", ref.ID), slog.String("problem", string(problem)))
	}
	return moved, err
}
