package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"rappel/calendars/standin"
	"rappel/notify"
	"rappel/reminders"
)

// wantTexts compares what phone shows with appointments announced, in order.
func (s *stage) wantTexts(phone string, starts ...string) {
	s.t.Helper()
	want := []string{}
	for _, w := range starts {
		want = append(want, s.text(w))
	}
	if diff := cmp.Diff(want, s.texts(phone)); diff != "" {
		s.t.Errorf("at %s the phone of a patient shows otherwise (-want +got):\n%s", s.now().In(zurich).Format("Mon 15:04:05"), diff)
	}
}

func (s *stage) texts(phone string) []string {
	s.t.Helper()
	if s.receive != nil {
		return s.receive(phone)
	}
	got := []string{}
	s.must(s.app.pools.owner.SelectContext(s.t.Context(), &got, `SELECT body FROM sandbox_texts WHERE phone = $1 AND direction = 'to_phone' ORDER BY id`, phone))
	return got
}

// allTexts counts texts on all phones.
func (s *stage) allTexts() (n int) {
	s.t.Helper()
	s.must(s.app.pools.owner.GetContext(s.t.Context(), &n, `SELECT count(*) FROM sandbox_texts WHERE direction = 'to_phone'`))
	return n
}

// key is the instance key under which the product knows an event of the stand-in.
func (s *stage) key(id string) string {
	if s.provider == standin.Microsoft {
		return standin.GraphID(id)
	}
	return id
}

// wantVerdict compares why an appointment gets no text, as the web would say it.
func (c *clinic) wantVerdict(id string, want reminders.Reason) {
	s := c.stage
	s.t.Helper()
	ctx := s.t.Context()
	var ids []int64
	s.must(s.app.pools.owner.SelectContext(ctx, &ids, `SELECT id FROM events WHERE account_id = $1 AND instance_key = $2
		ORDER BY gone_at NULLS FIRST, id DESC`, c.account, s.key(id)))
	if len(ids) == 0 {
		s.t.Errorf("the appointment is not known, want %q", want)
		return
	}
	store := reminders.NewStore(s.app.pools.web)
	verdicts, err := store.Verdicts(ctx, c.account, ids[:1])
	s.must(err)
	planned, err := store.Reminders(ctx, c.account, ids[:1])
	s.must(err)
	rules, err := c.ruleStore.All(ctx, c.account)
	s.must(err)
	if got := reminders.Explain(verdicts[ids[0]], planned[ids[0]], rules, s.now()).Reason; got != want {
		s.t.Errorf("explained by %q, want %q", got, want)
	}
}

// wantReminders compares all reminders stored, as "status reason start", by start.
func (c *clinic) wantReminders(want ...string) {
	s := c.stage
	s.t.Helper()
	var rows []struct {
		Status, Reason string
		StartsAt       time.Time `db:"starts_at"`
	}
	s.must(s.app.pools.owner.SelectContext(s.t.Context(), &rows, `SELECT status, reason, starts_at FROM reminders WHERE account_id = $1 ORDER BY starts_at, status, reason`, c.account))
	got := []string{}
	for _, r := range rows {
		got = append(got, strings.Join(slices.DeleteFunc([]string{r.Status, r.Reason, r.StartsAt.In(zurich).Format("Mon 15:04")},
			func(w string) bool { return w == "" }), " "))
	}
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		s.t.Errorf("reminders (-want +got):\n%s", diff)
	}
}

// wantNotices compares the kinds of problems the clinic is shown.
func (c *clinic) wantNotices(want ...string) {
	s := c.stage
	s.t.Helper()
	got := []string{}
	s.must(s.app.pools.owner.SelectContext(s.t.Context(), &got, `SELECT kind FROM notices WHERE account_id = $1 AND resolved_at IS NULL ORDER BY kind, subject`, c.account))
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		s.t.Errorf("notices (-want +got):\n%s", diff)
	}
}

// wantMessages compares all messages asked for, as "status reason".
func (c *clinic) wantMessages(want ...string) {
	s := c.stage
	s.t.Helper()
	var rows []struct {
		Status notify.Status
		Reason string
	}
	s.must(s.app.pools.owner.SelectContext(s.t.Context(), &rows, `SELECT COALESCE(s.status, 0) AS status, COALESCE(s.reason, '') AS reason
		FROM messages m LEFT JOIN sent s ON s.account_id = m.account_id AND s.message_id = m.id WHERE m.account_id = $1 ORDER BY m.id`, c.account))
	got := []string{}
	for _, r := range rows {
		got = append(got, strings.TrimSpace(r.Status.String()+" "+r.Reason))
	}
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		s.t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func (c *clinic) connectionStatus() (status, problem string) {
	s := c.stage
	s.t.Helper()
	row := struct{ Status, Problem string }{}
	s.must(s.app.pools.owner.GetContext(s.t.Context(), &row, `SELECT status, problem FROM connections WHERE account_id = $1 AND id = $2`, c.account, c.conn.ID))
	return row.Status, row.Problem
}

// raised lists the kinds of alarm raised so far.
func (s *stage) raised() []string {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.app.metrics.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	kinds := []string{}
	for _, m := range regexp.MustCompile(`rappel_alarms_total\{kind="([^"]+)"\} [1-9]`).FindAllStringSubmatch(w.Body.String(), -1) {
		kinds = append(kinds, m[1])
	}
	return kinds
}

// confidential is what no log may hold: numbers, titles, bodies, e-mail addresses, tokens.
var confidential = regexp.MustCompile(`(?i)\b(?:\+?41|0041|0) ?7[5-9][ 0-9]{6,}|Kontrolle|Termin |@clinic|%40clinic|Bearer |refresh_token=|syncToken=[^ "]|rappel-test-secret`)

// audit ends every scenario: no alarm nobody expected, nothing private in the log, and
// no phone with the same text twice.
func (s *stage) audit() {
	for _, kind := range s.raised() {
		if !slices.Contains(s.alarms, kind) {
			s.t.Errorf("alarm %q was raised", kind)
		}
	}
	log := s.log.String()
	if at := confidential.FindStringIndex(log); at != nil {
		line := log[strings.LastIndex(log[:at[0]], "\n")+1:]
		line, _, _ = strings.Cut(line, "\n")
		s.t.Errorf("the log holds something private (%q) in:\n%s", log[at[0]:at[1]], line)
	}
	if s.receive == nil {
		var doubled int
		err := s.app.pools.owner.GetContext(context.Background(), &doubled, `SELECT count(*) FROM
			(SELECT 1 FROM sandbox_texts WHERE direction = 'to_phone' GROUP BY phone, body HAVING count(*) > 1) AS x`)
		if err != nil || doubled != s.doubles {
			s.t.Errorf("%d texts came twice, want %d (%v)", doubled, s.doubles, err)
		}
	}
	if s.t.Failed() {
		telling := regexp.MustCompile(`(?m)^.*outcome=(quiet|unchanged)\n`).ReplaceAllString(log, "")
		s.t.Logf("the log ends:\n%s", telling[max(0, len(telling)-6000):])
	}
}
