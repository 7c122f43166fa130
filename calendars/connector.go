package calendars

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"golang.org/x/oauth2"

	"rappel/migrations"
	"rappel/migrations/due"
)

// Connector is the clinic's side: connecting, choosing, disconnecting. It is safe
// for concurrent use.
type Connector struct{ *house }

// NewConnector returns a Connector. The web's pool will do.
func NewConnector(c Config) *Connector { return &Connector{newHouse(c)} }

// Outcome is how a sign-in at a provider ended, when it did not fail.
type Outcome string

// The outcomes.
const (
	Connected    Outcome = "connected"     // a new connection
	Renewed      Outcome = "renewed"       // a known one: calendars, rules and what was sent are kept
	OtherAccount Outcome = "other_account" // meant to renew, but another person signed in: nothing changed, ask
)

// Finished is the end of a sign-in.
type Finished struct {
	Connection Connection // with OtherAccount: the one that was to be renewed, unchanged
	Outcome    Outcome
	OtherLabel string // with OtherAccount: who signed in
}

func hash(s string) []byte { h := sha256.Sum256([]byte(s)); return h[:] }

// Begin starts a sign-in and returns where the browser is to be sent. binding is
// what ties it to the browser's session; the callback must come with the same.
// reconnect is the connection to be renewed, 0 for a new one; ErrUnknown when it isn't
// one of provider's.
func (c *Connector) Begin(ctx context.Context, account int64, binding, provider string, reconnect int64) (string, error) {
	p, ok := c.providers[provider]
	if !ok {
		return "", fmt.Errorf("%w: provider %q", ErrUnknown, provider)
	}
	var random [32]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", fmt.Errorf("make a state: %w", err)
	}
	state, verifier := base64.RawURLEncoding.EncodeToString(random[:]), oauth2.GenerateVerifier()
	key := hash(state)
	sealed, err := c.Sealer.Seal([]byte(verifier), verifierContext(account, provider, key))
	if err != nil {
		return "", fmt.Errorf("seal verifier: %w", err)
	}
	now, hint := c.Now(), ""
	err = migrations.InAccount(ctx, c.DB, account, func(tx *sqlx.Tx) error {
		var renewing *int64
		if reconnect != 0 {
			conn, err := connectionTx(ctx, tx, ConnectionRef{account, reconnect})
			if err == nil && conn.Provider != provider {
				err = fmt.Errorf("%w: connection %d at %s", ErrUnknown, reconnect, provider)
			}
			if err != nil {
				return err
			}
			hint, renewing = conn.Label, &reconnect
		}
		// Sign-ins given up leave their states behind.
		if _, err := tx.ExecContext(ctx, `DELETE FROM oauth_states WHERE account_id = $1 AND expires_at <= $2`, account, now); err != nil {
			return fmt.Errorf("drop old states: %w", err)
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO oauth_states
			(account_id, state_hash, session_hash, provider, connection_id, sealed_verifier, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			account, key, hash(binding), provider, renewing, sealed, now.Add(stateLife))
		if err != nil {
			return fmt.Errorf("keep state: %w", err)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return p.Authority.AuthCodeURL(state, verifier, c.redirectURL(provider), hint), nil
}

// Finish takes the callback's query. The state is used up whatever comes of it. A
// failure leaves no half connection: what was there stays as it was. Kinds:
// ErrStateMismatch, ErrConsentDenied, ErrAdminConsent, ErrScopeMissing, ErrCodeUsed,
// ErrUnavailable, ErrClientConfig.
//
// The calendar list is read at once. Should that fail, the connection stands all the
// same and the Syncer reads the list soon.
func (c *Connector) Finish(ctx context.Context, account int64, binding, provider string, q url.Values) (Finished, error) {
	p, ok := c.providers[provider]
	if !ok {
		return Finished{}, fmt.Errorf("%w: provider %q", ErrUnknown, provider)
	}
	verifier, renewing, err := c.useState(ctx, account, binding, provider, q.Get("state"))
	if err != nil {
		return Finished{}, err
	}
	if err := callbackError(provider, q); err != nil {
		if errors.Is(err, ErrClientConfig) {
			c.alarm(ctx, AlarmClientConfig, slog.String("provider", provider), slog.Any("error", err))
		}
		return Finished{}, err
	}
	call, done := context.WithTimeout(ctx, exchangeTimeout)
	defer done()
	token, who, err := p.Authority.Exchange(call, q.Get("code"), verifier, c.redirectURL(provider))
	if err != nil {
		if errors.Is(err, ErrClientConfig) {
			c.alarm(ctx, AlarmClientConfig, slog.String("provider", provider), slog.Any("error", err))
		}
		return Finished{}, fmt.Errorf("connect: %w", err)
	}
	if who.Subject == "" || token.Access == "" {
		return Finished{}, &Error{Provider: provider, Op: "exchange", Kind: ErrUnavailable}
	}
	f, err := c.keep(ctx, account, provider, renewing, token, who)
	if err != nil {
		return Finished{}, err
	}
	if f.Outcome == OtherAccount {
		c.forget(ctx, p, account, token, who)
		return f, nil
	}
	if err := c.Relist(ctx, f.Connection.Ref()); err != nil {
		c.Log.WarnContext(ctx, "calendar list not read after connecting", slog.Int64("account_id", account),
			slog.Int64("connection_id", f.Connection.ID), slog.Any("error", err))
	}
	return f, nil
}

// useState consumes the state: of two callbacks with the same one gets it.
func (c *Connector) useState(ctx context.Context, account int64, binding, provider, state string) (verifier string, renewing int64, err error) {
	if state == "" {
		return "", 0, ErrStateMismatch
	}
	key := hash(state)
	var row []struct {
		Connection *int64 `db:"connection_id"`
		Sealed     []byte `db:"sealed_verifier"`
	}
	err = migrations.InAccount(ctx, c.DB, account, func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &row, `DELETE FROM oauth_states
			WHERE account_id = $1 AND state_hash = $2 AND session_hash = $3 AND provider = $4 AND expires_at > $5
			RETURNING connection_id, sealed_verifier`, account, key, hash(binding), provider, c.Now())
	})
	if err != nil {
		return "", 0, fmt.Errorf("use state: %w", err)
	}
	if len(row) == 0 {
		return "", 0, ErrStateMismatch
	}
	plain, err := openSecret(c.Sealer, row[0].Sealed, verifierContext(account, provider, key))
	if err != nil {
		return "", 0, err
	}
	if row[0].Connection != nil {
		renewing = *row[0].Connection
	}
	return string(plain), renewing, nil
}

var (
	errorCode = regexp.MustCompile(`^[a-z_]{1,40}$`)
	entraCode = regexp.MustCompile(`AADSTS[0-9]{4,8}`)
)

// callbackError reads an error callback (RFC 6749, 4.1.2.1). Descriptions may name
// people, so only codes are kept.
func callbackError(provider string, q url.Values) error {
	code := q.Get("error")
	if code == "" {
		if q.Get("code") == "" {
			return &Error{Provider: provider, Op: "consent", Kind: ErrCodeUsed}
		}
		return nil
	}
	e := &Error{Provider: provider, Op: "consent", Kind: ErrConsentDenied}
	if errorCode.MatchString(code) {
		e.Code = code
	}
	detail := entraCode.FindString(q.Get("error_description"))
	switch {
	case detail == "AADSTS90094" || detail == "AADSTS90095": // consent of an administrator is needed
		e.Kind = ErrAdminConsent
	case code == "server_error" || code == "temporarily_unavailable":
		e.Kind = ErrUnavailable
	case code == "unauthorized_client" || code == "invalid_client" || code == "invalid_request" ||
		code == "invalid_scope" || code == "unsupported_response_type" || code == "redirect_uri_mismatch":
		e.Kind = ErrClientConfig
	}
	if detail != "" {
		e.Code = detail
	}
	return e
}

// keep stores what was granted: as a new connection, or in the one of the same person.
func (c *Connector) keep(ctx context.Context, account int64, provider string, renewing int64, token Token, who Identity) (f Finished, err error) {
	now := c.Now()
	err = migrations.InAccount(ctx, c.DB, account, func(tx *sqlx.Tx) error {
		if renewing != 0 {
			conn, err := connectionTx(ctx, tx, ConnectionRef{account, renewing})
			if err != nil {
				return err
			}
			if conn.Subject != who.Subject {
				f = Finished{Connection: conn, Outcome: OtherAccount, OtherLabel: who.Label}
				return nil
			}
		}
		var known []struct {
			ID      int64  `db:"id"`
			Refresh []byte `db:"sealed_refresh"`
		}
		find := func() error {
			return tx.SelectContext(ctx, &known, `SELECT id, sealed_refresh FROM connections
				WHERE account_id = $1 AND provider = $2 AND subject = $3 FOR UPDATE`, account, provider, who.Subject)
		}
		if err := find(); err != nil {
			return fmt.Errorf("find connection: %w", err)
		}
		f.Outcome = Renewed
		if len(known) == 0 {
			err := tx.SelectContext(ctx, &known, `INSERT INTO connections AS n (account_id, provider, subject, label, created_at)
				VALUES ($1, $2, $3, $4, $5) ON CONFLICT (account_id, provider, subject) DO NOTHING RETURNING n.id, n.sealed_refresh`,
				account, provider, who.Subject, orElse(who.Label, who.Subject), now)
			if err != nil {
				return fmt.Errorf("insert connection: %w", err)
			}
			f.Outcome = Connected
			if len(known) == 0 { // a second sign-in was quicker
				f.Outcome = Renewed
				if err := find(); err != nil {
					return fmt.Errorf("find connection: %w", err)
				}
			}
		}
		if len(known) == 0 {
			return fmt.Errorf("%w: the connection vanished", ErrInternal)
		}
		ref := ConnectionRef{account, known[0].ID}
		if token.Refresh == "" && known[0].Refresh == nil {
			// It would die within the hour: permission to act while nobody is there is missing.
			return &Error{Provider: provider, Op: "exchange", Kind: ErrScopeMissing, Code: "no_refresh_token"}
		}
		if err := c.storeTokens(ctx, tx, ref, token); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE connections SET status = $3, problem = '', label = $4, retry_at = NULL, failures = 0,
			next_list_at = NULL WHERE account_id = $1 AND id = $2`, account, ref.ID, ConnectionActive, orElse(who.Label, who.Subject))
		if err != nil {
			return fmt.Errorf("activate connection: %w", err)
		}
		// What it watched goes on at once, with a look at what happened meanwhile.
		_, err = tx.ExecContext(ctx, `UPDATE calendars SET next_poll_at = $3, failures = 0,
			rung_at = GREATEST(CAST($3 AS timestamptz), rung_at + interval '1 microsecond')
			WHERE account_id = $1 AND connection_id = $2 AND watched`, account, ref.ID, now)
		if err != nil {
			return fmt.Errorf("resume calendars: %w", err)
		}
		if err := resolveNotices(ctx, tx, account, connectionSubject(ref), now); err != nil {
			return err
		}
		if err := due.Raise(ctx, tx, DueKind, account, now); err != nil {
			return err
		}
		f.Connection, err = connectionTx(ctx, tx, ref)
		return err
	})
	return f, err
}

// forget gives back a grant nobody wants. Revoking ends every grant of that person to
// us, so it is left alone when the person is connected in its own right.
func (c *Connector) forget(ctx context.Context, p Provider, account int64, token Token, who Identity) {
	list, err := NewStore(c.DB, c.Sealer).Connections(ctx, account)
	if err == nil && !slices.ContainsFunc(list, func(n Connection) bool {
		return n.Provider == p.Name && n.Subject == who.Subject && n.Status == ConnectionActive
	}) {
		call, done := context.WithTimeout(ctx, exchangeTimeout)
		defer done()
		err = p.Authority.Revoke(call, token)
	}
	if err != nil { // it is not stored anywhere, and expires unused
		c.Log.WarnContext(ctx, "unwanted grant not revoked", slog.Int64("account_id", account), slog.String("provider", p.Name), slog.Any("error", err))
	}
}

// Disconnect stops the reminders of the connection's calendars, wipes its tokens and
// then revokes the grant at the provider. With ErrNotRevoked all but the last is done.
// What the clinic chose stays, should the same person connect again.
func (c *Connector) Disconnect(ctx context.Context, ref ConnectionRef) error {
	now := c.Now()
	var row tokenRow
	err := migrations.InAccount(ctx, c.DB, ref.AccountID, func(tx *sqlx.Tx) (err error) {
		if row, err = tokens(ctx, tx, ref, " FOR UPDATE"); err != nil || row.Status == ConnectionDisconnected {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE connections SET status = $3, problem = '', sealed_refresh = NULL, sealed_access = NULL,
			access_expires = NULL, retry_at = NULL, failures = 0, token_version = token_version + 1 WHERE account_id = $1 AND id = $2`,
			ref.AccountID, ref.ID, ConnectionDisconnected)
		if err != nil {
			return fmt.Errorf("disconnect: %w", err)
		}
		list, err := lockCalendars(ctx, tx, ref)
		if err != nil {
			return err
		}
		for _, cal := range list {
			if !cal.Watched {
				continue
			}
			if err := c.stop(ctx, tx, cal.Ref(), StopDisconnected, now); err != nil {
				return err
			}
			if err := resolveNotices(ctx, tx, ref.AccountID, calendarSubject(cal.Ref()), now); err != nil {
				return err
			}
		}
		return resolveNotices(ctx, tx, ref.AccountID, connectionSubject(ref), now)
	})
	if err != nil || row.Status == ConnectionDisconnected || row.Refresh == nil && row.Access == nil {
		return err
	}
	if err := c.revoke(ctx, ref, row); err != nil {
		c.Log.WarnContext(ctx, "grant not revoked", slog.Int64("account_id", ref.AccountID), slog.Int64("connection_id", ref.ID), slog.Any("error", err))
		return fmt.Errorf("%w: %w", ErrNotRevoked, err)
	}
	return nil
}

