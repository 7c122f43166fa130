package outlook

import "rappel/calendars"

const (
	maxPages   = 1000 // of one list
	maxRepeats = 3    // of the same link
)

// pages watches the links of one list, so that a server that turns in a circle
// is noticed.
type pages struct {
	seen map[string]int
	read int
}

// next takes the link to the following page, nil or empty when there is none;
// more tells whether there is.
func (p *pages) next(op string, link *string) (url string, more bool, err error) {
	if str(link) == "" {
		return "", false, nil
	}
	if p.seen == nil {
		p.seen = map[string]int{}
	}
	p.seen[*link]++
	p.read++
	if p.seen[*link] >= maxRepeats || p.read >= maxPages {
		return "", false, &calendars.Error{Provider: Name, Op: op, Kind: calendars.ErrPagingLoop}
	}
	return *link, true, nil
}

// str and yes read what the SDK hands out as pointers.
func str(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

func yes(p *bool) bool { return p != nil && *p }
