package phone

import (
	"strconv"
	"sync/atomic"

	"github.com/nyaruka/phonenumbers"
	"google.golang.org/protobuf/proto"
)

// home is a region whose national way of writing numbers is understood.
type home struct {
	region     string
	code       int    // country calling code
	trunk      string // national prefix: 0, or empty in Italy
	exit       string // how a call abroad begins: 00, or 011
	needsTrunk bool   // mobile numbers aren't written without the prefix
}

func newHome(region string) (home, bool) {
	if !phonenumbers.GetSupportedRegions()[region] {
		return home{}, false
	}
	h := home{
		region: region,
		code:   phonenumbers.GetCountryCodeForRegion(region),
		trunk:  phonenumbers.GetNddPrefixForRegion(region, true),
		exit:   "00",
	}
	if h.code == 1 {
		h.exit = "011"
	}
	// The library knows of a number, not of a region, whether it is written
	// without the prefix; so ask with the region's example.
	if example := phonenumbers.GetExampleNumberForType(region, phonenumbers.MOBILE); example != nil {
		bare, err := phonenumbers.ParseAndKeepRawInput(phonenumbers.GetNationalSignificantNumber(example), region)
		h.needsTrunk = err == nil && h.trunk != "" && !phonenumbers.IsNationalPrefixPresentIfRequired(bare)
	}
	return h, true
}

// finding is what a string of digits is.
type finding struct {
	kind   Why // empty: a mobile number; Invalid: nothing
	e164   string
	region string
	either bool // fixed or mobile: the plan doesn't tell
}

var nothing = finding{kind: Invalid}

// international reads digits that begin with a country calling code.
func international(digits []byte) finding {
	code, nsn := splitCode(digits)
	if code == 0 {
		return nothing
	}
	if !fits(code, len(nsn)) && !fits(code, len(nsn)-1) {
		return nothing
	}
	if len(nsn) > 0 && nsn[0] == '0' {
		// A trunk prefix that should have been left out, except where zeros
		// belong to the number: then the library decides, and the rest is a
		// second chance for +39 (0)333.
		if !plainTrunk[code] {
			if found := parse("+"+string(digits), "ZZ"); found.kind != Invalid {
				return found
			}
		}
		nsn = nsn[1:]
	}
	if found := significant(code, nsn); found.kind != Invalid {
		return found
	}
	if plainTrunk[code] {
		return nothing
	}
	return parse("+"+string(digits), "ZZ")
}

// plainTrunk holds the calling codes whose national prefix is 0 and nothing
// else, so that taking it off needs no library: CH, LI, DE, AT, FR, GB.
var plainTrunk = map[int]bool{41: true, 423: true, 49: true, 43: true, 33: true, 44: true}

// national reads digits as h writes them at home. They need not carry the
// trunk prefix: whether they must is the caller's to check.
func (h *home) national(digits []byte) finding {
	nsn, stripped := digits, false
	if h.trunk != "" && len(digits) > len(h.trunk) && string(digits[:len(h.trunk)]) == h.trunk {
		nsn, stripped = digits[len(h.trunk):], true
	}
	if !fits(h.code, len(nsn)) && !fits(h.code, len(digits)) {
		return nothing
	}
	if nsn[0] != '0' {
		if found := significant(h.code, nsn); found.kind != Invalid {
			return found
		}
	}
	if stripped && plainTrunk[h.code] {
		return nothing
	}
	return parse(string(digits), h.region)
}

// splitCode takes the country calling code off; zero where there is none.
func splitCode(digits []byte) (code int, nsn []byte) {
	for i := 0; i < 3 && i < len(digits); i++ {
		code = code*10 + int(digits[i]-'0')
		if code == 0 {
			return 0, nil
		}
		if phonenumbers.GetRegionCodeForCountryCode(code) != "ZZ" {
			return code, digits[i+1:]
		}
	}
	return 0, nil
}

// significant classifies a national significant number without the library's
// parser, which costs four times as much as all the rest.
func significant(code int, nsn []byte) finding {
	if !fits(code, len(nsn)) || nsn[0] == '0' {
		return nothing
	}
	value, err := strconv.ParseUint(string(nsn), 10, 64)
	if err != nil {
		return nothing
	}
	return classify(&phonenumbers.PhoneNumber{CountryCode: proto.Int32(int32(code)), NationalNumber: &value})
}

func parse(number, region string) finding {
	n, err := phonenumbers.Parse(number, region)
	if err != nil {
		return nothing
	}
	return classify(n)
}

func classify(n *phonenumbers.PhoneNumber) finding {
	var found finding
	switch phonenumbers.GetNumberType(n) {
	case phonenumbers.UNKNOWN:
		return nothing
	case phonenumbers.MOBILE:
	case phonenumbers.FIXED_LINE_OR_MOBILE:
		found.either = true
	case phonenumbers.FIXED_LINE:
		return finding{kind: Landline}
	default:
		return finding{kind: NotMobile}
	}
	found.e164 = phonenumbers.Format(n, phonenumbers.E164)
	found.region = phonenumbers.GetRegionCodeForNumber(n)
	return found
}

// possible caches by calling code which lengths its numbers have, bit by bit.
// The first bit says that the entry is filled.
var possible [1000]atomic.Uint32

// fits reports whether numbers of n digits exist under code.
func fits(code, n int) bool {
	if n < 4 || n > 17 {
		return false
	}
	set := possible[code].Load()
	if set == 0 {
		set = 1
		value := uint64(111)
		for length := 4; length <= 17; length++ {
			value = value*10 + 1
			number := &phonenumbers.PhoneNumber{CountryCode: proto.Int32(int32(code)), NationalNumber: proto.Uint64(value)}
			if phonenumbers.IsPossibleNumberWithReason(number) == phonenumbers.IS_POSSIBLE {
				set |= 1 << length
			}
		}
		possible[code].Store(set)
	}
	return set&(1<<n) != 0
}
