package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"rappel/web/accounts"
)

// trail says how what a POST does can be traced later: a form that does it, sent as
// somebody who may and followed by a look at what was written down; or why there is
// nothing to look at here.
type trail struct {
	form url.Values
	why  string // not "" = it isn't tried here
}

// Reasons why a route isn't tried here.
const (
	changesNothing = "it changes nothing that lasts"
	ownTrace       = "the row it makes says who made it"
	ownTest        = "a test of its own reads what is written down"
	ofRoom         = "the room it asks writes it down, and is a small one in these tests"
)

// trails are all POST routes but the billing admin's orders, which share one way.
func (d *demo) trails() map[string]trail {
	with := func(pairs ...string) trail {
		v := url.Values{}
		for i := 0; i+1 < len(pairs); i += 2 {
			v.Add(pairs[i], pairs[i+1])
		}
		return trail{form: v}
	}
	not := func(why string) trail { return trail{why: why} }
	return map[string]trail{
		"/login": not(ownTest), "/login/code": not(changesNothing), "/login/passkey/begin": not(changesNothing), "/login/passkey": not(changesNothing), "/logout": not(changesNothing), "/language": not(changesNothing),
		"/register": not(changesNothing), "/confirm/{token}": not(ownTest), "/forgot": not(changesNothing), "/reset/{token}": not(ownTest), "/invite/{token}": not(ownTest), "/email/{token}": not(ownTest), "/u/{token}": not(ownTrace),

		"/settings":           with("business", "Praxis am See", "zone", "Europe/Zurich", "region", "CH", "language", "de", "sender", "Neu", "callback", "044 123 45 67", "min_lead_minutes", "30", "several_numbers", "first", "field_order", "location"),
		"/settings/retention": with("messages", "30", "replies", "", "confirm", "30-0"), "/settings/sending": with("region", "CH-ZH"),
		"/settings/support": with("hours", "4"), "/settings/support/revoke": with(),
		"/templates": with("name", "Neu", "text_de", "Neu {business}"), "/templates/preview": not(changesNothing), "/templates/{id}/delete": with(),
		"/calendars/{id}":       with("practitioner", "Dr. Neu", "cron", "*/5 * * * *"),
		"/calendars/{id}/rules": with("kind", "days_before", "amount", "2", "at_time", "09:30", "template", fmt.Sprint(d.Template), "enabled", "1", "late", "skip"), "/rules/{id}/delete": with(),
		"/connections/{id}/pick": with("watch", fmt.Sprint(d.Meier.ID)), "/connections/{id}/relist": not(changesNothing), "/calendars/{id}/read": not(changesNothing), "/connections/{id}/disconnect": with(),
		"/notices/{id}/dismiss": not(changesNothing),

		"/users/invite": with("email", "eve@example.com", "role", "staff", "language", "de"), "/users/{id}/role": with("role", "billing"), "/users/{id}/remove": with(),
		"/invitations/{id}/resend": with(), "/invitations/{id}/revoke": with(),
		"/accounts": with("business", "Filiale"), "/accounts/{id}/enter": not(ownTest), "/accounts/leave": not(changesNothing), "/accounts/{id}/transfer": not(ofRoom),
		"/tokens": with("name", "Neu", "scopes", "messages.read"), "/tokens/{id}/remove": with(),

		"/profile": with("name", "Anna Neu"), "/profile/email": not(changesNothing), "/profile/password": with("old", password, "password", "ein anderes langes Wort"),
		"/profile/totp/start": not(changesNothing), "/profile/totp": not(ownTest), "/profile/totp/off": not(ownTest), "/profile/recovery": not(ownTest),
		"/profile/passkeys/begin": not(changesNothing), "/profile/passkeys": not(ownTest), "/profile/passkeys/{id}/remove": with("password", password), "/profile/sessions/end": not(changesNothing), "/profile/sessions/{id}/end": not(changesNothing),

		"/billing/plan/preview": not(changesNothing), "/billing/plan": not(ownTest), "/billing/address": with("street", "Gasse", "zip", "8005", "town", "Zürich", "country", "CH"),
		"/billing/invoices/{id}/pay": not(changesNothing), "/billing/invoices/{id}/mail": with(), "/billing/methods": with("key", "0123456789abcdef"), "/billing/methods/auto": with("auto", "1"),
		"/billing/methods/{id}/standard": not(ofRoom), "/billing/methods/{id}/remove": not(ofRoom), "/billing/credits/alert": with("below", "77"),
		"/billing/orders": not(ownTrace), "/billing/orders/{id}/pay": not(changesNothing), "/billing/orders/{id}/files": not(ownTrace),

		"/admin/mails/{id}/retry": with(), "/admin/support/{id}/ask": with("reason", "Anruf"), "/admin/support/{id}/enter": with(), "/admin/support/leave": not(changesNothing),
		"/admin/review/{id}": not(ofRoom), "/admin/review/{id}/sender": not(ofRoom),
	}
}

// TestTrails: whatever somebody changes by a form can be traced to them. The list of forms
// is the router's own, so a new one can't be forgotten.
func TestTrails(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := demoOf(s.clinic("Praxis am See"))
	things := d.belongings()
	all := d.trails()
	things["/templates/"] = d.template("Übrig")
	s.exec(`UPDATE invitations SET expires_at = expires_at - interval '1 hour'`) // else it would last as long as a new one
	visitors := []visitor{{"owner", roleOwner, d.client}, {"billing admin", roleBillingAdmin, s.operator(accounts.BillingAdmin)}, {"support", roleSupport, s.operator(accounts.Support)}}
	written := func() int64 {
		return s.one(`SELECT (SELECT count(*) FROM audit WHERE actor_kind <> 'system') + (SELECT count(*) FROM operator_audit WHERE operator_id <> 0) + (SELECT count(*) FROM billing_audit WHERE actor <> 'system')`)
	}
	last := func(path string) int { // what takes away what others need
		switch path {
		case "/rules/{id}/delete", "/settings/support/revoke":
			return 1
		case "/connections/{id}/disconnect", "/profile/password":
			return 2
		}
		return 0
	}
	tried := 0
	for round := range 3 {
		for _, rt := range s.server.routes() {
			method, pattern, _ := strings.Cut(rt.pattern, " ")
			if method != http.MethodPost || last(pattern) != round || strings.HasPrefix(pattern, "/admin/billing") {
				continue // the billing admin's go through one form and one record: see TestDesk
			}
			how, known := all[pattern]
			if !known {
				t.Errorf("%s: how can it be traced who did that? Add it to trails", rt.pattern)
				continue
			}
			if how.why != "" {
				continue
			}
			_, path := filledWith(t, rt, things)
			for _, v := range visitors {
				if rt.access&v.roles == 0 {
					continue
				}
				tried++
				before := written()
				if a := s.do(v.client, method, path, how.form, nil); a.status != http.StatusSeeOther && a.status != http.StatusOK {
					t.Errorf("%s as %s: %d\n%s", rt.pattern, v.name, a.status, a.body)
				} else if written() == before {
					t.Errorf("%s as %s leaves no trace", rt.pattern, v.name)
				}
				break
			}
		}
	}
	if tried < 25 {
		t.Errorf("only %d forms were tried", tried)
	}
}
