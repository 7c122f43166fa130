package reminders

import (
	"slices"

	"rappel/calendars"
	"rappel/notify/phone"
)

// Fields are the texts of an appointment that may hold a number. Plain text or HTML.
type Fields struct {
	Location    string
	Title       string
	Description string
}

// FieldsOf are the texts of e.
func FieldsOf(e calendars.Event) Fields {
	return Fields{Location: e.Location, Title: e.Title, Description: e.Description}
}

func (f Fields) get(name string) string {
	switch name {
	case "location":
		return f.Location
	case "title":
		return f.Title
	case "description":
		return f.Description
	}
	return ""
}

// ExtractConfig says how numbers are looked for.
type ExtractConfig struct {
	Region      string   // ISO 3166-1, for numbers in national form; "" = CH
	MoreRegions []string // tried only where Region reads nothing
	Order       []string // fields in the order they are read; nil = FieldNames
	Several     Several  // "" = SeveralFirst
	OwnNumbers  []string // E.164, never texted
}

// Number is a usable mobile number and where it stood.
type Number struct {
	E164  string `json:"e164"`
	Field string `json:"field"` // location, title or description
}

// Rejected is a stretch of text that looked like a number and was not taken. Text is
// personal data: for the clinic's eyes, never for a log.
type Rejected struct {
	Text  string `json:"text"`
	Field string `json:"-"`
	Why   string `json:"why"` // a phone.Why
}

// Extraction is what the texts of one appointment hold.
type Extraction struct {
	// Recipients are to be texted, by the clinic's choice about several. Empty with
	// a Reason.
	Recipients []Number
	// Numbers are all distinct mobile numbers of the first field that has one.
	Numbers  []Number
	Others   int // distinct mobile numbers beyond the first, in any field
	Rejected []Rejected
	Reason   Reason // why Recipients is empty; else Planned
}

// telling orders causes from the one a clinic can do most about, a slip of the
// pen, to the one that says the least. Those not listed were no phone numbers at all.
var telling = []phone.Why{
	phone.Ambiguous, phone.LetterO, phone.DigitMissing, phone.DigitExtra, phone.NoPrefix,
	phone.Landline, phone.Ignored, phone.NotMobile,
}

// Telling is the most telling cause for refusing something, "" when nothing was that
// could have been meant as a phone number.
func (x Extraction) Telling() string {
	for _, why := range telling {
		if slices.ContainsFunc(x.Rejected, func(r Rejected) bool { return r.Why == string(why) }) {
			return string(why)
		}
	}
	return ""
}

// Extract finds the number to text. Fields are read in order, and the first that
// holds a usable mobile number wins: a landline in LOCATION does not hide a mobile in
// TITLE (T44), and a mobile in DESCRIPTION does not compete with one in TITLE. The
// clinic's own numbers count as refused, so a signature does not win either.
//
// A Region that no numbering plan has reads nothing; Settings.Validate refuses it.
func Extract(fields Fields, cfg ExtractConfig) Extraction {
	order := cfg.Order
	if len(order) == 0 {
		order = FieldNames()
	}
	var x Extraction
	f := finder(cfg)
	seen := map[string]bool{}
	for _, field := range order {
		text := fields.get(field)
		if text == "" || f == nil {
			continue
		}
		found := f.Find(text)
		for _, r := range found.Rejected {
			x.Rejected = append(x.Rejected, Rejected{Text: r.Text, Field: field, Why: string(r.Why)})
		}
		won := len(x.Numbers) > 0
		for _, n := range found.Numbers {
			seen[n.E164] = true
			if !won {
				x.Numbers = append(x.Numbers, Number{E164: n.E164, Field: field})
			}
		}
	}
	x.Others = max(len(seen)-1, 0)
	switch {
	case len(x.Numbers) == 0:
		x.Reason = x.none()
	case len(x.Numbers) > 1 && cfg.Several == SeveralNone:
		x.Reason = SeveralNumbers
	case cfg.Several == SeveralAll:
		x.Recipients = x.Numbers
	default:
		x.Recipients = x.Numbers[:1]
	}
	return x
}

// none is why no field holds a usable number.
func (x Extraction) none() Reason {
	switch phone.Why(x.Telling()) {
	case "":
		return NoNumber
	case phone.Ambiguous:
		return Ambiguous
	case phone.Landline:
		return Landline
	case phone.Ignored:
		return OwnNumber
	}
	return Unusable
}
