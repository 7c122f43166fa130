package reminders_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"rappel/calendars"
	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/notify"
	"rappel/reminders"
)

// webHouse is a house with the stores on the web's pool: row-level security applies.
func webHouse(t *testing.T) (h *house, templates *reminders.Templates, rules *reminders.Rules, settings *reminders.SettingsStore) {
	t.Helper()
	dsn := dbtest.NewDSN(t)
	h = newHouseOn(t, dbtest.Open(t, dsn))
	webDSN, err := migrations.WebDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	web := dbtest.Open(t, webDSN)
	return h, reminders.NewTemplates(web, h.now), reminders.NewRules(web, h.now, h.planner, h), reminders.NewSettings(web, h.now, h.planner)
}

// Ring makes the house a reminders.Ringer.
func (h *house) Ring(_ context.Context, _ sqlx.ExtContext, ref calendars.CalendarRef) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rung = append(h.rung, ref.ID)
	return nil
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	h, templates, _, _ := webHouse(t)
	ctx := t.Context()
	made, err := templates.Save(ctx, reminders.Template{AccountID: h.account, Name: " Kurz ", Texts: map[string]string{"de": " {date}\r\n{time} ", "fr": " "}})
	if err != nil {
		t.Fatal(err)
	}
	ref := reminders.TemplateRef{AccountID: h.account, ID: made.ID}
	got, err := templates.Get(ctx, ref)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]string{"de": "{date}\n{time}"}, got.Texts); d != "" || got.Name != "Kurz" {
		t.Errorf("stored %q (-want +got):\n%s", got.Name, d)
	}
	got.Texts = map[string]string{"it": "{date}"}
	if _, err := templates.Save(ctx, got); err != nil {
		t.Fatal(err)
	}
	list, err := templates.List(ctx, h.account)
	if err != nil || len(list) != 2 || list[0].Name != "Kurz" || list[1].Name != "Standard" {
		t.Fatalf("List = %+v, %v", list, err)
	}
	if d := cmp.Diff(map[string]string{"it": "{date}"}, list[0].Texts); d != "" {
		t.Errorf("texts are replaced (-want +got):\n%s", d)
	}

	got.Name = "Standard"
	if _, err := templates.Save(ctx, got); !cmp.Equal(fieldCodes(err), []string{"name taken"}) {
		t.Errorf("a name there is: %v", err)
	}
	_, err = templates.Save(ctx, reminders.Template{AccountID: h.account, Name: "Standard", Texts: map[string]string{"de": "x"}})
	if !cmp.Equal(fieldCodes(err), []string{"name taken"}) {
		t.Errorf("a second of that name: %v", err)
	}
	_, err = templates.Save(ctx, reminders.Template{AccountID: h.account, Name: "Falsch", Texts: map[string]string{"de": "Am {datum}"}})
	var bad *reminders.Invalid
	if !errors.As(err, &bad) || bad.Fields[0].Field != "texts.de" || bad.Fields[0].Column != 4 || bad.Fields[0].Params["suggestion"] != "date" {
		t.Errorf("an unknown placeholder: %v", err)
	}
	if err := templates.Delete(ctx, reminders.TemplateRef{AccountID: h.account, ID: h.template}); !errors.Is(err, reminders.ErrInUse) {
		t.Errorf("deleting a template in use: %v", err)
	}
	if err := templates.Delete(ctx, ref); err != nil {
		t.Fatal(err)
	}
	if err := templates.Delete(ctx, ref); !errors.Is(err, reminders.ErrNotFound) {
		t.Errorf("deleting it twice: %v", err)
	}
	if _, err := templates.Get(ctx, ref); !errors.Is(err, reminders.ErrNotFound) {
		t.Errorf("reading a deleted one: %v", err)
	}
	if _, err := templates.Get(ctx, reminders.TemplateRef{AccountID: h.account + 1, ID: h.template}); !errors.Is(err, reminders.ErrNotFound) {
		t.Errorf("reading another account's: %v", err)
	}
}

