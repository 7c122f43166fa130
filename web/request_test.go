package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// What no column can hold is left out of searches and refused in forms, and so is what
// is too large, before anything reads it.
func TestForms_Unreadable(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	for name, tt := range map[string]struct {
		method, path string
		form         url.Values
		want         int
	}{
		"NUL in the query":   {"GET", "/messages?q=%00", nil, http.StatusOK},
		"no UTF-8":           {"GET", "/appointments?q=%ff", nil, http.StatusOK},
		"torn escape":        {"GET", "/messages?q=%zz", nil, http.StatusBadRequest},
		"NUL in a form":      {"POST", "/templates", url.Values{"name": {"a\x00b"}, "text_de": {"x"}}, http.StatusBadRequest},
		"more than 1 MiB":    {"POST", "/templates", url.Values{"name": {"a"}, "text_de": {strings.Repeat("x", 1<<20)}}, http.StatusRequestEntityTooLarge},
		"still as it should": {"GET", "/messages?q=%C3%BC", nil, http.StatusOK},
	} {
		if a := d.do(tt.method, tt.path, tt.form, nil); a.status != tt.want {
			t.Errorf("%s: %d, want %d", name, a.status, tt.want)
		}
	}
}
