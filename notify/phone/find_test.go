package phone_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rappel/notify/phone"
)

func finder(t interface {
	Helper()
	Fatal(...any)
}, region string, options ...phone.Option) *phone.Finder {
	t.Helper()
	f, err := phone.New(region, options...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func e164s(r phone.Result) []string {
	var list []string
	for _, n := range r.Numbers {
		list = append(list, n.E164)
	}
	return list
}

func whys(r phone.Result) []phone.Why {
	var list []phone.Why
	for _, x := range r.Rejected {
		list = append(list, x.Why)
	}
	return list
}

type findCase struct {
	id, region, text string
	want             []string
	why              []phone.Why // of all rejections, in order
}

const nbsp, nnbsp = "\u00a0", "\u202f"

const (
	one   = "+41791234567"
	two   = "+41781112233"
	three = "+41787654321"
)

func list[T any](x ...T) []T { return x }

// The 29 rows of the field's own collection of texts, by their number.
var rows = []findCase{
	{"1", "CH", "Frau Meier 079 123 45 67 Kontrolle", list(one), nil},
	{"2", "CH", "Müller Peter, Tel: +41 (0)79/123.45.67, Dr. KB", list(one), nil},
	{"3", "CH", "Kontrolle 12.03.2026 14:30 Zi. 204, 0791234567", list(one), nil},
	{"4", "CH", "Huber A. 079 123 45 67 / 044 765 43 21", list(one), list(phone.Landline)},
	{"5", "CH", "AHV 756.1234.5678.97 – Rufnr. 078 765 43 21", list(three), list(phone.Reference)},
	{"6", "CH", "Patient-Nr. 0791234567 (kein Tel.)", nil, list(phone.IDLabel)},
	{"7", "CH", "Versichertenkarte 80756001234567890123, Natel 076 555 44 33", list("+41765554433"), list(phone.Reference)},
	{"8", "CH", "Rechnung CHF 1'450.00, IBAN CH93 0076 2011 6238 5295 7", nil, list(phone.Reference)},
	{"9", "CH", "\u202a+41 79 123 45 67\u202c", list(one), nil},
	{"9 narrow", "CH", "\u202a+41" + nnbsp + "79" + nnbsp + "123" + nnbsp + "45" + nnbsp + "67\u202c", list(one), nil},
	{"10", "CH", `<a href="tel:+41791234567">079&nbsp;123&nbsp;45&nbsp;67</a>`, list(one), nil},
	{"11", "CH", "Teams: +41 43 210 76 12,,812345678# Konferenz-ID: 812 345 678#", nil, list(phone.Landline)},
	{"12", "CH", "Zoom Meeting-ID: 812 3456 7890 Kenncode 079123", nil, nil},
	{"13", "CH", "RDV Mme Favre, mobile 06 12 34 56 78", nil, list(phone.Ambiguous)},
	{"14", "CH", "RDV M. Dupont +33 6 12 34 56 78, salle 12", list("+33612345678"), nil},
	{"15", "CH", "Rendez-vous 14h30 ch. 12, 0033612345678", list("+33612345678"), nil},
	{"16", "CH", "Appuntamento Sig. Rossi cell. 333 123 4567", nil, nil},
	{"17", "CH", "Sig.ra Bianchi +39 333 1234567 ore 15:30", list("+393331234567"), nil},
	{"18", "CH", "Herr Frick +423 791 23 45 Vaduz", list("+4237912345"), nil},
	{"19", "CH", "J. Smith, call +44 7911 123456 or 020 7946 0958", list("+447911123456"), list(phone.Invalid)},
	{"20", "CH", "Termin 79 123 45 67", nil, list(phone.NoPrefix)},
	{"21", "CH", "Coiffure Anna 079 123 45 6", nil, list(phone.DigitMissing)},
	{"22", "CH", "DE: 0049 (0)151 / 23456789", list("+4915123456789"), nil},
	{"23", "CH", "Frau Keller (079) 123 45 67 & Sohn 078 111 22 33", list(one, two), nil},
	{"24", "CH", "Tel 079-123-45-67 / -68", list(one), nil},
	{"25", "CH", "Wohnung 4.5 Zi 120m2 8004 Zürich 0041 79 123 45 67", list(one), nil},
	{"26", "CH", "079 123 45 67 078 765 43 21", list(one, three), nil},
	{"27", "CH", "0900 123 456 / 0800 123 456; Notfall 144, Taxi 1811", nil, list(phone.NotMobile, phone.NotMobile)},
	{"28", "CH", "Code 21 00000 00003 13947 14300 09017", nil, list(phone.Reference)},
	{"29", "CH", "Abklärung O79 123 45 67", nil, list(phone.LetterO)},
}

func TestFind_rows(t *testing.T) {
	t.Parallel()
	check(t, rows)
	t.Run("16 with Italy", func(t *testing.T) {
		f := finder(t, "CH", phone.WithFurtherRegions("IT"))
		if got := e164s(f.Find(rows[16].text)); !cmp.Equal(got, list("+393331234567")) {
			t.Errorf("got %v", got)
		}
	})
}

func check(t *testing.T, cases []findCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.id, func(t *testing.T) {
			t.Parallel()
			r := finder(t, tt.region).Find(tt.text)
			if diff := cmp.Diff(tt.want, e164s(r)); diff != "" {
				t.Errorf("%q: numbers (-want +got):\n%s", tt.text, diff)
			}
			if diff := cmp.Diff(tt.why, whys(r)); diff != "" {
				t.Errorf("%q: rejections %+v (-want +got):\n%s", tt.text, r.Rejected, diff)
			}
			checkOffsets(t, tt.text, r)
		})
	}
}

