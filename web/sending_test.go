package web

import (
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/lib/pq"

	"rappel/notify"
)

func TestSending(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c, other := s.clinic("Praxis am See"), s.clinic("Andere Praxis")
	stored := func(c *clinic) (n notify.Sending) {
		t.Helper()
		if err := c.owner.QueryRowx(`SELECT holiday_region, fallback_sender, two_way_numbers FROM accounts WHERE account_id = $1`, c.ID).
			Scan(&n.Region, &n.Fallback, pq.Array(&n.TwoWay)); err != nil {
			t.Fatal(err)
		}
		return n
	}
	a := c.post("/settings/sending", url.Values{"region": {"CH-ZH"}, "fallback": {"043 555 00 00"}, "two_way": {"+41 79 555 00 01\r\n079 555 00 02; +41795550001\n"}})
	if a.status != http.StatusSeeOther {
		t.Fatalf("saving: %d\n%s", a.status, a.body)
	}
	want := notify.Sending{Region: "CH-ZH", Fallback: "+41435550000", TwoWay: []string{"+41795550001", "+41795550002"}}
	if got := stored(c); got.Region != want.Region || got.Fallback != want.Fallback || !slices.Equal(got.TwoWay, want.TwoWay) {
		t.Errorf("stored %+v, want %+v", got, want)
	}
	page := html.UnescapeString(c.page("/settings/sending"))
	for _, part := range []string{`value="CH-ZH" selected`, "+41 43 555 00 00", "+41 79 555 00 01\n+41 79 555 00 02"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
	for field, form := range map[string]url.Values{
		"region": {"region": {"CH-XX"}}, "fallback": {"fallback": {"call me"}}, "two_way": {"two_way": {"+41795550001\n12"}},
	} {
		a := c.post("/settings/sending", form)
		if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `id="`+field+`-error"`) {
			t.Errorf("%s: %d", field, a.status)
		}
	}
	if got := stored(c); got.Fallback != want.Fallback {
		t.Errorf("a refused form changed %+v", got)
	}
	if a := c.post("/settings/sending", url.Values{}); a.status != http.StatusSeeOther {
		t.Errorf("emptied: %d", a.status)
	}
	for _, c := range []*clinic{c, other} {
		if got := stored(c); got.Region != "" || got.Fallback != "" || len(got.TwoWay) != 0 {
			t.Errorf("account %d: %+v", c.ID, got)
		}
	}
}

// Every region that can be chosen has a name.
func TestSending_regionNames(t *testing.T) {
	for _, country := range []string{"CH", "DE", "FR", "AT", "IT", "GB", "US", "CA", "LI"} {
		for _, code := range notify.HolidayRegions(country) {
			if regionNames[code] == "" {
				t.Errorf("%s has no name", code)
			}
		}
	}
	if n := len(notify.HolidayRegions("CH")); n != 26 {
		t.Errorf("%d cantons", n)
	}
}
