package credits

import (
	"time"

	"rappel/notify"
	"rappel/notify/segment"
)

// Tariff says what texts to a country cost, from an instant until the country's next one.
type Tariff struct {
	ID         int64     `db:"id"`
	Country    string    `db:"country"` // ISO 3166-1; "" = every country without a tariff
	ValidFrom  time.Time `db:"valid_from"`
	SingleGSM  int       `db:"single_gsm"`       // septets that cost one part
	SingleUCS2 int       `db:"single_ucs2"`      // UTF-16 code units that do
	PartGSM    int       `db:"part_gsm"`         // septets of each part, where there are several
	PartUCS2   int       `db:"part_ucs2"`        // UTF-16 code units of each
	PerPart    int       `db:"credits_per_part"` // credits
	Source     string    `db:"source"`
}

// What a segment of several holds on the air.
//
// Source: 3GPP TS 23.040 §9.2.3.24.1, 160 septets or 140 octets less the 6-octet UDH.
const (
	onAirGSM  = 153
	onAirUCS2 = 67
)

// Credits is the price of a text of so many septets or UTF-16 code units, which the
// carrier gets as so many segments.
//
// A tariff whose parts are as long as segments, or shorter, never counts fewer parts than
// there are segments: a character that takes two septets isn't divided, so a text may need
// a segment more than its length says. One with longer parts (160, as some price lists
// have it) counts by length alone.
func (t Tariff) Credits(enc segment.Encoding, segments, units int) int {
	single, part, onAir := t.SingleGSM, t.PartGSM, onAirGSM
	if enc == segment.UCS2 {
		single, part, onAir = t.SingleUCS2, t.PartUCS2, onAirUCS2
	}
	n := 1
	if units > single {
		if n = (units + part - 1) / part; part <= onAir {
			n = max(n, segments)
		}
	}
	return n * t.PerPart
}

// tariffs are all rows there are, newest first within a country.
type tariffs struct {
	byCountry map[string][]Tariff
	read      time.Time
}

// find returns the tariff in force for a country.
func (t *tariffs) find(country string, now time.Time) (Tariff, bool) {
	for _, name := range []string{country, ""} {
		for _, row := range t.byCountry[name] {
			if !row.ValidFrom.After(now) {
				return row, true
			}
		}
	}
	return Tariff{}, false
}

// price prices one charge.
func (t *tariffs) price(c notify.Charge, now time.Time) (notify.Price, bool) {
	row, ok := t.find(c.Country, now)
	if !ok {
		return notify.Price{}, false
	}
	return notify.Price{TariffID: row.ID, Credits: row.Credits(c.Encoding, c.Segments, c.Units)}, true
}
