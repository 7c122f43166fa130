package notifytest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rappel/notify"
)

// find holds a Finder to what the gateway has.
func (h Harness) find(t *testing.T, g *Gateway, m notify.Message, want notify.Submission, accepted bool) {
	t.Helper()
	f, ok := g.Carrier.(notify.Finder)
	if !ok {
		return
	}
	hits, err := f.Find(t.Context(), m, time.Now().Add(-time.Minute))
	if err != nil {
		t.Fatalf("find: %v", err)
	}
	if found := len(hits) > 0; found != accepted {
		t.Errorf("find says %v, the gateway has it: %v", found, accepted)
	}
	if want.IDs != nil && len(hits) > 0 {
		if diff := cmp.Diff(want.IDs, hits[len(hits)-1].IDs); diff != "" {
			t.Errorf("find's ids (-submitted +found):\n%s", diff)
		}
	}
}

// alike holds a Finder to two messages alike: it must not take one for the other.
func (h Harness) alike(t *testing.T) {
	g := h.Open(t, NewInbox())
	f, ok := g.Carrier.(notify.Finder)
	if !ok {
		return
	}
	first := message(somebody, "Ihr Termin ist morgen um 10 Uhr.")
	second := first
	second.ID++
	look := func(m notify.Message) []notify.Hit {
		hits, err := f.Find(t.Context(), m, time.Now().Add(-time.Minute))
		if err != nil {
			t.Fatalf("find: %v", err)
		}
		return hits
	}
	a, err := g.Carrier.Send(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	for _, hit := range look(second) {
		if hit.Match == notify.ByReference {
			t.Error("one is taken for another for certain")
		}
	}
	b, err := g.Carrier.Send(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	hits := look(second)
	var want [][]string
	switch {
	case len(hits) == 1 && hits[0].Match == notify.ByReference:
		want = [][]string{b.IDs}
	case len(hits) > 0 && hits[0].Match == notify.ByCount:
		want = [][]string{b.IDs, b.IDs}
	default:
		want = [][]string{a.IDs, b.IDs}
	}
	var got [][]string
	for _, hit := range hits {
		got = append(got, hit.IDs)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}
