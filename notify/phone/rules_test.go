package phone_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nyaruka/phonenumbers"
	"pgregory.net/rapid"

	"rappel/notify/phone"
)

// mobiles draws valid mobile numbers of a region: country code, national number
// without the trunk prefix, and how people there group it.
type plan struct {
	code, trunk string
	prefixes    []string
	rest        int // digits behind the prefix
}

var plans = map[string]plan{
	"CH": {"41", "0", []string{"75", "76", "77", "78", "79"}, 7},
	"DE": {"49", "0", []string{"170", "171", "172", "173", "175", "160"}, 7},
	"AT": {"43", "0", []string{"664", "650", "676"}, 7},
	"FR": {"33", "0", []string{"6"}, 8},
	"IT": {"39", "", []string{"333", "347", "328"}, 7},
	"GB": {"44", "0", []string{"7400", "7911"}, 6},
}

func drawNumber(t *rapid.T, region string) (p plan, prefix, rest string) {
	p = plans[region]
	for {
		prefix = rapid.SampledFrom(p.prefixes).Draw(t, "prefix")
		rest = fmt.Sprintf("%0*d", p.rest, rapid.IntRange(0, pow10(p.rest)-1).Draw(t, "rest"))
		n, err := phonenumbers.Parse("+"+p.code+prefix+rest, "ZZ")
		if err == nil && phonenumbers.GetNumberType(n) == phonenumbers.MOBILE {
			return p, prefix, rest
		}
	}
}

func pow10(n int) int {
	v := 1
	for range n {
		v *= 10
	}
	return v
}

// TestFind_everyWayOfWriting formats numbers in the ways people do and asks that
// each is found, alone and exactly once.
func TestFind_everyWayOfWriting(t *testing.T) {
	t.Parallel()
	finders := map[string]*phone.Finder{}
	regions := []string{}
	for region := range plans {
		finders[region] = finder(t, region)
		regions = append(regions, region)
	}
	slices.Sort(regions)
	separators := []string{" ", "-", ".", "/", "", "\u00a0", "\u202f", "\u2009", "'", "’", " / ", "–", "\u2011", "&nbsp;", " <b></b>", "\u200b"}
	before := []string{
		"", "Tel. ", "Tel: ", "Natel ", "Handy:", "Mobile ", "Port. ", "cell. ", "Frau Müller, ", "(", "Kontrolle 14:30 ", "12.03.2026 ", "am 3.4. ",
		"8001 Zürich ", "<p>", "Tel", "M:", "– ", "Zi. 204, ", "Dr. med. ", "AHV 756.1234.5678.97, ", "\n", "a@b.ch ", "https://x.ch/1234 ", "«",
	}
	after := []string{"", " Kontrolle", ", Dr. KB", ".", ")", "\n12 34", "<br>99", " (Mutter)", "; 14:30", "!", " um 15:00", "»", " bitte", "</p>", " x12"}
	rapid.Check(t, func(t *rapid.T) {
		region := rapid.SampledFrom(regions).Draw(t, "region")
		p, prefix, rest := drawNumber(t, region)
		sep := rapid.SampledFrom(separators).Draw(t, "separator")
		head := ""
		switch rapid.IntRange(0, 6).Draw(t, "head") {
		case 0:
			head = "+" + p.code + sep
		case 1:
			head = "00" + p.code + sep
		case 2:
			head = "+" + p.code + " (0)"
			if p.trunk == "" {
				head = "+" + p.code + " "
			}
		case 3:
			head = "(+" + p.code + ") "
		case 4:
			head = "&#43;" + p.code + sep
		default:
			head = p.trunk
		}
		var groups []string
		for tail := rest; tail != ""; {
			n := min(len(tail), rapid.IntRange(2, 4).Draw(t, "group"))
			if len(tail)-n == 1 {
				n++
			}
			groups = append(groups, tail[:n])
			tail = tail[n:]
		}
		number := head + prefix + sep + strings.Join(groups, sep)
		text := rapid.SampledFrom(before).Draw(t, "before") + number + rapid.SampledFrom(after).Draw(t, "after")
		r := finders[region].Find(text)
		if want := []string{"+" + p.code + prefix + rest}; !cmp.Equal(want, e164s(r)) {
			t.Fatalf("%s: %q: %+v, want %v", region, text, r, want)
		}
		checkOffsets(t, text, r)
	})
}

