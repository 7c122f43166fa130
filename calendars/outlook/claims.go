package outlook

import (
	"cmp"
	"errors"

	"rappel/calendars"
)

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

// decodeClaims reads the payload of an id token.
func decodeClaims(token string) (claims, error) {
	var c claims
	if err := calendars.OpenIDToken(token, &c); err != nil {
		return claims{}, err
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
