package segment_test

import (
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rappel/notify/segment"
)

func TestSmart(t *testing.T) {
	t.Parallel()
	const same = "\x00unchanged"
	tests := []struct {
		name, text, typographic, accents string
	}{
		{"plain", "Grüezi €", same, same},
		{"German quotes", "„Guten Tag“ – Müller", `"Guten Tag" - Müller`, `"Guten Tag" - Müller`},
		{"French quotes", "«\u00a0Oui\u202f»", `" Oui "`, `" Oui "`},
		{"apostrophe", "l’heure, it‘s, ‚so‘, `x´", "l'heure, it's, 'so', 'x'", "l'heure, it's, 'so', 'x'"},
		{"thousands", "CHF 1’450.00", "CHF 1'450.00", "CHF 1'450.00"},
		{"dots", "Also…", "Also...", "Also..."},
		{"dashes", "a‐b‑c‒d–e—f―g−h", "a-b-c-d-e-f-g-h", "a-b-c-d-e-f-g-h"},
		{"spaces", "a\u00a0b\u202fc\u2009d\u3000e\tf\u2003g", "a b c d e f g", "a b c d e f g"},
		{"invisible", "a\u200bb\ufeffc\u2060d\u00ade\u200ef\u202ag", "abcdefg", "abcdefg"},
		{"line separators", "a\u2028b", "a\nb", "a\nb"},
		{"decomposed", "Mu\u0308ller, e\u0301te\u0301", "Müller, été", "Müller, été"},
		{"singletons", "10 \u2126, 5 \u212b", "10 Ω, 5 Å", "10 Ω, 5 Å"},
		{"ligature", "oﬃziell ﬁn", "offiziell fin", "offiziell fin"},
		{"full width", "ＡＢＣ　１２３！", "ABC 123!", "ABC 123!"},
		{"French accents", "Reçu. Être à l’hôpital, œuf, Noël", same, "Recu. Etre à l'hopital, oeuf, Noel"},
		{"Italian capitals", "È GIÀ LUNEDÌ: VERRÒ LASSÙ", same, "E GIA LUNEDI: VERRO LASSU"},
		{"capital sharp s", "STRAẞE", same, "STRASSE"},
		{"letters that don't come apart", "Łódź, Đorđe, þing, ıI", same, "Lodz, Dorde, thing, iI"},
		{"marks GSM-7 has stay", "ǖber, ǻ, Ǿ", same, "über, å, Ø"},
		{"mark that composes with nothing", "x\u0302y", same, "xy"},
		{"several marks", "ệ Ệ", same, "e E"},
		{"one emoji spoils all", "„Hallo“ 😀", same, same},
		{"Cyrillic", "Привет…", same, same},
		{"bad UTF-8", "„Hallo“ \xff", same, same},
		{"broken rune error", "… \ufffd", same, same},
		{"URL needs it", "Mehr: https://praxis.ch/a–b", same, same},
		{"URL with accents", "Voir https://café.fr/reçu …", same, same},
		{"www", "www.praxis.ch/„x“y …", same, same},
		{"bare host with path", "praxis.ch/a–b", same, same},
		{"invisible in a URL", "https://praxis.ch/a\u200bb", same, same},
		{"bare host name", "Termin auf forêt.ch …", same, same},
		{"bare host name, decomposed", "mu\u0308ller.example – ja", same, same},
		{"what only looks like a host", "reçu.Merci d’avance", same, same},
		{"an apostrophe after what looks like a host", "Dr.Keller’s …", "Dr.Keller's ...", "Dr.Keller's ..."},
		{"abbreviations are no hosts", "z.B. 14.30 Uhr – ok", "z.B. 14.30 Uhr - ok", "z.B. 14.30 Uhr - ok"},
		{"a link in one word frees no other", "https://a.ch/x b–c http://d.ch/x–y", same, same},
		{"a link in angle brackets", "<https://a.ch/x>–ok", "<https://a.ch/x>-ok", "<https://a.ch/x>-ok"},
		{"e-mail address", "forêt@praxis.ch …", same, same},
		{"quoted URL", "„https://praxis.ch/a“ – ja", `"https://praxis.ch/a" - ja`, `"https://praxis.ch/a" - ja`},
		{"dots after a URL", "https://praxis.ch/a…", "https://praxis.ch/a...", "https://praxis.ch/a..."},
		{"narrow space after a URL", "https://praxis.ch/a\u202fok", "https://praxis.ch/a ok", "https://praxis.ch/a ok"},
		{"GSM letters in a URL", "https://müller.ch – ja", "https://müller.ch - ja", "https://müller.ch - ja"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for tier, want := range []string{same, tt.typographic, tt.accents} {
				changed := want != same
				if !changed {
					want = tt.text
				}
				got, changes := segment.Smart(tt.text, segment.Tier(tier))
				if got != want || changed != (changes != nil) {
					t.Errorf("tier %d: %q, %d changes; want %q", tier, got, len(changes), want)
				}
				if back := apply(tt.text, changes); back != got {
					t.Errorf("tier %d: the changes give %q, the text is %q", tier, back, got)
				}
			}
		})
	}
}

// apply makes the changes as a diff view would.
func apply(text string, changes []segment.Change) string {
	var b strings.Builder
	pos := 0
	for _, c := range changes {
		if c.Start < pos || !strings.HasPrefix(text[c.Start:], c.From) || len(utf16.Encode([]rune(text[:c.Start]))) != c.Unit {
			return "bad offset"
		}
		b.WriteString(text[pos:c.Start] + c.To)
		pos = c.Start + len(c.From)
	}
	return b.String() + text[pos:]
}

