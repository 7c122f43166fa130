package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"rappel/migrations/dbtest"
	"rappel/notify"
	"rappel/notify/notifytest"
)

// at is a clock a test sets.
type at struct {
	mu  sync.Mutex
	now time.Time
}

func (a *at) Now() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now
}

func (a *at) advance(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now = a.now.Add(d)
}

func start(t *testing.T) (*Carrier, *at) {
	t.Helper()
	u, err := url.Parse("sandbox://")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := ParseURL(u)
	if err != nil {
		t.Fatal(err)
	}
	clock := &at{now: time.Date(2026, 3, 4, 13, 30, 0, 0, time.UTC)}
	cfg.DB, cfg.Now = dbtest.New(t), clock.Now
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c, clock
}

func TestConformance(t *testing.T) {
	endings := map[notifytest.Case]string{
		notifytest.Rejected: "0011", notifytest.OptedOut: "0004", notifytest.InvalidDestination: "0002", notifytest.InvalidSender: "0012",
		notifytest.NotAllowed: "0013", notifytest.NoRoute: "0014", notifytest.Throttled: "0015", notifytest.ThrottledAfter: "0009",
		notifytest.Unavailable: "0005", notifytest.CutBefore: "0010", notifytest.CutAfter: "0007",
	}
	states := map[notify.Status]string{notify.NotDelivered: "0001", notify.Rejected: "0006", notify.Expired: "0008", notify.Delivered: "4567"}
	const noWire = "there is no wire to a gateway here, only the database"
	notifytest.Run(t, notifytest.Harness{
		PerPart: true, NoUnknownReceipt: true, ReceiptOnce: true,
		Recipient: func(c notifytest.Case, s notify.Status) string {
			if ending := endings[c] + states[s]; ending != "" {
				return "+4179123" + ending
			}
			return "+41791234567"
		},
		Cases: map[notifytest.Case]notifytest.Want{
			notifytest.Rejected:           {Kind: notify.ErrRejected, Code: "0011"},
			notifytest.OptedOut:           {Kind: notify.ErrOptedOut, Code: "0004"},
			notifytest.InvalidDestination: {Kind: notify.ErrInvalidDestination, Code: "0002"},
			notifytest.InvalidSender:      {Kind: notify.ErrInvalidSender, Code: "0012"},
			notifytest.NotAllowed:         {Kind: notify.ErrNotAllowed, Code: "0013"},
			notifytest.NoRoute:            {Kind: notify.ErrNoRoute, Code: "0014"},
			notifytest.Throttled:          {Kind: notify.ErrThrottled, Code: "0015"},
			notifytest.ThrottledAfter:     {Kind: notify.ErrThrottled, Code: "0009", After: 30 * time.Second},
			notifytest.Unavailable:        {Kind: notify.ErrTemporary, Code: "0005"},
			notifytest.CutBefore:          {Kind: notify.ErrUnknown, Code: "0010"},
			notifytest.CutAfter:           {Kind: notify.ErrUnknown, Code: "0007", Accepted: true},
			notifytest.Slow:               {Kind: notify.ErrUnknown},
			notifytest.Unreachable:        {Kind: notify.ErrTemporary},
		},
		Lacks: map[notifytest.Case]string{
			notifytest.Misconfigured: "there is nothing to be refused with",
			notifytest.ServerError:   noWire,
			notifytest.Garbage:       noWire,
		},
		Statuses: []notify.Status{notify.Delivered, notify.NotDelivered, notify.Rejected, notify.Expired},
		Open: func(t *testing.T, in notify.Inbox) *notifytest.Gateway {
			c, clock := start(t)
			var lock *sqlx.Tx
			unlock := func() {
				if lock != nil {
					_ = lock.Rollback() // a test's lock: the database's end would free it too
					lock = nil
				}
			}
			t.Cleanup(unlock)
			tick := func(t *testing.T) {
				if _, err := c.Tick(t.Context(), in); err != nil && !errors.Is(err, notifytest.ErrInbox) && !errors.Is(err, errPanic) {
					t.Errorf("tick: %v", err)
				}
			}
			waiting := func(t *testing.T) (n int) {
				if err := c.db.Get(&n, `SELECT count(*) FROM sandbox_texts WHERE NOT receipted AND receipt_at <= $1`, c.now()); err != nil {
					t.Fatal(err)
				}
				return n
			}
			return &notifytest.Gateway{
				Carrier: c,
				Stage: func(t *testing.T, k notifytest.Case) {
					switch k {
					case notifytest.Unreachable:
						if err := c.db.Close(); err != nil {
							t.Fatal(err)
						}
					case notifytest.Slow:
						var err error
						if lock, err = c.db.Beginx(); err != nil {
							t.Fatal(err)
						}
						if _, err := lock.Exec(`LOCK TABLE sandbox_texts IN EXCLUSIVE MODE`); err != nil {
							t.Fatal(err)
						}
					}
				},
				Held: func(t *testing.T) {
					for n := 0; n == 0; {
						if err := lock.Get(&n, `SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = CAST('sandbox_texts' AS regclass)`); err != nil {
							t.Error(err)
							return
						}
					}
				},
				Texts: func(t *testing.T) (out []notifytest.Text) {
					unlock()
					rows := []text{}
					if err := c.db.Select(&rows, `SELECT id, direction, phone, partner, body, at FROM sandbox_texts WHERE direction = 'to_phone' ORDER BY id`); err != nil {
						t.Fatal(err)
					}
					for _, r := range rows {
						out = append(out, notifytest.Text{From: r.Partner, To: r.Phone, Body: r.Body})
					}
					return out
				},
				Receipt: func(t *testing.T, _ string, _ notify.Status) {
					clock.advance(2 * time.Second)
					tick(t)
				},
				Reply: func(t *testing.T, r notifytest.Reply) {
					if err := c.reply(t.Context(), r.From, r.To, r.Body); err != nil {
						t.Fatal(err)
					}
					tick(t)
				},
				Redeliver: tick,
				Settled: func(t *testing.T) {
					if n := waiting(t); n != 0 {
						t.Errorf("%d texts not settled", n)
					}
				},
				Refused: func(t *testing.T, n int) {
					if got := waiting(t); got != n {
						t.Errorf("%d texts refused, want %d", got, n)
					}
				},
			}
		},
	})
}

