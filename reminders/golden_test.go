package reminders_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rappel/notify/segment"
	"rappel/reminders"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The golden files hold, for each language, every weekday, every month and the hard
// hours as a patient reads them (T07). A person has read them.
func TestGolden_words(t *testing.T) {
	t.Parallel()
	zone := zurich(t)
	for _, lang := range reminders.Languages() {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			for m := time.January; m <= time.December; m++ {
				// A Monday in January, a Tuesday in February… and midnight, noon, afternoon.
				at := time.Date(2026, m, int(m)+4, (int(m)*5)%24, (int(m)*30)%60, 0, 0, zone)
				weekday, date, clock := reminders.When(at, zone, lang)
				fmt.Fprintf(&b, "%s\t%s %s, %s\n", at.Format(time.RFC3339), weekday, date, clock)
			}
			for _, s := range []string{"2026-03-29T03:30:00+02:00", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-06-01T12:30:00Z", "2026-12-31T23:00:00Z"} {
				at, err := time.Parse(time.RFC3339, s)
				if err != nil {
					t.Fatal(err)
				}
				weekday, date, clock := reminders.When(at, zone, lang)
				fmt.Fprintf(&b, "%s\t%s %s, %s\n", s, weekday, date, clock)
			}
			vars := reminders.Vars{Business: "Praxis am See", Callback: "044 123 45 67", LocationName: "Zug", Practitioner: "Dr. A. Huber"}
			vars.Weekday, vars.Date, vars.Time = reminders.When(time.Date(2026, 6, 1, 14, 30, 0, 0, zone), zone, lang)
			text, err := reminders.Render(reminders.DefaultTexts()[lang], vars)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "text\t%s\n", text)
			vars.Weekday, vars.Date, err = reminders.Day("2026-06-01", lang)
			if err != nil {
				t.Fatal(err)
			}
			vars.Time = ""
			if text, err = reminders.Render(reminders.DefaultTexts()[lang], vars); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "all-day\t%s\n", text)

			file := filepath.Join("testdata", "words_"+lang+".golden")
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), b.String()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if r := segment.Measure(strings.ReplaceAll(b.String(), "\t", " ")); r.Encoding != segment.GSM7 {
				t.Errorf("a date or weekday in %s costs UCS-2", lang)
			}
			for _, s := range []string{" AM", " PM", "a.m.", "p.m.", "ß"} {
				if strings.Contains(b.String(), s) {
					t.Errorf("%s in %s", s, lang)
				}
			}
		})
	}
}
