package smsup

import (
	"encoding/json"
	"strconv"
	"strings"

	"rappel/notify"
	"rappel/notify/carriers"
)

// number is a whole number that may come as a JSON string, as some of SMSup's do.
type number int64

// UnmarshalJSON implements json.Unmarshaler. null leaves n as it is.
func (n *number) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "null" || s == "" {
		return nil
	}
	v, err := strconv.ParseInt(s, 10, 64)
	*n = number(v)
	return err
}

// answer is SMSup's JSON to a campaign.
//
// Source: https://dev.smsfactor.com/en/api/sms/send/send-single
type answer struct {
	Status       *number `json:"status"`
	Sent         *number `json:"sent"`
	Blacklisted  number  `json:"blacklisted"`
	NPAI         number  `json:"npai"`
	Invalid      number  `json:"invalid"`
	NotAllowed   number  `json:"not_allowed"`
	CountryLimit number  `json:"country_limit"`
	Flood        number  `json:"flood"`
	Duplicated   number  `json:"duplicated"`
}

// parseAnswer reads an answer; ok is false if it isn't one.
func parseAnswer(body []byte) (a answer, ok bool) {
	err := json.Unmarshal(body, &a)
	return a, err == nil && a.Status != nil
}

// moderated is the code of what a person at SMSup will look at.
const moderated = "-8"

// statuses by their numbers. -8 is no failure; -99 and any other are unknown.
//
// Source: https://doc.smsup.ch/en, "Request statuses"
var statuses = map[number]error{
	-1: notify.ErrMisconfigured, // token
	-2: notify.ErrMisconfigured, // it took us for XML
	-3: notify.ErrMisconfigured, // no credits left: the operator must buy some
	-4: notify.ErrMisconfigured, // a date, which we never give
	-5: notify.ErrMisconfigured, // no such resource: the host isn't SMSup
	-6: notify.ErrMisconfigured, // JSON
	-7: notify.ErrRejected,      // data
}

// verdict tells what an answer means: nil for accepted, and SMSup's own code where it
// gave one. ok says that the body could be read.
func verdict(status int, a answer, ok bool) (code string, kind error) {
	if status >= 500 || status == 429 || !ok {
		if k := carriers.Kind(status); k != nil {
			return "", k
		}
		return "", notify.ErrUnknown
	}
	if *a.Status < 0 {
		code = strconv.FormatInt(int64(*a.Status), 10)
		if code == moderated {
			return code, nil
		}
		if k, known := statuses[*a.Status]; known {
			return code, k
		}
		return code, notify.ErrUnknown
	}
	switch k := carriers.Kind(status); {
	case k != nil:
		return "", k
	case *a.Status != 1 || a.Sent == nil:
		return "", notify.ErrUnknown
	case *a.Sent > 0:
		return "", nil
	}
	return funnel(a)
}

// funnel tells why a campaign of one went to nobody.
func funnel(a answer) (code string, kind error) {
	for _, f := range []struct {
		n    number
		kind error
		code string
	}{
		{a.Blacklisted, notify.ErrOptedOut, "blacklisted"},
		{a.NPAI, notify.ErrInvalidDestination, "npai"},
		{a.Invalid, notify.ErrInvalidDestination, "invalid"},
		{a.NotAllowed, notify.ErrNotAllowed, "not_allowed"},
		{a.CountryLimit, notify.ErrNoRoute, "country_limit"}, // this month's; another carrier may
		{a.Flood, notify.ErrTemporary, "flood"},
		{a.Duplicated, notify.ErrRejected, "duplicated"},
	} {
		if f.n > 0 {
			return f.code, f.kind
		}
	}
	return "filtered", notify.ErrRejected
}
