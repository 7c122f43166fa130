package notify_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"pgregory.net/rapid"

	"rappel/migrations"
	"rappel/notify"
	"rappel/notify/links"
	"rappel/notify/segment"
)

// policied is a world whose outbox follows rules.
type policied struct {
	*world
	policy *notify.Policy
	holds  *notify.Holds
}

func newPolicied(t testing.TB, change func(*notify.PolicyConfig)) *policied {
	t.Helper()
	w := &policied{world: newWorld(t)}
	l, err := links.New("https://rpl.ch/u", []byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := notify.PolicyConfig{DB: w.db, Now: w.clock.Now, Links: l}
	if change != nil {
		change(&cfg)
	}
	if w.policy, err = notify.NewPolicy(cfg); err != nil {
		t.Fatal(err)
	}
	if w.holds, err = notify.NewHolds(notify.HoldsConfig{DB: w.db, Policy: w.policy, Observer: w.seen, Now: w.clock.Now}); err != nil {
		t.Fatal(err)
	}
	w.outbox = notify.NewPolicyOutbox(w.clock.Now, w.policy)
	w.set(1, `review = 'none'`)
	return w
}

// set changes an account's settings.
func (w *policied) set(account int64, columns string, args ...any) {
	w.t.Helper()
	w.exec(`UPDATE accounts SET `+columns+` WHERE account_id = $1`, append([]any{account}, args...)...)
	w.policy.Forget(account)
}

func (w *policied) register(country, sender string, state notify.RegistrationState) {
	w.t.Helper()
	w.inAccount(1, func(tx *sqlx.Tx) error {
		return w.holds.RegisterTx(context.Background(), tx, notify.Registration{AccountID: 1, Country: country, Sender: sender, State: state}, w.clock.Now())
	})
}

func (w *policied) inAccount(account int64, do func(tx *sqlx.Tx) error) {
	w.t.Helper()
	if err := migrations.InAccount(context.Background(), w.db, account, do); err != nil {
		w.t.Fatal(err)
	}
}

// add enqueues and returns all that is said of it.
func (w *policied) add(change func(*notify.NewMessage)) (notify.MessageRef, notify.Enqueued) {
	w.t.Helper()
	m := w.message(change)
	var e notify.Enqueued
	w.inAccount(m.AccountID, func(tx *sqlx.Tx) (err error) {
		e, err = w.outbox.EnqueueTx(context.Background(), tx, m)
		return err
	})
	return notify.MessageRef{AccountID: m.AccountID, ID: e.ID}, e
}

func marketing(change func(*notify.NewMessage)) func(*notify.NewMessage) {
	return func(m *notify.NewMessage) {
		m.Kind, m.Origin, m.Expires = notify.Marketing, notify.OriginCampaign, epoch.Add(7*24*time.Hour)
		if change != nil {
			change(m)
		}
	}
}

// Sender, suffix and what remains, by the rows that are there from the beginning.
func TestPreview(t *testing.T) {
	t.Parallel()
	w := newPolicied(t, nil)
	serviced := newPolicied(t, func(c *notify.PolicyConfig) { c.Service = "no-sms.eu" })
	for _, p := range []*policied{w, serviced} {
		p.set(1, `fallback_sender = '+41435550000', two_way_numbers = '{+41435550001,+423777000}'`)
		p.register("IT", "Registrato", notify.RegistrationApproved)
		p.register("IT", "InAttesa", notify.RegistrationPending)
		p.register("IT", "Respinto", notify.RegistrationRejected)
		p.register("US", "+41435550000", notify.RegistrationApproved)
		p.register("US", "+12125552345", notify.RegistrationApproved)
		p.register("CA", "+14165552345", notify.RegistrationPending)
		p.register("CH", "Verboten", notify.RegistrationRejected)
	}
	const link = " STOP rpl.ch/u/0000000000-"
	for _, tt := range []struct {
		name       string
		kind       notify.Kind
		to, sender string
		suffix     string
		units      int // of the suffix, with its separator
		shown      string
		why        notify.Reason
		refused    bool
		held       notify.Reason
		body       string
		remaining  int
		encoding   segment.Encoding
		service    bool
		assumed    bool
	}{
		{name: "a name in Switzerland", kind: 2, to: "+41791234567", sender: "Praxis", suffix: link, units: 26, shown: "Praxis", remaining: 134},
		{name: "no suffix on notifications", kind: 1, to: "+41791234567", sender: "Praxis", shown: "Praxis", remaining: 160},
		{name: "in UCS-2", kind: 2, to: "+41791234567", sender: "Praxis", suffix: link, units: 26, shown: "Praxis", body: "ç", remaining: 43, encoding: segment.UCS2},
		{name: "a number nobody can answer", kind: 2, to: "+41791234567", sender: "+41435550009", suffix: link, units: 26, shown: "+41435550009", remaining: 134},
		{name: "a number that takes replies", kind: 2, to: "+41791234567", sender: "+41435550001", suffix: " Abmelden: STOP", units: 15, shown: "+41435550001", remaining: 145},
		{name: "replies don't work in Liechtenstein", kind: 2, to: "+4237912345", sender: "+423777000", suffix: link, units: 26, shown: "+423777000", remaining: 134},
		{name: "France, where no short code is ours", kind: 2, to: "+33612345678", sender: "Praxis", suffix: link, units: 26, shown: "Praxis", remaining: 134},
		{name: "France, by reply", kind: 2, to: "+33612345678", sender: "+41435550001", suffix: " Abmelden: STOP", units: 15, shown: "+41435550001", remaining: 145},
		{name: "the operator's short code, whatever the sender", kind: 2, to: "+33612345678", sender: "+41435550001", suffix: " STOP 36034", units: 11, shown: "+41435550001", remaining: 149, service: true},
		{name: "the operator's service", kind: 2, to: "+41791234567", sender: "Praxis", suffix: " no-sms.eu", units: 10, shown: "Praxis", remaining: 150, service: true},
		{name: "the operator's short code in France", kind: 2, to: "+33612345678", sender: "Praxis", suffix: " STOP 36034", units: 11, shown: "Praxis", remaining: 149, service: true},
		{name: "a name that says nothing", kind: 1, to: "+41791234567", sender: "Info", shown: "+41435550000", why: notify.ReasonSenderBarred, remaining: 160},
		{name: "rejected though none was needed", kind: 1, to: "+41791234567", sender: "verboten", shown: "+41435550000", why: notify.ReasonSenderRejected, remaining: 160},
		{name: "Germany", kind: 2, to: "+4915123456789", sender: "Praxis", suffix: link, units: 26, shown: "Praxis", remaining: 134},
		{name: "Austria", kind: 2, to: "+436641234567", sender: "Praxis", suffix: link, units: 26, shown: "Praxis", remaining: 134},
		{name: "Italy, registered", kind: 2, to: "+393331234567", sender: "Registrato", suffix: link, units: 26, shown: "Registrato", remaining: 134},
		{name: "Italy, pending", kind: 1, to: "+393331234567", sender: "inattesa", shown: "inattesa", held: notify.ReasonRegistration, remaining: 160},
		{name: "Italy, rejected, foreign number", kind: 1, to: "+393331234567", sender: "Respinto", shown: "Respinto", why: notify.ReasonSenderRejected, refused: true, remaining: 160},
		{name: "Italy, never registered", kind: 1, to: "+393331234567", sender: "Praxis", shown: "Praxis", why: notify.ReasonUnregistered, refused: true, remaining: 160},
		{name: "Britain wants everybody registered", kind: 1, to: "+447400123456", sender: "Praxis", shown: "Praxis", why: notify.ReasonUnregistered, refused: true, remaining: 160},
		{name: "Britain drops foreign numbers", kind: 1, to: "+447400123456", sender: "+41435550001", shown: "+41435550001", why: notify.ReasonSenderForeign, refused: true, remaining: 160},
		{name: "America, a name", kind: 1, to: "+12125552345", sender: "Praxis", shown: "Praxis", why: notify.ReasonSenderName, refused: true, remaining: 160},
		{name: "America, a number of its own", kind: 2, to: "+12125552345", sender: "+12125552345", suffix: link, units: 26, shown: "+12125552345", remaining: 134},
		{name: "America, another number", kind: 1, to: "+12125552345", sender: "+13105552345", shown: "+13105552345", why: notify.ReasonUnregistered, refused: true, remaining: 160},
		{name: "Canada, pending", kind: 1, to: "+15145552345", sender: "+14165552345", shown: "+14165552345", held: notify.ReasonRegistration, remaining: 160},
		{name: "a country nobody looked into", kind: 2, to: "+34612345678", sender: "Praxis", suffix: link, units: 26, shown: "Praxis", remaining: 134, assumed: true},
		{name: "a Crown dependency isn't Britain", kind: 1, to: "+447911123456", sender: "Praxis", shown: "Praxis", remaining: 160, assumed: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := w
			if tt.service {
				p = serviced
			}
			got, err := p.policy.Preview(context.Background(), notify.Draft{AccountID: 1, Kind: tt.kind, Recipient: tt.to, Sender: tt.sender, Body: tt.body})
			if err != nil {
				t.Fatal(err)
			}
			if got.Suffix != tt.suffix || got.Body != tt.body+tt.suffix || segment.Measure(got.Suffix).Units != tt.units {
				t.Errorf("suffix %q of %d units, want %q of %d", got.Suffix, segment.Measure(got.Suffix).Units, tt.suffix, tt.units)
			}
			if got.Sender != tt.shown || got.SenderWhy != tt.why || got.Refused != tt.refused || got.Held != tt.held {
				t.Errorf("sender %q %q, refused %t, held %q", got.Sender, got.SenderWhy, got.Refused, got.Held)
			}
			if got.Remaining != tt.remaining || got.Encoding != tt.encoding || got.Segments != 1 || got.Assumed != tt.assumed {
				t.Errorf("%+v", got)
			}
		})
	}
	for name, d := range map[string]notify.Draft{
		"no kind": {AccountID: 1, Sender: "Praxis"}, "no account": {Kind: 1, Sender: "Praxis"},
		"number": {AccountID: 1, Kind: 1, Recipient: "079", Sender: "Praxis"}, "sender": {AccountID: 1, Kind: 1, Sender: "Zahnarztpraxis"},
		"nobody's": {AccountID: 9, Kind: 1, Sender: "Praxis"},
	} {
		_, err := w.policy.Preview(context.Background(), d)
		if !errors.Is(err, notify.ErrRequest) && !errors.Is(err, notify.ErrRecipient) && !errors.Is(err, notify.ErrSender) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A longer base makes a longer suffix, which is what is shown.
func TestPreview_longBase(t *testing.T) {
	t.Parallel()
	for base, units := range map[string]int{"rpl.ch/u": 26, "r.ch/u/": 26, "rappel.example.ch/u/": 37, "http://127.0.0.1:8080/u": 34} {
		l, err := links.New(base, make([]byte, 32))
		if err != nil {
			t.Fatal(err)
		}
		w := newPolicied(t, func(c *notify.PolicyConfig) { c.Links = l })
		got, err := w.policy.Preview(context.Background(), notify.Draft{AccountID: 1, Kind: notify.Marketing, Recipient: patient, Sender: "Praxis"})
		if err != nil || got.Units != units || got.Remaining != 160-units {
			t.Errorf("base %s: %d units, %d remaining, %v; want %d", base, got.Units, got.Remaining, err, units)
		}
		_, e := w.add(marketing(func(m *notify.NewMessage) { m.Body = "Aktion" }))
		if len(e.Suffix) != units {
			t.Errorf("base %s: the suffix %q has %d characters, want %d", base, e.Suffix, len(e.Suffix), units)
		}
	}
}

func TestNextOpen_byCountry(t *testing.T) {
	t.Parallel()
	w := newPolicied(t, nil)
	w.account(2)
	w.set(2, `holiday_region = 'CH-ZH'`)
	w.account(3)
	w.set(3, `holiday_region = 'CH-GE'`)
	w.account(4)
	w.set(4, `holiday_region = 'CH-TI'`)
	for _, tt := range []struct {
		name      string
		account   int64
		to        string
		now, want string
	}{
		{"open", 1, "+41791234567", "2026-03-02T12:00:00+01:00", "2026-03-02T12:00:00+01:00"},
		{"in the evening", 1, "+41791234567", "2026-03-02T20:00:00+01:00", "2026-03-03T08:00:00+01:00"},
		{"Saturday", 1, "+41791234567", "2026-03-07T19:59:00+01:00", "2026-03-07T19:59:00+01:00"},
		{"Sunday", 1, "+41791234567", "2026-03-08T12:00:00+01:00", "2026-03-09T08:00:00+01:00"},
		{"Swiss national day", 1, "+41791234567", "2026-07-31T20:00:00+02:00", "2026-08-03T08:00:00+02:00"}, // a Saturday
		{"some cantons' day, canton unknown", 1, "+41791234567", "2026-03-19T12:00:00+01:00", "2026-03-19T12:00:00+01:00"},
		{"most cantons' day, canton unknown", 1, "+41791234567", "2026-04-03T12:00:00+02:00", "2026-04-04T08:00:00+02:00"}, // Good Friday
		{"all cantons' day, canton unknown", 1, "+41791234567", "2026-05-14T12:00:00+02:00", "2026-05-15T08:00:00+02:00"},
		{"Geneva's fast", 3, "+41791234567", "2026-09-10T12:00:00+02:00", "2026-09-11T08:00:00+02:00"},
		{"Geneva's republic", 3, "+41791234567", "2026-12-31T12:00:00+01:00", "2027-01-02T08:00:00+01:00"},
		{"Ticino on Peter and Paul", 4, "+41791234567", "2026-06-29T12:00:00+02:00", "2026-06-30T08:00:00+02:00"},
		{"Scotland's second of January", 1, "+447400123456", "2029-01-02T12:00:00Z", "2029-01-03T08:00:00Z"},
		{"Scotland's second of January, moved", 1, "+447400123456", "2028-01-04T12:00:00Z", "2028-01-05T08:00:00Z"},
		{"Ireland's twelfth, moved", 1, "+447400123456", "2026-07-13T12:00:00+01:00", "2026-07-14T08:00:00+01:00"},
		{"St Andrew's Day", 1, "+447400123456", "2026-11-30T12:00:00Z", "2026-12-01T08:00:00Z"},
		{"Québec's day", 1, "+15145552345", "2026-06-24T15:00:00Z", "2026-06-25T12:00:00Z"},
		{"Family Day", 1, "+14165552345", "2026-02-16T15:00:00Z", "2026-02-17T13:00:00Z"},
		{"San Francesco", 1, "+393331234567", "2027-10-04T12:00:00+02:00", "2027-10-05T08:00:00+02:00"},
		{"San Francesco, not yet", 1, "+393331234567", "2025-10-04T12:00:00+02:00", "2025-10-04T12:00:00+02:00"},
		{"the day after Thanksgiving", 1, "+12125552345", "2026-11-27T15:00:00Z", "2026-11-28T13:00:00Z"},
		{"not that canton's day", 2, "+41791234567", "2026-12-08T12:00:00+01:00", "2026-12-08T12:00:00+01:00"},
		{"that canton's day", 2, "+41791234567", "2026-05-01T12:00:00+02:00", "2026-05-02T08:00:00+02:00"},
		{"a canton isn't another country's", 2, "+4915123456789", "2026-06-04T12:00:00+02:00", "2026-06-05T08:00:00+02:00"}, // Corpus Christi in parts of Germany
		{"Liechtenstein begins at ten", 1, "+4237912345", "2026-03-02T08:00:00+01:00", "2026-03-02T10:00:00+01:00"},
		{"and rests on Saturdays", 1, "+4237912345", "2026-03-07T12:00:00+01:00", "2026-03-09T10:00:00+01:00"},
		{"and on Mary's birthday", 1, "+4237912345", "2026-09-08T12:00:00+02:00", "2026-09-09T10:00:00+02:00"},
		{"France on Saturdays", 1, "+33612345678", "2026-03-07T08:30:00+01:00", "2026-03-07T10:00:00+01:00"},
		{"France on Bastille Day", 1, "+33612345678", "2026-07-14T12:00:00+02:00", "2026-07-15T08:00:00+02:00"},
		{"Italy on Liberation Day", 1, "+393331234567", "2026-04-25T12:00:00+02:00", "2026-04-27T08:00:00+02:00"},
		{"Austria on its national day", 1, "+436641234567", "2026-10-26T12:00:00+01:00", "2026-10-27T08:00:00+01:00"},
		{"Britain at its own clock", 1, "+447400123456", "2026-03-02T07:30:00Z", "2026-03-02T08:00:00Z"},
		{"a moved bank holiday", 1, "+447400123456", "2026-12-28T12:00:00Z", "2026-12-29T08:00:00Z"}, // Boxing Day was a Saturday
		{"New York", 1, "+12125552345", "2026-03-02T12:30:00Z", "2026-03-02T13:00:00Z"},
		{"Hawaii", 1, "+18085552345", "2026-03-02T12:30:00Z", "2026-03-02T18:00:00Z"},
		{"America on Thanksgiving", 1, "+12125552345", "2026-11-26T15:00:00Z", "2026-11-28T13:00:00Z"},
		{"Canada on its day", 1, "+14165552345", "2026-07-01T15:00:00Z", "2026-07-02T12:00:00Z"},
		{"a country nobody looked into", 1, "+34612345678", "2026-03-02T19:00:00+01:00", "2026-03-03T10:00:00+01:00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now, want := instant(t, tt.now), instant(t, tt.want)
			got, err := w.policy.NextOpen(context.Background(), tt.account, tt.to, now)
			if err != nil || !got.Equal(want) {
				t.Errorf("NextOpen = %v, %v; want %v", got.In(want.Location()), err, want)
			}
		})
	}
	w.exec(`INSERT INTO country_rules SELECT 'CH', '2026-04-01T00:00:00Z', 'a ban', sender_mode, numeric_sender, foreign_numeric, barred_names,
		registration_needed, '{"","","","","","","",""}', holiday_set, true FROM country_rules WHERE country = 'CH'`)
	w.policy.Forget(1)
	if _, err := w.policy.NextOpen(context.Background(), 1, patient, epoch.AddDate(0, 3, 0)); !errors.Is(err, notify.ErrClosed) {
		t.Errorf("where no hour is open: %v, want ErrClosed", err)
	}
	// The row in force is the newest that has begun.
	for at, source := range map[time.Time]bool{epoch: false, instant(t, "2026-04-01T00:00:00Z"): true, instant(t, "2026-03-31T23:59:59Z"): false} {
		r, err := w.policy.Rules(context.Background(), "CH", at)
		if err != nil || (r.Source == "a ban") != source || r.ConfirmOptOut != source {
			t.Errorf("at %v: %+v, %v", at, r, err)
		}
	}
}

func instant(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// Rules and settings are read again once they are old, and not before.
func TestPolicy_refreshes(t *testing.T) {
	t.Parallel()
	w := newPolicied(t, nil)
	look := func() string {
		t.Helper()
		p, err := w.policy.Preview(context.Background(), notify.Draft{AccountID: 1, Kind: notify.Notification, Recipient: patient, Sender: "INFO"})
		if err != nil {
			t.Fatal(err)
		}
		return p.Sender
	}
	look()
	w.exec(`UPDATE accounts SET fallback_sender = '+41435550000'`)
	if got := look(); got != "INFO" {
		t.Errorf("at once: %q", got)
	}
	w.clock.Add(11 * time.Second)
	if got := look(); got != "+41435550000" {
		t.Errorf("after eleven seconds: %q", got)
	}
	w.exec(`UPDATE country_rules SET barred_names = '{}'`)
	w.clock.Add(11 * time.Second)
	if got := look(); got != "INFO" {
		t.Errorf("with no name barred: %q", got)
	}
	w.exec(`DELETE FROM country_rules`)
	w.clock.Add(11 * time.Second)
	if _, err := w.policy.NextOpen(context.Background(), 1, patient, epoch); !errors.Is(err, notify.ErrClosed) {
		t.Errorf("without any rules: %v, want ErrClosed", err)
	}
}

// Whatever is written to whomever: marketing says how to refuse it, at the very end and
// whole, and the figures are those of what is sent.
func TestPreview_rapid(t *testing.T) {
	t.Parallel()
	w := newPolicied(t, nil)
	w.set(1, `fallback_sender = '+41435550000', two_way_numbers = '{+41435550001}'`)
	w.register("IT", "Praxis", notify.RegistrationPending)
	numbers := []string{patient, "+4237912345", "+4915123456789", "+436641234567", "+33612345678", "+393331234567", "+447400123456", "+12125552345", "+14165552345", "+34612345678", "+79161234567"}
	rapid.Check(t, func(rt *rapid.T) {
		d := notify.Draft{AccountID: 1, Kind: rapid.SampledFrom([]notify.Kind{notify.Notification, notify.Marketing}).Draw(rt, "kind"),
			Recipient: rapid.SampledFrom(numbers).Draw(rt, "to"), Smart: rapid.Bool().Draw(rt, "smart"),
			Sender: rapid.SampledFrom([]string{"Praxis", "INFO", "sms", "+41435550000", "+41435550001", "+12125550000", "+447400000000"}).Draw(rt, "sender"),
			Body:   rapid.StringOfN(rapid.RuneFrom([]rune("aä€ç„“’ 😀\n-")), 0, 200, -1).Draw(rt, "body")}
		p, err := w.policy.Preview(context.Background(), d)
		if err != nil {
			rt.Fatal(err)
		}
		m := segment.Measure(p.Body)
		if m.Segments != p.Segments || m.Units != p.Units || m.Encoding != p.Encoding || m.Remaining != p.Remaining {
			rt.Fatalf("%+v, but the text has %+v", p, m)
		}
		if (p.Suffix != "") != (d.Kind == notify.Marketing) || !strings.HasSuffix(p.Body, p.Suffix) {
			rt.Fatalf("suffix %q of %q", p.Suffix, p.Body)
		}
		if p.Suffix != "" && !strings.Contains(p.Suffix, "STOP") {
			rt.Fatalf("suffix %q doesn't say STOP", p.Suffix)
		}
		if !d.Smart && p.Body != d.Body+p.Suffix {
			rt.Fatalf("%q became %q", d.Body, p.Body)
		}
		if !p.Refused {
			switch p.Sender {
			case d.Sender:
				if p.SenderWhy != "" || strings.EqualFold(p.Sender, "INFO") || strings.EqualFold(p.Sender, "SMS") {
					rt.Fatalf("%+v", p)
				}
			case "+41435550000":
				if p.SenderWhy == "" {
					rt.Fatalf("%+v", p)
				}
			default:
				rt.Fatalf("sender %q became %q", d.Sender, p.Sender)
			}
			if p.Country == "US" || p.Country == "CA" || p.Country == "GB" {
				rt.Fatalf("unregistered, but goes to %s: %+v", p.Country, p)
			}
		}
		if !p.SendAt.IsZero() && p.SendAt.Before(epoch) {
			rt.Fatalf("goes at %v", p.SendAt)
		}
	})
}
