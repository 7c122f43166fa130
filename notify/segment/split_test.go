package segment_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rivo/uniseg"
	"pgregory.net/rapid"

	"rappel/notify/segment"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	rep := strings.Repeat
	family := "👩\u200d👩\u200d👧" // 8 code units
	tests := []struct {
		name string
		text string
		want []string
	}{
		{"empty", "", []string{""}},
		{"one", "abc", []string{"abc"}},
		{"plain", rep("a", 161), []string{rep("a", 153), rep("a", 8)}},
		{"escape pair", rep("a", 152) + "€" + rep("b", 20), []string{rep("a", 152), "€" + rep("b", 20)}},
		{"surrogate pair", rep("ж", 66) + "😀" + rep("a", 9), []string{rep("ж", 66), "😀" + rep("a", 9)}},
		{"line end stays whole", rep("a", 152) + "\r\n" + rep("b", 20), []string{rep("a", 152), "\r\n" + rep("b", 20)}},
		{"line end is cut where whole costs a segment", rep("a", 152) + "\r\n" + rep("b", 152), []string{rep("a", 152) + "\r", "\n" + rep("b", 152)}},
		{"family stays whole", rep("ж", 63) + family + rep("a", 9), []string{rep("ж", 63), family + rep("a", 9)}},
		{"skin tone stays whole", rep("ж", 64) + "👍🏽" + rep("a", 9), []string{rep("ж", 64), "👍🏽" + rep("a", 9)}},
		{"flag stays whole", rep("ж", 65) + "🇨🇭" + rep("a", 9), []string{rep("ж", 65), "🇨🇭" + rep("a", 9)}},
		{"combining mark stays with its letter", rep("ж", 66) + "e\u0301" + rep("a", 9), []string{rep("ж", 66), "e\u0301" + rep("a", 9)}},
		{"family is cut where whole costs a segment", rep("ж", 65) + family + rep("a", 61), []string{rep("ж", 65) + "👩", "\u200d👩\u200d👧" + rep("a", 61)}},
		{"a cluster longer than a segment", "a" + rep("\u0301", 100), []string{"a" + rep("\u0301", 66), rep("\u0301", 34)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, parts := segment.Split(tt.text, segment.Options{})
			var got []string
			for _, p := range parts {
				got = append(got, p.Text(tt.text))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

type failer interface {
	Helper()
	Fatalf(string, ...any)
}

// checkParts holds what must be true of every text.
func checkParts(t failer, text string, o segment.Options) []segment.Part {
	t.Helper()
	m := o.Measure(text)
	r, parts := segment.Split(text, o)
	single, per := o.Limits(m.Encoding)
	enc := r.Encoding
	if m.Segments > segment.MaxParts {
		if r != m || len(parts) != 0 {
			t.Fatalf("%.60q: %d parts of %+v, measured %+v", text, len(parts), r, m)
		}
		return nil
	}
	if r != m || len(parts) != m.Segments {
		t.Fatalf("%.60q: %d parts of %+v, measured %+v", text, len(parts), r, m)
	}
	limit := per
	if len(parts) == 1 {
		limit = single
	}
	end, units := 0, 0
	for i, p := range parts {
		octets := len(segment.EncodeUCS2(nil, p.Text(text))) / 2
		if enc == segment.GSM7 {
			b, err := segment.EncodeGSM7(nil, p.Text(text))
			if err != nil {
				t.Fatalf("%.60q part %d: %v", text, i, err)
			}
			octets = len(b)
		}
		if p.Start != end || p.Units != octets || p.Units > limit {
			t.Fatalf("%.60q part %d = %+v: begins at %d, has %d units of %d", text, i, p, end, octets, limit)
		}
		end = p.End
		units += p.Units
	}
	if end != len(text) || units != m.Units {
		t.Fatalf("%.60q: parts end at %d of %d with %d units of %d", text, end, len(text), units, m.Units)
	}
	return parts
}

func TestSplit_rules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := anyText().Draw(t, "text")
		o := segment.Options{Reference: rapid.SampledFrom([]segment.Reference{segment.Ref8, segment.Ref16}).Draw(t, "ref")}
		checkParts(t, text, o)
	})
}

// Among all ways to cut a text into the least number of segments, Split's breaks
// the fewest clusters: counted here by trying every way.
func TestSplit_fewestBrokenClusters(t *testing.T) {
	t.Parallel()
	piece := rapid.SampledFrom([]string{"ж", "😀", "👍🏽", "🇨🇭", "e\u0301", "👩\u200d👩\u200d👧", "\r\n", "a"})
	rapid.Check(t, func(t *rapid.T) {
		text := "ж" + strings.Join(rapid.SliceOfN(piece, 20, 150).Draw(t, "pieces"), "")
		o := segment.Options{Reference: rapid.SampledFrom([]segment.Reference{segment.Ref8, segment.Ref16}).Draw(t, "ref")}
		parts := checkParts(t, text, o)
		boundary := map[int]bool{0: true, len(text): true}
		for rest, pos, state := text, 0, -1; rest != ""; {
			var c string
			c, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
			pos += len(c)
			boundary[pos] = true
		}
		broken := 0
		for _, p := range parts[1:] {
			if !boundary[p.Start] {
				broken++
			}
		}
		_, per := o.Limits(segment.UCS2)
		if want := fewestBroken(text, len(parts), per, boundary); broken != want {
			t.Fatalf("%q: %d clusters broken, %d would do", text, broken, want)
		}
	})
}

// fewestBroken is a dynamic programme over all cuts into n parts of per units.
func fewestBroken(text string, n, per int, boundary map[int]bool) int {
	const never = 1 << 30
	if n == 1 {
		return 0
	}
	starts := []int{}
	for i := range text {
		starts = append(starts, i)
	}
	starts = append(starts, len(text))
	best := map[int]int{0: 0}
	for range n {
		next := map[int]int{}
		for from, sofar := range best {
			for _, to := range starts {
				if to <= from || len(segment.EncodeUCS2(nil, text[from:to]))/2 > per {
					continue
				}
				cost := sofar
				if !boundary[to] {
					cost++
				}
				if old, ok := next[to]; !ok || cost < old {
					next[to] = cost
				}
			}
		}
		best = next
	}
	if cost, ok := best[len(text)]; ok {
		return cost
	}
	return never
}

// The header numbers segments in an octet: what needs more has no parts, but a figure.
func TestSplit_cap(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		text     string
		segments int
		parts    int
	}{
		{"GSM-7, the most", strings.Repeat("a", 255*153), 255, 255},
		{"GSM-7, one more", strings.Repeat("a", 255*153+1), 256, 0},
		{"UCS-2, the most", strings.Repeat("ж", 255*67), 255, 255},
		{"UCS-2, one more", strings.Repeat("ж", 255*67+1), 256, 0},
		{"flags that break everywhere", strings.Repeat("🇨🇭", 5000), 304, 0},
	} {
		dst := make([]segment.Part, 1, 4)
		r, parts := segment.AppendParts(dst, tt.text, segment.Options{})
		if r.Segments != tt.segments || len(parts) != 1+tt.parts || r != segment.Measure(tt.text) {
			t.Errorf("%s: %d segments, %d parts; want %d, %d", tt.name, r.Segments, len(parts)-1, tt.segments, tt.parts)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	room := make([]segment.Part, 0, segment.MaxParts)
	for _, text := range []string{
		"", "Grüezi €", strings.Repeat("Grüezi € ", 100), strings.Repeat("für ж😀 ", 100), strings.Repeat("👩\u200d👩\u200d👧", 100),
		strings.Repeat("a", 152) + "\r\n" + strings.Repeat("b", 500),
	} {
		if n := testing.AllocsPerRun(20, func() {
			segment.Measure(text)
			segment.AppendParts(room, text, segment.Options{})
		}); n != 0 {
			t.Errorf("%.10q: %v allocations", text, n)
		}
	}
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{"", "a€", "😀\u200d😀", "e\u0301\r\n", "\xf0\x9f", "🇨🇭🇨"} {
		f.Add(s, 40, true)
		f.Add(s, 3, false)
	}
	f.Fuzz(func(t *testing.T, s string, times int, wide bool) {
		o := segment.Options{}
		if wide {
			o.Reference = segment.Ref16
		}
		if len(s) > 400 {
			s = s[:400]
		}
		checkParts(t, strings.Repeat(s, 1+max(0, times)%64), o)
	})
}