func checkOffsets(t failer, text string, r phone.Result) {
	t.Helper()
	for _, n := range r.Numbers {
		if n.Start < 0 || n.End > len(text) || n.Start >= n.End || text[n.Start:n.End] != n.Raw {
			t.Fatalf("%q: %+v doesn't lie where it says", text, n)
		}
	}
	for _, x := range r.Rejected {
		if x.Start < 0 || x.End > len(text) || x.Start >= x.End || text[x.Start:x.End] != x.Text {
			t.Fatalf("%q: %+v doesn't lie where it says", text, x)
		}
	}
}

type failer interface {
	Helper()
	Fatalf(string, ...any)
}

// T42 to T50 are the numbers of the calendar test cases.
func TestFind_calendar(t *testing.T) {
	t.Parallel()
	check(t, []findCase{
		{"T42 spaced", "CH", "079 123 45 67", list(one), nil},
		{"T42 solid", "CH", "0791234567", list(one), nil},
		{"T42 international", "CH", "+41 79 123 45 67", list(one), nil},
		{"T42 trunk in brackets", "CH", "0041 (0)79 123 45 67", list(one), nil},
		{"T42 slash and dots", "CH", "079/123.45.67", list(one), nil},
		{"T42 no-break spaces", "CH", "079" + nbsp + "123" + nbsp + "45" + nbsp + "67", list(one), nil},
		{"T42 other country", "DE", "079 123 45 67", nil, list(phone.Landline)},
		{"T43 link", "CH", `Bitte <a href="tel:+41791234567">anrufen</a>`, list(one), nil},
		{"T43 tags between", "CH", "079 <b>123</b> <span style=\"x>y\">45</span> 67", list(one), nil},
		{"T43 tags inside", "CH", "<p>0<i>7</i>9123<b>4567</b></p>", list(one), nil},
		{"T43 entities", "CH", "&#43;41&nbsp;79&#160;123&#xA0;45 67", list(one), nil},
		{"T43 escaped twice", "CH", "&amp;#43;41&amp;nbsp;79 123 45 67", list(one), nil},
		{"T43 br", "CH", "079 123<br>45 67", nil, nil},
		{"T43 br ends", "CH", "079 123 45 67<br/>078 111 22 33", list(one, two), nil},
		{"T43 paragraphs", "CH", "<div>079 123</div><div>45 67</div>", nil, nil},
		{"T43 cells", "CH", "<td>079 123</td><td>45 67</td>", nil, nil},
		{"T43 label in the cell before", "CH", "<tr><td>Patient-Nr.</td><td>0791234567</td></tr>", nil, list(phone.IDLabel)},
		{"T43 line end", "CH", "079 123\n45 67", nil, nil},
		{"T43 style", "CH", "<style>.x{margin:079 123 45 67}</style>078 111 22 33", list(two), nil},
		{"T43 comment", "CH", "<!-- 079 123 45 67 -->078 111 22 33", list(two), nil},
		{"T43 name in brackets is no tag", "CH", "<Müller 079 123 45 67>", list(one), nil},
		{"T43 Outlook link in text", "CH", "079 123 45 67<tel:+41791234567>", list(one), nil},
		{"T43 encoded link", "CH", `<a href='tel:%2B41%2079%20123%2045%2067;ext=2'>x</a>`, list(one), nil},
		{"T43 plain tel", "CH", "tel:+41791234567", list(one), nil},
		{"T44 landline", "CH", "044 765 43 21", nil, list(phone.Landline)},
		{"T44 both", "CH", "P 044 765 43 21, M 079 123 45 67", list(one), list(phone.Landline)},
		{"T45 several", "CH", "079 123 45 67, 078 111 22 33", list(one, two), nil},
		{"T45 twice", "CH", "079 123 45 67 oder +41791234567", list(one), nil},
		{"T46 German", "CH", "+49 170 1234567", list("+491701234567"), nil},
		{"T46 French", "CH", "+33 6 12 34 56 78", list("+33612345678"), nil},
		{"T46 French at home here", "CH", "06 12 34 56 78", nil, list(phone.Ambiguous)},
		{"T47 none", "CH", "Herr Müller, Kontrolle", nil, nil},
		{"T48 AHV", "CH", "756.1234.5678.97", nil, list(phone.Reference)},
		{"T48 AHV solid", "CH", "7561234567897", nil, list(phone.Reference)},
		{"T48 AHV spaced, then a mobile", "CH", "756 1234 5678 97 079 123 45 67", list(one), list(phone.Reference)},
		{"T48 IBAN solid", "CH", "CH9300762011623852957", nil, list(phone.Reference)},
		{"T48 IBAN with mobile groups", "CH", "DE12 0791 2345 6707 9123 45 079 123 45 67", list(one), list(phone.Reference)},
		{"T48 dates", "CH", "01.06.2026 und 2026-06-01 08:00, 1.6.26", nil, nil},
		{"T48 times", "CH", "10:30-11:15 und 0791-0792", nil, nil},
		{"T48 invoice", "CH", "Rechnung Nr. 0791234567", nil, list(phone.IDLabel)},
		{"T48 case", "CH", "Fall: 0791234567", nil, list(phone.IDLabel)},
		{"T48 hash", "CH", "#0791234567", nil, list(phone.IDLabel)},
		{"T48 underscore", "CH", "x_0791234567", nil, list(phone.IDLabel)},
		{"T48 letters", "CH", "ID0791234567 und 0791234567A", nil, list(phone.IDLabel, phone.IDLabel)},
		{"T48 URL", "CH", "https://meet.example/0791234567?pwd=0781112233", nil, nil},
		{"T48 URL without scheme", "CH", "meet.example.ch/0791234567 www.x.ch/0781112233", nil, nil},
		{"T48 mail", "CH", "0791234567@example.ch", nil, nil},
		{"T48 mobile dial-in", "CH", "+41 79 123 45 67,,812345678#", nil, list(phone.DialIn)},
		{"T48 Zoom in the US", "US", "Dial by your location +1 301 715 8592 US (Washington DC)", nil, list(phone.DialIn)},
		{"T48 Meet in the US", "US", "(US) +1 413-555-0134 PIN: 123456789#", nil, list(phone.DialIn)},
		{"T48 credit card", "DE", "4242 0151 2345 6789", nil, list(phone.Reference)},
		{"T50 premium", "CH", "0900 123 456", nil, list(phone.NotMobile)},
		{"T50 emergency", "CH", "Notfall 144", nil, nil},
		{"T50 free", "CH", "0800 123 456", nil, list(phone.NotMobile)},
	})
	t.Run("T48 own number", func(t *testing.T) {
		r := finder(t, "CH", phone.WithIgnored("079 123 45 67", "nonsense")).Find("Praxis +41 79 123 45 67, Patient 078 111 22 33 <tel:+41791234567>")
		if !cmp.Equal(e164s(r), list(two)) || !cmp.Equal(whys(r), list(phone.Ignored, phone.Ignored)) {
			t.Errorf("%+v", r)
		}
	})
}

