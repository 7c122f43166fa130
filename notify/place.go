package notify

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nyaruka/phonenumbers"
)

// zoneCache remembers the zones of the prefixes of numbers.
type zoneCache struct {
	mu    sync.RWMutex
	known map[uint32][]*time.Location
}

var zonesByPrefix = zoneCache{known: map[uint32][]*time.Location{}}

// zones returns the zones number may be in: those of its area code where area codes have
// zones, else those of its country. Zones that show the same clock are not told apart
// here; one that can't be told at all is UTC's.
func zones(number string) []*time.Location {
	_, digits, ok := callingCode(number)
	if !ok {
		return utcOnly
	}
	// Seven digits are as far as the metadata tell zones apart.
	var key uint32
	for i := range min(7, len(digits)) {
		key = key*10 + uint32(digits[i]-'0')
	}
	zonesByPrefix.mu.RLock()
	known, ok := zonesByPrefix.known[key]
	zonesByPrefix.mu.RUnlock()
	if ok {
		return known
	}
	known = zonesOf(number)
	zonesByPrefix.mu.Lock()
	zonesByPrefix.known[key] = known
	zonesByPrefix.mu.Unlock()
	return known
}

var utcOnly = []*time.Location{time.UTC}

// homeZones are for countries whose mobile numbers the metadata give to more zones than
// people live in: those of a sharing territory are dropped, which have a clock of their
// own in name only.
var homeZones = map[string]string{"IT": "Europe/Rome", "GB": "Europe/London", "GG": "Europe/Guernsey", "JE": "Europe/Jersey", "IM": "Europe/Isle_of_Man"}

func zonesOf(number string) []*time.Location {
	names, err := phonenumbers.GetTimezonesForPrefix(strings.TrimPrefix(number, "+"))
	if err != nil {
		return utcOnly // digits only were given, so the metadata are broken
	}
	if home := homeZones[Country(number)]; home != "" {
		names = []string{home}
	}
	var all []*time.Location
	for _, name := range names {
		zone, err := time.LoadLocation(name)
		if err != nil || name == phonenumbers.UNKNOWN_TIMEZONE {
			continue
		}
		all = append(all, zone)
	}
	if len(all) == 0 {
		return utcOnly
	}
	return slices.Clip(all)
}
