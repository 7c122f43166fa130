package reminders

import (
	"strings"
	"sync"

	"rappel/notify/phone"
)

// finders are made once per way of looking: making one asks the numbering metadata,
// and a sync asks for thousands of appointments of the same clinic.
var finders struct {
	sync.Mutex
	made map[string]*phone.Finder // nil for a region nobody knows
}

// maxFinders bounds what clinics that try out settings leave behind.
const maxFinders = 1000

// finder returns the finder for cfg, nil for a region the metadata doesn't know. A
// further region nobody knows is left out.
func finder(cfg ExtractConfig) *phone.Finder {
	region := cfg.Region
	if region == "" {
		region = "CH"
	}
	key := strings.Join([]string{region, strings.Join(cfg.MoreRegions, ","), strings.Join(cfg.OwnNumbers, ",")}, "\x00")
	finders.Lock()
	defer finders.Unlock()
	if f, ok := finders.made[key]; ok {
		return f
	}
	options := []phone.Option{phone.WithIgnored(cfg.OwnNumbers...)}
	for _, r := range cfg.MoreRegions {
		if _, err := phone.New(r); err == nil {
			options = append(options, phone.WithFurtherRegions(r))
		}
	}
	f, err := phone.New(region, options...)
	if err != nil {
		f = nil
	}
	if finders.made == nil || len(finders.made) >= maxFinders {
		finders.made = map[string]*phone.Finder{}
	}
	finders.made[key] = f
	return f
}