// What people type, and what stands around it.
func TestFind_human(t *testing.T) {
	t.Parallel()
	check(t, []findCase{
		{"postcode before", "CH", "8001 079 123 45 67", list(one), nil},
		{"time before", "CH", "14:30 079 123 45 67", list(one), nil},
		{"time with h before", "FR", "14h30 06 12 34 56 78", list("+33612345678"), nil},
		{"date before", "CH", "12.03. 079 123 45 67", list(one), nil},
		{"room behind", "CH", "079 123 45 67 12", list(one), nil},
		{"label attached", "CH", "Tel079 123 45 67", list(one), nil},
		{"label attached, solid", "CH", "Natel0791234567", list(one), nil},
		{"apostrophes", "CH", "079'123'45'67", list(one), nil},
		{"curly apostrophes", "CH", "079’123’45’67", list(one), nil},
		{"narrow spaces", "CH", "079" + nnbsp + "123" + nnbsp + "45" + nnbsp + "67", list(one), nil},
		{"thin spaces", "CH", "079\u2009123\u200945\u200967", list(one), nil},
		{"full width", "CH", "＋４１　７９　１２３　４５　６７", list(one), nil},
		{"Arabic digits", "CH", "٠٧٩ ١٢٣ ٤٥ ٦٧", list(one), nil},
		{"zero-width spaces", "CH", "079\u200b 123\u2060 45 67", list(one), nil},
		{"every digit apart", "CH", "0 7 9 1 2 3 4 5 6 7", list(one), nil},
		{"en dash", "CH", "079–123–45–67", list(one), nil},
		{"no-break hyphen", "CH", "079\u2011123\u201145\u201167", list(one), nil},
		{"middle dots", "CH", "079·123·45·67", list(one), nil},
		{"trunk in brackets", "CH", "+41 (0)79 123 45 67", list(one), nil},
		{"trunk in square brackets", "CH", "+41 [0] 79 123 45 67", list(one), nil},
		{"trunk kept", "CH", "+41 079 123 45 67", list(one), nil},
		{"country in brackets", "CH", "(+41) 79 123 45 67", list(one), nil},
		{"plus outside", "CH", "+(41) 79 123 45 67", list(one), nil},
		{"plus apart", "CH", "+ 41 79 123 45 67", list(one), nil},
		{"plus and zeros", "CH", "+0041 79 123 45 67", list(one), nil},
		{"trunk without a plus", "CH", "41 (0)79 123 45 67", list(one), nil},
		{"plus as and", "CH", "079 123 45 67 + 078 111 22 33", list(one, two), nil},
		{"slash between", "CH", "079 123 45 67/078 111 22 33", list(one, two), nil},
		{"dash between", "CH", "079 123 45 67 - 078 111 22 33", list(one, two), nil},
		{"dash with one space", "CH", "079 123 45 67 -078 111 22 33", list(one, two), nil},
		{"code and slash apart", "CH", "079 / 123 45 67 / 044 765 43 21", list(one), list(phone.Landline)},
		{"three in a row", "CH", "079 123 45 67 078 111 22 33 078 765 43 21", list(one, two, three), nil},
		{"extension", "CH", "079 123 45 67, ext 12", list(one), nil},
		{"extension x", "CH", "079 123 45 67x12", list(one), nil},
		{"extension hash", "CH", "+41791234567#12", list(one), nil},
		{"comma before", "CH", "Ref. 12345, 079 123 45 67", list(one), nil},
		{"number behind the label", "CH", "Patient-Nr. 12345 079 123 45 67", list(one), nil},
		{"label in one word", "CH", "Patientennummer 0791234567, Telefonnummer 0781112233", list(two), list(phone.IDLabel)},
		{"phone label behind the other", "CH", "Rechnung Tel. 079 123 45 67", list(one), nil},
		{"emergency number is no case", "CH", "Notfall 079 123 45 67", list(one), nil},
		{"plus is a phone whatever the label", "CH", "Ref +41 79 123 45 67", list(one), nil},
		{"fax", "CH", "Fax 079 123 45 67", nil, list(phone.IDLabel)},
		{"French label", "FR", "Port. : 06.12.34.56.78", list("+33612345678"), nil},
		{"French dossier", "FR", "Dossier n° 0612345678", nil, list(phone.IDLabel)},
		{"full stop behind", "CH", "Ruf an: 079 123 45 67.", list(one), nil},
		{"stars", "CH", "*079 123 45 67*", list(one), nil},
		{"quotes", "CH", "«079 123 45 67»", list(one), nil},
		{"amount behind", "CH", "079 123 45 67 CHF 120.00", list(one), nil},
		{"percent", "CH", "0791234567%", nil, list(phone.IDLabel)},
		{"other script beside", "CH", "电话0791234567号", list(one), nil},
		{"plus after letters", "CH", "Tel+41791234567", list(one), nil},
		{"pairs", "CH", "07 91 23 45 67", list(one), nil},
		{"one digit too many", "CH", "079 123 45 678", nil, list(phone.DigitExtra)},
		{"O inside", "CH", "079 123 4O 67", nil, list(phone.LetterO)},
		{"country code without plus", "CH", "41791234567", nil, list(phone.NoPrefix)},
		{"74 is no mobile range", "CH", "074 123 45 67", nil, list(phone.Invalid)},
		{"voicemail of a mobile", "CH", "0860 79 123 45 67", nil, list(phone.NotMobile)},
		{"Basel in its own grouping", "CH", "061 234 56 78", nil, list(phone.Landline)},
	})
}