// A template outlives its rules only as long as somebody wants it; what they sent stays.
func TestTemplates_deleteAfterRule(t *testing.T) {
	t.Parallel()
	h, templates, rules, _ := webHouse(t)
	ctx := t.Context()
	h.sync(h.cal, h.appointment("a"))
	h.at("06-01 14:00")
	h.tick()
	h.claim() // it has left
	ref := reminders.TemplateRef{AccountID: h.account, ID: h.template}
	other := h.newRule(h.newCalendar("two").ID)
	if err := rules.Delete(ctx, reminders.RuleRef{AccountID: h.account, ID: h.rule.ID}); err != nil {
		t.Fatal(err)
	}
	if err := templates.Delete(ctx, ref); !errors.Is(err, reminders.ErrInUse) {
		t.Errorf("while another rule uses it: %v", err)
	}
	if err := rules.Delete(ctx, reminders.RuleRef{AccountID: h.account, ID: other.ID}); err != nil {
		t.Fatal(err)
	}
	if err := templates.Delete(ctx, ref); err != nil {
		t.Errorf("when only deleted rules name it: %v", err)
	}
	if err := templates.Delete(ctx, ref); !errors.Is(err, reminders.ErrNotFound) {
		t.Errorf("once more: %v", err)
	}
	h.want("what was sent stays", "anna queued rules_off")
	if n := h.count(`SELECT count(*) FROM messages WHERE account_id = $1`); n != 1 {
		t.Errorf("%d messages", n)
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	h, _, rules, _ := webHouse(t)
	ctx := t.Context()
	h.sync(h.cal, h.appointment("a"))

	// T21: a new rule plans what is stored, at once.
	two := h.rule
	two.ID, two.Kind, two.Amount = 0, reminders.HoursBefore, 2
	two, err := rules.Save(ctx, two)
	if err != nil {
		t.Fatal(err)
	}
	h.want("two", "anna planned", "anna planned")
	if len(h.rung) != 1 {
		t.Errorf("rung %v, want once: appointments further ahead may matter now", h.rung)
	}

	// Wording and sender do not make it new; time and being switched on do.
	h.at("06-01 13:00")
	worded := two
	worded.Sender, worded.Late = "Anders", reminders.LateSend
	worded, err = rules.Save(ctx, worded)
	if err != nil {
		t.Fatal(err)
	}
	if !worded.UpdatedAt.Equal(two.UpdatedAt) {
		t.Error("a new sender makes the rule new")
	}
	worded.Enabled = false
	if worded, err = rules.Save(ctx, worded); err != nil {
		t.Fatal(err)
	}
	h.want("one off", "anna planned", "anna dropped rules_off")
	worded.Enabled = true
	if worded, err = rules.Save(ctx, worded); err != nil {
		t.Fatal(err)
	}
	if !worded.UpdatedAt.Equal(h.now()) {
		t.Error("switching on does not make the rule new")
	}
	h.want("on again", "anna planned", "anna planned")

	if err := rules.Delete(ctx, reminders.RuleRef{AccountID: h.account, ID: h.rule.ID}); err != nil {
		t.Fatal(err)
	}
	h.want("one deleted", "anna dropped rules_off", "anna planned")
	all, err := rules.All(ctx, h.account)
	if err != nil || len(all) != 1 || all[0].ID != two.ID {
		t.Errorf("All = %+v, %v", all, err)
	}
	if _, err := rules.Get(ctx, reminders.RuleRef{AccountID: h.account, ID: h.rule.ID}); !errors.Is(err, reminders.ErrNotFound) {
		t.Errorf("reading a deleted rule: %v", err)
	}

	wrong := two
	wrong.ID, wrong.CalendarID, wrong.TemplateID = 0, 999, 999
	_, err = rules.Save(ctx, wrong)
	if d := cmp.Diff([]string{"calendar_id unknown", "template_id unknown"}, fieldCodes(err)); d != "" {
		t.Errorf("nothing there (-want +got):\n%s", d)
	}
	wrong = two
	wrong.Language = "it"
	_, err = rules.Save(ctx, wrong)
	if d := cmp.Diff([]string{"language no_text_in_language"}, fieldCodes(err)); d != "" {
		t.Errorf("no Italian text (-want +got):\n%s", d)
	}
}

// T21: deleting a rule takes back its text if it has not left; also as the web's role.
func TestRules_deleteWithdraws(t *testing.T) {
	t.Parallel()
	h, _, rules, _ := webHouse(t)
	h.sync(h.cal, h.appointment("a"))
	h.at("06-01 14:00")
	h.tick()
	h.wantTexts("queued", annasText)
	if err := rules.Delete(t.Context(), reminders.RuleRef{AccountID: h.account, ID: h.rule.ID}); err != nil {
		t.Fatal(err)
	}
	h.wantTexts("withdrawn")
	h.want("dropped", "anna dropped rules_off")
}

// Syncs, rule changes and clerks at once: nobody waits in a circle, and in the end all
// follows the last rule.
func TestRules_whileSyncing(t *testing.T) {
	t.Parallel()
	h, _, rules, _ := webHouse(t)
	var events []calendars.Event
	for i := range 30 {
		e := h.appointment(fmt.Sprintf("e%d", i))
		e.Title = fmt.Sprintf("079 123 10 %02d", i)
		events = append(events, e)
	}
	h.sync(h.cal, events...)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 15 {
			moved := make([]calendars.Event, len(events))
			for j, e := range events { // backwards, which must not matter either
				e.Start, e.End = e.Start.Add(time.Duration(i)*time.Minute), e.End.Add(time.Duration(i)*time.Minute)
				moved[len(events)-1-j] = e
			}
			if _, err := h.trySync(h.cal, moved...); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for i := range 15 {
			r := h.rule
			r.Kind, r.Amount = reminders.HoursBefore, 3+i%3
			if _, err := rules.Save(t.Context(), r); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for range 15 {
			if _, err := h.clerk().Tick(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	if n := h.count(`SELECT count(*) FROM reminders WHERE account_id = $1 AND status = 'planned' AND starts_at - due_at = interval '5 hours'`); n != 30 {
		t.Errorf("%d of 30 follow the last rule", n)
	}
}

// New rules of one calendar at once, as a double click makes them, while others go.
func TestRules_atOnce(t *testing.T) {
	t.Parallel()
	h, _, rules, _ := webHouse(t)
	h.sync(h.cal, h.appointment("a"))
	var wg sync.WaitGroup
	for i := range 8 {
		r := h.rule
		r.ID, r.Kind, r.Amount = 0, reminders.HoursBefore, 3+i
		wg.Go(func() {
			saved, err := rules.Save(t.Context(), r)
			if err != nil {
				t.Error(err)
				return
			}
			saved.Amount++
			if i%2 == 0 {
				_, err = rules.Save(t.Context(), saved)
			} else {
				err = rules.Delete(t.Context(), reminders.RuleRef{AccountID: h.account, ID: saved.ID})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := h.count(`SELECT count(*) FROM reminders WHERE account_id = $1 AND status = 'planned'`); n != 5 {
		t.Errorf("%d reminders planned, want one for each of 5 rules", n)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	h, _, _, settings := webHouse(t)
	ctx := t.Context()
	e := h.appointment("a")
	e.Title, e.Location = "Berta 078 765 43 21", "079 123 45 67"
	h.sync(h.cal, e)
	h.want("location first", "anna planned")
	s, err := settings.Get(ctx, h.account)
	if err != nil {
		t.Fatal(err)
	}
	s.FieldOrder = []string{"title"}
	s.OwnNumbers = []string{" 044 123 45 67", "+41441234567"}
	if err := settings.Save(ctx, s); err != nil {
		t.Fatal(err)
	}
	h.want("title only", "anna dropped number_changed", "berta planned")
	if s, err = settings.Get(ctx, h.account); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"+41441234567"}, []string(s.OwnNumbers)); d != "" {
		t.Errorf("own numbers (-want +got):\n%s", d)
	}
	s.Zone, s.Region, s.Sender, s.FieldOrder, s.QuietFrom, s.Language = "Zürich", "XX", "", []string{"notes"}, "9", "rm"
	if d := cmp.Diff([]string{"field_order unknown", "language unknown", "quiet_from not_a_clock_time", "quiet_to required",
		"region unknown_region", "sender sender_form", "zone unknown_zone"}, fieldCodes(settings.Save(ctx, s))); d != "" {
		t.Errorf("all wrong (-want +got):\n%s", d)
	}
	if _, err := settings.Get(ctx, h.account+1); !errors.Is(err, reminders.ErrNotFound) {
		t.Errorf("another account's settings: %v", err)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	e := h.appointment("a")
	e.Title = "079 123 45 67 / 078 765 43 21"
	e = h.sync(h.cal, e)[0]
	store := reminders.NewStore(h.db)
	explain := func() reminders.Explanation {
		vs, err := store.Verdicts(t.Context(), h.account, []int64{e.ID})
		if err != nil {
			t.Fatal(err)
		}
		rs, err := store.Reminders(t.Context(), h.account, []int64{e.ID})
		if err != nil {
			t.Fatal(err)
		}
		return reminders.Explain(vs[e.ID], rs[e.ID], []reminders.Rule{h.rule}, h.now())
	}
	x := explain()
	if x.Reason != reminders.Planned || x.Recipient != annas || x.Field != "title" || x.Others != 1 || len(x.Lines) != 1 ||
		!x.Lines[0].At.Equal(at(t, "06-01 14:00")) || x.Lines[0].Overdue {
		t.Errorf("%+v", x)
	}
	h.verify.script(func(context.Context, calendars.CalendarRef) error { return calendars.ErrUnavailable })
	h.at("06-01 14:00")
	h.tick()
	h.at("06-01 14:01")
	if x = explain(); x.Lines[0].Reason != reminders.CalendarUnreachable || !x.Lines[0].Overdue {
		t.Errorf("%+v", x)
	}
	h.verify.script(nil)
	h.tick()
	if x = explain(); x.Lines[0].Status != reminders.StatusQueued || x.Lines[0].MessageID == 0 {
		t.Errorf("%+v", x)
	}
	planned, err := store.Planned(t.Context(), h.account, h.now().Add(72*time.Hour), 10)
	if err != nil || len(planned) != 0 {
		t.Errorf("Planned = %v, %v", planned, err)
	}
}

// What the clerk gave up is the reason shown, although planning found none.
func TestExplain_givenUp(t *testing.T) {
	line := func(status reminders.Status, reason reminders.Reason, due string) reminders.Reminder {
		return reminders.Reminder{ID: 1, RuleID: 1, Status: status, Reason: reason, DueAt: at(t, due), MessageID: ptr(int64(7))}
	}
	late := line(reminders.StatusSkipped, reminders.TooLate, "06-01 14:00")
	lost := line(reminders.StatusSkipped, reminders.ConnectionLost, "06-01 15:00")
	for name, tc := range map[string]struct {
		verdict reminders.Reason
		lines   []reminders.Reminder
		want    reminders.Reason
	}{
		"the only one":             {reminders.Planned, []reminders.Reminder{late}, reminders.TooLate},
		"the last one":             {reminders.Planned, []reminders.Reminder{lost, late}, reminders.ConnectionLost},
		"another was sent":         {reminders.Planned, []reminders.Reminder{late, line(reminders.StatusQueued, reminders.Planned, "06-01 10:00")}, reminders.Planned},
		"another is still to come": {reminders.Planned, []reminders.Reminder{late, line(reminders.StatusPlanned, reminders.Planned, "06-01 18:00")}, reminders.Planned},
		"the appointment has one":  {reminders.Gone, []reminders.Reminder{late}, reminders.Gone},
		"none":                     {reminders.Planned, nil, reminders.Planned},
	} {
		if x := reminders.Explain(reminders.Verdict{Reason: tc.verdict}, tc.lines, nil, noon); x.Reason != tc.want {
			t.Errorf("%s: %q, want %q", name, x.Reason, tc.want)
		}
	}
}

// The real outbox and store fit what this package asks for.
var (
	_ reminders.Withdrawer  = (*notify.Outbox)(nil)
	_ reminders.Enqueuer    = (*notify.Outbox)(nil)
	_ reminders.EventReader = (*calendars.Store)(nil)
	_ reminders.Verifier    = (*calendars.Syncer)(nil)
	_ reminders.Ringer      = (*calendars.Syncer)(nil)
	_ reminders.Ringer      = (*calendars.Connector)(nil)
)
