package calendars

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"rappel/migrations/dbtest"
)

// expire makes the access tokens of the database too old to use.
func (b *bench) expire() { b.exec(`UPDATE connections SET access_expires = $1`, b.clock.now()) }

func TestToken_T33_RefusedOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.set("main", at("a", morning.Add(day)))
	b.watching("main")
	b.fake.mu.Lock()
	clear(b.fake.access) // the access token dies before its time
	b.fake.mu.Unlock()
	b.tick()
	b.wantHeard("new a")
	if got := b.fake.count("refresh"); got != 1 {
		t.Errorf("%d refreshes, want 1", got)
	}
}

func TestToken_RefusedTwiceIsNoDisconnect(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watching("main")
	b.fake.fail("bell", ErrUnauthorized, time.Time{})
	b.tick()
	if got := b.fake.count("refresh"); got != 1 {
		t.Errorf("%d refreshes, want 1", got)
	}
	if c := b.connection(); c.Status != ConnectionActive {
		t.Errorf("status %s", c.Status)
	}
	if c := b.calendar("main"); c.Failures != 1 {
		t.Errorf("%d failures", c.Failures)
	}
}

func TestToken_T34_OperatorsTrouble(t *testing.T) {
	t.Parallel()
	for _, kind := range []error{ErrClientConfig, ErrUnavailable, context.DeadlineExceeded} {
		t.Run(kind.Error(), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.fake.set("main", at("a", morning.Add(day)))
			b.watching("main")
			b.expire()
			b.fake.onRefresh = func(string) error { return &Error{Provider: "fake", Op: "refresh", Kind: kind} }
			b.tick()
			b.tick()
			if c := b.connection(); c.Status != ConnectionActive || c.Problem != ProblemNone {
				t.Errorf("connection: %+v", c)
			}
			b.wantNotices()
			b.wantHeard()
			if errors.Is(kind, ErrClientConfig) {
				b.wantAlarms(AlarmClientConfig)
			} else {
				b.wantAlarms()
			}
			if c := b.calendar("main"); c.Failures != 1 || !c.NextPollAt.After(b.clock.now()) {
				t.Errorf("no backoff: %+v", c)
			}
			b.fake.mu.Lock()
			b.fake.onRefresh = nil
			b.fake.mu.Unlock()
			b.clock.advance(time.Minute)
			b.tick()
			b.wantHeard("new a")
		})
	}
}

// T35: with one database, whoever comes second finds the token rotated.
func TestToken_T35_TwoWorkersRefreshAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watching("main")
	b.tick()
	b.expire()
	ref := b.connection().Ref()
	other := b.config
	other.DB = dbtest.Open(t, b.dsn)
	second := NewSyncer(other)
	errs := make(chan error)
	for _, s := range []*Syncer{b.syncer, second} {
		go func() { _, err := s.access(b.ctx, ref, 0); errs <- err }()
	}
	for range 2 {
		b.ok(<-errs)
	}
	if got := b.fake.count("refresh"); got != 1 {
		t.Errorf("%d refreshes, want 1", got)
	}
	b.wantNotices()
}

// T35: a worker outside our lock (one that lost its database connection in mid-call)
// rotated the token; our invalid_grant is about the old one.
func TestToken_T35_RotatedElsewhere(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.fake.set("main", at("a", morning.Add(day)))
	b.watching("main")
	ref := b.connection().Ref()
	b.expire()
	b.fake.onRefresh = func(string) error { return &Error{Provider: "fake", Op: "refresh", Kind: ErrGrantRevoked} }
	c := b.config
	c.Meter = &onRevoked{do: func() { // after the answer, before anything is marked
		b.fake.mu.Lock()
		b.fake.onRefresh = nil
		token := b.fake.mint()
		b.fake.mu.Unlock()
		tx := b.db.MustBegin()
		b.ok(b.syncer.storeTokens(b.ctx, tx, ref, token))
		b.ok(tx.Commit())
	}}
	b.syncer = NewSyncer(c)
	b.tick()
	b.wantHeard("new a")
	b.wantNotices()
	if c := b.connection(); c.Status != ConnectionActive {
		t.Errorf("status %s: disconnected by a race", c.Status)
	}
	if got := b.fake.count("refresh"); got != 1 {
		t.Errorf("%d refreshes, want 1: the other's token serves", got)
	}
}

// onRevoked does something once when a refresh is refused.
type onRevoked struct {
	noMeter
	do func()
}

func (o *onRevoked) Refresh(_, outcome string) {
	if outcome == "revoked" && o.do != nil {
		o.do()
		o.do = nil
	}
}

