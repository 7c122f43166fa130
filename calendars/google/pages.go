package google

import "rappel/calendars"

const (
	maxPages   = 1000 // of one list
	maxRepeats = 3    // of the same page token
)

// pages watches the page tokens of one list, so that a server that turns in a
// circle is noticed.
type pages struct {
	seen map[string]int
	read int
}

// next takes the token of the following page. more is false when there is none.
func (p *pages) next(op, token string) (more bool, err error) {
	if token == "" {
		return false, nil
	}
	if p.seen == nil {
		p.seen = map[string]int{}
	}
	p.seen[token]++
	p.read++
	if p.seen[token] >= maxRepeats || p.read >= maxPages {
		return false, &calendars.Error{Provider: Name, Op: op, Kind: calendars.ErrPagingLoop}
	}
	return true, nil
}
