package phone

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// ErrRegion says that a region isn't one the numbering metadata knows: two
// capital letters of ISO 3166-1, such as CH.
var ErrRegion = errors.New("phone: unknown region")

// Number is a mobile number found.
type Number struct {
	E164   string // +41791234567
	Region string // where it is from: CH; for +44, GB or an island such as GG
	// Start and End are byte offsets in the text given to Find, Raw the piece
	// between: markup and all. Of a tel: link it is the link's value.
	Start, End int
	Raw        string
}

// Rejection is a piece of text that looks like a phone number and isn't used.
type Rejection struct {
	Text       string // the piece, as it stands in the original
	Why        Why
	Start, End int // byte offsets in the original
}

// Result is what Find saw, each list in the order of the text. A number that
// occurs twice is listed once, at its first place.
type Result struct {
	Numbers  []Number
	Rejected []Rejection
}

// Finder finds mobile numbers in free text. It is safe for concurrent use.
// Make one with New.
type Finder struct {
	home    home
	further []home
	ignored map[string]bool
}

// Option changes a Finder.
type Option func(*Finder) error

// WithFurtherRegions lets digits that are no number of any kind in the Finder's
// own region be read as national numbers of these, in order. Numbers with + or
// 00 need no such permission. A landline at home is never turned into a
// stranger's mobile.
func WithFurtherRegions(regions ...string) Option {
	return func(f *Finder) error {
		for _, region := range regions {
			h, ok := newHome(region)
			if !ok {
				return fmt.Errorf("%w: %q", ErrRegion, region)
			}
			f.further = append(f.further, h)
		}
		return nil
	}
}

// WithIgnored names numbers that are never a patient's, such as those of the
// clinic itself in its signature. They may be written in any way Parse reads,
// and be landlines; what is no number is ignored, for it can't be found either.
func WithIgnored(numbers ...string) Option {
	return func(f *Finder) error {
		for _, number := range numbers {
			if n, err := f.home.parse(number); err == nil {
				if f.ignored == nil {
					f.ignored = map[string]bool{}
				}
				f.ignored[n.E164] = true
			}
		}
		return nil
	}
}

// New returns a Finder for texts written in region: two letters, such as CH.
// It fails with ErrRegion.
func New(region string, options ...Option) (*Finder, error) {
	h, ok := newHome(region)
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrRegion, region)
	}
	f := &Finder{home: h}
	for _, option := range options {
		if err := option(f); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// Region returns the region given to New.
func (f *Finder) Region() string { return f.home.region }

var scans = sync.Pool{New: func() any { return new(scan) }}

// Find returns the mobile numbers in text, plain or HTML, and what else looks
// like one. Both lists are nil where there is nothing.
//
// Texts with fewer than seven digits, and so without any number, cost one look
// at each byte and no allocation.
func (f *Finder) Find(text string) Result {
	if !enoughDigits(text) {
		return Result{}
	}
	s := scans.Get().(*scan)
	defer s.end()
	s.begin(f, text)
	s.mask()
	s.runs()
	s.tapLinks()
	if s.hasO {
		s.readOs()
	}
	return s.result()
}

// fewestDigits is the length of the shortest mobile number met without a
// country code, in Liechtenstein.
const fewestDigits = 7

func enoughDigits(text string) bool {
	n := 0
	for i := range len(text) {
		b := text[i]
		if isDigit(b) {
			if n++; n == fewestDigits {
				return true
			}
		} else if b >= 0xD9 && b != 0xE2 { // may begin a digit of another script
			return enoughRunes(text[i:], n)
		}
	}
	return false
}

func enoughRunes(text string, n int) bool {
	for _, r := range text {
		if unicode.Is(unicode.Nd, r) {
			if n++; n == fewestDigits {
				return true
			}
		}
	}
	return false
}

// result takes the findings out of s, in order and without repetition.
func (s *scan) result() Result {
	var r Result
	if len(s.numbers) > 0 {
		slices.SortStableFunc(s.numbers, func(a, b Number) int { return cmp.Compare(a.Start, b.Start) })
		r.Numbers = make([]Number, 0, len(s.numbers))
		var seen map[string]bool // only for lists long enough to need it
		if len(s.numbers) > 16 {
			seen = make(map[string]bool, len(s.numbers))
		}
		for _, n := range s.numbers {
			known := seen[n.E164]
			if seen == nil {
				known = slices.ContainsFunc(r.Numbers, func(m Number) bool { return m.E164 == n.E164 })
			} else {
				seen[n.E164] = true
			}
			if !known {
				r.Numbers = append(r.Numbers, n)
			}
		}
	}
	if len(s.rejected) > 0 {
		slices.SortStableFunc(s.rejected, func(a, b Rejection) int { return cmp.Compare(a.Start, b.Start) })
		r.Rejected = slices.Clone(s.rejected)
	}
	return r
}

// tapLinks reads the values of tel: links, which browsers and Outlook make of
// the text beside them.
func (s *scan) tapLinks() {
	for _, link := range s.links {
		raw := s.src[link.start:link.end]
		start, end := int(link.start), int(link.end)
		value := linkText(raw)
		number, code, conference := strings.Cut(value, ",")
		if !enoughDigits(number) {
			continue
		}
		found, err := s.f.home.parse(number)
		why := Invalid
		switch {
		case err != nil:
			errors.As(err, &why)
		case s.f.ignored[found.E164]:
			why = Ignored
		case conference && strings.HasSuffix(strings.TrimSpace(code), "#"):
			why = DialIn
		case !strings.HasPrefix(strings.TrimSpace(number), "+") && s.f.home.needsTrunk && !startsWithZero(number):
			why = NoPrefix
		default:
			s.numbers = append(s.numbers, Number{E164: found.E164, Region: found.Region, Start: start, End: end, Raw: raw})
			continue
		}
		if why != Invalid {
			s.rejected = append(s.rejected, Rejection{Text: raw, Why: why, Start: start, End: end})
		}
	}
}

func startsWithZero(s string) bool {
	i := strings.IndexFunc(s, unicode.IsDigit)
	return i >= 0 && s[i] == '0'
}
