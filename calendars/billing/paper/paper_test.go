package paper

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/makiuchi-d/gozxing"
	zxing "github.com/makiuchi-d/gozxing/qrcode"

	"rappel/calendars/billing/qrbill"
)

var (
	seller = Party{Name: "Rappel AG", Street: "Seestrasse", Number: "12a", Zip: "8008", Town: "Zürich", UID: "CHE-123.456.789 MWST",
		Email: "rechnung@rappel.example", Phone: "044 000 12 34", Web: "rappel.example"}
	buyer = Party{Name: "Praxis am See", Extra: []string{"Dr. med. Łucja Ağça"}, Street: "Bahnhofstrasse", Number: "7", Zip: "8001", Town: "Zürich"}
)

// march is an invoice with everything on it: two rates, a credit in the customer's
// favour, rounding.
func march(language string) Invoice {
	return Invoice{Kind: KindInvoice, Language: language, Number: "2027-000017", IssuedOn: "2027-03-01", DueOn: "2027-03-31", From: "2027-03-01", To: "2027-04-01",
		Customer: 1042, Seller: seller, Buyer: buyer,
		Lines: []Line{
			{Text: "Abonnement Rappel, 4 Kalender", Detail: "3 à 15.00, 1 à 12.00 je Monat", From: "2027-03-01", To: "2027-04-01", Quantity: 4, Net: 5700, Rate: 810},
			{Text: "Ein Kalender mehr ab 11. Februar", From: "2027-02-11", To: "2027-03-01", Quantity: 1, Net: 771, Rate: 810},
			{Text: "SMS-Paket 500", Quantity: 1, Unit: 4900, Net: 4900, Rate: 810},
			{Text: "Handbuch, gedruckt", Quantity: 2, Unit: 1250, Net: 2500, Rate: 260},
		},
		Taxes: []Tax{{Rate: 810, Net: 11371, Tax: 921}, {Rate: 260, Net: 2500, Tax: 65}},
		Net:   13871, Tax: 986, Rounding: -2, Total: 14855, Applied: []Applied{{Text: "Ihr Guthaben vom 12.02.2027", Rappen: 1151}}, Due: 13704,
		IBAN: "CH4431999123000889012", Reference: "000000000010420000000000179"}
}

func credit() Invoice {
	d := march("de")
	d.Kind, d.Number, d.Credits, d.DueOn, d.Applied, d.IBAN, d.Reference = KindCreditNote, "2027-000018", "2027-000017", "", nil, "", ""
	d.Lines = []Line{{Text: "Gutschrift für nicht genutzte Tage", From: "2027-03-21", To: "2027-04-01", Quantity: 2, Net: 1065, Rate: 810}}
	d.Taxes, d.Net, d.Tax, d.Rounding, d.Total, d.Due = []Tax{{Rate: 810, Net: 1065, Tax: 86}}, 1065, 86, 0, 1151, 1151
	d.From, d.To = "2027-03-21", "2027-04-01"
	return d
}

// long takes three pages.
func long() Invoice {
	d := march("en")
	d.Lines, d.Applied, d.Rounding = nil, nil, 0
	for i := range 48 {
		d.Lines = append(d.Lines, Line{Text: fmt.Sprintf("Calendar %d of a clinic that has many", i+1), Detail: "counted to the day", From: "2027-02-01", To: "2027-03-01", Quantity: 1, Net: 900, Rate: 810})
	}
	d.Taxes, d.Net, d.Tax, d.Total, d.Due = []Tax{{Rate: 810, Net: 43200, Tax: 3499}}, 43200, 3499, 46699, 46699
	return d
}

func reminder(language string, level int) Reminder {
	return Reminder{Language: language, Level: level, WrittenOn: "2027-04-10", Number: "2027-000017", IssuedOn: "2027-03-01", DueOn: "2027-03-31", PayBy: "2027-04-20", SuspendOn: "2027-04-25",
		Customer: 1042, Seller: seller, Buyer: buyer, Total: 14855, Paid: 2000, Open: 12855, IBAN: "CH4431999123000889012", Reference: "000000000010420000000000179"}
}

func order(language string) Order {
	return Order{Language: language, Number: "B-17", OfferedOn: "2027-03-01", ValidTo: "2027-03-31", Customer: 1042, Seller: seller, Buyer: buyer,
		Lines: []Line{{Text: "SMS-Paket 5000", Detail: "gültig, solange im Jahr ein SMS verschickt wird", Quantity: 1, Unit: 39500, Net: 39500}}, Net: 39500,
		IBAN: "CH4431999123000889012", Reference: "000000000010420000000000179"}
}

type printable interface{ PDF() ([]byte, error) }

