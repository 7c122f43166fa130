package web

import (
	"net/url"
	"strings"
	"testing"
)

// The preview names what smart encoding replaces, and what costs UCS-2 where it can't.
func TestTemplatePreview_characters(t *testing.T) {
	t.Parallel()
	c := newSite(t).clinic("Praxis am See")
	for body, want := range map[string]string{
		"Bis morgen – „Praxis“ – danke": "<code>–</code>",
		"Bis morgen – reçu":             "<code>ç</code>",
	} {
		a := c.do("POST", "/templates/preview", url.Values{"shown": {"de"}, "text_de": {body}}, map[string]string{"X-Fragment": "1"})
		if a.status != 200 || strings.Count(a.body, want) != 1 {
			t.Errorf("%q: %d, lacks one %s:\n%s", body, a.status, want, a.body)
		}
	}
}
