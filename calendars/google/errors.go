package google

import (
	"errors"
	"net/http"

	"google.golang.org/api/googleapi"

	"rappel/calendars"
)

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
		out.Kind, out.Status, out.Code = kind(answer.Code, reason, shaped, cursor), answer.Code, calendars.Code(reason)
		out.RetryAt = calendars.RetryAt(answer.Header, r.now())
	case errors.Is(err, calendars.ErrForeignLink):
		out.Kind = calendars.ErrForeignLink
	default:
		out.Err = calendars.Cause(err)
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
