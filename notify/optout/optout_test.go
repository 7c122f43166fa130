package optout_test

import (
	"fmt"
	"testing"

	"rappel/notify/optout"
)

func TestParse(t *testing.T) {
	tests := []struct {
		body string
		want optout.Action
	}{
		{"STOP", optout.Out},
		{" stop. ", optout.Out},
		{"«Stop!»", optout.Out},
		{"Stop 🙏🏽", optout.Out},
		{"ＳＴＯＰ", optout.Out},
		{"STOP\u200b", optout.Out},
		{"stop   sms", optout.Out},
		{"Stopp", optout.Out},
		{"ARRÊT", optout.Out},
		{"Désabonner", optout.Out},
		{"De\u0301sabonner", optout.Out},
		{"basta", optout.Out},
		{"TD", optout.Out},
		{"CTD", optout.None},
		{"OPT-OUT", optout.Out},
		{"Start", optout.In},
		{"démarrer", optout.In},
		{"HILFE?", optout.Help},
		{"Please stop messaging me", optout.None},
		{"STOP 36179", optout.None},
		{"stop stop", optout.None},
		{"Stopper", optout.None},
		{"CANCEL", optout.None},
		{"Ja", optout.None},
		{"", optout.None},
		{"👍", optout.None},
	}
	for _, tt := range tests {
		t.Run(tt.body, func(t *testing.T) {
			if got := optout.Parse(tt.body); got != tt.want {
				t.Errorf("Parse(%q) = %q, want %q", tt.body, got, tt.want)
			}
		})
	}
}

func FuzzNormalize(f *testing.F) {
	for _, s := range []string{"STOP", "ARRÊT!", "\xff stop", "ß", "  a  b  ", "🙂"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		once := optout.Normalize(body)
		if again := optout.Normalize(once); len(once) < 200 && again != once {
			t.Errorf("Normalize(%q) = %q, but again it gives %q", body, once, again)
		}
	})
}

func ExampleParse() {
	fmt.Printf("%q\n", optout.Parse("Stopp!"))
	fmt.Printf("%q\n", optout.Parse("Bitte stoppen Sie um 5 vor dem Haus"))
	// Output:
	// "opt_out"
	// ""
}
