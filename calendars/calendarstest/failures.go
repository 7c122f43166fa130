package calendarstest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"rappel/calendars"
	"rappel/calendars/standin"
)

// operations are the three ways to read, each with events in the calendar.
func (b *bench) operations() map[string]func() error {
	ctx := context.Background()
	return map[string]func() error{
		"calendars": func() error { return second(b.provider.Reader.Calendars(ctx, b.client())) },
		"bell":      func() error { return second(b.ring(nil)) },
		"snapshot":  func() error { return second(b.provider.Reader.Snapshot(ctx, b.client(), b.ref(), week)) },
	}
}

// manyPages makes every list several pages long.
func (b *bench) manyPages() {
	b.t.Helper()
	for i := range 5 {
		b.event("Termin", start.Add(time.Duration(24+i)*time.Hour))
		must(b.AddCalendar(b.person.ID, "Noch einer"))(b.t)
	}
	b.SetMode(b.side, standin.Mode{PageSize: 2})
}

func runFailures(t *testing.T, h Harness) {
	ctx := context.Background()
	cases := map[string]func(t *testing.T, b *bench){
		"T37 slow down, and no attempt of its own": func(t *testing.T, b *bench) {
			for name, op := range b.operations() {
				for _, c := range []struct {
					spec standin.FaultSpec
					want time.Time
				}{
					{standin.Throttled(b.side, 0, time.Time{}), time.Time{}},
					{standin.Throttled(b.side, 90*time.Second, time.Time{}), start.Add(90 * time.Second)},
					{standin.Throttled(b.side, 0, start.Add(5*time.Minute)), start.Add(5 * time.Minute)},
					{standin.Throttled(b.side, 1000*time.Hour, time.Time{}), start.Add(24 * time.Hour)},
					{standin.FaultSpec{Path: b.api(), Kind: standin.Respond, Status: 429, Header: http.Header{"Retry-After": {"7"}}, Body: "slow down"}, start.Add(7 * time.Second)},
				} {
					f := b.fault(c.spec)
					b.ForgetRequests()
					if got := b.failed(op(), calendars.ErrThrottled).RetryAt; !got.Equal(c.want) {
						t.Errorf("%s: retry at %v, want %v", name, got, c.want)
					}
					if n := b.Count(b.side, ""); n != 1 {
						t.Errorf("%s: %d requests, want one", name, n)
					}
					f.Clear()
				}
			}
		},
		"no proper answer": func(t *testing.T, b *bench) {
			b.event("Termin", start.Add(24*time.Hour))
			for name, op := range b.operations() {
				for _, spec := range []standin.FaultSpec{
					{Kind: standin.Respond, Status: 500},
					{Kind: standin.Respond, Status: 502, Body: "<html>bad gateway</html>", Header: http.Header{"Content-Type": {"text/html"}}},
					{Kind: standin.Respond, Status: 503},
					{Kind: standin.Respond, Status: 403, Body: "<html>blocked by the proxy</html>", Header: http.Header{"Content-Type": {"text/html"}}},
					{Kind: standin.Respond, Status: 302, Header: http.Header{"Location": {"https://elsewhere.example/"}}, Body: "moved"},
					{Kind: standin.Respond, Status: 200, Body: "<html>hotel wifi</html>", Header: http.Header{"Content-Type": {"text/html"}}},
					{Kind: standin.Respond, Status: 200, Body: `[1,2,3]`},
					{Kind: standin.Respond, Status: 200, Body: `{}`},
					{Kind: standin.Respond, Status: 200, Body: `{"error":{"message":"sorry"}}`},
					{Kind: standin.Respond, Status: 204, Body: ` `},
					{Kind: standin.Cut},
					{Kind: standin.CutMiddle},
					{Kind: standin.Garbage},
				} {
					f := b.fault(spec)
					b.ForgetRequests()
					b.failed(op(), calendars.ErrUnavailable)
					if n := b.Count(b.side, ""); n > 2 { // net/http repeats a GET whose connection was cut
						t.Errorf("%s: %d requests", name, n)
					}
					f.Clear()
				}
				f := b.fault(standin.FaultSpec{Kind: standin.Respond, Status: 503, Header: http.Header{"Retry-After": {"60"}}})
				if got := b.failed(op(), calendars.ErrUnavailable).RetryAt; !got.Equal(start.Add(time.Minute)) {
					t.Errorf("%s: 503 with Retry-After: retry at %v", name, got)
				}
				f.Clear()
				check(t, op())
			}
		},
		"a 404 that is not the provider's": func(t *testing.T, b *bench) {
			b.fault(standin.FaultSpec{Path: b.api(), Kind: standin.Respond, Status: 404, Body: "<html>no such page</html>"})
			for _, name := range []string{"calendars", "snapshot"} {
				b.failed(b.operations()[name](), calendars.ErrUnavailable)
			}
		},
		"a server that hangs": func(t *testing.T, b *bench) {
			until := make(chan struct{})
			defer close(until)
			client := b.client()
			f := b.fault(standin.FaultSpec{Path: b.api(), Kind: standin.Hold, Until: until})
			ctx, cancel := context.WithCancel(ctx)
			go func() {
				<-f.Started()
				cancel()
			}()
			_, err := b.provider.Reader.Snapshot(ctx, client, b.ref(), week)
			if b.failed(err, calendars.ErrUnavailable); !errors.Is(err, context.Canceled) {
				t.Errorf("the cause is lost: %v", err)
			}
		},
		"T32 a page in the middle fails": func(t *testing.T, b *bench) {
			for i := range 8 {
				b.event("Termin", start.Add(time.Duration(24+i)*time.Hour))
			}
			b.SetMode(b.side, standin.Mode{PageSize: 2})
			for _, after := range []int{1, 2, 3} {
				f := b.fault(standin.FaultSpec{Path: b.api(), Kind: standin.Respond, Status: 500, After: after})
				got, err := b.provider.Reader.Snapshot(ctx, b.client(), b.ref(), week)
				if b.failed(err, calendars.ErrUnavailable); got.Instances != nil {
					t.Errorf("half a snapshot of %d came along", len(got.Instances))
				}
				f.Clear()
			}
			b.same()
		},
		"T31 a snapshot that turns in a circle": func(t *testing.T, b *bench) {
			b.manyPages()
			b.fault(standin.FaultSpec{Path: b.api(), Kind: standin.RepeatPage})
			for name, op := range b.operations() {
				b.ForgetRequests()
				b.failed(op(), calendars.ErrPagingLoop)
				if n := b.Count(b.side, ""); n > 4 {
					t.Errorf("%s: %d requests before it was noticed", name, n)
				}
			}
		},
		"T33 an access token that is refused": func(t *testing.T, b *bench) {
			_, err := b.provider.Reader.Snapshot(ctx, bearer("worthless"), b.ref(), week)
			b.failed(err, calendars.ErrUnauthorized)
			_, err = b.provider.Reader.Changed(ctx, bearer("worthless"), b.ref(), b.arm(), start, horizon)
			b.failed(err, calendars.ErrUnauthorized)
		},
		"a token without the permission": func(t *testing.T, b *bench) {
			token := must(b.Token(b.person.ID, "openid"))(t)
			_, err := b.provider.Reader.Snapshot(ctx, bearer(token), b.ref(), week)
			b.failed(err, calendars.ErrForbidden)
		},
		"T38 a calendar that is gone": func(t *testing.T, b *bench) {
			cursor := b.arm()
			check(t, b.SetRole(b.cal.ID, standin.NoRole))
			_, err := b.ring(cursor)
			b.failed(err, calendars.ErrNotFound)
			for _, name := range []string{"bell", "snapshot"} {
				b.failed(b.operations()[name](), calendars.ErrNotFound)
			}
		},
		"T41 links to another host": func(t *testing.T, b *bench) {
			var reached atomic.Int32
			thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
			defer thief.Close()
			host := must(url.Parse(thief.URL))(t).Host
			b.manyPages()
			// A redirect is such a link at every provider.
			f := b.fault(standin.FaultSpec{Path: b.api(), Kind: standin.Respond, Status: 307, Header: http.Header{"Location": {thief.URL + "/x"}}, Body: "-"})
			for _, op := range b.operations() {
				b.failed(op(), calendars.ErrUnavailable)
			}
			f.Clear()
			if b.side == standin.Microsoft {
				b.fault(standin.FaultSpec{Path: b.api(), Kind: standin.ForeignLink, Host: host})
				for _, op := range b.operations() {
					b.failed(op(), calendars.ErrForeignLink)
				}
			}
			if n := reached.Load(); n != 0 {
				t.Errorf("%d requests reached the other host", n)
			}
		},
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, newBench(t, h))
		})
	}
}
