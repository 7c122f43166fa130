package reminders

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lib/pq"
	"github.com/nyaruka/phonenumbers"

	"rappel/notify"
)

// Several is what happens when an appointment names more than one mobile number.
type Several string

// What to do with several numbers.
const (
	SeveralFirst Several = "first" // text the first, mention the others
	SeveralAll   Several = "all"   // text each
	SeveralNone  Several = "none"  // text none, let the clinic tidy up
)

// Settings are what a clinic decides for all its calendars.
type Settings struct {
	AccountID      int64          `db:"account_id"`
	Business       string         `db:"business"`         // {business}
	Zone           string         `db:"zone"`             // IANA
	Region         string         `db:"region"`           // ISO 3166-1, for numbers in national form
	MoreRegions    pq.StringArray `db:"more_regions"`     // tried only where Region reads nothing
	Language       string         `db:"language"`         // de, fr, it, en
	Callback       string         `db:"callback"`         // {callback}, as shown
	Sender         string         `db:"sender"`           // default originator
	FieldOrder     pq.StringArray `db:"field_order"`      // of location, title, description; those not named are not read
	Several        Several        `db:"several_numbers"`  //
	OwnNumbers     pq.StringArray `db:"own_numbers"`      // E.164, never texted
	MinLeadMinutes int            `db:"min_lead_minutes"` // nothing leaves later than this before the start
	Smart          bool           `db:"smart_encoding"`   // typographic characters become GSM-7 where that is enough
	QuietFrom      string         `db:"quiet_from"`       // HH:MM in Zone; "" = no quiet hours
	QuietTo        string         `db:"quiet_to"`         // HH:MM; before QuietFrom means over midnight
	Service        string         `db:"service"`          // on, suspended, ended: not the clinic's to set; "" = on
}

const settingsColumns = `a.account_id, a.business, a.zone, a.region, a.more_regions, a.language, a.callback, a.sender, a.field_order,
	a.several_numbers, a.own_numbers, a.min_lead_minutes, a.smart_encoding, a.quiet_from, a.quiet_to, a.service`

// Serves reports whether reminders are planned and sent: the subscription is neither
// suspended nor over.
func (s Settings) Serves() bool { return s.Service == "" || s.Service == "on" }

// MinLead is MinLeadMinutes as a duration.
func (s Settings) MinLead() time.Duration { return time.Duration(s.MinLeadMinutes) * time.Minute }

