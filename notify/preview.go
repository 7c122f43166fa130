package notify

import (
	"context"
	"fmt"
	"time"

	"rappel/notify/segment"
)

// Draft is a text somebody is writing.
type Draft struct {
	AccountID int64
	Kind      Kind
	Recipient string // E.164 of one it would go to; "" = somebody in Country
	Country   string // ISO 3166-1, where Recipient is ""
	Sender    string
	Body      string // as personalised for the recipient
	Smart     bool
	SendAt    time.Time // zero: now
}

// Preview is a text as it would arrive.
type Preview struct {
	Country   string
	Assumed   bool   // the country has no rules of its own: the strictest apply
	Sender    string // as the phone would show it
	SenderWhy Reason // why it isn't the one asked for; "" if it is
	Refused   bool   // it wouldn't go: SenderWhy says why
	Held      Reason // what would hold it; "" = nothing
	Suffix    string // put behind the text; the link in it is as long as the real one
	Body      string // whole
	Encoding  segment.Encoding
	Segments  int
	Units     int
	Remaining int       // units left before a further segment begins
	SendAt    time.Time // when it would go; zero where no hour is open, or without Recipient
}

// Preview tells how d would arrive, and keeps nothing. Fails with ErrRequest, ErrRecipient
// or ErrSender.
func (p *Policy) Preview(ctx context.Context, d Draft) (Preview, error) {
	switch {
	case d.AccountID <= 0, d.Kind != Notification && d.Kind != Marketing:
		return Preview{}, fmt.Errorf("preview: %w", ErrRequest)
	case d.Recipient != "" && !ValidNumber(d.Recipient):
		return Preview{}, fmt.Errorf("preview: %w", ErrRecipient)
	case !ValidSender(d.Sender):
		return Preview{}, fmt.Errorf("preview: %w", ErrSender)
	}
	v, err := p.view(ctx, p.cfg.DB, d.AccountID)
	if err != nil {
		return Preview{}, fmt.Errorf("preview: %w", err)
	}
	return v.preview(d, p.cfg.Service, p.cfg.Links.Sample(), p.cfg.Now()), nil
}

func (v view) preview(d Draft, service, link string, now time.Time) Preview {
	if d.SendAt.IsZero() {
		d.SendAt = now
	}
	if d.Recipient != "" {
		d.Country = Country(d.Recipient)
	}
	a, rules := v.accounts[d.AccountID], v.rulesFor(d.Country, now)
	from := a.originator(d.Sender, d.Country, rules)
	out := Preview{Country: d.Country, Assumed: rules.Assumed(), Sender: from.sender, SenderWhy: from.why, Refused: from.refused, Body: d.Body}
	switch {
	case from.refused:
	case from.pending:
		out.Held = ReasonRegistration
	case d.Kind == Marketing && a.review == ReviewFirst:
		out.Held = ReasonReview
	}
	if row, ok := v.suffixFor(suffixQuery{d.Kind, d.Country, from.kind, service, a.language, now}); ok {
		out.Suffix = row.render(link)
		out.Body += out.Suffix
	}
	if d.Smart {
		out.Body, _ = segment.Smart(out.Body, segment.Typographic)
	}
	r := segment.Measure(out.Body)
	out.Encoding, out.Segments, out.Units, out.Remaining = r.Encoding, r.Segments, r.Units, r.Remaining
	switch {
	case d.Recipient == "":
	case d.Kind != Marketing:
		out.SendAt = d.SendAt
	default:
		if at, ok := NextOpen(rules.Hours, a.place(d.Recipient, rules), later(d.SendAt, now)); ok {
			out.SendAt = at
		}
	}
	return out
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
