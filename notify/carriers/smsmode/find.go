package smsmode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"rappel/notify"
	"rappel/notify/carriers"
)

// errNotListed says that the listing doesn't have a message, but may be behind.
var errNotListed = errors.New("smsmode: not listed, which may be too early")

// around is how far before and after a submission the listing is searched: dates in it
// name no zone, and Europe's are up to three hours from UTC.
const around = 3 * time.Hour

// A search reads pages of so many messages, and at most so many of them.
const pageSize, maxPages = 100, 200

// page is one page of the listing.
//
// Source: https://dev.smsmode.com/sms/v1/#tag/Message/operation/messages-list
type page struct {
	Items []object `json:"items"`
}

// Find looks for m among the messages of the hours around since, by its reference, or by
// number, sender and text where smsmode leaves that out. It says that there are no more
// only after it has seen them all, and not before the listing must have them.
func (c *Carrier) Find(ctx context.Context, m notify.Message, since time.Time) ([]notify.Hit, error) {
	hits, err := c.search(ctx, m, since)
	if i := slices.IndexFunc(hits, func(h notify.Hit) bool { return h.Match == notify.ByReference }); i >= 0 {
		return hits[i : i+1], nil
	}
	if err == nil && c.client.Now().Before(since.Add(c.cfg.Listed)) {
		err = errNotListed
	}
	slices.Reverse(hits) // smsmode lists the newest first
	return hits, err
}

// search lists what may be m, down to the one that has its reference.
func (c *Carrier) search(ctx context.Context, m notify.Message, since time.Time) (hits []notify.Hit, err error) {
	const layout = "2006-01-02T15:04:05"
	q := url.Values{"searchBy[direction]": {"MT"}, "pageSize": {strconv.Itoa(pageSize)},
		"startDate": {since.Add(-around).UTC().Format(layout)}}
	// Without an end the listing goes to now, in whatever zone.
	if end := since.Add(around); end.Before(c.client.Now().Add(-around)) {
		q.Set("endDate", end.UTC().Format(layout))
	}
	for n := range maxPages {
		q.Set("page", strconv.Itoa(n+1))
		got, err := c.client.Do(ctx, c.request(messages+"?"+q.Encode(), nil))
		if err != nil {
			return hits, err
		}
		if got.Status != http.StatusOK {
			return hits, fmt.Errorf("%w: %d while listing", carriers.ErrStatus, got.Status)
		}
		var p page
		if err := json.Unmarshal(got.Body, &p); err != nil || p.Items == nil {
			return hits, fmt.Errorf("%w while listing", carriers.ErrGarbage)
		}
		if len(p.Items) == 0 {
			return hits, nil
		}
		for _, o := range p.Items {
			match, ok := is(o, m)
			if !ok {
				continue
			}
			id := carriers.Text(o.MessageID)
			if id == "" {
				return hits, fmt.Errorf("%w: a message without an id", carriers.ErrGarbage)
			}
			hits = append(hits, notify.Hit{Submission: notify.Submission{IDs: []string{id}}, Match: match})
			if match == notify.ByReference {
				return hits, nil
			}
		}
	}
	return hits, fmt.Errorf("%w: more than %d pages", carriers.ErrGarbage, maxPages)
}

// is reports whether o may be m, and what says so.
func is(o object, m notify.Message) (notify.Match, bool) {
	if o.RefClient != "" {
		return notify.ByReference, o.RefClient == m.Reference()
	}
	return notify.ByText, carriers.Number(o.Recipient.To) == m.Recipient && strings.TrimPrefix(o.From, "+") == strings.TrimPrefix(m.Sender, "+") &&
		strings.HasPrefix(o.Body.Text, m.Body)
}
