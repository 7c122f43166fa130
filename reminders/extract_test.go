package reminders_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rappel/reminders"
)

func TestExtract(t *testing.T) {
	t.Parallel()
	ch := reminders.ExtractConfig{Region: "CH"}
	with := func(change func(*reminders.ExtractConfig)) reminders.ExtractConfig { c := ch; change(&c); return c }
	all := with(func(c *reminders.ExtractConfig) { c.Several = reminders.SeveralAll })
	none := with(func(c *reminders.ExtractConfig) { c.Several = reminders.SeveralNone })
	own := with(func(c *reminders.ExtractConfig) { c.OwnNumbers = []string{"+41791111111"} })
	for _, tc := range []struct {
		name   string
		fields reminders.Fields
		cfg    reminders.ExtractConfig
		want   string // recipients with fields, then +others, then the reason
	}{
		{"T42 in LOCATION", reminders.Fields{Location: "079 123 45 67"}, ch, "+41791234567@location +0 "},
		{"T42 0041 (0)79", reminders.Fields{Title: "Meier 0041 (0)79 123 45 67"}, ch, "+41791234567@title +0 "},
		{"T42 slash and dots", reminders.Fields{Title: "079/123.45.67"}, ch, "+41791234567@title +0 "},
		{"T42 non-breaking spaces", reminders.Fields{Description: "079\u00a0123\u202f45\u00a067"}, ch, "+41791234567@description +0 "},
		{"T43 link in HTML", reminders.Fields{Description: `<a href="tel:+41791234567">079&nbsp;123&nbsp;45&nbsp;67</a>`}, ch, "+41791234567@description +0 "},
		{"T44 landline", reminders.Fields{Location: "044 765 43 21"}, ch, " +0 landline"},
		{"T44 landline and mobile in one field", reminders.Fields{Title: "044 765 43 21 / 079 123 45 67"}, ch, "+41791234567@title +0 "},
		{"T44 landline in LOCATION, mobile in TITLE", reminders.Fields{Location: "044 765 43 21", Title: "Huber 079 123 45 67"}, ch, "+41791234567@title +0 "},
		{"T45 several, first", reminders.Fields{Title: "079 123 45 67, 078 765 43 21"}, ch, "+41791234567@title +1 "},
		{"T45 several, all", reminders.Fields{Title: "079 123 45 67, 078 765 43 21"}, all, "+41791234567@title +41787654321@title +1 "},
		{"T45 several, none", reminders.Fields{Title: "079 123 45 67, 078 765 43 21"}, none, " +1 several_numbers"},
		{"T45 the same twice is one", reminders.Fields{Title: "079 123 45 67, +41791234567"}, none, "+41791234567@title +0 "},
		{"a later field does not compete, but is mentioned", reminders.Fields{Title: "079 123 45 67", Description: "078 765 43 21"}, none, "+41791234567@title +1 "},
		{"order of the clinic", reminders.Fields{Title: "079 123 45 67", Description: "078 765 43 21"},
			with(func(c *reminders.ExtractConfig) { c.Order = []string{"description", "title"} }), "+41787654321@description +1 "},
		{"a field not named is not read", reminders.Fields{Location: "079 123 45 67"},
			with(func(c *reminders.ExtractConfig) { c.Order = []string{"title"} }), " +0 no_number"},
		{"T46 foreign", reminders.Fields{Title: "+49 170 1234567"}, ch, "+491701234567@title +0 "},
		{"T46 French national form is not guessed", reminders.Fields{Title: "mobile 06 12 34 56 78"}, ch, " +0 ambiguous"},
		{"T47 no number", reminders.Fields{Title: "Frau Meier", Description: "Kontrolle"}, ch, " +0 no_number"},
		{"T47 nothing at all", reminders.Fields{}, ch, " +0 no_number"},
		{"T48 AHV number", reminders.Fields{Description: "AHV 756.1234.5678.97"}, ch, " +0 no_number"},
		{"T48 IBAN", reminders.Fields{Description: "IBAN CH93 0076 2011 6238 5295 7"}, ch, " +0 no_number"},
		{"T48 own number", reminders.Fields{Title: "Bitte melden: 079 111 11 11"}, own, " +0 own_number"},
		{"T48 own number in LOCATION, patient's in TITLE", reminders.Fields{Location: "079 111 11 11", Title: "079 123 45 67"}, own, "+41791234567@title +0 "},
		{"T50 premium rate", reminders.Fields{Title: "0900 123 456"}, ch, " +0 unusable_number"},
		{"T50 emergency", reminders.Fields{Title: "Notfall 144"}, ch, " +0 no_number"},
		{"a digit is missing", reminders.Fields{Title: "Anna 079 123 45 6"}, ch, " +0 unusable_number"},
		{"further region only where home reads nothing", reminders.Fields{Title: "cell. 333 123 4567"},
			with(func(c *reminders.ExtractConfig) { c.MoreRegions = []string{"IT", "??"} }), "+393331234567@title +0 "},
		{"unknown region reads nothing", reminders.Fields{Title: "079 123 45 67"}, reminders.ExtractConfig{Region: "??"}, " +0 no_number"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			x := reminders.Extract(tc.fields, tc.cfg)
			var got []string
			for _, n := range x.Recipients {
				got = append(got, n.E164+"@"+n.Field)
			}
			if s := fmt.Sprintf("%s +%d %s", strings.Join(got, " "), x.Others, x.Reason); s != tc.want {
				t.Errorf("got %q, want %q (rejected %v)", s, tc.want, x.Rejected)
			}
		})
	}
}

