package accounts

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations"
)

// totpContext binds a sealed secret to its owner, so that a row can't be copied to another.
func totpContext(u User) string { return fmt.Sprintf("totp/%d/%d", u.AccountID, u.ID) }

// SealDraft seals a secret that no code has confirmed yet, to lie in the browser's session.
func (s *Store) SealDraft(u User, secret string) ([]byte, error) {
	sealed, err := s.cfg.Sealer.Seal([]byte(secret), "draft/"+totpContext(u))
	if err != nil {
		return nil, fmt.Errorf("seal second factor: %w", err)
	}
	return sealed, nil
}

// OpenDraft opens what SealDraft sealed for the same user.
func (s *Store) OpenDraft(u User, sealed []byte) (string, error) {
	secret, err := s.cfg.Sealer.Open(sealed, "draft/"+totpContext(u))
	if err != nil {
		return "", fmt.Errorf("open second factor: %w", err)
	}
	return string(secret), nil
}

// EnableTOTP turns the second factor on once code shows that the app has the secret. The
// recovery codes are shown once; what is kept are hashes. ErrBadCode if code is wrong.
func (s *Store) EnableTOTP(ctx context.Context, u User, secret, code string) (recovery []string, err error) {
	step, ok := matchTOTP(secret, code, s.now(), 0)
	if !ok {
		return nil, ErrBadCode
	}
	sealed, err := s.cfg.Sealer.Seal([]byte(secret), totpContext(u))
	if err != nil {
		return nil, fmt.Errorf("seal second factor: %w", err)
	}
	recovery, hashes := newRecovery()
	err = s.in(ctx, u, func(tx *sqlx.Tx) error {
		if err := changed(tx.ExecContext(ctx, `UPDATE `+u.table()+` SET sealed_totp = $3, totp_step = $4, recovery_hashes = $5 WHERE `+u.match(),
			u.AccountID, u.ID, sealed, step, pq.ByteaArray(hashes))); err != nil {
			return err
		}
		if err := s.ownTx(ctx, tx, u, "operators.totp_on"); err != nil {
			return err
		}
		return s.tellTx(ctx, tx, u, "totp_on", nil)
	})
	if err != nil {
		return nil, err
	}
	return recovery, nil
}

// DisableTOTP turns the second factor off.
func (s *Store) DisableTOTP(ctx context.Context, u User) error {
	return s.in(ctx, u, func(tx *sqlx.Tx) error {
		if err := dropTOTPTx(ctx, tx, u); err != nil {
			return err
		}
		if err := s.ownTx(ctx, tx, u, "operators.totp_off"); err != nil {
			return err
		}
		return s.tellTx(ctx, tx, u, "totp_off", nil)
	})
}

func dropTOTPTx(ctx context.Context, tx *sqlx.Tx, u User) error {
	return changed(tx.ExecContext(ctx, `UPDATE `+u.table()+` SET sealed_totp = NULL, totp_step = 0, recovery_hashes = '{}' WHERE `+u.match(), u.AccountID, u.ID))
}

// tellTx mails somebody what was changed about how they log in, so that they learn of it
// when it wasn't them.
func (s *Store) tellTx(ctx context.Context, tx *sqlx.Tx, u User, kind string, data map[string]string) error {
	_, once := newToken()
	l := Letter{Account: u.AccountID, To: u.Email, Language: speaks(u, "de"), Kind: kind, Key: kind + "/" + hex.EncodeToString(once),
		Data: map[string]string{"Name": u.Called(), "Link": "/profile/security"}}
	maps.Copy(l.Data, data)
	return s.cfg.Mailer.QueueTx(ctx, tx, l)
}

// ResetFactor is for a user whose phone is lost or stolen: it turns the second factor off,
// removes their passkeys and ends their sessions. The password stays. It returns how many
// passkeys there were; ErrNotFound if the address logs in to no clinic.
func (s *Store) ResetFactor(ctx context.Context, email string) (passkeys int64, err error) {
	u, err := s.ByEmail(ctx, email)
	if err != nil {
		return 0, err
	}
	if u.Operator() {
		return 0, ErrNotFound
	}
	err = s.in(ctx, u, func(tx *sqlx.Tx) error {
		if err := dropTOTPTx(ctx, tx, u); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `DELETE FROM passkeys WHERE account_id = $1 AND user_id = $2`, u.AccountID, u.ID)
		if err != nil {
			return fmt.Errorf("remove passkeys: %w", err)
		}
		if passkeys, err = res.RowsAffected(); err != nil {
			return fmt.Errorf("count passkeys: %w", err)
		}
		if err := RecordTx(ctx, tx, Entry{AccountID: u.AccountID, Actor: migrations.Actor{Kind: "system", Name: "rappel user", At: s.now()},
			Action: "users.factor_reset", Subject: fmt.Sprintf("users:%d", u.ID)}); err != nil {
			return err
		}
		return endOthersTx(ctx, tx, u, 0)
	})
	return passkeys, err
}