func documents() map[string]printable {
	all := map[string]printable{"credit_de": credit(), "long_en": long()}
	for _, l := range []string{"de", "fr", "it", "en"} {
		all["invoice_"+l] = march(l)
		all["reminder2_"+l] = reminder(l, 2)
		all["order_"+l] = order(l)
	}
	all["reminder1_de"], all["reminder3_de"] = reminder("de", 1), reminder("de", 3)
	return all
}

// TestGolden holds what is printed to the byte. Set RAPPEL_GOLDEN to write the hashes
// anew, which is a decision: printed books would change. With RAPPEL_TEST_ARTEFACTS set,
// the files are kept.
func TestGolden(t *testing.T) {
	t.Parallel()
	const file = "testdata/golden.json"
	want, got := map[string]string{}, map[string]string{}
	if text, err := os.ReadFile(file); err != nil && os.Getenv("RAPPEL_GOLDEN") == "" {
		t.Fatal(err)
	} else if err == nil {
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
	}
	for name, d := range documents() {
		first, err := d.PDF()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := d.PDF()
		if err != nil || !bytes.Equal(first, again) {
			t.Errorf("%s: the second print differs from the first: %v", name, err)
		}
		sum := sha256.Sum256(first)
		got[name] = hex.EncodeToString(sum[:])
		if dir := os.Getenv("RAPPEL_TEST_ARTEFACTS"); dir != "" {
			if err := os.WriteFile(filepath.Join(dir, name+".pdf"), first, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if os.Getenv("RAPPEL_GOLDEN") != "" {
		text, err := json.MarshalIndent(got, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what is printed has changed (-want +got); if that is meant, RAPPEL_GOLDEN=1 go test ./calendars/billing/paper -run Golden:\n%s", diff)
	}
}

// A document comes out of the database as it went in, and prints the same.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	d := march("fr")
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var back Invoice
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, back); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	a, errA := d.PDF()
	b, errB := back.PDF()
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Errorf("printed differently: %v, %v", errA, errB)
	}
}

func TestCheck_refuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(d *Invoice){
		"lines":     func(d *Invoice) { d.Lines[0].Net++ },
		"rates":     func(d *Invoice) { d.Taxes[0].Tax++ },
		"total":     func(d *Invoice) { d.Total++ },
		"due":       func(d *Invoice) { d.Due-- },
		"no number": func(d *Invoice) { d.Number = "" },
		"no lines":  func(d *Invoice) { d.Lines = nil },
		"kind":      func(d *Invoice) { d.Kind = "bill" },
		"day":       func(d *Invoice) { d.IssuedOn = "1.3.2027" },
		"period":    func(d *Invoice) { d.To = d.From },
		"buyer":     func(d *Invoice) { d.Buyer.Town = "" },
	} {
		d := march("de")
		change(&d)
		if _, err := d.PDF(); !errors.Is(err, ErrDocument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d := march("de")
	d.Reference = "RF18539007547034"
	if _, err := d.PDF(); !errors.Is(err, qrbill.ErrReference) {
		t.Errorf("a reference that doesn't go with the account: %v", err)
	}
	o := order("de")
	o.Net = 1
	if _, err := o.PDF(); !errors.Is(err, ErrDocument) {
		t.Errorf("order: %v", err)
	}
	r := reminder("de", 1)
	r.Open = 1
	if _, err := r.PDF(); !errors.Is(err, ErrDocument) {
		t.Errorf("reminder: %v", err)
	}
}

// poppler runs one of Debian's poppler-utils over a PDF and returns what it writes.
func poppler(t *testing.T, pdf []byte, name string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("no %s on this machine; install it: apt-get install poppler-utils (or run `make test`, which does)", name)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(pdf), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, stderr.String())
	}
	return out
}

// The code is read back from the drawn page, as a phone would, cross and all.
func TestSlip_decodes(t *testing.T) {
	t.Parallel()
	many := long()
	many.Seller.Name, many.Buyer.Name = strings.Repeat("Gemeinschaftspraxis ", 3)+"Zürich", strings.Repeat("Ärztezentrum ", 5)+"Önz"
	for name, d := range map[string]Invoice{"short": march("de"), "three pages": many} {
		pdf, err := d.PDF()
		if err != nil {
			t.Fatal(err)
		}
		last := fmt.Sprint(bytes.Count(pdf, []byte("/Type /Page\n")))
		img, err := png.Decode(bytes.NewReader(poppler(t, pdf, "pdftoppm", "-png", "-r", "200", "-gray", "-f", last, "-l", last, "-")))
		if err != nil {
			t.Fatal(err)
		}
		bitmap, err := gozxing.NewBinaryBitmapFromImage(img)
		if err != nil {
			t.Fatal(err)
		}
		result, err := zxing.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_CHARACTER_SET: "UTF-8", gozxing.DecodeHintType_TRY_HARDER: true})
		if err != nil {
			t.Fatalf("%s: the code on page %s can't be read: %v", name, last, err)
		}
		want, err := d.Payload()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, result.GetText()); diff != "" {
			t.Errorf("%s: the code says (-want +got):\n%s", name, diff)
		}
	}
}

