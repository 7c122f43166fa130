package google

import (
	"cmp"
	"errors"

	"rappel/calendars"
)

// decodeIdentity reads whose id token it is.
func decodeIdentity(token, client string) (calendars.Identity, error) {
	var c struct {
		Audience string `json:"aud"`
		Subject  string `json:"sub"`
		Email    string `json:"email"`
	}
	switch err := calendars.OpenIDToken(token, &c); {
	case err != nil:
		return calendars.Identity{}, err
	case c.Subject == "":
		return calendars.Identity{}, errors.New("the id token names nobody")
	case c.Audience != "" && client != "" && c.Audience != client:
		return calendars.Identity{}, errors.New("the id token is meant for another client")
	}
	return calendars.Identity{Subject: c.Subject, Label: cmp.Or(c.Email, c.Subject)}, nil
}
