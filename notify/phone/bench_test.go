package phone_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"rappel/notify/phone"
)

// notes makes calendar texts of 216 characters on average: nine in ten hold a
// mobile number in one of several writings, between dates, times, ids and words.
func notes(n int) []string {
	rng := rand.New(rand.NewPCG(3, 4))
	words := strings.Fields("Frau Herr Müller Kontrolle Termin Patient bitte nüchtern kommen Zimmer Untersuchung Befund besprechen Rendez-vous pour Monsieur " +
		"Appuntamento Signora Labor Blut abnehmen Überweisung Hausarzt Röntgen Rezept Versicherung prüfen Begleitung Tochter ruft nochmals an")
	formats := []string{"0%s %s %s %s", "+41 %s %s %s %s", "0%s%s%s%s", "+41 (0)%s %s %s %s", "0041 %s %s %s %s", "0%s/%s %s %s", "0%s.%s.%s.%s", "0%s-%s-%s-%s"}
	decoys := []string{"12.03.2026", "14:30", "8004 Zürich", "AHV 756.1234.5678.97", "CHF 1'450.00", "Fall 20261234", "044 765 43 21", "Zi. 204", "120 mg", "IBAN CH93 0076 2011 6238 5295 7"}
	var texts []string
	for i := range n {
		var b strings.Builder
		at := rng.IntN(170)
		done := i%10 == 0
		for b.Len() < 205 {
			if !done && b.Len() >= at {
				done = true
				fmt.Fprintf(&b, formats[rng.IntN(len(formats))]+", ", []string{"76", "78", "79"}[rng.IntN(3)],
					fmt.Sprintf("%03d", rng.IntN(1000)), fmt.Sprintf("%02d", rng.IntN(100)), fmt.Sprintf("%02d", rng.IntN(100)))
			}
			if rng.IntN(8) == 0 {
				b.WriteString(decoys[rng.IntN(len(decoys))] + ", ")
			} else {
				b.WriteString(words[rng.IntN(len(words))] + " ")
			}
		}
		texts = append(texts, b.String())
	}
	return texts
}

func BenchmarkFind(b *testing.B) {
	f := finder(b, "CH")
	wordsOnly := strings.Repeat("Frau Müller, Kontrolle, bitte nüchtern kommen. ", 5)[:216]
	for _, c := range []struct {
		name  string
		texts []string
	}{
		{"mix", notes(10_000)},
		{"no_digits", []string{wordsOnly}},
		{"title_without_number", []string{"Kontrolle Müller 14:30, Zi. 204, 12.03.2026"}},
		{"title_with_number", []string{"Frau Meier 079 123 45 67 Kontrolle"}},
		{"html", []string{`<html><body><p>Frau Meier<br><a href="tel:+41791234567">079&nbsp;123&nbsp;45&nbsp;67</a></p></body></html>`}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				f.Find(c.texts[i%len(c.texts)])
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "texts/s")
		})
	}
}

func Example() {
	f, err := phone.New("CH")
	if err != nil {
		fmt.Println(err)
		return
	}
	r := f.Find("Frau Keller (079) 123 45 67, Praxis 044 765 43 21")
	for _, n := range r.Numbers {
		fmt.Println(n.E164, n.Region, n.Raw)
	}
	for _, x := range r.Rejected {
		fmt.Println(x.Text, string(x.Why))
	}
	// Output:
	// +41791234567 CH (079) 123 45 67
	// 044 765 43 21 landline
}

func ExampleParse() {
	n, err := phone.Parse("79 123 45 67", "CH")
	fmt.Println(n.E164, err)
	_, err = phone.Parse("079 123 45 6", "CH")
	fmt.Println(err)
	// Output:
	// +41791234567 <nil>
	// phone: digit_missing
}
