package google

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"google.golang.org/api/googleapi"

	"rappel/calendars"
)

// longestRetry bounds what a server may ask us to wait.
const longestRetry = 24 * time.Hour

// failure translates an error of the Calendar client. cursor tells that the
// request carried a sync token.
func (r *Reader) failure(op string, cursor bool, err error) error {
	if ours := (*calendars.Error)(nil); errors.As(err, &ours) { // of the client's own transport
		return ours
	}
	out := &calendars.Error{Provider: Name, Op: op, Kind: calendars.ErrUnavailable}
	var answer *googleapi.Error
	switch {
	case errors.As(err, &answer):
		reason, shaped := "", answer.Message != ""
		if len(answer.Errors) > 0 {
			reason, shaped = answer.Errors[0].Reason, true
		}
		out.Kind, out.Status, out.Code = kind(answer.Code, reason, shaped, cursor), answer.Code, code(reason)
		out.RetryAt = retryAt(answer.Header, r.now())
	case errors.Is(err, calendars.ErrForeignLink):
		out.Kind = calendars.ErrForeignLink
	default:
		out.Err = cause(err)
	}
	return out
}

// kind tells what an answer of the API means. shaped tells that the body was an
// error of Google's; a bare status may come from anything in between.
//
// Source: https://developers.google.com/workspace/calendar/api/guides/errors
func kind(status int, reason string, shaped, cursor bool) error {
	switch status {
	case http.StatusUnauthorized:
		return calendars.ErrUnauthorized
	case http.StatusForbidden:
		switch reason {
		case "rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded":
			return calendars.ErrThrottled
		case "accessNotConfigured": // the API is switched off in our own project
			return calendars.ErrClientConfig
		}
		if shaped {
			return calendars.ErrForbidden
		}
		return calendars.ErrUnavailable
	case http.StatusNotFound:
		if shaped {
			return calendars.ErrNotFound
		}
		return calendars.ErrUnavailable
	case http.StatusGone, http.StatusBadRequest:
		if cursor {
			return calendars.ErrCursorLost
		}
	}
	return statusKind(status)
}

// statusKind is what a status alone can tell.
func statusKind(status int) error {
	if status == http.StatusTooManyRequests {
		return calendars.ErrThrottled
	}
	return calendars.ErrUnavailable
}

// retryAt reads Retry-After: seconds or an HTTP date. Zero when there is none,
// when it is unreadable or lies behind; never further ahead than longestRetry.
//
// Source: RFC 9110 §10.2.3.
func retryAt(h http.Header, now time.Time) time.Time {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return time.Time{}
	}
	latest := now.Add(longestRetry)
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
	case at.After(latest):
		return latest
	}
	return at
}

// cause strips the URL from a transport error: it names calendars, which are
// e-mail addresses, and holds the sync token.
func cause(err error) error {
	for {
		var u *url.Error
		if !errors.As(err, &u) {
			return err
		}
		err = u.Err
	}
}

var codeShape = regexp.MustCompile(`^[A-Za-z0-9_.\-]{1,64}$`)

// code lets an error name through if it looks like one, so that no text of the
// provider reaches a log.
func code(s string) string {
	if codeShape.MatchString(s) {
		return s
	}
	return ""
}
