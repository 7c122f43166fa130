package reminders_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"rappel/notify/segment"
	"rappel/reminders"
)

func TestCheckBody(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, body string
		want       []string // Field errors as "code@offset line:column suggestion"
	}{
		{"plain", "Guten Tag", nil},
		{"all placeholders", "{business}{date}{weekday}{time}{location_name}{callback}{practitioner}", nil},
		{"escaped braces", "{{date}} {date}", nil},
		{"escape then placeholder", "{{{date}}}", nil},
		{"empty", "", []string{"required@0 0:0 "}},
		{"blank", " \n ", []string{"required@0 0:0 "}},
		{"unknown with suggestion", "Am {datum} um", []string{"unknown_placeholder@3 1:4 date"}},
		{"position after umlauts is in bytes and runes", "Grüezi, für {tme}", []string{"unknown_placeholder@14 1:13 time"}},
		{"second line", "Grüezi\nüb {dat}", []string{"unknown_placeholder@12 2:4 date"}},
		{"capitals", "{Date}", []string{"unknown_placeholder@0 1:1 date"}},
		{"spaces", "{ time }", []string{"unknown_placeholder@0 1:1 time"}},
		{"dash for underscore", "{location-name}", []string{"unknown_placeholder@0 1:1 location_name"}},
		{"typo", "{busines}", []string{"unknown_placeholder@0 1:1 business"}},
		{"nothing near", "{xyzzy}", []string{"unknown_placeholder@0 1:1 "}},
		{"health data", "{title} {description}", []string{"private_placeholder@0 1:1 ", "private_placeholder@8 1:9 "}},
		{"unclosed at the end", "Am {date", []string{"unclosed_brace@3 1:4 "}},
		{"unclosed before another", "Am {date um {time}", []string{"unclosed_brace@3 1:4 "}},
		{"unclosed over a line", "Am {date\n}", []string{"unclosed_brace@3 1:4 ", "stray_brace@9 2:1 "}},
		{"stray", "date} x", []string{"stray_brace@4 1:5 "}},
		{"nothing in braces", "{}", []string{"empty_placeholder@0 1:1 "}},
		{"all errors at once", "{a} } {date", []string{"unknown_placeholder@0 1:1 ", "stray_brace@4 1:5 ", "unclosed_brace@6 1:7 "}},
		{"too long", strings.Repeat("ä", 1001), []string{"too_long@0 0:0 "}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, e := range reminders.CheckBody(tc.body) {
				suggestion, _ := e.Params["suggestion"].(string)
				got = append(got, fmt.Sprintf("%s@%d %d:%d %s", e.Code, e.Offset, e.Line, e.Column, suggestion))
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("CheckBody(%q) (-want +got):\n%s", tc.body, d)
			}
		})
	}
}

func TestTemplate_Validate(t *testing.T) {
	t.Parallel()
	err := reminders.Template{Name: " ", Texts: map[string]string{"de": "{datum}", "rm": "Allegra"}}.Validate()
	var bad *reminders.Invalid
	if !errors.As(err, &bad) || !errors.Is(err, reminders.ErrInvalid) {
		t.Fatalf("Validate = %v, want an *Invalid that is ErrInvalid", err)
	}
	var got []string
	for _, f := range bad.Fields {
		got = append(got, f.Field+" "+f.Code)
	}
	if d := cmp.Diff([]string{"name required", "texts.de unknown_placeholder", "texts.rm unknown"}, got); d != "" {
		t.Errorf("fields (-want +got):\n%s", d)
	}
	if err := (reminders.Template{Name: "x", Texts: reminders.DefaultTexts()}).Validate(); err != nil {
		t.Errorf("the default texts are refused: %v", err)
	}
}

