package outlook

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"rappel/calendars"
)

// maxIDToken bounds the id token read; real ones have about 1 KiB.
const maxIDToken = 64 << 10

// claims are the parts of an id token that name the account.
//
// Source: https://learn.microsoft.com/en-us/entra/identity-platform/id-token-claims-reference
type claims struct {
	Audience string `json:"aud"`
	Object   string `json:"oid"` // the same for all clients
	Subject  string `json:"sub"` // differs per client, always there
	Email    string `json:"email"`
	Username string `json:"preferred_username"`
}

// decodeClaims reads the payload of an id token, without its signature.
func decodeClaims(token string) (claims, error) {
	if token == "" || len(token) > maxIDToken {
		return claims{}, errors.New("no usable id token")
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims{}, errors.New("the id token has not three parts")
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return claims{}, errors.New("the id token is not base64url")
	}
	var c claims
	if err := json.Unmarshal(raw, &c); err != nil {
		return claims{}, errors.New("the id token is not a JSON object of strings")
	}
	if c.Object == "" && c.Subject == "" {
		return claims{}, errors.New("the id token names nobody")
	}
	return c, nil
}

// meantFor checks the audience, as OpenID Connect Core §3.1.3.7, 3 asks.
func (c claims) meantFor(client string) error {
	if c.Audience != "" && client != "" && c.Audience != client {
		return errors.New("the id token is meant for another client")
	}
	return nil
}

func (c claims) identity() calendars.Identity {
	subject := cmp.Or(c.Object, c.Subject)
	return calendars.Identity{Subject: subject, Label: cmp.Or(c.Email, c.Username, subject)}
}
