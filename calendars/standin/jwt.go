package standin

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"sync"
)

// signingKey is shared by all Worlds of a process, since making one takes a
// noticeable part of a second and nobody keeps an id token over a restart.
var signingKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

const keyID = "standin-1"

// sign makes an RS256 JWT of claims.
func sign(claims map[string]any) (string, error) {
	key, err := signingKey()
	if err != nil {
		return "", fmt.Errorf("make signing key: %w", err)
	}
	head, err := json.Marshal(map[string]string{"alg": "RS256", "kid": keyID, "typ": "JWT"})
	if err != nil {
		return "", fmt.Errorf("encode header: %w", err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// idToken signs who g belongs to, as g's provider words it.
func (w *World) idToken(g *grant, issuer, nonce string) (string, error) {
	p := w.people[g.Person]
	now := w.now()
	claims := map[string]any{
		"iss": issuer, "aud": g.Client, "sub": p.ID, "email": p.Email, "name": p.Name,
		"iat": now.Unix(), "exp": now.Add(accessLife).Unix(),
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if g.Provider == Google {
		claims["email_verified"], claims["azp"] = true, g.Client
	} else {
		claims["oid"], claims["preferred_username"], claims["tid"], claims["ver"] = p.ID, p.Email, tenantID, "2.0"
		sum := sha256.Sum256([]byte(g.Client + "\x00" + p.ID)) // sub is pairwise: per person and app
		claims["sub"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return sign(claims)
}

// certs serves the public key as a JWK set.
func certs(rw http.ResponseWriter, _ *http.Request) {
	key, err := signingKey()
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	writeJSON(rw, http.StatusOK, map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "alg": "RS256", "use": "sig", "kid": keyID,
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
	}}})
}

// writeJSON answers with v. A write error means the client has gone.
func writeJSON(rw http.ResponseWriter, status int, v any) {
	rw.Header().Set("Content-Type", "application/json; charset=UTF-8")
	rw.Header().Set("Cache-Control", "no-store")
	rw.WriteHeader(status)
	enc := json.NewEncoder(rw)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the client has gone: nobody is left to tell
}