// What a new account sends must fit one GSM-7 segment, have no ß, and say nothing
// about the kind of visit.
func TestDefaultTexts(t *testing.T) {
	t.Parallel()
	vars := reminders.Vars{
		Business: "Praxis Dr. Meier", Date: "31.12.", Weekday: "Mo", Time: "14:30", Callback: "044 123 45 67",
	}
	for _, lang := range reminders.Languages() {
		body, ok := reminders.DefaultTexts()[lang]
		if !ok {
			t.Errorf("no default text in %s", lang)
			continue
		}
		text, err := reminders.Render(body, vars)
		if err != nil {
			t.Fatal(err)
		}
		if r := segment.Measure(text); r.Segments != 1 || r.Encoding != segment.GSM7 {
			t.Errorf("%s: %d segments of %v: %q", lang, r.Segments, r.Encoding, text)
		}
		if strings.Contains(body, "ß") {
			t.Errorf("%s has an ß", lang)
		}
		if w := reminders.Lint(body, vars); len(w) > 0 {
			t.Errorf("%s: %v", lang, w)
		}
	}
}

func TestTemplate_Pick(t *testing.T) {
	t.Parallel()
	tpl := reminders.Template{Texts: map[string]string{"fr": "F", "en": "E"}}
	for _, tc := range []struct{ language, fallback, body, used string }{
		{"fr", "en", "F", "fr"},
		{"it", "en", "E", "en"},
		{"it", "de", "F", "fr"}, // the first there is
		{"", "", "F", "fr"},
	} {
		body, used, ok := tpl.Pick(tc.language, tc.fallback)
		if body != tc.body || used != tc.used || !ok {
			t.Errorf("Pick(%q, %q) = %q, %q, %v", tc.language, tc.fallback, body, used, ok)
		}
	}
	if _, _, ok := (reminders.Template{}).Pick("de", "fr"); ok {
		t.Error("a template without text has one")
	}
}

func TestLint(t *testing.T) {
	t.Parallel()
	vars := reminders.Vars{Business: "Praxis", Date: "1.6.", Weekday: "Mo", Time: "14:30", Callback: "044 123 45 67"}
	for _, tc := range []struct {
		name, body string
		want       []string
	}{
		{"all well", "{business}: {date} {time}", nil},
		{"specialty", "Ihr Termin in der Onkologie: {business} {date} {time}", []string{"specialty_word@18"}},
		{"specialty with accents", "Gynäkologie {business} {date} {time}", []string{"specialty_word@0"}},
		{"no false alarm inside a word", "Chaosaids {business} {date} {time}", nil},
		{"costly character", "Rendez-vous reçu {business} {date} {time}", []string{"unicode@14"}},
		{"typographic characters are mended", "Rendez‑vous l’après-midi – {business} {date} {time}", nil},
		{"missing essentials", "Bitte kommen Sie", []string{"no_date@0", "no_time@0", "no_business@0"}},
		{"two segments", "{business} {date} {time} " + strings.Repeat("x", 150), []string{"many_segments@0"}},
		{"not for what can't be saved", "{datum}", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, w := range reminders.Lint(tc.body, vars) {
				got = append(got, fmt.Sprintf("%s@%d", w.Code, w.Offset))
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func FuzzCheckBody(f *testing.F) {
	for _, s := range []string{"{date}", "{{", "}}", "{", "}", "{{{date}}}", "{ü}", "a\n{", "{date\x00}", "\xff{\xfe}", "{location_name}, {practitioner}."} {
		f.Add(s)
	}
	vars := reminders.Vars{Business: "B", Date: "D", Weekday: "W", Time: "T", LocationName: "L", Callback: "C", Practitioner: "P"}
	f.Fuzz(func(t *testing.T, body string) {
		bad := reminders.CheckBody(body)
		for _, e := range bad {
			if e.Offset < 0 || e.Offset > len(body) || e.Line > strings.Count(body, "\n")+1 || e.Column > utf8.RuneCountInString(body)+1 {
				t.Errorf("%v lies outside of %q", e, body)
			}
		}
		text, err := reminders.Render(body, vars)
		if len(bad) == 0 && err != nil {
			t.Errorf("accepted, but does not render: %v", err)
		}
		if len(bad) == 0 && !strings.ContainsAny(body, "{}") && text != strings.TrimSpace(body) {
			t.Errorf("a text without braces changed: %q became %q", body, text)
		}
		empty, err := reminders.Render(body, reminders.Vars{})
		if err == nil && len(empty) > len(body) {
			t.Errorf("leaving out made %q longer: %q", body, empty)
		}
	})
}
