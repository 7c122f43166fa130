package smsup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"rappel/notify"
	"rappel/notify/carriers"
)

// errNotListed says that the history doesn't have a message, but may be behind.
var errNotListed = errors.New("smsup: not in the history, which may be behind")

// paris is the zone of the API's dates.
var paris = func() *time.Location {
	l, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		return time.UTC // then only the reading as UTC remains
	}
	return l
}()

// A search reads pages of so many campaigns to one phone, and at most so many of them.
const pageSize, maxPages = 100, 20

// history is a page of the campaigns.
//
// Source: https://doc.smsup.ch/en/api/sms/campaigns/history
type history struct {
	Status    *number `json:"status"`
	Campaigns []struct {
		ID      text   `json:"id"`
		Sender  string `json:"sender"`
		Text    string `json:"text"`
		Created string `json:"creation_date"`
		Date    string `json:"date"` // of sending; all there is in older answers
	} `json:"campaigns"`
}

// Find looks for m among the campaigns to its recipient since then, which tell no id that
// is ours: its hits are ByCount. It says that there are no more only after it has seen
// them all, and not before the history must have them.
func (c *Carrier) Find(ctx context.Context, m notify.Message, since time.Time) ([]notify.Hit, error) {
	to, ok := carriers.Digits(m.Recipient)
	if !ok {
		return nil, nil // it never left
	}
	n, err := c.search(ctx, m, to, since)
	if err == nil && c.client.Now().Before(since.Add(c.cfg.Listed)) {
		err = errNotListed
	}
	hits := make([]notify.Hit, n)
	for i := range hits {
		hits[i] = notify.Hit{Submission: notify.Submission{IDs: []string{m.Reference()}}, Match: notify.ByCount}
	}
	return hits, err
}

// search counts the campaigns that may be m.
func (c *Carrier) search(ctx context.Context, m notify.Message, to string, since time.Time) (n int, err error) {
	for page := range maxPages {
		got, err := c.client.Do(ctx, c.request("/campaigns?"+url.Values{"destination": {to}, "sort": {"-id"},
			"start": {strconv.Itoa(page * pageSize)}, "length": {strconv.Itoa(pageSize)}}.Encode(), nil))
		if err != nil {
			return n, err
		}
		if got.Status != http.StatusOK {
			return n, fmt.Errorf("%w: %d while listing", carriers.ErrStatus, got.Status)
		}
		var h history
		if err := json.Unmarshal(got.Body, &h); err != nil || h.Status == nil || *h.Status != 1 || h.Campaigns == nil {
			return n, fmt.Errorf("%w while listing", carriers.ErrGarbage)
		}
		var before time.Time
		falling := true // newest first, as asked
		for i, k := range h.Campaigns {
			at, err := latest(k.Created, k.Date)
			if err != nil {
				return n, err
			}
			if !at.Before(since.Add(-notify.Skew)) && sameSender(k.Sender, m.Sender) && startsWith(k.Text, m.Body) {
				n++
			}
			falling = falling && (i == 0 || !at.After(before))
			before = at
		}
		if len(h.Campaigns) < pageSize || falling && before.Before(since.Add(-24*time.Hour)) {
			return n, nil // that was all, or the rest is older still
		}
	}
	return n, fmt.Errorf("%w: more than %d pages", carriers.ErrGarbage, maxPages)
}

// latest is the latest instant a date of the history can mean.
func latest(created, date string) (time.Time, error) {
	if created == "" {
		created = date
	}
	a, err := time.ParseInLocation(time.DateTime, created, paris)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: a date while listing", carriers.ErrGarbage)
	}
	b, err := time.ParseInLocation(time.DateTime, created, time.UTC)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: a date while listing", carriers.ErrGarbage)
	}
	if b.After(a) {
		return b, nil
	}
	return a, nil
}

// sameSender compares senders; SMSup leaves out one it has replaced.
func sameSender(theirs, ours string) bool {
	return theirs == "" || strings.EqualFold(strings.TrimPrefix(theirs, "+"), strings.TrimPrefix(ours, "+"))
}

// startsWith compares texts but for how they are spaced; what follows may be SMSup's own
// STOP line.
func startsWith(theirs, ours string) bool {
	flat := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	return strings.HasPrefix(flat(theirs), flat(ours))
}