func TestTick_notEarlyNotTwice(t *testing.T) {
	c, clock := start(t)
	in := notifytest.NewInbox()
	for i, phone := range []string{"+41791234567", "+41791230003"} { // the second never gets a receipt
		if _, err := c.Send(t.Context(), notify.Message{AccountID: 1, ID: int64(i), Recipient: phone, Sender: "Praxis", Body: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{2*time.Second - time.Millisecond, 0}, {time.Millisecond, 1}, {time.Hour, 0}} {
		clock.advance(step.after)
		n, err := c.Tick(t.Context(), in)
		if err != nil || n != step.want {
			t.Errorf("after %v more: %d texts, %v; want %d", step.after, n, err, step.want)
		}
	}
	got := in.Receipts()
	want := []notify.Receipt{{Carrier: "sandbox", CarrierID: "sandbox-1-1", Status: notify.Delivered,
		At: clock.Now().Add(-time.Hour), Recipient: "+41791234567", Sender: "Praxis"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("receipts (-want +got):\n%s", diff)
	}
}

type panicking struct{ notify.Inbox }

func (panicking) Receipt(context.Context, notify.Receipt) error { panic("+41791234567") }

func TestTick_survivesPanic(t *testing.T) {
	c, clock := start(t)
	if _, err := c.Send(t.Context(), notify.Message{Recipient: "+41791234567", Sender: "Praxis", Body: "x"}); err != nil {
		t.Fatal(err)
	}
	clock.advance(time.Minute)
	_, err := c.Tick(t.Context(), panicking{})
	if !errors.Is(err, errPanic) || strings.Contains(err.Error(), "4179") {
		t.Errorf("got %v", err)
	}
	in := notifytest.NewInbox()
	if n, err := c.Tick(t.Context(), in); n != 1 || err != nil {
		t.Errorf("afterwards %d texts, %v", n, err)
	}
}

func TestRun(t *testing.T) {
	c, _ := start(t)
	in := notifytest.NewInbox()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, in) }()
	if err := c.reply(t.Context(), "+41791234567", "Praxis", "JA"); err != nil {
		t.Fatal(err)
	}
	if got := in.AwaitInbounds(t, 1)[0]; got.Body != "JA" || got.To != "Praxis" {
		t.Errorf("got %+v", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// browse serves the page under a prefix, as dev does.
func browse(t *testing.T, c *Carrier, in notify.Inbox) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/outside/phone/", http.StripPrefix("/outside/phone", c.Phone(in)))
	mux.Handle("/bare", http.StripPrefix("/bare", c.Phone(in)))
	mux.Handle("/bare/", http.StripPrefix("/bare", c.Phone(in)))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, address string, header ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return do(t, req)
}

func do(t *testing.T, req *http.Request) (int, string, http.Header) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Header
}

func TestPhone_showsTexts(t *testing.T) {
	c, clock := start(t)
	s := browse(t, c, nil)
	status, body, header := get(t, s.URL+"/outside/phone/")
	if status != 200 || !strings.Contains(body, "Noch hat kein Telefon") {
		t.Errorf("empty: %d\n%s", status, body)
	}
	if !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Error("no strict policy")
	}
	send := func(phone, sender, text string) {
		t.Helper()
		if _, err := c.Send(t.Context(), notify.Message{Recipient: phone, Sender: sender, Body: text}); err != nil {
			t.Fatal(err)
		}
		clock.advance(time.Minute)
	}
	send("+41791234567", "Praxis", "Termin <b>Dienstag</b>\n& bis dann")
	send("+41791234567", "Klinik", "Noch einer")
	send("+41790000042", "Praxis", "für jemand anders")
	send("+41791230001", "Praxis", "kommt nie an")

	bubbles := func(body string) int { return strings.Count(body, `class="bubble in"`) }
	_, body, _ = get(t, s.URL+"/outside/phone/?phone=+4179%20123+45+67") // "+" read as a space
	if n := bubbles(body); n != 2 || !strings.Contains(body, "Termin &lt;b&gt;Dienstag&lt;/b&gt;\n&amp; bis dann") || strings.Contains(body, "jemand anders") {
		t.Errorf("%d bubbles:\n%s", n, body)
	}
	for _, want := range []string{"04.03.2026, 14:30", `id="reply"`, `name="body"`, "<option>Klinik</option><option>Praxis</option>", `href="?phone=%2B41790000042"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if found := regexp.MustCompile(`(?i)<script>|<style|style=|onclick=|https?://`).FindString(body); found != "" {
		t.Errorf("the page has %q, which the policy forbids", found)
	}
	_, body, _ = get(t, s.URL+"/outside/phone/?phone=%2B41791230001")
	if bubbles(body) != 0 || !strings.Contains(body, "NOT_DELIVERED") {
		t.Errorf("a text shows that never arrived:\n%s", body)
	}
	for _, tt := range []struct{ accept, query, want string }{
		{"en-GB,en;q=0.9", "", `<html lang="en">`}, {"de-CH", "", `<html lang="de">`}, {"", "", `<html lang="de">`},
		{"de", "?lang=en", `<html lang="en">`}, {"fr-CH", "", `<html lang="en">`}, {";;", "", `<html lang="de">`},
	} {
		if _, body, _ := get(t, s.URL+"/outside/phone/"+tt.query, "Accept-Language", tt.accept); !strings.Contains(body, tt.want) {
			t.Errorf("%q%s: no %s", tt.accept, tt.query, tt.want)
		}
	}
}

func TestPhone_files(t *testing.T) {
	c, _ := start(t)
	s := browse(t, c, nil)
	for file, kind := range map[string]string{"phone.css": "text/css", "phone.js": "javascript"} {
		if status, _, h := get(t, s.URL+"/outside/phone/"+file); status != 200 || !strings.Contains(h.Get("Content-Type"), kind) {
			t.Errorf("%s: %d %s", file, status, h.Get("Content-Type"))
		}
	}
	if status, _, _ := get(t, s.URL+"/outside/phone/phone.html"); status != 404 {
		t.Errorf("the template is served: %d", status)
	}
	if status, body, _ := get(t, s.URL+"/bare?phone=%2B41791234567"); status != 200 || !strings.Contains(body, "41791234567") {
		t.Errorf("without the slash: %d", status)
	}
}

func post(t *testing.T, address string, form url.Values, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	status, body, _ := do(t, req)
	return status, body
}

func TestPhone_reply(t *testing.T) {
	c, clock := start(t)
	in := notifytest.NewInbox()
	s := browse(t, c, in)
	page := s.URL + "/outside/phone/"
	if _, err := c.Send(t.Context(), notify.Message{Recipient: "+41791234567", Sender: "Praxis", Body: "Kommen Sie?"}); err != nil {
		t.Fatal(err)
	}
	form := url.Values{"phone": {"+41791234567"}, "partner": {"Praxis"}, "body": {" JA, gern\r\nDanke "}}
	status, body := post(t, page, form)
	if status != 200 || !strings.Contains(body, `class="bubble own"`) || !strings.Contains(body, "JA, gern\nDanke") {
		t.Errorf("%d\n%s", status, body)
	}
	want := []notify.Inbound{{Carrier: "sandbox", CarrierID: "sandbox-reply-2", From: "+41791234567", To: "Praxis", Body: "JA, gern\nDanke", At: clock.Now()}}
	sameInstant := cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })
	if diff := cmp.Diff(want, in.Inbounds(), sameInstant); diff != "" {
		t.Errorf("inbound (-want +got):\n%s", diff)
	}

	// An inbox that fails gets it later, and once.
	in.Fail(1)
	form.Set("body", "STOP")
	if status, _ := post(t, page, form); status != 200 {
		t.Errorf("answered %d although the reply is stored", status)
	}
	for range 3 {
		if _, err := c.Tick(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	if got := in.Inbounds(); len(got) != 2 || got[1].Body != "STOP" {
		t.Errorf("got %+v", got)
	}

	for _, tt := range []struct {
		field, value, want string
		status             int
	}{
		{"body", " \n ", "Schreibe zuerst", 422}, {"body", strings.Repeat("ä", 1601), "Höchstens 1600", 422},
		{"partner", "", "", 422}, {"phone", "", "", 422},
	} {
		bad := url.Values{"phone": {"+41791234567"}, "partner": {"Praxis"}, "body": {"x"}}
		bad.Set(tt.field, tt.value)
		if status, body := post(t, page, bad); status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s %.10q: %d", tt.field, tt.value, status)
		}
	}
	if status, _ := post(t, page, form, "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
		t.Errorf("another site's form was answered with %d", status)
	}
}