// Location is the clinic's zone. A zone this machine doesn't know is UTC; Validate
// keeps it from being saved.
func (s Settings) Location() *time.Location {
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// Extract is how numbers are looked for under s.
func (s Settings) Extract() ExtractConfig {
	return ExtractConfig{
		Region: s.Region, MoreRegions: s.MoreRegions, Order: s.FieldOrder, Several: s.Several, OwnNumbers: s.OwnNumbers,
	}
}

// Tidy returns s with spaces trimmed, numbers of the clinic in E.164 where they can
// be read, and no value twice. Called before Validate.
func (s Settings) Tidy() Settings {
	s.Business = strings.TrimSpace(s.Business)
	s.Callback = strings.TrimSpace(s.Callback)
	s.Sender = strings.TrimSpace(s.Sender)
	s.Region = strings.ToUpper(strings.TrimSpace(s.Region))
	regions := make([]string, 0, len(s.MoreRegions))
	for _, r := range s.MoreRegions {
		r = strings.ToUpper(strings.TrimSpace(r))
		if r != "" && r != s.Region && !slices.Contains(regions, r) {
			regions = append(regions, r)
		}
	}
	s.MoreRegions = regions
	own := make([]string, 0, len(s.OwnNumbers))
	for _, n := range s.OwnNumbers {
		n = strings.TrimSpace(n)
		if num, err := phonenumbers.Parse(n, s.Region); err == nil && phonenumbers.IsValidNumber(num) {
			n = phonenumbers.Format(num, phonenumbers.E164)
		}
		if n != "" && !slices.Contains(own, n) {
			own = append(own, n)
		}
	}
	s.OwnNumbers = own
	return s
}

// Validate reports everything wrong with s as an *[Invalid], or nil. Fields bear
// the names of the columns.
func (s Settings) Validate() error {
	var bad []FieldError
	add := func(field, code string, params map[string]any) {
		bad = append(bad, FieldError{Field: field, Code: code, Params: params})
	}
	switch n := utf8.RuneCountInString(s.Business); {
	case n == 0:
		add("business", CodeRequired, nil)
	case n > 200:
		add("business", CodeTooLong, map[string]any{"max": 200})
	}
	if utf8.RuneCountInString(s.Callback) > 40 {
		add("callback", CodeTooLong, map[string]any{"max": 40})
	}
	// "" is UTC to LoadLocation and "Local" the machine's zone; a clinic has neither.
	if _, err := time.LoadLocation(s.Zone); err != nil || s.Zone == "" || s.Zone == "Local" {
		add("zone", CodeUnknownZone, nil)
	}
	if phonenumbers.GetCountryCodeForRegion(s.Region) == 0 {
		add("region", CodeUnknownRegion, nil)
	}
	for _, r := range s.MoreRegions {
		if phonenumbers.GetCountryCodeForRegion(r) == 0 {
			add("more_regions", CodeUnknownRegion, map[string]any{"value": r})
		}
	}
	if !isLanguage(s.Language) {
		add("language", CodeUnknown, nil)
	}
	bad = append(bad, checkSender("sender", s.Sender)...)
	if len(s.FieldOrder) == 0 {
		add("field_order", CodeRequired, nil)
	}
	for i, f := range s.FieldOrder {
		if !slices.Contains(FieldNames(), f) || slices.Contains(s.FieldOrder[:i], f) {
			add("field_order", CodeUnknown, map[string]any{"value": f})
		}
	}
	if !slices.Contains([]Several{SeveralFirst, SeveralAll, SeveralNone}, s.Several) {
		add("several_numbers", CodeUnknown, nil)
	}
	for _, n := range s.OwnNumbers {
		if !notify.ValidNumber(n) {
			add("own_numbers", CodeNotANumber, map[string]any{"value": n})
		}
	}
	bad = append(bad, between("min_lead_minutes", s.MinLeadMinutes, 0, 10080)...)
	for field, v := range map[string]string{"quiet_from": s.QuietFrom, "quiet_to": s.QuietTo} {
		if v != "" && !clockTime.MatchString(v) {
			add(field, CodeNotAClockTime, nil)
		}
	}
	if (s.QuietFrom == "") != (s.QuietTo == "") || (s.QuietFrom != "" && s.QuietFrom == s.QuietTo) {
		add("quiet_to", CodeRequired, nil)
	}
	slices.SortStableFunc(bad, func(a, b FieldError) int { return strings.Compare(a.Field, b.Field) })
	return invalid(bad)
}

// FieldNames lists the fields of an appointment a number may stand in, in the
// default order.
func FieldNames() []string { return []string{"location", "title", "description"} }

// quietEve is how long before the quiet hours a reminder goes out that would
// otherwise fall into them and could not wait for their end.
const quietEve = 15 * time.Minute

// quiet moves at out of the quiet hours (T10): to their end if that is no later
// than last, else to quietEve before their beginning. Without quiet hours, or
// outside of them, at is returned as it is.
func (s Settings) quiet(at, last time.Time) time.Time {
	if s.QuietFrom == "" || s.QuietTo == "" {
		return at
	}
	zone := s.Location()
	local := at.In(zone)
	y, m, d := local.Date()
	fh, fm := clock(s.QuietFrom)
	th, tm := clock(s.QuietTo)
	// The quiet stretch that began today, and the one that began yesterday.
	for _, day := range []int{d, d - 1} {
		from := wall(y, m, day, fh, fm, 0, zone)
		end := day
		if th*60+tm <= fh*60+fm {
			end++ // over midnight
		}
		to := wall(y, m, end, th, tm, 0, zone)
		if at.Before(from) || !at.Before(to) {
			continue
		}
		if !to.After(last) {
			return to
		}
		return from.Add(-quietEve)
	}
	return at
}
