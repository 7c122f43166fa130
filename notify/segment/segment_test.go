package segment_test

import (
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rappel/notify/segment"
)

const (
	basicChars    = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	extendedChars = "\f^{}\\[~]|€"
)

func TestMeasure(t *testing.T) {
	t.Parallel()
	rep := strings.Repeat
	tests := []struct {
		name string
		text string
		o    segment.Options
		want segment.Result
	}{
		{"empty", "", segment.Options{}, segment.Result{Segments: 1, Remaining: 160}},
		{"one euro", "Grüezi €", segment.Options{}, segment.Result{Units: 9, Segments: 1, Remaining: 151}},
		{"160 septets", rep("a", 160), segment.Options{}, segment.Result{Units: 160, Segments: 1}},
		{"161 septets", rep("a", 161), segment.Options{}, segment.Result{Units: 161, Segments: 2, Remaining: 145}},
		{"306 septets", rep("a", 306), segment.Options{}, segment.Result{Units: 306, Segments: 2}},
		{"307 septets", rep("a", 307), segment.Options{}, segment.Result{Units: 307, Segments: 3, Remaining: 152}},
		{"80 euros", rep("€", 80), segment.Options{}, segment.Result{Units: 160, Segments: 1}},
		{"escape over the end of a segment", rep("a", 152) + "€" + rep("a", 152), segment.Options{}, segment.Result{Units: 306, Segments: 3, Remaining: 152}},
		{"escape at 159 of a single", rep("a", 158) + "€", segment.Options{}, segment.Result{Units: 160, Segments: 1}},
		{"70 units", rep("ж", 70), segment.Options{}, segment.Result{Encoding: segment.UCS2, Units: 70, Segments: 1}},
		{"71 units", rep("ж", 71), segment.Options{}, segment.Result{Encoding: segment.UCS2, Units: 71, Segments: 2, Remaining: 63}},
		{"134 units", rep("ж", 134), segment.Options{}, segment.Result{Encoding: segment.UCS2, Units: 134, Segments: 2}},
		{"pair over the end of a segment", rep("ж", 66) + "😀" + rep("ж", 66), segment.Options{}, segment.Result{Encoding: segment.UCS2, Units: 134, Segments: 3, Remaining: 66}},
		{"the same, one shorter", rep("ж", 66) + "😀" + rep("ж", 65), segment.Options{}, segment.Result{Encoding: segment.UCS2, Units: 133, Segments: 2}},
		{"35 emoji", rep("😀", 35), segment.Options{}, segment.Result{Encoding: segment.UCS2, Units: 70, Segments: 1}},
		{"late switch counts extension characters once", rep("€", 35) + "’", segment.Options{}, segment.Result{Encoding: segment.UCS2, Units: 36, Segments: 1, Remaining: 34}},
		{"wide reference, 304", rep("a", 304), segment.Options{Reference: segment.Ref16}, segment.Result{Units: 304, Segments: 2}},
		{"wide reference, 305", rep("a", 305), segment.Options{Reference: segment.Ref16}, segment.Result{Units: 305, Segments: 3, Remaining: 151}},
		{"wide reference, 132 units", rep("ж", 132), segment.Options{Reference: segment.Ref16}, segment.Result{Encoding: segment.UCS2, Units: 132, Segments: 2}},
		{"wide reference, 133 units", rep("ж", 133), segment.Options{Reference: segment.Ref16}, segment.Result{Encoding: segment.UCS2, Units: 133, Segments: 3, Remaining: 65}},
		{"bad UTF-8", "a\xff\xe2\x82b", segment.Options{}, segment.Result{Encoding: segment.UCS2, Units: 5, Segments: 1, Remaining: 65}},
		{"line ends and page break", "\r\n\f", segment.Options{}, segment.Result{Units: 4, Segments: 1, Remaining: 156}},
		{"escape itself", "\x1b", segment.Options{}, segment.Result{Encoding: segment.UCS2, Units: 1, Segments: 1, Remaining: 69}},
		{"tab", "\t", segment.Options{}, segment.Result{Encoding: segment.UCS2, Units: 1, Segments: 1, Remaining: 69}},
		{"NUL", "\x00", segment.Options{}, segment.Result{Encoding: segment.UCS2, Units: 1, Segments: 1, Remaining: 69}},
		{"cut short after a lead byte", "\xc3", segment.Options{}, segment.Result{Encoding: segment.UCS2, Units: 1, Segments: 1, Remaining: 69}},
		{"overlong slash", "\xc0\xaf", segment.Options{}, segment.Result{Encoding: segment.UCS2, Units: 2, Segments: 1, Remaining: 68}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, tt.o.Measure(tt.text)); diff != "" {
				t.Errorf("Measure(%q) (-want +got):\n%s", tt.text, diff)
			}
		})
	}
}