func TestSmart_changes(t *testing.T) {
	t.Parallel()
	_, got := segment.Smart("a\u0308 – ok…\u200b", segment.Typographic)
	want := []segment.Change{
		{Start: 0, From: "a\u0308", To: "ä"},
		{Start: 4, Unit: 3, From: "–", To: "-"},
		{Start: 10, Unit: 7, From: "…", To: "..."},
		{Start: 13, Unit: 8, From: "\u200b", To: ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func checkSmart(t failer, text string, tier segment.Tier) {
	t.Helper()
	got, changes := segment.Smart(text, tier)
	if apply(text, changes) != got {
		t.Fatalf("%q: the changes don't give %q", text, got)
	}
	if len(changes) == 0 {
		if got != text {
			t.Fatalf("%q became %q without a change", text, got)
		}
		return
	}
	if enc := segment.Measure(got).Encoding; enc != segment.GSM7 {
		t.Fatalf("%q became %q, which is %v", text, got, enc)
	}
	for _, c := range changes {
		if c.From == c.To {
			t.Fatalf("%q: empty change %+v", text, c)
		}
	}
	// Suggestions are given exactly where the tier can help.
	for _, o := range segment.Offenders(text) {
		if o.Tier == segment.Off || o.Tier > tier {
			t.Fatalf("%q was changed, but %+v has no suggestion", text, o)
		}
	}
}

func TestSmart_rules(t *testing.T) {
	t.Parallel()
	odd := rapid.RuneFrom([]rune("abc ./:@„“”«»’–…éêçœ\u0301\u0302\u200b\u00a0\u202fẞ"))
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.StringOf(odd), anyText()).Draw(t, "text")
		checkSmart(t, text, rapid.SampledFrom([]segment.Tier{segment.Off, segment.Typographic, segment.Accents}).Draw(t, "tier"))
	})
}

func FuzzSmart(f *testing.F) {
	f.Add("„https://a.b/é“ …", uint8(2))
	f.Add("x\u0302\xff", uint8(1))
	f.Fuzz(func(t *testing.T, s string, tier uint8) {
		checkSmart(t, s, segment.Tier(tier%3))
	})
}

// What a phone makes tappable arrives as it was written, whatever surrounds it.
func TestSmart_linksStay(t *testing.T) {
	t.Parallel()
	address := rapid.SampledFrom([]string{"https://praxis.ch/a?b=1", "www.praxis.ch", "praxis.ch/é", "forêt.ch", "a@praxis.ch", "http://é.ch/„"})
	around := rapid.SampledFrom([]string{" ", "\u00a0", "\u2003", "<", "\n", " – ", "… ", " „", "“ ", "’ "})
	word := rapid.SampledFrom([]string{"Termin", "reçu", "l’été", "", "Mu\u0308ller", "…"})
	rapid.Check(t, func(t *rapid.T) {
		a := address.Draw(t, "address")
		text := word.Draw(t, "before") + around.Draw(t, "left") + a + around.Draw(t, "right") + word.Draw(t, "after")
		for _, tier := range []segment.Tier{segment.Typographic, segment.Accents} {
			if got, _ := segment.Smart(text, tier); !strings.Contains(got, strings.TrimRight(a, "„")) {
				t.Fatalf("%q became %q: %q is broken", text, got, a)
			}
		}
	})
}

func FuzzOffenders(f *testing.F) {
	f.Add("é’ê😀\u200bu\u0308\xff.")
	f.Add("\xf0\x9f\x98")
	f.Fuzz(func(t *testing.T, s string) {
		all := segment.Offenders(s)
		if (len(all) > 0) != (segment.Measure(s).Encoding == segment.UCS2) {
			t.Fatalf("%q: %d offenders in %v", s, len(all), segment.Measure(s).Encoding)
		}
		before := -1
		for _, o := range all {
			if r, _ := utf8.DecodeRuneInString(s[o.Byte:]); r != o.Rune || segment.IsGSM7(r) || o.Byte <= before {
				t.Fatalf("%q: %+v points at %q", s, o, r)
			}
			runes := []rune(s[:o.Byte])
			if len(runes) != o.Index || len(utf16.Encode(runes)) != o.Unit {
				t.Fatalf("%q: %+v after %d runes, %d units", s, o, len(runes), len(utf16.Encode(runes)))
			}
			before = o.Byte
		}
	})
}

func TestOffenders(t *testing.T) {
	t.Parallel()
	if got := segment.Offenders("Grüezi €"); got != nil {
		t.Errorf("GSM-7 text: %+v", got)
	}
	got := segment.Offenders("é’ê😀\u200bu\u0308\xff.")
	want := []segment.Offender{
		{Byte: 2, Index: 1, Unit: 1, Rune: '’', Suggestion: "'", Tier: segment.Typographic},
		{Byte: 5, Index: 2, Unit: 2, Rune: 'ê', Suggestion: "e", Tier: segment.Accents},
		{Byte: 7, Index: 3, Unit: 3, Rune: '😀'},
		{Byte: 11, Index: 4, Unit: 5, Rune: '\u200b', Tier: segment.Typographic},
		{Byte: 15, Index: 6, Unit: 7, Rune: '\u0308', Suggestion: "ü", Tier: segment.Typographic},
		{Byte: 17, Index: 7, Unit: 8, Rune: utf8.RuneError},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