func TestFind_regions(t *testing.T) {
	t.Parallel()
	check(t, []findCase{
		{"LI", "LI", "Herr Frick 791 23 45", list("+4237912345"), nil},
		{"LI with postcode", "LI", "9490 791 23 45", list("+4237912345"), nil},
		{"LI doesn't cut a Swiss landline", "LI", "044 765 43 21", nil, list(phone.Invalid)},
		{"LI doesn't cut a Swiss mobile", "LI", "079 / 791 23 45", nil, nil},
		{"DE", "DE", "Handy 0151 23456789", list("+4915123456789"), nil},
		{"DE slash", "DE", "0171/1234567", list("+491711234567"), nil},
		{"DE landline and mobile", "DE", "030 1234567 / 0151 23456789", list("+4915123456789"), list(phone.Landline)},
		{"DE landline and mobile by a space", "DE", "030 1234567 0171 2345678", list("+491712345678"), list(phone.Landline)},
		{"AT", "AT", "0664 1234567", list("+436641234567"), nil},
		{"AT with country", "AT", "+43 (0) 664 / 123 45 67", list("+436641234567"), nil},
		{"FR", "FR", "06 12 34 56 78", list("+33612345678"), nil},
		{"FR landline before a mobile", "FR", "01 42 34 06 78 06 12 34 56 78", list("+33612345678"), list(phone.Landline)},
		{"FR foreign landline before a mobile", "FR", "+41 21 963 99 06 06.12.34.56.78", list("+33612345678"), list(phone.Landline)},
		{"AT room behind", "AT", "0664 1234567 12 Wien", list("+436641234567"), nil},
		{"AT two", "AT", "0664 123456 0660 654321", list("+43664123456", "+43660654321"), nil},
		{"IT different signs part", "IT", "316-209-0039 312 490 5265", list("+393162090039", "+393124905265"), nil},
		{"US brackets part", "US", "(204)309-2089 (206)-402-1393", list("+12043092089", "+12064021393"), nil},
		{"area behind", "AT", "0664/090844 - 120m2", list("+43664090844"), nil},
		{"FR landline", "FR", "01 42 34 56 78", nil, list(phone.Landline)},
		{"FR with 33 and brackets", "FR", "+33 (0)6 12 34 56 78", list("+33612345678"), nil},
		{"IT", "IT", "cell. 333 123 4567", list("+393331234567"), nil},
		{"IT solid", "IT", "3331234567", list("+393331234567"), nil},
		{"IT landline", "IT", "06 1234 5678", nil, list(phone.Landline)},
		{"IT with a zero too many", "IT", "+39 (0)333 1234567", list("+393331234567"), nil},
		{"GB", "GB", "07911 123456", list("+447911123456"), nil},
		{"GB landline", "GB", "020 7946 0958", nil, list(phone.Landline)},
		{"US", "US", "(650) 253-0000", list("+16502530000"), nil},
		{"US with 1", "US", "1-650-253-0000", list("+16502530000"), nil},
		{"US abroad", "US", "011 41 79 123 45 67", list(one), nil},
		{"US not any ten digits", "US", "65 02 53 00 00", nil, nil},
		{"US free", "US", "800-253-0000", nil, list(phone.NotMobile)},
	})
}