func (c *Connector) revoke(ctx context.Context, ref ConnectionRef, row tokenRow) error {
	p, ok := c.providers[row.Provider]
	if !ok {
		return fmt.Errorf("%w: provider %q", ErrUnknown, row.Provider)
	}
	refresh, err := openSecret(c.Sealer, row.Refresh, refreshContext(ref))
	if err != nil {
		return err
	}
	access, err := openSecret(c.Sealer, row.Access, accessContext(ref))
	if err != nil {
		return err
	}
	t := Token{Refresh: string(refresh), Access: string(access)}
	if row.Expires != nil {
		t.Expiry = *row.Expires
	}
	// The clinic has said goodbye; closing the page doesn't take that back.
	call, done := context.WithTimeout(context.WithoutCancel(ctx), exchangeTimeout)
	defer done()
	return p.Authority.Revoke(call, t)
}

// lockCalendars locks all calendars of a connection, whose own row must be locked
// before, so that such locks are always taken in the same order.
func lockCalendars(ctx context.Context, tx *sqlx.Tx, ref ConnectionRef) (list []Calendar, err error) {
	err = tx.SelectContext(ctx, &list, "SELECT "+calendarColumns+` FROM calendars c
		WHERE c.account_id = $1 AND c.connection_id = $2 ORDER BY c.id FOR UPDATE`, ref.AccountID, ref.ID)
	if err != nil {
		return nil, fmt.Errorf("lock calendars: %w", err)
	}
	return list, nil
}

// stop forgets how far cal was read, so that a restart begins with a snapshot that
// reports everything, and stops its reminders.
func (h *house) stop(ctx context.Context, tx *sqlx.Tx, cal CalendarRef, why string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE calendars SET sealed_cursor = NULL, snapshot_at = NULL, snapshot_to = NULL, polled_at = NULL,
		rung_at = NULL, next_poll_at = NULL, failures = 0, hidden_events = 0 WHERE account_id = $1 AND id = $2`, cal.AccountID, cal.ID)
	if err != nil {
		return fmt.Errorf("stop calendar %d: %w", cal.ID, err)
	}
	if err := h.Sink.CalendarStopped(ctx, tx, cal, why, now); err != nil {
		return fmt.Errorf("tell that calendar %d stopped: %w", cal.ID, err)
	}
	return nil
}
