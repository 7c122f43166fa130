package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"rappel/notify"
)

func TestRetention(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	other := d.clinic.site.clinic("Andere Praxis")
	terms := func(c *clinic) notify.Retention {
		r, err := c.server.Messages.Retention(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	const path = "/settings/retention"
	form := func(messages, replies, confirm string) url.Values {
		return url.Values{"messages": {messages}, "replies": {replies}, "confirm": {confirm}}
	}
	for _, c := range []struct{ messages, replies, field string }{
		{"6", "", "messages"}, {"0", "", "messages"}, {"-5", "", "messages"}, {"viel", "", "messages"}, {"", "1826", "replies"}, {"99999999999999999999", "7", "messages"},
	} {
		a := d.post(path, form(c.messages, c.replies, ""))
		if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `id="`+c.field+`-error"`) || !strings.Contains(a.body, `value="`+c.messages+`"`) ||
			!strings.Contains(a.body, `aria-describedby="`+c.field+`-error `+c.field+`-hint" aria-invalid="true"`) {
			t.Errorf("%v: %d", c, a.status)
		}
	}
	if r := terms(d.clinic); r != (notify.Retention{}) {
		t.Errorf("something was stored: %+v", r)
	}
	// Longer needs no asking.
	if a := d.post(path, form("365", "", "")); a.status != http.StatusSeeOther || a.header.Get("Location") != path {
		t.Fatalf("longer: %d", a.status)
	}
	if r := terms(d.clinic); r != (notify.Retention{Messages: 365}) {
		t.Errorf("stored %+v", r)
	}
	// Shorter says what goes and asks; messages from before last Monday are one.
	d.message(0, "+41790009999", "Uralt", at(-60, 10, 0), notify.Expired, notify.ReasonNoReceipt)
	d.exec(`INSERT INTO inbound (account_id, carrier, carrier_message_id, sender, recipient, body, received_at) VALUES ($1, 'sandbox', 'mo-1', '+41794445566', 'PraxisSee', 'Ja', $2)`, d.ID, at(-30, 8, 0))
	for _, confirm := range []string{"", "1", "7-0", "365-0"} {
		a := d.post(path, form("30", "14", confirm))
		if a.status != http.StatusOK || !strings.Contains(a.body, `id="confirm" name="confirm" value="30-14"`) || !strings.Contains(a.body, "Bis zu 1 Nachricht, älter als 30 Tage") || !strings.Contains(a.body, "1 Antwort, älter als 14 Tage") {
			t.Fatalf("confirmed by %q: %d\n%s", confirm, a.status, a.body)
		}
	}
	if r := terms(d.clinic); r != (notify.Retention{Messages: 365}) {
		t.Errorf("stored without being sure: %+v", r)
	}
	if a := d.post(path, form("30", "14", "30-14")); a.status != http.StatusSeeOther {
		t.Fatalf("confirmed: %d", a.status)
	}
	if r := terms(d.clinic); r != (notify.Retention{Messages: 30, Replies: 14}) {
		t.Errorf("stored %+v", r)
	}
	if r := terms(other); r != (notify.Retention{}) {
		t.Errorf("another clinic has %+v", r)
	}
	page := d.page(path)
	if !strings.Contains(page, `value="30"`) || !strings.Contains(page, "Bis zu 1 Nachricht") {
		t.Errorf("the page does not show the terms and what goes")
	}
	if page := d.page("/settings"); !strings.Contains(page, "Nachrichten 30 Tage, Antworten 14 Tage.") {
		t.Error("the settings don't show the terms")
	}
	// Back to the default, which keeps longer.
	if a := d.post(path, form("", "", "")); a.status != http.StatusSeeOther || terms(d.clinic) != (notify.Retention{}) {
		t.Errorf("back to the default: %d, %+v", a.status, terms(d.clinic))
	}
}
