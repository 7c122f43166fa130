package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"rappel/reminders"
)

// wrongField checks that a page answers wrong input beside its field: status 422, the
// words, the field marked and tied to them, the value kept.
func wrongField(t *testing.T, what string, a answer, errorID, words, kept string) {
	t.Helper()
	if a.status != http.StatusUnprocessableEntity {
		t.Errorf("%s: %d, want 422\n%s", what, a.status, a.body)
		return
	}
	body := unescaped(a.body)
	m := regexp.MustCompile(`<p class="error" id="` + regexp.QuoteMeta(errorID) + `">([^<]*)</p>`).FindStringSubmatch(body)
	if m == nil {
		t.Errorf("%s: nothing beside the field (%s)", what, errorID)
		return
	}
	if !strings.Contains(m[1], words) {
		t.Errorf("%s: says %q, want %q", what, m[1], words)
	}
	if !regexp.MustCompile(`aria-invalid="true"[^>]*aria-describedby="` + regexp.QuoteMeta(errorID) + `"`).MatchString(body) {
		t.Errorf("%s: no field is marked as wrong and described by %s", what, errorID)
	}
	if kept != "" && !strings.Contains(body, kept) {
		t.Errorf("%s: what was typed is gone: %q", what, kept)
	}
}

func TestTemplates_WrongInput(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.template("Vergeben")
	for _, c := range []struct {
		what           string
		form           url.Values
		id, word, kept string
	}{
		{"no name", url.Values{"name": {" "}, "text_de": {"Am {date} bei {business}"}}, "name-error", "Bitte ausfüllen", "Am {date} bei {business}"},
		{"name taken", url.Values{"name": {"Vergeben"}, "text_de": {"Am {date}"}}, "name-error", "gibt es schon", `value="Vergeben"`},
		{"name too long", url.Values{"name": {strings.Repeat("x", 81)}, "text_de": {"Am {date}"}}, "name-error", "höchstens 80", ""},
		{"unknown placeholder", url.Values{"name": {"Neu"}, "text_de": {"Hallo\nam {datum} um {time}"}}, "texts.de-error", "Zeile 2, Zeichen 4: Den Platzhalter {datum} gibt es nicht. Meinten Sie {date}?", "am {datum} um"},
		{"private placeholder", url.Values{"name": {"Neu"}, "text_fr": {"{title}"}, "text_de": {"gut"}}, "texts.fr-error", "Gesundheitsdaten", "{title}"},
		{"unclosed brace", url.Values{"name": {"Neu"}, "text_de": {"Am {date"}}, "texts.de-error", "schliessende", "Am {date"},
	} {
		wrongField(t, c.what, d.post("/templates", c.form), c.id, c.word, c.kept)
	}
	if a := d.post("/templates", url.Values{"name": {"Neu"}}); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `id="texts-error"`) {
		t.Errorf("no text at all: %d", a.status)
	}
	if a := d.post("/templates", url.Values{"name": {"Neu"}, "text_fr": {"{datum}"}, "text_de": {"gut"}}); !regexp.MustCompile(`value="fr" id="lang-fr" checked`).MatchString(a.body) {
		t.Error("the text that is wrong is not the one shown")
	}
	if a := d.post("/templates", url.Values{"name": {"Neu"}, "text_de": {"Am {date}\r\num {time}"}}); a.status != http.StatusSeeOther || a.header.Get("Location") != "/templates" {
		t.Errorf("a good one: %d", a.status)
	}
	var body string
	if err := d.owner.Get(&body, `SELECT body FROM template_texts x JOIN templates t ON t.account_id = x.account_id AND t.id = x.template_id WHERE t.name = 'Neu'`); err != nil || body != "Am {date}\num {time}" {
		t.Errorf("stored %q, %v", body, err)
	}
	if page := d.page("/templates"); !strings.Contains(page, "Die Vorlage «Neu» ist gespeichert") {
		t.Error("nothing says that it was saved")
	}
	if page := d.page("/templates"); strings.Contains(page, "ist gespeichert") {
		t.Error("said twice")
	}
	if a := d.post(fmt.Sprintf("/templates/%d/delete", d.Template), url.Values{}); a.status != http.StatusSeeOther || !strings.Contains(d.page(fmt.Sprintf("/templates/%d", d.Template)), "Eine Regel verwendet diese Vorlage") {
		t.Errorf("deleting one in use: %d", a.status)
	}
}

