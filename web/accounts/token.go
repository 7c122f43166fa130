package accounts

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// newToken makes a secret of 256 bits for a link or a program, and what is stored of it.
// A plain hash is enough: there is nothing to guess.
func newToken() (token string, hash []byte) {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	token = base64.RawURLEncoding.EncodeToString(b)
	return token, hashToken(token)
}

// hashToken is what the database knows of a token. Looking a hash up in an index tells
// nothing about the token by its time.
func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