// What must stand on an invoice stands there, and an order form shows no tax.
func TestText(t *testing.T) {
	t.Parallel()
	text := func(d printable) string {
		t.Helper()
		pdf, err := d.PDF()
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(poppler(t, pdf, "pdftotext", "-layout", "-", "-")), "\u00a0", " ")
	}
	// MWSTG Art. 26: seller with UID, buyer, period, what, amount, rate and tax.
	got := text(march("de"))
	for _, want := range []string{"Rappel AG", "CHE-123.456.789 MWST", "Praxis am See", "Dr. med. Łucja Ağça", "01.03.2027 – 31.03.2027", "11.02.2027 – 28.02.2027", "Rechnung 2027-000017",
		"MWST 8.1 % auf 113.71", "9.21", "MWST 2.6 % auf 25.00", "0.65", "148.55", "−11.51", "137.04", "CH44 3199 9123 0008 8901 2", "00 00000 00010 42000 00000 00179", "Empfangsschein", "Zahlteil"} {
		if !strings.Contains(got, want) {
			t.Errorf("the invoice lacks %q:\n%s", want, got)
		}
	}
	for _, l := range []string{"de", "fr", "it", "en"} {
		got := text(order(l))
		for _, never := range []string{"8.1", "427", "32.00", "MWST 8", wordsOf(l).invoice + " B", wording[l].payBy} {
			if strings.Contains(got, never) {
				t.Errorf("the order form in %s says %q:\n%s", l, never, got)
			}
		}
		if !strings.Contains(got, wordsOf(l).notInvoice) {
			t.Errorf("the order form in %s doesn't say that it is no invoice", l)
		}
	}
}

// Every language has every text, and the same things to fill in.
func TestWords(t *testing.T) {
	t.Parallel()
	flat := func(w words) []string {
		return strings.Split(strings.Trim(fmt.Sprintf("%q", w), `{}"`), `" "`)
	}
	holes := func(s string) []string {
		var found []string
		for _, part := range strings.Split(s, "{")[1:] {
			name, _, _ := strings.Cut(part, "}")
			found = append(found, name)
		}
		slices.Sort(found)
		return found
	}
	de := flat(wording["de"])
	for l, w := range wording {
		for i, text := range flat(w) {
			if text == "" {
				t.Errorf("%s lacks what is %q in German", l, de[i])
			}
			if diff := cmp.Diff(holes(de[i]), holes(text)); diff != "" {
				t.Errorf("%s: %q and %q:\n%s", l, de[i], text, diff)
			}
		}
	}
}

// TestBuyerInAnotherAlphabet: whatever a clinic is called, its invoice and reminder can be
// printed. The slip names the payer only where the code may hold the name.
func TestBuyerInAnotherAlphabet(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		party  Party
		debtor string // its name on the slip, "" = a field to fill in
	}{
		"latin":             {buyer, "Praxis am See"},
		"cyrillic":          {Party{Name: "Клиника", Street: "Bahnhofstrasse", Zip: "8001", Town: "Zürich"}, ""},
		"greek":             {Party{Name: "Ιατρείο", Zip: "8001", Town: "Zürich"}, ""},
		"arabic":            {Party{Name: "عيادة", Zip: "8001", Town: "Zürich"}, ""},
		"chinese and latin": {Party{Name: "诊所 Zürich", Zip: "8001", Town: "Zürich"}, "Zürich"},
		"a face":            {Party{Name: "😀", Zip: "8001", Town: "Zürich"}, ""},
		"town":              {Party{Name: "Praxis Athen", Zip: "10557", Town: "Αθήνα", Country: "GR"}, ""},
		"postcode":          {Party{Name: "Praxis Kairo", Zip: "١١٥١١", Town: "Kairo", Country: "EG"}, ""},
		"country":           {Party{Name: "Praxis am See", Zip: "8001", Town: "Zürich", Country: "4"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, r := march("de"), reminder("de", 1)
			d.Buyer, r.Buyer = tc.party, tc.party
			for _, doc := range []interface {
				printable
				Check() error
			}{d, r} {
				if err := doc.Check(); err != nil {
					t.Fatal(err)
				}
				if _, err := doc.PDF(); err != nil {
					t.Fatal(err)
				}
			}
			text, err := d.Payload()
			if err != nil {
				t.Fatal(err)
			}
			b, err := qrbill.ParsePayload(text)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if b.Debtor != nil {
				got = b.Debtor.Name
			}
			if got != tc.debtor || b.Rappen != d.Due || b.Reference != d.Reference {
				t.Errorf("the slip names %q and asks for %d under %s, want %q", got, b.Rappen, b.Reference, tc.debtor)
			}
		})
	}
}