func TestTemplates_Preview(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	for _, c := range []struct{ text, want, not string }{
		{"Am {weekday} {date} um {time}, {business}", "Am Mi 3.6. um 14:30, Praxis am See", "{"},
		{"Grüezi „{business}“", "1 SMS · GSM-7", ""},
		{"Hallo 🦷 {business}", "UCS-2", ""},
		{"{datum}", "Meinten Sie {date}?", "class=\"bubble\""},
		{"", "Hier erscheint Ihr Text.", "class=\"bubble\""},
		{"<script>alert(1)</script> {business}", "&lt;script&gt;", "<script>"},
	} {
		a := d.do("POST", "/templates/preview", url.Values{"shown": {"de"}, "text_de": {c.text}}, map[string]string{"X-Fragment": "1"})
		flat := regexp.MustCompile(`</?strong[^>]*>`).ReplaceAllString(a.body, "")
		if a.status != http.StatusOK || strings.Contains(a.body, "<html") || !strings.Contains(flat, c.want) || c.not != "" && strings.Contains(a.body, c.not) {
			t.Errorf("%q: %d, want %q\n%s", c.text, a.status, c.want, a.body)
		}
	}
}

// goodSettings is a form as the page shows it.
func goodSettings() url.Values {
	return url.Values{"business": {"Praxis am See"}, "callback": {"044 123 45 67"}, "sender": {"PraxisSee"}, "language": {"de"}, "zone": {"Europe/Zurich"}, "region": {"CH"},
		"more_regions": {""}, "field_order": {"location", "title", "description"}, "several_numbers": {"first"}, "own_numbers": {""}, "min_lead_minutes": {"30"},
		"quiet_from": {""}, "quiet_to": {""}, "smart_encoding": {"1"}}
}

func TestSettings_WrongInput(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	for _, c := range []struct{ field, value, word string }{
		{"business", "", "Bitte ausfüllen"},
		{"callback", strings.Repeat("1", 41), "höchstens 40"},
		{"sender", "Praxis am See GmbH", "Höchstens 11"},
		{"sender", "INFO", "allgemeinen Namen"},
		{"zone", "Europe/Zuerich", "Zeitzone"},
		{"region", "XX", "Land"},
		{"more_regions", "DE QQ", "Land"},
		{"own_numbers", "044 123 45 67\nkeine", "keine gültige Telefonnummer"},
		{"min_lead_minutes", "bald", "Zahl von 0 bis 10080"},
		{"min_lead_minutes", "-5", "Zahl von 0 bis 10080"},
		{"quiet_from", "25:00", "Uhrzeit"},
		{"quiet_to", "21:00", "ausfüllen"},
	} {
		form := goodSettings()
		form.Set(c.field, c.value)
		if c.field == "quiet_from" {
			form.Set("quiet_to", "07:00")
		}
		if c.field == "quiet_to" {
			form.Set("quiet_from", "21:00")
		}
		wrongField(t, c.field+" "+c.value, d.post("/settings", form), c.field+"-error", c.word, strings.SplitN(c.value, "\n", 2)[0])
	}
	for field, value := range map[string]string{"language": "es", "several_numbers": "some", "field_order": "subject"} {
		form := goodSettings()
		form.Set(field, value)
		if a := d.post("/settings", form); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `id="`+field+`-error"`) {
			t.Errorf("%s %q: %d", field, value, a.status)
		}
	}
	form := goodSettings()
	form.Set("own_numbers", "044 123 45 67; 079 123 45 67")
	form.Set("business", "Praxis am Fluss")
	if a := d.post("/settings", form); a.status != http.StatusSeeOther {
		t.Fatalf("good settings: %d\n%s", a.status, a.body)
	}
	if page := d.page("/"); !strings.Contains(page, "Praxis am Fluss") {
		t.Error("the new name is nowhere")
	}
	// Saving plans anew: the patient's number is now one of the clinic's own.
	if page := d.page(fmt.Sprintf("/appointments/%d", d.Huber)); !strings.Contains(page, "Es steht nur eine eigene Nummer der Praxis darin.") {
		t.Error("the appointment was not judged anew")
	}
}