// A rotated refresh token reaches the database even when the caller has gone.
func TestToken_RotationOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watching("main")
	b.expire()
	ctx, cancel := context.WithCancel(b.ctx)
	c := b.config
	c.Providers = []Provider{{Name: "fake", Authority: leaving{b.fake, cancel}, Reader: b.fake}}
	if _, err := NewSyncer(c).access(ctx, b.connection().Ref(), 0); err != nil {
		t.Logf("the caller had gone: %v", err)
	}
	g, err := b.syncer.access(b.ctx, b.connection().Ref(), 0)
	b.ok(err)
	if g.access != "access-2" || b.fake.count("refresh") != 1 {
		t.Errorf("access %q after %d refreshes: the rotation was lost", g.access, b.fake.count("refresh"))
	}
}

// leaving loses its caller just as the authority has answered.
type leaving struct {
	Authority
	leave func()
}

func (l leaving) Refresh(ctx context.Context, refresh string) (Token, error) {
	t, err := l.Authority.Refresh(ctx, refresh)
	l.leave()
	return t, err
}

func TestToken_KeepsTheOldRefreshTokenWhenNoneCame(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watching("main")
	c := b.config
	c.Providers = []Provider{{Name: "fake", Authority: silent{b.fake}, Reader: b.fake}}
	s := NewSyncer(c)
	for range 2 {
		b.expire()
		if _, err := s.access(b.ctx, b.connection().Ref(), 0); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.fake.count("refresh"); got != 2 {
		t.Errorf("%d refreshes, want 2", got)
	}
}

// silent rotates nothing and says nothing of it, as Google.
type silent struct{ f *fake }

func (s silent) AuthCodeURL(a, b, c, d string) string { return s.f.AuthCodeURL(a, b, c, d) }
func (s silent) Exchange(ctx context.Context, a, b, c string) (Token, Identity, error) {
	return s.f.Exchange(ctx, a, b, c)
}
func (s silent) Revoke(ctx context.Context, t Token) error { return s.f.Revoke(ctx, t) }
func (s silent) Refresh(ctx context.Context, refresh string) (Token, error) {
	t, err := s.f.Refresh(ctx, refresh)
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if err == nil {
		s.f.refresh, t.Refresh = refresh, ""
	}
	return t, err
}

func TestToken_AnotherKeyset(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watching("main")
	b.exec(`UPDATE connections SET sealed_refresh = 'broken', sealed_access = 'broken'`)
	b.tick()
	b.wantAlarms(AlarmSealed)
	if c := b.connection(); c.Status != ConnectionActive {
		t.Errorf("status %s: the clinic was blamed for our keyset", c.Status)
	}
	if c := b.calendar("main"); c.Problem != ProblemOperator {
		t.Errorf("problem %q", c.Problem)
	}
}

func TestToken_ScopeTakenBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.watching("main")
	b.fake.fail("bell", ErrScopeMissing, time.Time{})
	b.tick()
	if c := b.connection(); c.Status != ConnectionNeedsReconnect || c.Problem != ProblemScopeMissing {
		t.Errorf("connection: %+v", c)
	}
	b.wantNotices(NoticeReconnect)
}

// An authority that hangs takes a few connections to the database, not all of them.
func TestToken_fewRefreshesAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ids := make([]int64, 3*refreshesAtOnce)
	for i := range ids {
		if err := b.db.Get(&ids[i], `INSERT INTO connections (account_id, provider, subject, label, created_at) VALUES (1, 'fake', $1, 'x', $2) RETURNING id`,
			fmt.Sprint("more-", i), morning); err != nil {
			t.Fatal(err)
		}
		sealed, err := sealSecret(b.config.Sealer, []byte("refresh"), refreshContext(ConnectionRef{1, ids[i]}))
		if err != nil {
			t.Fatal(err)
		}
		b.exec(`UPDATE connections SET sealed_refresh = $2 WHERE account_id = 1 AND id = $1`, ids[i], sealed)
	}
	var mu sync.Mutex
	inside, most := 0, 0
	full, open := make(chan struct{}), make(chan struct{})
	fill := sync.OnceFunc(func() { close(full) })
	stuck := hanging{b.fake, func() {
		mu.Lock()
		inside++
		if most = max(most, inside); inside == refreshesAtOnce {
			fill()
		}
		mu.Unlock()
		<-open
		mu.Lock()
		inside-- // one of those who wait may come in before it sees that it may go away
		mu.Unlock()
	}}
	config := b.config
	config.Providers = []Provider{{Name: "fake", Authority: stuck, Reader: b.fake}}
	h := newHouse(config)
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for _, id := range ids {
		wg.Go(func() { _, _ = h.access(ctx, ConnectionRef{1, id}, 0) }) // what comes of it doesn't matter here
	}
	<-full
	cancel() // those who wait go away; those inside are let go
	close(open)
	wg.Wait()
	if most != refreshesAtOnce {
		t.Errorf("%d refreshes at once, want %d", most, refreshesAtOnce)
	}
}

// hanging is an authority that waits before it refuses.
type hanging struct {
	Authority
	wait func()
}

func (h hanging) Refresh(context.Context, string) (Token, error) {
	h.wait()
	return Token{}, &Error{Provider: "fake", Op: "refresh", Kind: ErrUnavailable}
}