// Two numbers side by side are both found, in their order.
func TestFind_twoNumbers(t *testing.T) {
	t.Parallel()
	f := finder(t, "CH")
	rapid.Check(t, func(t *rapid.T) {
		var want, parts []string
		for range 2 {
			_, prefix, rest := drawNumber(t, "CH")
			want = append(want, "+41"+prefix+rest)
			head := rapid.SampledFrom([]string{"0", "+41 ", "0041 ", "+41 (0)"}).Draw(t, "head")
			parts = append(parts, fmt.Sprintf("%s%s %s %s %s", head, prefix, rest[:3], rest[3:5], rest[5:]))
		}
		if want[0] == want[1] {
			return
		}
		between := rapid.SampledFrom([]string{" ", ", ", " / ", "/", " - ", "\n", " oder ", "; ", " + ", "<br>", " und ", " 8001 "}).Draw(t, "between")
		if got := e164s(f.Find(strings.Join(parts, between))); !cmp.Equal(want, got) {
			t.Fatalf("%q: %v, want %v", strings.Join(parts, between), got, want)
		}
	})
}

// A landline is never returned, whatever stands around.
func TestFind_neverLandline(t *testing.T) {
	t.Parallel()
	f := finder(t, "CH", phone.WithFurtherRegions("FR", "IT", "DE", "AT", "LI"))
	rapid.Check(t, func(t *rapid.T) {
		area := rapid.SampledFrom([]string{"44", "43", "31", "61", "22", "21", "71", "91", "52"}).Draw(t, "area")
		rest := fmt.Sprintf("%07d", rapid.IntRange(2000000, 8999999).Draw(t, "rest"))
		n, err := phonenumbers.Parse("+41"+area+rest, "ZZ")
		if err != nil || phonenumbers.GetNumberType(n) != phonenumbers.FIXED_LINE {
			return
		}
		head := rapid.SampledFrom([]string{"0", "+41 ", "0041", "+41 (0)"}).Draw(t, "head")
		sep := rapid.SampledFrom([]string{" ", "", ".", "-", "/", "'", "\u202f"}).Draw(t, "separator")
		text := "Tel " + head + area + sep + rest[:3] + sep + rest[3:5] + sep + rest[5:]
		if r := f.Find(text); len(r.Numbers) != 0 || !cmp.Equal(whys(r), list(phone.Landline)) {
			t.Fatalf("%q: %+v", text, r)
		}
	})
}

// checkResult holds whatever the text: numbers are valid mobiles in E.164,
// distinct, in order, and lie where they say.
func checkResult(t failer, text string, r phone.Result) {
	t.Helper()
	checkOffsets(t, text, r)
	seen := map[string]bool{}
	last := -1
	for _, n := range r.Numbers {
		p, err := phonenumbers.Parse(n.E164, "ZZ")
		if err != nil || phonenumbers.Format(p, phonenumbers.E164) != n.E164 || !phonenumbers.IsValidNumber(p) {
			t.Fatalf("%q: %+v is no valid number: %v", text, n, err)
		}
		if kind := phonenumbers.GetNumberType(p); kind != phonenumbers.MOBILE && kind != phonenumbers.FIXED_LINE_OR_MOBILE {
			t.Fatalf("%q: %+v is of type %v", text, n, kind)
		}
		if n.Region != phonenumbers.GetRegionCodeForNumber(p) || seen[n.E164] || n.Start < last {
			t.Fatalf("%q: %+v: wrong region, order or a repetition", text, r)
		}
		seen[n.E164], last = true, n.Start
	}
	for _, x := range r.Rejected {
		if !slices.Contains(phone.Whys, x.Why) {
			t.Fatalf("%q: unknown reason %q", text, x.Why)
		}
	}
}