func TestRules_WrongInput(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	path := fmt.Sprintf("/calendars/%d/rules", d.Keller.ID)
	form := func(more ...string) url.Values {
		v := url.Values{"kind": {"days_before"}, "amount": {"2"}, "at_time": {"09:30"}, "template": {fmt.Sprint(d.Template)}, "language": {""}, "sender": {""},
			"enabled": {"1"}, "late": {"skip"}, "late_hours": {"2"}}
		for i := 0; i+1 < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return v
	}
	for _, c := range []struct {
		what                  string
		form                  url.Values
		errorID, word, keeped string
	}{
		{"amount no number", form("amount", "zwei"), "amount", "Zahl von 0 bis 365", `value="zwei"`},
		{"amount too large", form("amount", "366"), "amount", "Zahl von 0 bis 365", `value="366"`},
		{"hours too large", form("kind", "hours_before", "amount", "9000"), "amount", "Zahl von 1 bis 8760", `value="9000"`},
		{"no clock time", form("at_time", "9 Uhr"), "at_time", "Uhrzeit", ""},
		{"sender", form("sender", "viel zu langer Absender"), "sender", "Höchstens 11", `value="viel zu langer Absender"`},
		{"template of nobody", form("template", "4711"), "template_id", "", ""},
		{"language", form("language", "es"), "language", "gibt es nicht", ""},
	} {
		a := d.post(path, c.form)
		if a.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d, want 422", c.what, a.status)
			continue
		}
		m := regexp.MustCompile(`<p class="error" id="([a-z_]+)(?:-[a-z0-9]+)?-error">([^<]*)</p>`).FindStringSubmatch(a.body)
		if m == nil || !strings.HasPrefix(m[1], c.errorID) || !strings.Contains(m[2], c.word) {
			t.Errorf("%s: beside the field stands %q, want %q", c.what, m, c.word)
		}
		if !strings.Contains(a.body, `aria-invalid="true"`) || !strings.Contains(a.body, c.keeped) {
			t.Errorf("%s: the field is not marked, or what was typed is gone", c.what)
		}
		if !strings.Contains(a.body, `id="new-rule" open`) {
			t.Errorf("%s: the form that is wrong is closed", c.what)
		}
	}
	if a := d.post(path, form("late_hours", "1,5", "late", "send")); a.status != http.StatusSeeOther {
		t.Fatalf("a good rule: %d\n%s", a.status, a.body)
	}
	var rule reminders.Rule
	if err := d.owner.Get(&rule, `SELECT account_id, id, calendar_id, kind, amount, at_time, late, late_min_minutes, enabled FROM rules WHERE account_id = $1 ORDER BY id DESC LIMIT 1`, d.ID); err != nil {
		t.Fatal(err)
	}
	if rule.Amount != 2 || rule.AtTime != "09:30" || rule.LateMinMinutes != 90 || rule.Late != reminders.LateSend || !rule.Enabled {
		t.Errorf("stored %+v", rule)
	}
	if a := d.post(fmt.Sprintf("/rules/%d/delete", rule.ID), url.Values{}); a.status != http.StatusSeeOther {
		t.Errorf("deleting: %d", a.status)
	}
	if a := d.post(fmt.Sprintf("/calendars/%d", d.Keller.ID), url.Values{"practitioner": {strings.Repeat("x", 101)}, "cron": {"*/5 * * * *"}}); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `id="practitioner-error"`) {
		t.Errorf("calendar with a long name: %d", a.status)
	}
}
