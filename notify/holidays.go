package notify

import (
	"strings"
	"sync"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/aa"
	"github.com/rickar/cal/v2/at"
	"github.com/rickar/cal/v2/ca"
	"github.com/rickar/cal/v2/ch"
	"github.com/rickar/cal/v2/de"
	"github.com/rickar/cal/v2/fr"
	"github.com/rickar/cal/v2/gb"
	"github.com/rickar/cal/v2/it"
	"github.com/rickar/cal/v2/us"
)

// almanac is the public holidays of a country and of its regions.
type almanac struct {
	national []*cal.Holiday            // everywhere in the country
	regions  map[string][]*cal.Holiday // all of a region's, by the second part of its ISO 3166-2 code; "": of parts nobody chooses
	most     bool                      // where the region is unknown, the days most regions keep count, not those of any
}

// ofLiechtenstein isn't in the library: all that count as holidays when terms are reckoned.
//
// Source: Austrian BGBl. III Nr. 58/2021, the notification of 23 March 2021.
var ofLiechtenstein = []*cal.Holiday{
	aa.NewYear, {Month: time.January, Day: 2, Func: cal.CalcDayOfMonth}, aa.Epiphany,
	{Month: time.February, Day: 2, Func: cal.CalcDayOfMonth}, // Mariä Lichtmess
	{Offset: -47, Func: cal.CalcEasterOffset},                // Fasnachtsdienstag
	ch.Josefstag, aa.GoodFriday, aa.EasterMonday, aa.WorkersDay, aa.AscensionDay, aa.PentecostMonday, aa.CorpusChristi,
	aa.AssumptionOfMary, // Staatsfeiertag
	{Month: time.September, Day: 8, Func: cal.CalcDayOfMonth}, // Mariä Geburt
	aa.AllSaintsDay, aa.ImmaculateConception,
	{Month: time.December, Day: 24, Func: cal.CalcDayOfMonth}, aa.ChristmasDay, aa.ChristmasDay2,
	{Month: time.December, Day: 31, Func: cal.CalcDayOfMonth},
}

// ofSwitzerland are the days on which all 26 cantons rest.
var ofSwitzerland = []*cal.Holiday{ch.Neujahr, ch.Auffahrt, ch.Bundesfeiertag, ch.Weihnachtstag}

// ofAlsace rest on two days more than France.
var ofAlsace = append([]*cal.Holiday{aa.GoodFriday, aa.ChristmasDay2}, fr.Holidays...)

// almanacs by holiday set.
var almanacs = map[string]almanac{
	"AT": {national: at.Holidays},
	"CA": {national: ca.Holidays, regions: map[string][]*cal.Holiday{"": inCanada}},
	"CH": {national: ofSwitzerland, most: true, regions: map[string][]*cal.Holiday{
		"ZH": ch.HolidaysZH, "BE": ch.HolidaysBE, "LU": ch.HolidaysLU, "UR": ch.HolidaysUR, "SZ": ch.HolidaysSZ, "OW": ch.HolidaysOW,
		"NW": ch.HolidaysNW, "GL": ch.HolidaysGL, "ZG": ch.HolidaysZG, "FR": ch.HolidaysFR, "SO": ch.HolidaysSO, "BS": ch.HolidaysBS,
		"BL": ch.HolidaysBL, "SH": ch.HolidaysSH, "AR": ch.HolidaysAR, "AI": ch.HolidaysAI, "SG": ch.HolidaysSG, "GR": ch.HolidaysGR,
		"AG": ch.HolidaysAG, "TG": ch.HolidaysTG, "TI": with(ch.HolidaysTI, peterAndPaul), "VD": with(ch.HolidaysVD, lundiDuJeune), "VS": ch.HolidaysVS, "NE": with(ch.HolidaysNE, republicOfNeuchatel),
		"GE": with(ch.HolidaysGE, jeuneGenevois, republicOfGeneva), "JU": ch.HolidaysJU,
	}},
	"DE": {national: de.Holidays, regions: map[string][]*cal.Holiday{
		"BW": de.HolidaysBW, "BY": de.HolidaysBY, "BE": de.HolidaysBE, "BB": de.HolidaysBB, "HB": de.HolidaysHB, "HH": de.HolidaysHH,
		"HE": de.HolidaysHE, "MV": de.HolidaysMV, "NI": de.HolidaysNI, "NW": de.HolidaysNW, "RP": de.HolidaysRP, "SL": de.HolidaysSL,
		"SN": de.HolidaysSN, "ST": de.HolidaysST, "SH": de.HolidaysSH, "TH": de.HolidaysTH,
	}},
	"FR": {national: fr.Holidays, regions: map[string][]*cal.Holiday{"6AE": ofAlsace}},
	"GB": {national: gb.Holidays, regions: map[string][]*cal.Holiday{"": inBritain}},
	"IT": {national: with(it.Holidays, sanFrancesco), regions: map[string][]*cal.Holiday{"": {aa.PentecostMonday}}}, // South Tyrol
	"LI": {national: ofLiechtenstein},
	"US": {national: us.Holidays, regions: map[string][]*cal.Holiday{"": inAmerica}},
}

// HolidayRegions are the regions an account can choose from, as ISO 3166-2 codes of
// country in no order.
func HolidayRegions(country string) []string {
	var all []string
	for region := range almanacs[country].regions {
		if region != "" {
			all = append(all, country+"-"+region)
		}
	}
	return all
}

// yearKey names the holidays of a year.
type yearKey struct {
	set, region string
	year        int
}

// days marks days of a year; bit n is the n-th.
type days [6]uint64

func (d *days) set(n int)      { d[n/64] |= 1 << (n % 64) }
func (d *days) has(n int) bool { return d[n/64]&(1<<(n%64)) != 0 }

var holidayYears sync.Map // yearKey → *days

// isHoliday reports whether a day is a public holiday by set, in region (ISO 3166-2) or,
// if region is none of the set's, in any: whoever's region is unknown may be in each. In
// Switzerland, whose cantons differ most, it then is one if most cantons keep it.
func isHoliday(set, region string, year int, month time.Month, day int) bool {
	a, ok := almanacs[set]
	if !ok {
		return false
	}
	country, part, _ := strings.Cut(region, "-")
	if _, known := a.regions[part]; country != set || !known {
		part = ""
	}
	key := yearKey{set, part, year}
	found, ok := holidayYears.Load(key)
	if !ok {
		found, _ = holidayYears.LoadOrStore(key, a.days(part, year))
	}
	return found.(*days).has(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).YearDay())
}

// days works out a year. Where a holiday is moved off a weekend, both days count.
func (a almanac) days(region string, year int) *days {
	all := &days{}
	all.add(a.national, year)
	if region != "" || !a.most {
		for name, holidays := range a.regions {
			if region == "" || name == region {
				all.add(holidays, year)
			}
		}
		return all
	}
	kept := map[int]int{} // by how many regions
	for _, holidays := range a.regions {
		one := &days{}
		one.add(holidays, year)
		for n := 1; n <= 366; n++ {
			if one.has(n) {
				kept[n]++
			}
		}
	}
	for n, regions := range kept {
		if 2*regions > len(a.regions) {
			all.set(n)
		}
	}
	return all
}

// add marks the days of holidays in a year.
func (d *days) add(holidays []*cal.Holiday, year int) {
	for _, h := range holidays {
		// The observed day of New Year may lie in the year before.
		for y := year - 1; y <= year+1; y++ {
			actual, observed := h.Calc(y)
			for _, t := range []time.Time{actual, observed} {
				if !t.IsZero() && t.Year() == year {
					d.set(t.YearDay())
				}
			}
		}
	}
}
