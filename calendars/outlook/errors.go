package outlook

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"rappel/calendars"
)

// failure gives an error of an operation its kind. What the server answered is
// a *calendars.Error already, made in the transport.
func failure(op string, err error) error {
	var known *calendars.Error
	switch {
	case errors.As(err, &known):
		if known.Op == "" {
			known.Op = op
		}
		return known
	case errors.Is(err, calendars.ErrForeignLink):
		return &calendars.Error{Provider: Name, Op: op, Kind: calendars.ErrForeignLink}
	case errors.Is(err, calendars.ErrClientConfig):
		return &calendars.Error{Provider: Name, Op: op, Kind: calendars.ErrClientConfig}
	}
	return &calendars.Error{Provider: Name, Op: op, Kind: calendars.ErrUnavailable, Err: calendars.Cause(err)}
}

// answer makes the error of a reply that is not 2xx. cursor tells that the
// request followed a delta link of ours.
func answer(status int, h http.Header, body []byte, cursor bool, now time.Time) *calendars.Error {
	var odata struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	name := ""
	if err := json.Unmarshal(body, &odata); err == nil { // else HTML or the like: the status must do
		name = odata.Error.Code
	}
	return &calendars.Error{
		Provider: Name, Kind: kind(status, name, cursor), Status: status, Code: calendars.Code(name), RetryAt: calendars.RetryAt(h, now),
	}
}

// lostCursor lists, in lower case, how Graph says that it forgot a delta link.
var lostCursor = []string{"syncstatenotfound", "syncstateinvalid", "resyncrequired", "resyncchangesapplydifferences", "resyncchangesuploaddifferences"}

// throttled lists codes that mean 429 where the status does not say so.
var throttled = []string{"applicationthrottled", "mailboxconcurrency", "toomanyrequests", "activitylimitreached", "errorserverbusy"}

// noMailbox lists codes of accounts whose calendars Graph cannot reach.
var noMailbox = []string{"mailboxnotenabledforrestapi", "mailboxnotsupportedforrestapi", "errornonexistentmailbox"}

// kind tells what an answer of Graph means. name is error.code, "" when the
// body was not in OData's shape: such an answer may come from anything in
// between, so it never means that a calendar is gone.
//
// Source: https://learn.microsoft.com/en-us/graph/errors
func kind(status int, name string, cursor bool) error {
	name = strings.ToLower(name)
	switch {
	case slices.Contains(lostCursor, name):
		return calendars.ErrCursorLost
	case status == http.StatusTooManyRequests, status == 509, slices.Contains(throttled, name):
		return calendars.ErrThrottled
	case status == http.StatusUnauthorized:
		return calendars.ErrUnauthorized
	case cursor && (status == http.StatusGone || status == http.StatusBadRequest):
		return calendars.ErrCursorLost
	case slices.Contains(noMailbox, name), status == http.StatusForbidden && name != "":
		return calendars.ErrForbidden
	case status == http.StatusNotFound && name != "":
		return calendars.ErrNotFound
	}
	return calendars.ErrUnavailable
}
