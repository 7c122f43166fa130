package carriers

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestHookPath(t *testing.T) {
	for path, want := range map[string]string{
		"/hooks/smsup/abc": "abc", "/hooks/smsup/abc/stop": "abc/stop", "/hooks/smsup": "", "/hooks/smsup/": "", "/hooks/other/abc": "", "/hooks/smsup2/abc": "",
	} {
		if got := HookPath(httptest.NewRequest("POST", path, nil), "smsup"); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func TestSame(t *testing.T) {
	for _, tt := range []struct {
		given, secret string
		want          bool
	}{{"a", "a", true}, {"a", "b", false}, {"", "", false}, {"", "a", false}, {"a", "", false}, {"ab", "a", false}} {
		if got := Same(tt.given, tt.secret); got != tt.want {
			t.Errorf("%q, %q: got %v", tt.given, tt.secret, got)
		}
	}
}

func TestToken(t *testing.T) {
	a := Token("secret", "smsmode")
	if !Word(a) || len(a) != 32 || strings.Contains(a, "secret") {
		t.Errorf("token %q", a)
	}
	if a == Token("secret", "second") || a == Token("secret2", "smsmode") || a != Token("secret", "smsmode") {
		t.Error("want it to depend on secret and name, and on nothing else")
	}
}

// Different news has different names, however its parts are cut; the same has the same.
func TestMadeUpID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOfN(rapid.StringN(0, 5, -1), 0, 4).Draw(t, "a")
		b := rapid.SliceOfN(rapid.StringN(0, 5, -1), 0, 4).Draw(t, "b")
		same := len(a) == len(b)
		for i := 0; same && i < len(a); i++ {
			same = a[i] == b[i]
		}
		if (MadeUpID(a...) == MadeUpID(b...)) != same {
			t.Fatalf("%q and %q", a, b)
		}
	})
}

func TestInstant(t *testing.T) {
	if got := Instant("2018-01-16T11:55:12+01:00"); !got.Equal(time.Date(2018, 1, 16, 10, 55, 12, 0, time.UTC)) {
		t.Errorf("got %v", got)
	}
	for _, s := range []string{"", "2024-11-21T09:50:46", "2024-11-21 09:50:46", "gestern"} {
		if got := Instant(s); !got.IsZero() {
			t.Errorf("%q: got %v, want none", s, got)
		}
	}
}

func FuzzNumber(f *testing.F) {
	for _, s := range []string{"41791234567", "+41 79 123 45 67", "0041791234567", "36180", "Praxis", "", "+", "00", "٤١٧٩١٢٣٤٥٦٧", "000000000", "+0041791234567"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Number(s)
		if !IsNumber(s) {
			if got != s {
				t.Errorf("%q became %q", s, got)
			}
			return
		}
		digits, ok := Digits(got)
		if !ok || got != "+"+digits || len(digits) < 7 {
			t.Errorf("%q became %q", s, got)
		}
		if again := Number(got); again != got {
			t.Errorf("%q became %q, then %q", s, got, again)
		}
	})
}