func TestFind_furtherRegions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		id, text string
		home     string
		further  []string
		want     []string
		why      []phone.Why
	}{
		{"Basel stays Basel", "061 234 56 78", "CH", list("FR"), nil, list(phone.Landline)},
		{"pairs stay ambiguous", "06 12 34 56 78", "CH", list("FR"), nil, list(phone.Ambiguous)},
		{"solid landline stays", "0612345678", "CH", list("FR"), nil, list(phone.Landline)},
		{"French 06 01 is none at home", "06 01 23 45 67", "CH", list("FR"), list("+33601234567"), nil},
		{"Swiss in Liechtenstein", "079 123 45 67", "LI", list("CH"), list(one), nil},
		{"Swiss landline in Liechtenstein", "044 765 43 21", "LI", list("CH"), nil, list(phone.Landline)},
		{"a group of the home number isn't taken", "333 079 123 45 67", "CH", list("IT"), list(one), nil},
		{"digits without a label", "Kunde 3331234567", "CH", list("IT"), nil, nil},
		{"the same with a label", "Handy 3331234567", "CH", list("IT"), list("+393331234567"), nil},
		{"order", "0664 1234567", "CH", list("FR", "AT"), list("+436641234567"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.id, func(t *testing.T) {
			t.Parallel()
			r := finder(t, tt.home, phone.WithFurtherRegions(tt.further...)).Find(tt.text)
			if !cmp.Equal(tt.want, e164s(r)) || !cmp.Equal(tt.why, whys(r)) {
				t.Errorf("%q: %+v", tt.text, r)
			}
		})
	}
}

