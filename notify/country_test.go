package notify_test

import (
	"fmt"
	"testing"

	"github.com/nyaruka/phonenumbers"

	"rappel/notify"
)

func TestCountry(t *testing.T) {
	for number, want := range map[string]string{
		"+41791234567": "CH", "+4237912345": "LI", "+4915123456789": "DE", "+436641234567": "AT", "+33612345678": "FR",
		"+393331234567": "IT", "+390669812345": "VA", "+37866661212": "SM", "+3780549886377": "SM",
		"+447400123456": "GB", "+447911123456": "GG", "+447911234567": "GB", "+447797712345": "JE", "+447624123456": "IM", "+442079460958": "GB",
		"+12125552345": "US", "+14165552345": "CA", "+15145552345": "CA", "+18765552345": "JM", "+17875552345": "PR",
		"+18005552345": "",                         // free: everybody's
		"+12121112345": "US", "+14161112345": "CA", // no such numbers, but the area codes are theirs
		"+79161234567": "RU", "+77011234567": "KZ", "+34612345678": "ES", "+38344123456": "XK",
		"+4479111":      "GB", // too short to tell
		"+881612345678": "", "+88312345678": "", "+9991234567": "", "0791234567": "", "": "", "+": "", "+41": "", "+41 79 123 45 67": "",
	} {
		if got := notify.Country(number); got != want {
			t.Errorf("Country(%q) = %q, want %q", number, got, want)
		}
		if got := notify.Country(number); got != want {
			t.Errorf("Country(%q) the second time = %q, want %q", number, got, want)
		}
	}
}

// Every example number of the metadata is found again in its own region, in whatever order
// they come: no prefix answers for a number of another.
func TestCountry_agreesWithTheMetadata(t *testing.T) {
	for region := range phonenumbers.GetSupportedRegions() {
		for _, kind := range []phonenumbers.PhoneNumberType{phonenumbers.MOBILE, phonenumbers.FIXED_LINE} {
			n := phonenumbers.GetExampleNumberForType(region, kind)
			if n == nil {
				continue
			}
			e164 := phonenumbers.Format(n, phonenumbers.E164)
			want := phonenumbers.GetRegionCodeForNumber(n)
			if got := notify.Country(e164); got != want {
				t.Errorf("Country(%q) = %q, the metadata say %q", e164, got, want)
			}
		}
	}
}

func FuzzCountry(f *testing.F) {
	for _, s := range []string{"+41791234567", "+447911123456", "+12125552345", "+0", "+999999999999999", "+1\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, number string) {
		c := notify.Country(number)
		if len(c) != 0 && len(c) != 2 {
			t.Errorf("Country(%q) = %q", number, c)
		}
		if again := notify.Country(number); again != c {
			t.Errorf("Country(%q) = %q, then %q", number, c, again)
		}
	})
}

func BenchmarkCountry(b *testing.B) {
	var numbers []string
	for i := range 1000 {
		numbers = append(numbers, fmt.Sprintf("+4179%07d", i*9973), fmt.Sprintf("+447%09d", 400000000+i*99991), fmt.Sprintf("+1416555%04d", i))
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		notify.Country(numbers[i%len(numbers)])
		i++
	}
}
