package calendars

const (
	maxPages   = 1000    // of one list
	maxRepeats = 3       // of the same page
	maxItems   = 100_000 // in one list: ten times a year's appointments of a busy calendar
)

// Pages watches the pages of one list as an adapter reads it, so that a server that
// turns in a circle is noticed, and one that never ends does not fill the memory. The
// zero value is ready.
type Pages struct {
	seen        map[string]int
	read, items int
}

// Next takes how many items the page just read has, and the token or link of the one
// that follows, "" when there is none; more tells whether there is. Failures are an
// *Error of provider and op: ErrPagingLoop, or ErrUnavailable for too many items.
func (p *Pages) Next(provider, op, next string, items int) (more bool, err error) {
	if p.items += items; p.items > maxItems {
		return false, &Error{Provider: provider, Op: op, Kind: ErrUnavailable, Code: "too_many_items"}
	}
	if next == "" {
		return false, nil
	}
	if p.seen == nil {
		p.seen = map[string]int{}
	}
	p.seen[next]++
	p.read++
	if p.seen[next] >= maxRepeats || p.read >= maxPages {
		return false, &Error{Provider: provider, Op: op, Kind: ErrPagingLoop}
	}
	return true, nil
}