// RenewRecovery replaces the recovery codes.
func (s *Store) RenewRecovery(ctx context.Context, u User) (recovery []string, err error) {
	recovery, hashes := newRecovery()
	err = s.in(ctx, u, func(tx *sqlx.Tx) error {
		if err := changed(tx.ExecContext(ctx, `UPDATE `+u.table()+` SET recovery_hashes = $3 WHERE `+u.match()+` AND sealed_totp IS NOT NULL`, u.AccountID, u.ID, pq.ByteaArray(hashes))); err != nil {
			return err
		}
		return s.ownTx(ctx, tx, u, "operators.recovery_renewed")
	})
	if err != nil {
		return nil, err
	}
	return recovery, nil
}

// CheckSecond takes a code of the app or a recovery code after the password was right;
// neither is taken twice. It returns how: "totp" or "recovery". Else ErrBadCode, or a
// *TooManyAttempts after five wrong ones.
func (s *Store) CheckSecond(ctx context.Context, u User, code string) (method string, err error) {
	bucket := s.bucket("code", strconv.FormatInt(u.AccountID, 10)+"/"+strconv.FormatInt(u.ID, 10))
	if err := s.countAttempt(ctx, bucket, maxCodeGuesses, s.now()); err != nil {
		return "", err
	}
	err = s.in(ctx, u, func(tx *sqlx.Tx) error {
		var row struct {
			Sealed []byte `db:"sealed_totp"`
			Step   int64  `db:"totp_step"`
		}
		if err := tx.GetContext(ctx, &row, `SELECT sealed_totp, totp_step FROM `+u.table()+` WHERE `+u.match()+` FOR UPDATE`, u.AccountID, u.ID); err != nil {
			return fmt.Errorf("read second factor: %w", err)
		}
		if row.Sealed == nil {
			return ErrBadCode
		}
		secret, err := s.cfg.Sealer.Open(row.Sealed, totpContext(u))
		if err != nil {
			return fmt.Errorf("open second factor: %w", err)
		}
		if step, ok := matchTOTP(string(secret), code, s.now(), row.Step); ok {
			method = "totp"
			return changed(tx.ExecContext(ctx, `UPDATE `+u.table()+` SET totp_step = $3 WHERE `+u.match(), u.AccountID, u.ID, step))
		}
		method = "recovery"
		res, err := tx.ExecContext(ctx, `UPDATE `+u.table()+` SET recovery_hashes = array_remove(recovery_hashes, $3) WHERE `+u.match()+` AND $3 = ANY (recovery_hashes)`,
			u.AccountID, u.ID, hashToken(normalRecovery(code)))
		if err != nil {
			return fmt.Errorf("use recovery code: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return ErrBadCode
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if _, err := s.db.ExecContext(ctx, `DELETE FROM login_attempts WHERE bucket = $1`, bucket); err != nil {
		return "", fmt.Errorf("forget failures: %w", err)
	}
	return method, nil
}

// CheckPassword asks again for the password of somebody logged in, before something that
// a person at an unlocked screen must not do. ErrBadLogin if it is wrong, a *TooManyAttempts
// after too many. It counts for this user alone and not for the address: whoever guesses at
// the log-in page locks nobody out of their own settings, nor the other way round.
func (s *Store) CheckPassword(ctx context.Context, u User, password, client string) error {
	right, err := s.attempt(ctx, s.bucket("password", strconv.FormatInt(u.AccountID, 10)+"/"+strconv.FormatInt(u.ID, 10)), client)
	if err != nil {
		return err
	}
	var hash string
	if err := s.db.GetContext(ctx, &hash, `SELECT password_hash FROM `+u.table()+` WHERE `+u.match(), u.AccountID, u.ID); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotFound
		}
		return fmt.Errorf("read password hash: %w", err)
	}
	ok, _, err := s.matches(ctx, hash, password)
	if err != nil {
		return err
	}
	if !ok {
		return ErrBadLogin
	}
	return right()
}