func TestNew_errors(t *testing.T) {
	t.Parallel()
	if _, err := phone.New("XX"); !errors.Is(err, phone.ErrRegion) {
		t.Errorf("New: %v", err)
	}
	if _, err := phone.New("CH", phone.WithFurtherRegions("ch")); !errors.Is(err, phone.ErrRegion) {
		t.Errorf("WithFurtherRegions: %v", err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		raw, region, want string
		why               error
	}{
		{"079 123 45 67", "CH", one, nil},
		{" Tel. +41 (0)79 123 45 67 ", "CH", one, nil},
		{"tel:+41791234567", "CH", one, nil},
		{"79 123 45 67", "CH", one, nil},
		{"41791234567", "CH", one, nil},
		{"41791234567", "FR", one, nil},
		{"079" + nnbsp + "1234567", "CH", one, nil},
		{"079 123 45 67 ext. 4", "CH", one, nil},
		{"0033612345678", "CH", "+33612345678", nil},
		{"791 23 45", "LI", "+4237912345", nil},
		{"333 1234567", "IT", "+393331234567", nil},
		{"6502530000", "US", "+16502530000", nil},
		{"044 765 43 21", "CH", "", phone.Landline},
		{"0900 123 456", "CH", "", phone.NotMobile},
		{"079 123 45 6", "CH", "", phone.DigitMissing},
		{"079 123 45 678", "CH", "", phone.DigitExtra},
		{"O79 123 45 67", "CH", "", phone.LetterO},
		{"079 123 45 67 / 078 111 22 33", "CH", "", phone.Invalid},
		{"Anna 079 123 45 67", "CH", "", phone.Invalid},
		{"", "CH", "", phone.Invalid},
		{"+", "CH", "", phone.Invalid},
		{strings.Repeat("0", 300), "CH", "", phone.Invalid},
		{"079 123 45 67", "", "", phone.ErrRegion},
	}
	for _, tt := range tests {
		t.Run(tt.raw+" "+tt.region, func(t *testing.T) {
			t.Parallel()
			n, err := phone.Parse(tt.raw, tt.region)
			if n.E164 != tt.want || !errors.Is(err, tt.why) {
				t.Errorf("%+v, %v", n, err)
			}
		})
	}
	f := finder(t, "CH", phone.WithIgnored(one))
	if _, err := f.Parse("079 123 45 67"); !errors.Is(err, phone.Ignored) {
		t.Errorf("ignored: %v", err)
	}
}
