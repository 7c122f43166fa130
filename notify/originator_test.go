package notify

import "testing"

// A short code is a number of the country it is sent in: two-way where the account says so,
// fine where names aren't, and not delivered where numbers aren't.
func TestOriginator_shortCode(t *testing.T) {
	t.Parallel()
	const code = "36179"
	a := &accountPolicy{twoWay: map[string]bool{code: true}}
	for _, tt := range []struct {
		name  string
		rules CountryRules
		want  originator
	}{
		{"numbers", CountryRules{SenderMode: SenderAny, NumericSender: true}, originator{sender: code, kind: senderTwoWay}},
		{"no names", CountryRules{SenderMode: SenderNone, NumericSender: true}, originator{sender: code, kind: senderTwoWay}},
		{"no numbers", CountryRules{SenderMode: SenderAny}, originator{sender: code, kind: senderTwoWay, why: ReasonSenderForeign, refused: true}},
	} {
		if got := a.originator(code, "FR", &tt.rules); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
	if kind := (&accountPolicy{}).kindOf(code); kind != senderOneWay {
		t.Errorf("kind %v of one nobody says is answered", kind)
	}
}
