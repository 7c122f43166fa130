package segment_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"rappel/notify/segment"
)

// classes are the four message classes of the comparison in doc.go; a message has 260
// bytes on average.
func classes(n int) map[string][]string {
	rng := rand.New(rand.NewPCG(1, 2))
	fill := func(runes int, alphabet string) string {
		letters := []rune(alphabet)
		var b strings.Builder
		for range runes {
			b.WriteRune(letters[rng.IntN(len(letters))])
		}
		return b.String()
	}
	const ascii = "abcdefghijklmnopqrstuvwxyz     ABCDEFGH 0123456789.,:-"
	out := map[string][]string{}
	for i := range n {
		out["ascii120"] = append(out["ascii120"], fill(120, ascii))
		out["german150"] = append(out["german150"], fill(150, ascii+ascii+"äöüßÄÖÜé"))
		out["gsm400"] = append(out["gsm400"], fill(400, ascii+ascii+ascii+"äöüß€[]"))
		out["emoji"] = append(out["emoji"], fill(150, ascii+strings.Repeat("😀👍🚀", 13)))
		// In turns, so that any run of them is the mix.
		out["mix"] = append(out["mix"], out["ascii120"][i], out["german150"][i], out["gsm400"][i], out["emoji"][i])
	}
	return out
}

var sink int

func BenchmarkMeasure(b *testing.B) {
	by := classes(2500)
	for _, name := range []string{"ascii120", "german150", "gsm400", "emoji", "mix"} {
		b.Run(name, func(b *testing.B) { each(b, by[name], func(s string) { sink += segment.Measure(s).Segments }) })
	}
}

func BenchmarkSplit(b *testing.B) {
	by := classes(2500)
	parts := make([]segment.Part, 0, segment.MaxParts)
	for _, name := range []string{"ascii120", "german150", "gsm400", "emoji", "mix"} {
		b.Run(name, func(b *testing.B) {
			each(b, by[name], func(s string) { _, parts = segment.AppendParts(parts[:0], s, segment.Options{}) })
		})
	}
}

func BenchmarkSmart(b *testing.B) {
	text := strings.Repeat("Guten Tag, „Ihr“ Termin – morgen um 14:30… ", 3)
	b.Run("plain", func(b *testing.B) {
		each(b, []string{strings.Repeat("Guten Tag, morgen. ", 7)}, func(s string) { segment.Smart(s, segment.Typographic) })
	})
	b.Run("changed", func(b *testing.B) { each(b, []string{text}, func(s string) { segment.Smart(s, segment.Typographic) }) })
}

func each(b *testing.B, texts []string, f func(string)) {
	b.ReportAllocs()
	size := 0
	for _, s := range texts {
		size += len(s)
	}
	b.SetBytes(int64(size / len(texts)))
	for i := 0; b.Loop(); i++ {
		f(texts[i%len(texts)])
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}