func FuzzFind(f *testing.F) {
	for _, c := range rows {
		f.Add(c.text)
	}
	for _, s := range []string{
		"<a href=tel:079", "<a href=\"tel:%zz0791234567\">", "&#48;&#55;9 123 45 67", "+0 (((079", "\xff079\xc3 1234567", "<tel:>", "O79 O23 45 67",
		"www.0791234567", "1.1.1.1.0791234567", "0041(0)(0)79 123 45 67", "079 123 45 67 x", strings.Repeat("0 ", 200), "٠٧٩١٢٣٤٥٦٧", "<tel:0791234567", "</a:",
	} {
		f.Add(s)
	}
	var finders []*phone.Finder
	for _, region := range []string{"CH", "LI", "DE", "AT", "FR", "IT", "GB", "US"} {
		finders = append(finders, finder(f, region), finder(f, region, phone.WithFurtherRegions("FR", "IT", "CH", "US"), phone.WithIgnored(one)))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, f := range finders {
			r := f.Find(text)
			checkResult(t, text, r)
			if again := f.Find(text); !cmp.Equal(r, again) {
				t.Fatalf("%q: a second look differs", text)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("+41 (0)79 123 45 67 ext 12", "CH")
	f.Add("O79", "IT")
	f.Fuzz(func(t *testing.T, raw, region string) {
		n, err := phone.Parse(raw, region)
		if err != nil {
			return
		}
		checkResult(t, raw, phone.Result{Numbers: []phone.Number{n}})
		if again, err := phone.Parse(n.E164, region); err != nil || again.E164 != n.E164 {
			t.Fatalf("%q gives %s, which gives %+v, %v", raw, n.E164, again, err)
		}
	})
}

func TestFind_rules(t *testing.T) {
	t.Parallel()
	f := finder(t, "CH", phone.WithFurtherRegions("FR", "IT", "US", "LI"))
	piece := rapid.SampledFrom([]string{
		"0", "07", "079", "+", "41", "(0)", " ", "-", "/", ".", "123", "45 67", "Tel ", "Nr. ", "\n", "<br>", "&nbsp;", "O", "x", "#", ",", "756", "1234",
		"CH93", "https://", "@", "12.03.2026", ":", "06 12 34 56 78", "\u202f", "é", "😀", "１", "<a href=\"tel:", "\">", "80756", "333", "CHF",
	})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(piece, 0, 40).Draw(t, "pieces"), "")
		checkResult(t, text, f.Find(text))
	})
}

func TestFind_allocatesNothingWithoutDigits(t *testing.T) {
	f := finder(t, "CH")
	text := strings.Repeat("Frau Müller, Kontrolle – bitte nüchtern, «Dr. Keller». ", 4)
	if n := testing.AllocsPerRun(100, func() { f.Find(text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Long texts of one repeated piece, each of which would make a step that looks
// at the whole text for every piece run for minutes.
func TestFind_largeTexts(t *testing.T) {
	t.Parallel()
	for _, region := range []string{"CH", "US", "AT"} {
		f := finder(t, region, phone.WithFurtherRegions("IT"))
		for _, piece := range []string{
			"<a ", "<a =\"", "<!--", "<style>", "0 ", "079 ", "079 123 45 67 ", "+1 650 253 0000, ", "650-253-0000\n", "1234567/", "@1", "a.b/", "&amp;", "12.12.", "o0", "CH93 ", "+", "0664/",
		} {
			text := strings.Repeat(piece, 1<<16/len(piece))
			checkOffsets(t, text, f.Find(text))
		}
	}
}
