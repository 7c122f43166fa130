package accounts

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"
)

const (
	totpPeriod     = 30 * time.Second
	recoveryCodes  = 10
	maxCodeGuesses = 5 // of one user in failureWindow
)

// NewTOTP makes the secret of an authenticator app, for a user called email.
//
// Source: RFC 6238, with the parameters every app knows: SHA-1, 6 digits, 30 s.
func NewTOTP(email string) (*otp.Key, error) {
	k, err := totp.Generate(totp.GenerateOpts{Issuer: "Rappel", AccountName: email, SecretSize: 20})
	if err != nil {
		return nil, fmt.Errorf("make second factor: %w", err)
	}
	return k, nil
}

// matchTOTP returns the 30-second step code belongs to: that of now, or one beside it for
// clocks that differ. ok is false if it belongs to none after last.
func matchTOTP(secret, code string, now time.Time, last int64) (step int64, ok bool) {
	code = strings.Map(func(r rune) rune {
		if r == ' ' || r == '\u00a0' {
			return -1
		}
		return r
	}, code)
	current := now.Unix() / int64(totpPeriod/time.Second)
	for s := current - 1; s <= current+1; s++ {
		want, err := hotp.GenerateCodeCustom(secret, uint64(s), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return 0, false
		}
		// All three are compared, so that the time tells nothing.
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && s > last {
			step, ok = s, true
		}
	}
	return step, ok
}

// newRecovery makes codes that each stand in once for the second factor, and their hashes.
// With 80 random bits there is nothing to guess, so a plain hash is enough.
func newRecovery() (codes []string, hashes [][]byte) {
	for range recoveryCodes {
		b := make([]byte, 10)
		_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
		code := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
		codes = append(codes, code[:4]+"-"+code[4:8]+"-"+code[8:12]+"-"+code[12:])
		hashes = append(hashes, hashToken(code))
	}
	return codes, hashes
}

// normalRecovery is a recovery code as it was hashed, however it was typed.
func normalRecovery(code string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '2' && r <= '7':
			return r
		}
		return -1
	}, strings.ToLower(code))
}
