package google

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

// decodeIdentity reads whose id token it is. It comes straight from the token
// endpoint over TLS, so its signature is not checked (OpenID Connect Core
// §3.1.3.7, 6); its audience is.
func decodeIdentity(token, client string) (calendars.Identity, error) {
	parts := strings.Split(token[:min(len(token), maxIDToken)], ".")
	if len(parts) != 3 {
		return calendars.Identity{}, errors.New("the id token has not three parts")
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return calendars.Identity{}, errors.New("the id token is not base64url")
	}
	var c struct {
		Audience string `json:"aud"`
		Subject  string `json:"sub"`
		Email    string `json:"email"`
	}
	switch err := json.Unmarshal(raw, &c); {
	case err != nil:
		return calendars.Identity{}, errors.New("the id token is not a JSON object of strings")
	case c.Subject == "":
		return calendars.Identity{}, errors.New("the id token names nobody")
	case c.Audience != "" && client != "" && c.Audience != client:
		return calendars.Identity{}, errors.New("the id token is meant for another client")
	}
	return calendars.Identity{Subject: c.Subject, Label: cmp.Or(c.Email, c.Subject)}, nil
}
