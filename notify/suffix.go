package notify

import (
	"strings"
	"time"
)

// senderKind says whether a sender can be answered.
type senderKind string

const (
	senderName   senderKind = "name"    // nobody can answer a name
	senderOneWay senderKind = "one_way" // a number whose replies don't reach us
	senderTwoWay senderKind = "two_way" // a number whose replies do
)

// anySender is a suffixRow for every kind of sender.
const anySender = "any"

// linkMark stands for the recipient's own unsubscribe link in a form.
const linkMark = "{link}"

// suffixRow says how texts of a kind tell how to refuse further ones. "" in a field is
// any; the row that says most is taken.
type suffixRow struct {
	Kind       Kind      `db:"kind"`
	Country    string    `db:"country"`
	SenderKind string    `db:"sender_kind"` // any or two_way
	Service    string    `db:"service"`     // only where the route's operator runs it
	Language   string    `db:"language"`
	ValidFrom  time.Time `db:"valid_from"`
	Separator  string    `db:"separator"`
	Form       string    `db:"form"` // with linkMark where the link goes
	Source     string    `db:"source"`
}

// weight orders rows by how much they say. A country's own form comes before a service
// for all countries, and that before what replies could do.
func (r suffixRow) weight() int {
	w := 0
	for bit, says := range []bool{r.Language != "", r.SenderKind != anySender, r.Service != "", r.Country != ""} {
		if says {
			w |= 1 << bit
		}
	}
	return w
}

// suffixQuery is what a suffix depends on.
type suffixQuery struct {
	kind     Kind
	country  string
	sender   senderKind
	service  string
	language string
	at       time.Time
}

// linkSuffix is the form of last resort: marketing always says how to refuse it.
var linkSuffix = suffixRow{Kind: Marketing, SenderKind: anySender, Separator: " ", Form: "STOP " + linkMark + "-", Source: "built in: no row applies"}

// suffixFor returns the row in force. ok is false if there is none, which for marketing
// doesn't happen.
func (b *rulebook) suffixFor(q suffixQuery) (row *suffixRow, ok bool) {
	for i := range b.suffixes { // weightiest first, and of those the newest
		r := &b.suffixes[i]
		if r.Kind == q.kind && (r.Country == "" || r.Country == q.country) && (r.SenderKind == anySender || r.SenderKind == string(q.sender)) &&
			(r.Service == "" || r.Service == q.service) && (r.Language == "" || r.Language == q.language) && !r.ValidFrom.After(q.at) {
			return r, true
		}
	}
	return &linkSuffix, q.kind == Marketing
}

// needsLink reports whether the form wants the recipient's link.
func (r *suffixRow) needsLink() bool { return strings.Contains(r.Form, linkMark) }

// render writes the suffix, separator included.
func (r *suffixRow) render(link string) string {
	return r.Separator + strings.Replace(r.Form, linkMark, link, 1)
}
