package twilio

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"rappel/notify"
	"rappel/notify/carriers"
)

// page is one page of a listing of messages.
type page struct {
	Messages []struct {
		SID       string  `json:"sid"`
		From      *string `json:"from"`
		Service   *string `json:"messaging_service_sid"`
		Body      string  `json:"body"`
		Direction string  `json:"direction"`
		Created   string  `json:"date_created"`
	} `json:"messages"`
	Next string `json:"next_page_uri"`
}

// maxPages of 50 bounds a search; nobody gets that many texts in the time since.
const maxPages = 40

// Find looks for m among the messages to its recipient created since then, by
// sender and text. It returns none only after it has seen them all.
func (c *Carrier) Find(ctx context.Context, m notify.Message, since time.Time) ([]notify.Hit, error) {
	hits, err := c.search(ctx, m, since)
	slices.Reverse(hits) // Twilio lists the newest first
	return hits, err
}

func (c *Carrier) search(ctx context.Context, m notify.Message, since time.Time) (hits []notify.Hit, err error) {
	next := c.url("/Messages.json") + "?" + url.Values{"To": {m.Recipient}, "PageSize": {"50"}}.Encode()
	for range maxPages {
		got, err := c.client.Do(ctx, c.request(next, nil))
		if err != nil {
			return hits, err
		}
		var p page
		if got.Status != http.StatusOK {
			return hits, fmt.Errorf("%w: %d while listing", carriers.ErrStatus, got.Status)
		}
		if err := json.Unmarshal(got.Body, &p); err != nil || p.Messages == nil {
			return hits, fmt.Errorf("%w while listing", carriers.ErrGarbage)
		}
		for _, hit := range p.Messages {
			created, err := time.Parse(time.RFC1123Z, hit.Created)
			if err != nil {
				return hits, fmt.Errorf("%w: a date while listing", carriers.ErrGarbage)
			}
			if created.Before(since.Add(-notify.Skew)) {
				// Sorted by when they were sent, which queueing may put out of order a
				// little; a day beyond is enough.
				if created.Before(since.Add(-24 * time.Hour)) {
					return hits, nil
				}
				continue
			}
			if hit.Body == m.Body && strings.HasPrefix(hit.Direction, "outbound") && c.sameSender(hit.From, hit.Service, m.Sender) {
				hits = append(hits, notify.Hit{Submission: notify.Submission{IDs: []string{hit.SID}}, Match: notify.ByText})
			}
		}
		if p.Next == "" {
			return hits, nil
		}
		if !strings.HasPrefix(p.Next, "/") {
			return hits, fmt.Errorf("%w: next page lies elsewhere", carriers.ErrGarbage)
		}
		next = c.cfg.API + p.Next
	}
	return hits, fmt.Errorf("%w: more than %d pages", carriers.ErrGarbage, maxPages)
}

func (c *Carrier) sameSender(from, service *string, sender string) bool {
	if c.cfg.MessagingService != "" {
		return service != nil && *service == c.cfg.MessagingService
	}
	return from != nil && *from == sender
}