// Every code point of the BMP's first part and around is in the alphabet the
// test spells out, or is not.
func TestAlphabet(t *testing.T) {
	t.Parallel()
	if n := len([]rune(basicChars)); n != 127 {
		t.Fatalf("the test's own alphabet has %d characters", n)
	}
	for r := rune(0); r < 0x30000; r++ {
		if r >= 0xD800 && r < 0xE000 {
			continue
		}
		want, units := segment.UCS2, 1
		switch {
		case strings.ContainsRune(basicChars, r):
			want = segment.GSM7
		case strings.ContainsRune(extendedChars, r):
			want, units = segment.GSM7, 2
		case r > 0xFFFF:
			units = 2
		}
		if got := segment.Measure(string(r)); got.Encoding != want || got.Units != units {
			t.Fatalf("%U: %v, %d units; want %v, %d", r, got.Encoding, got.Units, want, units)
		}
		if segment.IsGSM7(r) != (want == segment.GSM7) {
			t.Fatalf("IsGSM7(%U) disagrees", r)
		}
	}
}

// reference fills segments unit by unit, as one would by hand: slow and with an
// alphabet and a notion of parts of its own.
func reference(text string, wide bool) (enc segment.Encoding, units int, parts []string) {
	single, per := 160, 153
	runes := []rune{}
	for _, r := range text {
		runes = append(runes, r)
		if !strings.ContainsRune(basicChars+extendedChars, r) || r == 0xFFFD {
			enc = segment.UCS2
		}
	}
	if enc == segment.UCS2 {
		single, per = 70, 67
	}
	if wide {
		per--
	}
	cost := func(r rune) int {
		if enc == segment.UCS2 {
			return len(utf16.Encode([]rune{r}))
		}
		if strings.ContainsRune(extendedChars, r) {
			return 2
		}
		return 1
	}
	for _, r := range runes {
		units += cost(r)
	}
	if units <= single {
		return enc, units, []string{string(runes)}
	}
	part, room := "", per
	for _, r := range runes {
		if cost(r) > room {
			parts = append(parts, part)
			part, room = "", per
		}
		part += string(r)
		room -= cost(r)
	}
	return enc, units, append(parts, part)
}

// anyText draws texts of the mixes that matter, long enough for several segments.
func anyText() *rapid.Generator[string] {
	ascii := rapid.RuneFrom([]rune("abc DEF 123,.\r\n"))
	gsm := rapid.RuneFrom([]rune(basicChars + extendedChars))
	pairs := rapid.RuneFrom([]rune(extendedChars + "ab"))
	emoji := rapid.RuneFrom([]rune("😀🇨🇭👍🏽👩\u200d❤️a\u0301é’"))
	anyRune := rapid.Rune()
	one := rapid.Custom(func(t *rapid.T) string {
		g := rapid.SampledFrom([]*rapid.Generator[rune]{ascii, gsm, pairs, emoji, anyRune}).Draw(t, "mix")
		return rapid.StringOfN(g, 0, 200, -1).Draw(t, "piece")
	})
	return rapid.Custom(func(t *rapid.T) string {
		text := strings.Join(rapid.SliceOfN(one, 0, 4).Draw(t, "pieces"), "")
		if rapid.IntRange(0, 9).Draw(t, "break") == 0 {
			b := rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "bytes")
			text += string(b) + text
		}
		return text
	})
}

func TestMeasure_reference(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text, wide := anyText().Draw(t, "text"), rapid.Bool().Draw(t, "wide")
		o := segment.Options{}
		if wide {
			o.Reference = segment.Ref16
		}
		enc, units, parts := reference(text, wide)
		got := o.Measure(text)
		if got.Encoding != enc || got.Units != units || got.Segments != len(parts) {
			t.Fatalf("Measure(%q) = %+v, want %v %d units in %d", text, got, enc, units, len(parts))
		}
		single, per := o.Limits(enc)
		room := single - units
		if len(parts) > 1 {
			_, used, _ := reference(parts[len(parts)-1], wide)
			if enc == segment.UCS2 {
				used = len(utf16.Encode([]rune(parts[len(parts)-1])))
			}
			room = per - used
		}
		if got.Remaining != room {
			t.Fatalf("Measure(%q).Remaining = %d, want %d", text, got.Remaining, room)
		}
		if n, e := segment.Count(text); !wide && (n != got.Segments || e != got.Encoding) {
			t.Fatalf("Count(%q) = %d %v", text, n, e)
		}
	})
}

// FuzzMeasure compares with the reference on whatever the fuzzer invents.
func FuzzMeasure(f *testing.F) {
	for _, s := range []string{"", "abc", "€[", "😀", "\xff", strings.Repeat("a", 152) + "€" + strings.Repeat("a", 152), "\xf0\x9f\x98"} {
		f.Add(s, 3, false)
	}
	f.Fuzz(func(t *testing.T, s string, times int, wide bool) {
		s = strings.Repeat(s, 1+max(0, times)%64)
		o := segment.Options{}
		if wide {
			o.Reference = segment.Ref16
		}
		enc, units, parts := reference(s, wide)
		if got := o.Measure(s); got.Encoding != enc || got.Units != units || got.Segments != len(parts) {
			t.Fatalf("Measure(%q) = %+v, want %v %d %d", s, got, enc, units, len(parts))
		}
	})
}

func TestMeasure_allocatesNothing(t *testing.T) {
	for _, text := range []string{"", strings.Repeat("äß€[", 90), strings.Repeat("😀a’", 90)} {
		if n := testing.AllocsPerRun(100, func() { segment.Measure(text) }); n != 0 {
			t.Errorf("%d-byte text: %v allocations", len(text), n)
		}
	}
}
