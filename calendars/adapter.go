package calendars

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// What adapters share: reading the parts of replies that look alike everywhere, and
// keeping out of errors what must not reach a log.

// RetryAt reads Retry-After: seconds or an HTTP date. Zero when there is none, when it
// is unreadable or lies behind; never more than a day ahead.
//
// Source: RFC 9110 §10.2.3.
func RetryAt(h http.Header, now time.Time) time.Time {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return time.Time{}
	}
	last := now.Add(longestRetry)
	at, err := http.ParseTime(v)
	if err != nil {
		n, err := strconv.ParseUint(v, 10, 32)
		if err != nil {
			return time.Time{}
		}
		at = now.Add(time.Duration(n) * time.Second)
	}
	switch {
	case !at.After(now):
		return time.Time{}
	case at.After(last):
		return last
	}
	return at
}

var errOddField = errors.New("a field of the reply is of another type")

// Cause strips from the error of a call what may name somebody: the URL, which holds
// calendars and cursors, and the value that a field could not be read from.
func Cause(err error) error {
	for {
		var u *url.Error
		if !errors.As(err, &u) {
			break
		}
		err = u.Err
	}
	var odd *json.UnmarshalTypeError
	if errors.As(err, &odd) {
		return errOddField
	}
	return err
}

var codeShape = regexp.MustCompile(`^[A-Za-z0-9_.\-]{1,64}$`)

// Code lets an error name of a provider through if it looks like one, so that no text
// of theirs reaches a log; else it is "".
func Code(s string) string {
	if codeShape.MatchString(s) {
		return s
	}
	return ""
}

// TokenOf translates the reply to a request for a token that was made at asked.
func TokenOf(t *oauth2.Token, asked time.Time) Token {
	out := Token{Access: t.AccessToken, Refresh: t.RefreshToken, Expiry: t.Expiry}
	if t.ExpiresIn > 0 && t.ExpiresIn < 1<<31 { // our clock, not the library's
		out.Expiry = asked.Add(time.Duration(t.ExpiresIn) * time.Second)
	}
	if s, ok := t.Extra("scope").(string); ok && s != "" {
		out.Scopes = strings.Fields(s)
	}
	return out
}

// MaxIDToken bounds the id token read; real ones have about 1 KiB.
const MaxIDToken = 64 << 10

// OpenIDToken reads the payload of an id token into claims. It is for tokens that come
// straight from the token endpoint over TLS, so the signature is not checked (OpenID
// Connect Core §3.1.3.7, 6); the audience is to be, by the caller.
func OpenIDToken(token string, claims any) error {
	if token == "" || len(token) > MaxIDToken {
		return errors.New("no usable id token")
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("the id token has not three parts")
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return errors.New("the id token is not base64url")
	}
	if err := json.Unmarshal(raw, claims); err != nil {
		return errors.New("the id token is not a JSON object of strings")
	}
	return nil
}

// Plausible keeps instants out that neither PostgreSQL nor RFC 3339 in UTC can hold.
func Plausible(t time.Time) error {
	if y := t.UTC().Year(); y < 1 || y > 9998 {
		return errors.New("outside of the years 1 to 9998")
	}
	return nil
}
