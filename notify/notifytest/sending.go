package notifytest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rappel/notify"
)

func (h Harness) accepted(t *testing.T) {
	g := h.Open(t, NewInbox())
	m := message(somebody, "Ihr Termin: Di 4. März, 14:30.")
	s, err := g.Carrier.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.IDs) != 1 || s.IDs[0] == "" {
		t.Errorf("ids %q, want one", s.IDs)
	}
	if diff := cmp.Diff([]Text{{m.Sender, m.Recipient, m.Body}}, g.Texts(t)); diff != "" {
		t.Errorf("on the phone (-want +got):\n%s", diff)
	}
	h.find(t, g, m, s, true)

	m = message(somebody, "Neu bei uns: Zahnreinigung am Samstag.")
	m.Kind = notify.Marketing
	if _, err := g.Carrier.Send(t.Context(), m); err != nil {
		t.Errorf("marketing: %v", err)
	}
	h.discreet(t, g, m)
}

// discreet fails the test when the carrier logged what m says, or to whom.
func (h Harness) discreet(t *testing.T, g *Gateway, m notify.Message) {
	t.Helper()
	if g.Logged == nil {
		return
	}
	log := g.Logged()
	for _, secret := range []string{m.Body, strings.TrimPrefix(m.Recipient, "+")} {
		if strings.Contains(log, secret) {
			t.Errorf("the log tells %q", secret)
		}
	}
}

func (h Harness) texts(t *testing.T) {
	euro := strings.Repeat("a", 152) + "€" + strings.Repeat("b", 152)
	for name, body := range map[string]string{
		"GSM-7":                   "Grüezi Frau Müller, à demain? ¿Qué? 5 Å @ 3 £",
		"extension table":         "[Zimmer 3] {a|b} ~ 5 € ^ \\",
		"160 septets":             strings.Repeat("x", 160),
		"161 septets":             strings.Repeat("x", 161),
		"escape pair at a border": euro,
		"UCS-2":                   "Début à 8 h « reçu » – ô",
		"70 code units":           strings.Repeat("ж", 70),
		"71 code units":           strings.Repeat("ж", 71),
		"emoji at a border":       strings.Repeat("ж", 66) + "😀" + strings.Repeat("ж", 66),
		"line breaks":             "Zeile 1\nZeile 2",
		"ten parts":               strings.Repeat("0123456789", 150),
	} {
		t.Run(name, func(t *testing.T) {
			g := h.Open(t, NewInbox())
			m := message(somebody, body)
			s, err := g.Carrier.Send(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			want := 1
			if h.PerPart {
				want = m.Segments
			}
			if len(s.IDs) != want || len(slices.Compact(slices.Sorted(slices.Values(s.IDs)))) != want {
				t.Errorf("ids %q, want %d different ones", s.IDs, want)
			}
			if diff := cmp.Diff([]Text{{m.Sender, m.Recipient, body}}, g.Texts(t)); diff != "" {
				t.Errorf("on the phone (-want +got):\n%s", diff)
			}
		})
	}
}

func (h Harness) fails(t *testing.T, c Case, want Want) {
	g := h.Open(t, NewInbox())
	g.Stage(t, c)
	m := message(h.recipient(c, 0), "Sehr geheim: Herr Muster, Freitag.")
	ctx := t.Context()
	if c == Slow {
		hurried, cancel := context.WithCancel(ctx)
		defer cancel()
		ctx = hurried
		go func() {
			defer cancel()
			g.Held(t)
		}()
	}
	s, err := g.Carrier.Send(ctx, m)
	if err == nil {
		t.Fatalf("accepted as %q, want %v", s.IDs, want.Kind)
	}
	var e *notify.SendError
	if !errors.As(err, &e) || !errors.Is(err, want.Kind) || !errors.Is(e.Kind, want.Kind) {
		t.Fatalf("got %v (%T), want a *SendError of kind %v", err, err, want.Kind)
	}
	if want.Code != "" && e.Code != want.Code {
		t.Errorf("code %q, want %q", e.Code, want.Code)
	}
	if e.After != want.After {
		t.Errorf("after %v, want %v", e.After, want.After)
	}
	if len(s.IDs) != 0 {
		t.Errorf("a failed Send returned ids %q beside its error", s.IDs)
	}
	for _, secret := range []string{m.Body, strings.TrimPrefix(m.Recipient, "+"), "geheim"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error tells %q", secret)
		}
	}
	h.discreet(t, g, m)
	if c == Unreachable {
		return // nobody is left to ask
	}
	if got := len(g.Texts(t)); (got == 1) != want.Accepted || got > 1 {
		t.Errorf("the gateway has it %d times, want it there: %v", got, want.Accepted)
	}
	if c != Misconfigured {
		h.find(t, g, m, notify.Submission{}, want.Accepted)
	}
}

func (h Harness) many(t *testing.T) {
	g := h.Open(t, NewInbox())
	const n = 300
	var want []Text
	queue := make(chan notify.Message, n)
	for i := range n {
		m := message(fmt.Sprintf("+4179100%04d", 2000+i), fmt.Sprintf("Termin %d %s", i, strings.Repeat("Wort ", i%80)))
		want = append(want, Text{m.Sender, m.Recipient, m.Body})
		queue <- m
	}
	close(queue)
	var mu sync.Mutex
	ids := map[string]int{}
	var wg sync.WaitGroup
	for range g.Carrier.Window() {
		wg.Go(func() {
			for m := range queue {
				s, err := g.Carrier.Send(t.Context(), m)
				if err != nil {
					t.Errorf("message %d: %v", m.ID, err)
				}
				mu.Lock()
				for _, id := range s.IDs {
					ids[id]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(want, g.Texts(t), cmpopts.SortSlices(func(a, b Text) bool { return a.To < b.To })); diff != "" {
		t.Errorf("on the phones (-want +got):\n%s", diff)
	}
	for id, times := range ids {
		if times != 1 {
			t.Errorf("id %s was given %d times", id, times)
		}
	}
}