func TestExtractLine(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, in, want string }{
		{"the contract's example", `{"location":"079 123 45 67","title":"","description":"","region":"CH"}`,
			`{"numbers":[{"e164":"+41791234567","field":"location"}],"rejected":[]}`},
		{"landline", `{"location":"044 765 43 21","region":"CH"}`,
			`{"numbers":[],"rejected":[{"text":"044 765 43 21","why":"landline"}]}`},
		{"two of one field", `{"title":"079 123 45 67 078 765 43 21","description":"076 555 44 33"}`,
			`{"numbers":[{"e164":"+41791234567","field":"title"},{"e164":"+41787654321","field":"title"}],"rejected":[]}`},
		{"empty object", `{}`, `{"numbers":[],"rejected":[]}`},
		{"unknown keys are passed over", `{"x":1}`, `{"numbers":[],"rejected":[]}`},
		{"not JSON", `{"title":079}`, `{"error":"not a JSON object"}`},
		{"an array", `[]`, `{"error":"not a JSON object"}`},
		{"null", `null`, `{"error":"not a JSON object"}`},
		{"empty line", ``, `{"error":"not a JSON object"}`},
		{"wrong type", `{"title":7}`, `{"error":"title must be a string"}`},
		{"two values", `{} {}`, `{"error":"more than one JSON value"}`},
		{"region", `{"region":"Schweiz"}`, `{"error":"region must be two capital letters of ISO 3166-1 such as CH"}`},
		{"order", `{"order":["notes"]}`, `{"error":"order must name location, title or description"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := reminders.ExtractLine([]byte(tc.in))
			if d := cmp.Diff(tc.want, string(got)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if (err != nil) != strings.HasPrefix(tc.want, `{"error"`) {
				t.Errorf("err = %v", err)
			}
		})
	}
}

func FuzzExtractLine(f *testing.F) {
	f.Add(`{"location":"079 123 45 67","title":"","description":"","region":"CH"}`)
	f.Add(`{"description":"<a href=\"tel:+41791234567\">x</a>"}`)
	f.Add(`{"title":null,"order":[]}`)
	f.Add("\xff{}")
	f.Fuzz(func(t *testing.T, in string) {
		out, err := reminders.ExtractLine([]byte(in))
		var got struct {
			Numbers  []reminders.Number
			Rejected []reminders.Rejected
			Error    *string
		}
		if e := json.Unmarshal(out, &got); e != nil {
			t.Fatalf("answer to %q is no JSON: %v", in, e)
		}
		if (err == nil) != (got.Error == nil) || strings.ContainsAny(string(out), "\n") {
			t.Fatalf("answer %s with error %v", out, err)
		}
	})
}
