package calendars

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// fake is a provider in memory. It checks access tokens as a server would: every
// read makes one request through the client it is given, and the fake, being that
// client's transport, answers 401 to a token it doesn't know.
type fake struct {
	mu       sync.Mutex
	now      func() time.Time
	person   Identity
	refresh  string          // the refresh token that works
	old      map[string]bool // refresh tokens that worked once and still do (Microsoft)
	access   map[string]bool // access tokens that work
	minted   int
	scopes   []string
	list     []Remote
	cals     map[string]*fakeCalendar
	verifier map[string]string // by code

	onRefresh  func(refresh string) error // before anything
	onExchange func() error
	onRead     func(op, calendar string) error // "bell", "snapshot", "list"
	onRevoke   func(Token) error
	during     func(op, calendar string) // called without the lock held, in the middle of a read

	calls   map[string]int
	revoked []Token
	inside  int // reads under way
	most    int // the most there ever were at once
}

type fakeCalendar struct {
	version  int // of the calendar
	lost     int // cursors below this are not known
	deaf     bool
	noFeed   bool
	items    []Instance
	windows  []Window
	horizons []time.Duration
}

func newFake(now func() time.Time) *fake {
	return &fake{
		now: now, person: Identity{"sub-1", "praxis@example.test"}, old: map[string]bool{}, access: map[string]bool{},
		scopes: []string{"calendar.read"}, cals: map[string]*fakeCalendar{}, calls: map[string]int{}, verifier: map[string]string{},
	}
}

func (f *fake) provider(name string) Provider { return Provider{Name: name, Authority: f, Reader: f} }

// add makes a calendar in the list.
func (f *fake) add(refs ...string) *fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, ref := range refs {
		f.list = append(f.list, Remote{Ref: ref, Name: "Calendar " + ref, Zone: "Europe/Zurich", Role: "owner", Readable: true, Primary: len(f.list) == 0})
		f.cals[ref] = &fakeCalendar{}
	}
	return f
}

// edit changes the instances of a calendar, which rings its bell.
func (f *fake) edit(ref string, change func([]Instance) []Instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.cals[ref]
	c.items = change(slices.Clone(c.items))
	c.version++
}

func (f *fake) set(ref string, items ...Instance) {
	f.edit(ref, func([]Instance) []Instance { return items })
}

func (f *fake) count(what string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[what]
}

// Authority

func (f *fake) AuthCodeURL(state, verifier, redirectURL, hint string) string {
	return "https://provider.test/auth?state=" + state + "&redirect=" + redirectURL + "&hint=" + hint + "&v=" + verifier
}

func (f *fake) mint() Token {
	f.minted++
	t := Token{Access: "access-" + strconv.Itoa(f.minted), Refresh: "refresh-" + strconv.Itoa(f.minted), Expiry: f.now().Add(time.Hour), Scopes: f.scopes}
	f.access[t.Access] = true
	f.refresh = t.Refresh
	return t
}

func (f *fake) Exchange(_ context.Context, code, verifier, _ string) (Token, Identity, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls["exchange"]++
	if f.onExchange != nil {
		if err := f.onExchange(); err != nil {
			return Token{}, Identity{}, err
		}
	}
	if f.verifier[code] == "" || f.verifier[code] != verifier {
		return Token{}, Identity{}, &Error{Provider: "fake", Op: "token", Kind: ErrCodeUsed, Status: 400, Code: "invalid_grant"}
	}
	delete(f.verifier, code)
	return f.mint(), f.person, nil
}

func (f *fake) Refresh(ctx context.Context, refresh string) (Token, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls["refresh"]++
	if f.onRefresh != nil {
		if err := f.onRefresh(refresh); err != nil {
			return Token{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return Token{}, err
	}
	if refresh != f.refresh && !f.old[refresh] {
		return Token{}, &Error{Provider: "fake", Op: "refresh", Kind: ErrGrantRevoked, Status: 400, Code: "invalid_grant"}
	}
	return f.mint(), nil
}

func (f *fake) Revoke(_ context.Context, t Token) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.revoked = append(f.revoked, t)
	if f.onRevoke != nil {
		return f.onRevoke(t)
	}
	return nil
}

// RoundTrip is the provider's front door.
func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	status := http.StatusOK
	if !f.access[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")] {
		status = http.StatusUnauthorized
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

// Reader

func (f *fake) request(ctx context.Context, client *http.Client, op, ref string) (leave func(), err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://provider.test/"+op, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, &Error{Provider: "fake", Op: op, Kind: ErrUnavailable, Err: err}
	}
	defer res.Body.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[op]++
	f.calls[op+" "+ref]++
	if res.StatusCode == http.StatusUnauthorized {
		return nil, &Error{Provider: "fake", Op: op, Kind: ErrUnauthorized, Status: 401}
	}
	if f.onRead != nil {
		if err := f.onRead(op, ref); err != nil {
			return nil, err
		}
	}
	f.inside++
	f.most = max(f.most, f.inside)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.inside--
	}, nil
}

func (f *fake) Calendars(ctx context.Context, client *http.Client) ([]Remote, error) {
	leave, err := f.request(ctx, client, "list", "")
	if err != nil {
		return nil, err
	}
	defer leave()
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.list), nil
}

func (f *fake) Changed(ctx context.Context, client *http.Client, ref Ref, cursor []byte, _ time.Time, horizon time.Duration) (Bell, error) {
	leave, err := f.request(ctx, client, "bell", ref.Calendar)
	if err != nil {
		return Bell{}, err
	}
	defer leave()
	f.mu.Lock()
	c := f.cals[ref.Calendar]
	c.horizons = append(c.horizons, horizon)
	now := c.version
	f.mu.Unlock()
	if f.during != nil {
		f.during("bell", ref.Calendar)
	}
	if c.noFeed {
		return Bell{Changed: true}, nil
	}
	next := []byte(strconv.Itoa(now))
	if cursor == nil {
		return Bell{Changed: true, Cursor: next}, nil
	}
	was, err := strconv.Atoi(string(cursor))
	if err != nil {
		return Bell{}, fmt.Errorf("fake: a cursor that isn't ours: %q", cursor)
	}
	if was < c.lost {
		return Bell{}, &Error{Provider: "fake", Op: "bell", Kind: ErrCursorLost, Status: 410}
	}
	return Bell{Changed: now > was && !c.deaf, Cursor: next}, nil
}

func (f *fake) Snapshot(ctx context.Context, client *http.Client, ref Ref, w Window) (Snapshot, error) {
	leave, err := f.request(ctx, client, "snapshot", ref.Calendar)
	if err != nil {
		return Snapshot{}, err
	}
	defer leave()
	f.mu.Lock()
	c := f.cals[ref.Calendar]
	c.windows = append(c.windows, w)
	var s Snapshot
	for _, i := range c.items {
		if i.Start.Before(w.To) && i.End.After(w.From) {
			s.Instances = append(s.Instances, i)
		}
	}
	f.mu.Unlock()
	if f.during != nil {
		f.during("snapshot", ref.Calendar)
	}
	if err := ctx.Err(); err != nil {
		return Snapshot{}, &Error{Provider: "fake", Op: "snapshot", Kind: ErrUnavailable, Err: err}
	}
	return s, nil
}

// fail makes reads of op fail with kind until the returned function is called.
func (f *fake) fail(op string, kind error, retryAt time.Time) (mend func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.onRead = func(o, _ string) error {
		if o != op {
			return nil
		}
		return &Error{Provider: "fake", Op: op, Kind: kind, RetryAt: retryAt, Err: errors.New("scripted")}
	}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.onRead = nil
	}
}
