package stripe

import (
	"errors"
	"testing"
)

// Whatever is signed and sent, it is an event with a name and a kind or it is refused.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"id":"evt_1","object":"event","type":"charge.refunded","data":{"object":{"id":"ch_1","object":"charge","payment_intent":"pi_1"}}}`,
		`{"id":"evt_1","object":"event","type":"x","data":{"object":{"payment_intent":{"id":"pi_1"},"customer":null}}}`, `{}`, `[]`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := parse(body)
		if (err == nil) != (e.ID != "" && e.Type != "") || err != nil && !errors.Is(err, errEvent) {
			t.Fatalf("%+v, %v", e, err)
		}
	})
}

func TestSentAt(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]int64{"t=5,v1=ab": 5, "v1=ab,t=7": 7, "t=1,t=2": 2, "v1=ab": 0, "t=x": 0, "": 0} {
		at, ok := sentAt(header)
		if ok != (want != 0) || ok && at.Unix() != want {
			t.Errorf("%q: %v, %t", header, at, ok)
		}
	}
}