func TestParseURL(t *testing.T) {
	for _, tt := range []struct{ url, err string }{
		{"sandbox://", ""}, {"sandbox://?receipt=0s&window=3&zone=UTC&name=demo", ""},
		{"smpp://", "scheme"}, {"sandbox://?receipts=1s", "no such parameter"}, {"sandbox://?receipt=-1s", "receipt"},
		{"sandbox://?window=0", "window"}, {"sandbox://?zone=Mars", "zone"}, {"sandbox://?name=", "name"},
		{"sandbox://?name=a&name=b", "2 times"},
	} {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseURL(u); (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got %v, want %q", tt.url, err, tt.err)
		}
	}
	if _, err := New(Config{Name: "x", Window: 1, Zone: time.UTC}); !errors.Is(err, ErrConfig) {
		t.Errorf("without a database: %v", err)
	}
}

func TestWords_complete(t *testing.T) {
	for _, w := range []words{german, english} {
		for _, d := range Demos() {
			if w.notes[d.Ending] == "" {
				t.Errorf("%s: no note for %s", w.Code, d.Ending)
			}
		}
	}
	for code := range german.problems {
		if english.problems[code] == "" {
			t.Errorf("no English for %q", code)
		}
	}
}

func ExampleDemos() {
	for _, d := range Demos()[:3] {
		fmt.Println(d.Ending, d.Refusal, d.Silent, d.Status)
	}
	// Output:
	// 0001 <nil> false NOT_DELIVERED
	// 0002 notify: invalid destination false NOT_SENT
	// 0003 <nil> true NOT_SENT
}
