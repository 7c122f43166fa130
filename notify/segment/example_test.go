package segment_test

import (
	"fmt"
	"strings"

	"rappel/notify/segment"
)

func Example() {
	fmt.Println(segment.Measure("Grüezi €"))
	text, changes := segment.Smart("Ihr Termin – morgen…", segment.Typographic)
	fmt.Println(text, len(changes))
	// Output:
	// {GSM-7 9 1 151}
	// Ihr Termin - morgen... 2
}

// A curly apostrophe is outside GSM-7, so the whole body moves to UCS-2 and one
// segment becomes two.
func ExampleCount() {
	plain := "Anna, it's time for your check-up: Tue 4 March 14:30, Harbour Dental. Reply C to confirm."
	fmt.Println(segment.Count(plain))
	fmt.Println(segment.Count(strings.ReplaceAll(plain, "'", "’")))
	// Output:
	// 1 GSM-7
	// 2 UCS-2
}

// What forces UCS-2, by the index of a JavaScript string, and what could replace it.
func ExampleOffenders() {
	for _, o := range segment.Offenders("👍 Reçu – merci") {
		fmt.Printf("%d %q → %q tier %d\n", o.Unit, o.Rune, o.Suggestion, o.Tier)
	}
	// Output:
	// 0 '👍' → "" tier 0
	// 5 'ç' → "c" tier 2
	// 8 '–' → "-" tier 1
}

// The changes as an editor shows them.
func ExampleSmart() {
	text, changes := segment.Smart("Votre rendez-vous – à l’hôpital…", segment.Accents)
	fmt.Println(text)
	for _, c := range changes {
		fmt.Printf("%d %q → %q\n", c.Unit, c.From, c.To)
	}
	// Output:
	// Votre rendez-vous - à l'hopital...
	// 18 "–" → "-"
	// 23 "’" → "'"
	// 25 "ô" → "o"
	// 31 "…" → "..."
}

func ExampleSplit() {
	body := strings.Repeat("a", 152) + "€ is never cut in two"
	_, parts := segment.Split(body, segment.Options{})
	for _, p := range parts {
		fmt.Println(p.Units, p.Text(body)[:3])
	}
	// Output:
	// 152 aaa
	// 22 €
}
