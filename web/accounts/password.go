package accounts

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Cost is the work one password check takes. Memory is in KiB.
type Cost struct {
	Memory  uint32
	Passes  uint32
	Threads uint8
}

// DefaultCost takes about 100 ms on one core.
//
// Source: RFC 9106 section 4, second recommended option, with two lanes.
var DefaultCost = Cost{Memory: 64 * 1024, Passes: 3, Threads: 2}

const (
	saltLen = 16
	keyLen  = 32

	// MinPassword is the shortest password accepted, in characters.
	MinPassword = 10
	// maxPassword bounds the work an attacker can ask for, in bytes.
	maxPassword = 1024
)

// hashPassword returns the PHC string of password under c.
func hashPassword(password string, c Cost) (string, error) {
	salt := make([]byte, saltLen)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("salt: %w", err)
	}
	return phc(c, salt, argon2.IDKey([]byte(password), salt, c.Passes, c.Memory, c.Threads, keyLen)), nil
}

// decoyHash returns a PHC string that costs as much to check as any under c and that
// nobody's password matches: its key is random, so none had to be computed.
func decoyHash(c Cost) (string, error) {
	random := make([]byte, saltLen+keyLen)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("decoy: %w", err)
	}
	return phc(c, random[:saltLen], random[saltLen:]), nil
}

func phc(c Cost, salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.Memory, c.Passes, c.Threads,
		b64.EncodeToString(salt), b64.EncodeToString(key))
}

// checkPassword reports whether password matches the PHC string, and the cost it
// was made with. A string that is none of ours is an error, not a mismatch.
func checkPassword(stored, password string) (ok bool, c Cost, err error) {
	f := strings.Split(stored, "$")
	if len(f) != 6 || f[1] != "argon2id" {
		return false, c, fmt.Errorf("accounts: stored password is not argon2id")
	}
	var version int
	if _, err := fmt.Sscanf(f[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false, c, fmt.Errorf("accounts: stored password has version %q", f[2])
	}
	if _, err := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &c.Memory, &c.Passes, &c.Threads); err != nil {
		return false, c, fmt.Errorf("accounts: stored password has parameters %q: %w", f[3], err)
	}
	if c.Memory == 0 || c.Memory > 1<<21 || c.Passes == 0 || c.Passes > 64 || c.Threads == 0 {
		return false, c, fmt.Errorf("accounts: stored password has parameters out of range")
	}
	salt, err := base64.RawStdEncoding.DecodeString(f[4])
	if err != nil {
		return false, c, fmt.Errorf("accounts: stored salt: %w", err)
	}
	want, err := base64.RawStdEncoding.DecodeString(f[5])
	if err != nil || len(want) == 0 || len(want) > 128 {
		return false, c, fmt.Errorf("accounts: stored key has %d bytes: %w", len(want), err)
	}
	got := argon2.IDKey([]byte(password), salt, c.Passes, c.Memory, c.Threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, c, nil
}
