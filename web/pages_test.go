package web

import (
	"fmt"
	"testing"
)

func TestPages(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	for _, c := range []struct{ name, path string }{
		{"dashboard", "/"},
		{"appointments", "/appointments"},
		{"appointment", fmt.Sprintf("/appointments/%d", d.Huber)},
	} {
		t.Run(c.name, func(t *testing.T) { golden(t, c.name, d.page(c.path)) })
	}
}
