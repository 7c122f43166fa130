package notify

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/notify/links"
)

// Review says whether somebody looks at an account's marketing before it goes.
type Review string

// The settings.
const (
	ReviewNone    Review = "none"    // never was necessary
	ReviewFirst   Review = "first"   // held until a reviewer releases or turns down: how accounts begin
	ReviewCleared Review = "cleared" // a reviewer has released some
)

// PolicyConfig is what a Policy works with.
type PolicyConfig struct {
	DB    *sqlx.DB // the owner's pool
	Now   func() time.Time
	Links links.Links // of the unsubscribe page
	// Service is the STOP service the routes' operator runs, such as no-sms.eu; "" = none.
	Service string
	Meter   Meter // nil: everything is paid for
	// Refresh is how old rules and settings may be that are acted upon. Default 10 s.
	Refresh time.Duration
}

// Policy knows what may be sent where, when and as whom. It reads rules and settings once
// in a while and decides from memory. It is safe for concurrent use.
type Policy struct {
	cfg  PolicyConfig
	book atomic.Pointer[readBook]

	mu       sync.RWMutex
	accounts map[int64]*accountPolicy

	reading sync.Mutex // one reader of rules at a time
}

// readBook is a rulebook and when it was read.
type readBook struct {
	rulebook
	at time.Time
}

var _ Window = (*Policy)(nil)

// NewPolicy fails with ErrConfig.
func NewPolicy(cfg PolicyConfig) (*Policy, error) {
	if cfg.DB == nil {
		return nil, fmt.Errorf("%w: a policy needs a database", ErrConfig)
	}
	if cfg.Links.Length() == 0 {
		return nil, fmt.Errorf("%w: a policy needs links for its unsubscribe page", ErrConfig)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Refresh <= 0 {
		cfg.Refresh = 10 * time.Second
	}
	return &Policy{cfg: cfg, accounts: map[int64]*accountPolicy{}}, nil
}

// Forget makes the next decision read the account's settings and all rules anew.
func (p *Policy) Forget(account int64) {
	p.mu.Lock()
	delete(p.accounts, account)
	p.mu.Unlock()
	p.book.Store(nil)
}

// view is what decisions are made from.
type view struct {
	*rulebook
	accounts map[int64]*accountPolicy
}

// view reads what isn't known or too old, through q, which may be a transaction of one
// account: rules are the same for all, and other accounts aren't asked for.
func (p *Policy) view(ctx context.Context, q sqlx.QueryerContext, accounts ...int64) (view, error) {
	now := p.cfg.Now()
	book, err := p.rules(ctx, q, now)
	if err != nil {
		return view{}, err
	}
	v := view{rulebook: book, accounts: make(map[int64]*accountPolicy, len(accounts))}
	var missing []int64
	p.mu.RLock()
	for _, id := range accounts {
		if a := p.accounts[id]; a != nil && p.fresh(a.loaded, now) {
			v.accounts[id] = a
		} else {
			missing = append(missing, id)
		}
	}
	p.mu.RUnlock()
	if len(missing) == 0 {
		return v, nil
	}
	read, err := readAccounts(ctx, q, missing, now)
	if err != nil {
		return view{}, err
	}
	maps.Copy(v.accounts, read)
	p.mu.Lock()
	maps.Copy(p.accounts, read)
	p.mu.Unlock()
	for _, id := range missing {
		if v.accounts[id] == nil {
			return view{}, fmt.Errorf("account %d: %w: there is none", id, ErrRequest)
		}
	}
	return v, nil
}

// fresh also holds for a clock that was set back a little.
func (p *Policy) fresh(at, now time.Time) bool { return now.Sub(at).Abs() < p.cfg.Refresh }

// rules returns the rulebook. Whoever finds it old while another reads it anew takes the
// old one.
func (p *Policy) rules(ctx context.Context, q sqlx.QueryerContext, now time.Time) (*rulebook, error) {
	old := p.book.Load()
	if old != nil && p.fresh(old.at, now) {
		return &old.rulebook, nil
	}
	if old == nil {
		p.reading.Lock()
	} else if !p.reading.TryLock() {
		return &old.rulebook, nil
	}
	defer p.reading.Unlock()
	if b := p.book.Load(); b != nil && p.fresh(b.at, now) {
		return &b.rulebook, nil // read while we waited
	}
	b, err := readRules(ctx, q)
	if err != nil {
		return nil, err
	}
	read := &readBook{rulebook: b, at: now}
	p.book.Store(read)
	return &read.rulebook, nil
}

// decision is what the rules make of a message.
type decision struct {
	country string
	rules   *CountryRules
	from    originator
	suffix  *suffixRow // nil: none
	sendAt  time.Time
	holds   []Reason // why it must wait, the first thing to settle first
	end     Status   // other than NotSent: it ends here
	why     Reason   // of end
}

// decide is the whole policy for one message, whose SendAt is set. It asks nobody.
func (v view) decide(m *NewMessage, service string, now time.Time) decision {
	a := v.accounts[m.AccountID]
	d := decision{country: Country(m.Recipient), sendAt: m.SendAt}
	d.rules = v.rulesFor(d.country, now)
	if d.from = a.originator(m.Sender, d.country, d.rules); d.from.refused {
		d.end, d.why = InvalidSender, d.from.why
		return d
	}
	if row, ok := v.suffixFor(suffixQuery{m.Kind, d.country, d.from.kind, service, a.language, now}); ok {
		d.suffix = row
	}
	if d.from.pending {
		d.holds = append(d.holds, ReasonRegistration)
	}
	if m.Kind != Marketing {
		return d
	}
	if a.review == ReviewFirst {
		d.holds = append(d.holds, ReasonReview)
	}
	from := later(m.SendAt, now)
	open, ok := NextOpen(d.rules.Hours, a.place(m.Recipient, d.rules), from)
	switch {
	case !ok:
		d.end, d.why = NotAllowed, ReasonNoHours
	case open.After(from):
		if d.sendAt = open; !open.Before(m.Expires) {
			d.end, d.why = Expired, ReasonNoHours
		}
	}
	return d
}

// place is where recipient is.
func (a *accountPolicy) place(recipient string, rules *CountryRules) Place {
	p := Place{Zones: zones(recipient)}
	if rules.HolidaySet != "" {
		p.Holiday = func(year int, month time.Month, day int) bool {
			return isHoliday(rules.HolidaySet, a.region, year, month, day)
		}
	}
	return p
}

// NextOpen implements Window. It reads the account's settings if they weren't for a while,
// and fails with ErrClosed where marketing may go at no hour.
func (p *Policy) NextOpen(ctx context.Context, account int64, recipient string, now time.Time) (time.Time, error) {
	v, err := p.view(ctx, p.cfg.DB, account)
	if err != nil {
		return time.Time{}, fmt.Errorf("hours of account %d: %w", account, err)
	}
	rules := v.rulesFor(Country(recipient), now)
	at, ok := NextOpen(rules.Hours, v.accounts[account].place(recipient, rules), now)
	if !ok {
		return time.Time{}, fmt.Errorf("hours in %q: %w", rules.Country, ErrClosed)
	}
	return at, nil
}

// Rules returns what is in force for texts to country at an instant.
func (p *Policy) Rules(ctx context.Context, country string, at time.Time) (CountryRules, error) {
	b, err := p.rules(ctx, p.cfg.DB, p.cfg.Now())
	if err != nil {
		return CountryRules{}, err
	}
	return *b.rulesFor(country, at), nil
}
