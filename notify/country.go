package notify

import (
	"strings"
	"sync"

	"github.com/nyaruka/phonenumbers"
)

// Country returns the ISO 3166-1 code of the country that number, in E.164 with "+",
// belongs to, and "" where that can't be told (satellites, free numbers, an area code
// nobody was given). A number with the code of Britain or Italy that fits none of the
// territories sharing it (Crown dependencies, the Vatican) is the main country's.
//
// It costs some ten nanoseconds: no number is parsed whose first eight digits were seen.
func Country(number string) string {
	code, digits, ok := callingCode(number)
	if !ok {
		return ""
	}
	if only := callingCodes()[code].only; only != "" {
		return only
	}
	return sharedCodes.of(code, digits, number)
}

// callingCode reads the country calling code off a number: a prefix code of one to three
// digits. digits are all the number's.
func callingCode(number string) (code int, digits string, ok bool) {
	if !ValidNumber(number) {
		return 0, "", false
	}
	digits = number[1:]
	codes := callingCodes()
	for i := range 3 {
		code = code*10 + int(digits[i]-'0')
		if codes[code].known {
			return code, digits, true
		}
	}
	return 0, "", false
}

// plan is what is known of a calling code.
type plan struct {
	known bool
	only  string // the one region that has it, "" where several share it or it isn't a country's
	main  string // the first of several
}

// notCountry is what the metadata calls the region of codes that belong to no country.
const notCountry = "001"

var callingCodes = sync.OnceValue(func() *[1000]plan {
	var all [1000]plan
	for code := range phonenumbers.GetSupportedCallingCodes() {
		regions := phonenumbers.GetRegionCodesForCountryCode(code)
		p := plan{known: true}
		switch {
		case len(regions) == 1 && regions[0] != notCountry:
			p.only = regions[0]
		case len(regions) > 1:
			p.main = regions[0]
		}
		all[code] = p
	}
	return &all
})

// prefixDigits is how many leading digits, calling code included, tell the territories of
// a shared code apart: +44 7911 1 is Guernsey, +44 7911 2 isn't; +1 416 is Canada.
const prefixDigits = 8

// regionCache remembers the territory of prefixes of shared codes. It holds at most one
// entry for each prefix in use, some ten thousands for all of North America.
type regionCache struct {
	mu    sync.RWMutex
	known map[uint32]string
}

var sharedCodes = regionCache{known: map[uint32]string{}}

func (c *regionCache) of(code int, digits, number string) string {
	key, full := prefixKey(code, digits)
	c.mu.RLock()
	region, ok := c.known[key]
	c.mu.RUnlock()
	if ok {
		return region
	}
	region, sure := regionOf(code, number)
	if sure && full {
		c.mu.Lock()
		c.known[key] = region
		c.mu.Unlock()
	}
	return region
}

// prefixKey packs the digits that decide into a number. full is false when there are
// fewer of them.
func prefixKey(code int, digits string) (key uint32, full bool) {
	n := prefixDigits
	if code == 1 {
		n = 4 // one digit of code and the area code
	}
	full = len(digits) >= n
	for i := range min(n, len(digits)) {
		key = key*10 + uint32(digits[i]-'0')
	}
	return key, full
}

// regionOf asks the metadata. sure means that the answer holds for all numbers with the
// prefix: one that is no valid number, being too short, says nothing about the others.
func regionOf(code int, number string) (region string, sure bool) {
	if code == 1 {
		if region = areaCodeRegion(number); region != "" {
			return region, true
		}
		return validRegion(number), false
	}
	if region = validRegion(number); region != "" {
		return region, true
	}
	return callingCodes()[code].main, false
}

// areaCodeRegion finds whose area code a North American number has, whether or not the
// number itself exists: countries there have whole area codes. Free and premium numbers
// belong to all of them, so to none.
func areaCodeRegion(number string) string {
	if region := islandCodes()[number[2:5]]; region != "" {
		return region
	}
	for _, rest := range []string{"2345678", "5552345", "9002345"} {
		if region := validRegion(number[:5] + rest); region != "" {
			return region
		}
	}
	return ""
}

// islandCodes are the area codes of the small countries and territories, which have one
// each as a rule and use little of it, so that most made-up numbers aren't valid there.
var islandCodes = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for _, region := range phonenumbers.GetRegionCodesForCountryCode(1) {
		if region == "US" || region == "CA" {
			continue
		}
		for _, kind := range []phonenumbers.PhoneNumberType{phonenumbers.FIXED_LINE, phonenumbers.MOBILE} {
			if n := phonenumbers.GetExampleNumberForType(region, kind); n != nil {
				all[phonenumbers.Format(n, phonenumbers.E164)[2:5]] = region
			}
		}
	}
	return all
})

func validRegion(number string) string {
	parsed, err := phonenumbers.Parse(number, "")
	if err != nil {
		return ""
	}
	region := phonenumbers.GetRegionCodeForNumber(parsed)
	switch phonenumbers.GetNumberType(parsed) {
	case phonenumbers.MOBILE, phonenumbers.FIXED_LINE, phonenumbers.FIXED_LINE_OR_MOBILE:
		if region != notCountry {
			return region
		}
	}
	return ""
}

// numberCountry reports whether sender is a number rather than a name, and of which country.
func numberCountry(sender string) (country string, isNumber bool) {
	if !strings.HasPrefix(sender, "+") {
		return "", false
	}
	return Country(sender), true
}
