package camt

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parse(t *testing.T, name string) File {
	t.Helper()
	f, err := Parse(read(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// sum is what the details of a booking come to.
func sum(b Booking) (n int64) {
	for _, d := range b.Details {
		n += d.Rappen
	}
	return n
}

func TestParse_statement(t *testing.T) {
	t.Parallel()
	const iban = "CH9300762011623852957"
	want := File{Kind: Statement, Version: 4, Message: "STMT-20270401", Skipped: 1, Bookings: []Booking{
		{Key: "BATCH-1/C/9729", IBAN: iban, Ref: "BATCH-1", Rappen: 9729, Credit: true, BookedOn: "2027-04-01", ValueOn: "2027-04-01", Payments: 2, Info: "SAMMELGUTSCHRIFT QR"},
		{Key: "SINGLE-1/C/3243", IBAN: iban, Ref: "SINGLE-1", Rappen: 3243, Credit: true, BookedOn: "2027-04-01", ValueOn: "2027-04-02",
			Details: []Detail{{Rappen: 3243, Ref: "SINGLE-1", Name: "Praxis am See", IBAN: "CH5604835012345678009", Text: "Rechnung 17, danke"}}},
		{Key: "FEE-1/D/1200", IBAN: iban, Ref: "FEE-1", Rappen: 1200, BookedOn: "2027-04-01", ValueOn: "2027-04-01"},
	}}
	got := parse(t, "statement_v04.xml")
	if k := got.Bookings[1].Details[0].Key; !strings.HasPrefix(k, "~") || !strings.HasSuffix(k, "/3243") {
		t.Errorf("key of a detail without a reference of its own: %q", k)
	}
	got.Bookings[1].Details[0].Key = ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The batch of the statement is the booking of the notification, whatever prefix and
// version; there its details are told.
func TestParse_bothFiles(t *testing.T) {
	t.Parallel()
	s, n := parse(t, "statement_v04.xml"), parse(t, "notification_v08.xml")
	if n.Kind != Notification || n.Version != 8 || len(n.Bookings) != 1 {
		t.Fatalf("%+v", n)
	}
	b := n.Bookings[0]
	if b.Key != s.Bookings[0].Key || b.IBAN != s.Bookings[0].IBAN {
		t.Errorf("%s of %s is %s of %s in the other file", b.Key, b.IBAN, s.Bookings[0].Key, s.Bookings[0].IBAN)
	}
	want := []Detail{
		{Key: "TX-1/6486", Rappen: 6486, Reference: "000000000010420000000000179", Ref: "TX-1", Name: "Dr. Łucja Ağça", Text: "danke"},
		{Key: "TX-2/3243", Rappen: 3243, Reference: "RF18539007547034", Ref: "TX-2"},
	}
	if diff := cmp.Diff(want, b.Details); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if sum(b) != b.Rappen {
		t.Errorf("details come to %d of %d", sum(b), b.Rappen)
	}
}

func TestParse_old(t *testing.T) {
	t.Parallel()
	f := parse(t, "notification_v02.xml")
	b := f.Bookings[0]
	if f.Version != 2 || !b.Reversal || b.Credit || b.IBAN != "01-39139-1" || b.Details[0].Rappen != 2000 || b.Details[0].Reference != "210000000003139471430009017" {
		t.Errorf("%+v", f)
	}
	// Two alike without a reference are two.
	if a, c := f.Bookings[1], f.Bookings[2]; a.Key == c.Key || a.Rappen != 500 || c.Rappen != 500 {
		t.Errorf("%+v and %+v", a, c)
	}
	if diff := cmp.Diff(f, parse(t, "notification_v02.xml")); diff != "" {
		t.Errorf("read again it is another:\n%s", diff)
	}
}

func TestParse_refuses(t *testing.T) {
	t.Parallel()
	good := string(read(t, "statement_v04.xml"))
	swap := func(old, new string) string {
		t.Helper()
		if !strings.Contains(good, old) {
			t.Fatalf("%q isn't in the file", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, c := range map[string]struct {
		text string
		kind error
		says string
	}{
		"nothing":          {"", ErrNotCamt, "empty"},
		"a letter":         {"Guten Tag", ErrNotCamt, "XML"},
		"zip":              {"PK\x03\x04", ErrNotCamt, "unpack"},
		"gzip":             {"\x1f\x8b\x08", ErrNotCamt, "unpack"},
		"pdf":              {"%PDF-1.7", ErrNotCamt, "camt.053"},
		"a page":           {"<html></html>", ErrNotCamt, "html"},
		"a payment order":  {"<Document><CstmrCdtTrfInitn/></Document>", ErrNotCamt, "Stmt"},
		"interim":          {"<Document><BkToCstmrAcctRpt><Rpt/></BkToCstmrAcctRpt></Document>", ErrNotCamt, "camt.052"},
		"DTD":              {`<!DOCTYPE x [<!ENTITY a "b">]>` + good[strings.Index(good, "<Document"):], ErrNotCamt, "DTD"},
		"cut off":          {good[:len(good)/2], ErrBroken, "again"},
		"two files":        {good + "<Document/>", ErrBroken, "again"},
		"only euro":        {strings.ReplaceAll(good, `Ccy="CHF"`, `Ccy="EUR"`), ErrCurrency, "CHF"},
		"no currency":      {swap(`<Amt Ccy="CHF">97.29`, `<Amt>97.29`), ErrCurrency, "booking 1"},
		"Cyrillic letters": {swap("UTF-8", "KOI8-R"), ErrBroken, "UTF-8"},
		"comma":            {swap("97.29", "97,29"), ErrBroken, "1949.75"},
		"three places":     {swap("97.29", "97.291"), ErrBroken, "booking 1"},
		"minus":            {swap("97.29", "-97.29"), ErrBroken, "booking 1"},
		"direction":        {swap("<CdtDbtInd>DBIT</CdtDbtInd>", "<CdtDbtInd>X</CdtDbtInd>"), ErrBroken, "CRDT or DBIT"},
		"status":           {swap("<Sts>BOOK</Sts>", "<Sts>DONE</Sts>"), ErrBroken, "BOOK"},
		"no date":          {swap("<BookgDt><Dt>2027-04-01</Dt></BookgDt><AcctSvcrRef>FEE", "<AcctSvcrRef>FEE"), ErrBroken, "BookgDt"},
		"31 February":      {swap("2027-04-01</Dt></BookgDt>", "2027-02-31</Dt></BookgDt>"), ErrBroken, "BookgDt"},
		"no account":       {swap("<IBAN>CH9300762011623852957</IBAN>", ""), ErrBroken, "account"},
		"reversal":         {swap("<RvslInd>false", "<RvslInd>maybe"), ErrBroken, "RvslInd"},
	} {
		_, err := Parse([]byte(c.text))
		var p *ParseError
		if !errors.Is(err, c.kind) || !errors.As(err, &p) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v that says %q", name, err, c.kind, c.says)
		}
	}
}

// One odd booking doesn't keep the others from being read.
func TestParse_odd(t *testing.T) {
	t.Parallel()
	const entry = `<Ntry><Amt Ccy="CHF">%s</Amt><CdtDbtInd>%s</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2027-04-01</Dt></BookgDt><AcctSvcrRef>%s</AcctSvcrRef><NtryDtls>%s</NtryDtls></Ntry>`
	const stmt = `<Stmt><Acct><Id><IBAN>CH9300762011623852957</IBAN></Id></Acct>%s</Stmt>`
	detail := func(ccy, amount, rest string) string {
		return `<TxDtls><Amt Ccy="` + ccy + `">` + amount + `</Amt>` + rest + `<RmtInf><Strd><CdtrRefInf><Ref>RF18539007547034</Ref></CdtrRefInf></Strd></RmtInf></TxDtls>`
	}
	good := fmt.Sprintf(entry, "32.43", "CRDT", "good", detail("CHF", "32.43", ""))
	for name, c := range map[string]struct {
		odd     string
		foreign int
		want    *Booking // nil = left out
	}{
		"nothing":              {fmt.Sprintf(entry, "0.00", "CRDT", "odd", ""), 0, nil},
		"nothing, with a part": {fmt.Sprintf(entry, "0", "DBIT", "odd", detail("CHF", "0.00", "")), 0, nil},
		"dollars paid":         {fmt.Sprintf(entry, "9.50", "DBIT", "odd", detail("USD", "10.00", "")+detail("USD", "1.00", "")), 0, &Booking{Rappen: 950}},
		"dollars come back":    {fmt.Sprintf(entry, "9.50", "DBIT", "odd", detail("USD", "10.00", "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>")+detail("USD", "1.00", "")), 0, &Booking{Rappen: 950, Unclear: "one of its details has no amount in CHF (Amt)"}},
		"one comes back":       {fmt.Sprintf(entry, "9.50", "DBIT", "odd", detail("CHF", "9.50", "<RtrInf/>")), 0, &Booking{Rappen: 950, Details: []Detail{{Rappen: 950, Reference: "RF18539007547034", Returned: true}}}},
		"parts without amount": {fmt.Sprintf(entry, "9.50", "DBIT", "odd", `<TxDtls/><TxDtls/>`), 0, &Booking{Rappen: 950}},
		"euro came":            {fmt.Sprintf(entry, "9.50", "CRDT", "odd", detail("EUR", "10.00", "")), 0, &Booking{Rappen: 950, Credit: true, Details: []Detail{{Rappen: 950, Reference: "RF18539007547034"}}}},
		"euro, CHF inside":     {fmt.Sprintf(entry, "9.50", "CRDT", "odd", detail("EUR", "10.00", `<AmtDtls><TxAmt><Amt Ccy="CHF">9.40</Amt></TxAmt></AmtDtls>`)), 0, &Booking{Rappen: 950, Credit: true, Details: []Detail{{Rappen: 940, Reference: "RF18539007547034"}}}},
		"charges taken off":    {fmt.Sprintf(entry, "9.50", "CRDT", "odd", detail("CHF", "10.00", `<Chrgs/>`)), 0, &Booking{Rappen: 950, Credit: true, Details: []Detail{{Rappen: 950, Reference: "RF18539007547034"}}}},
		"parts of more":        {fmt.Sprintf(entry, "9.50", "CRDT", "odd", detail("CHF", "9.00", "")+detail("CHF", "1.00", "")), 0, &Booking{Rappen: 950, Credit: true, Unclear: "its details come to more than the booking"}},
		"parts in euro":        {fmt.Sprintf(entry, "9.50", "CRDT", "odd", detail("CHF", "9.00", "")+detail("EUR", "0.40", "")), 0, &Booking{Rappen: 950, Credit: true, Unclear: "one of its details has no amount in CHF (Amt)"}},
		"parts both ways":      {fmt.Sprintf(entry, "9.50", "CRDT", "odd", detail("CHF", "9.00", "")+detail("CHF", "0.40", "<CdtDbtInd>DBIT</CdtDbtInd>")), 0, &Booking{Rappen: 950, Credit: true, Unclear: "one of its details goes the other way (CdtDbtInd)"}},
		"another account":      {`</Stmt><Stmt><Acct><Id><IBAN>CH5604835012345678009</IBAN></Id><Ccy>EUR</Ccy></Acct>` + strings.Replace(good, "CHF", "EUR", 1), 1, nil},
	} {
		f, err := Parse([]byte(`<Document><BkToCstmrStmt>` + fmt.Sprintf(stmt, good+c.odd) + `</BkToCstmrStmt></Document>`))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if f.Bookings[0].Ref != "good" || f.Foreign != c.foreign {
			t.Errorf("%s: %+v", name, f)
		}
		if c.want == nil {
			if len(f.Bookings) != 1 {
				t.Errorf("%s: read as %+v", name, f.Bookings[1:])
			}
			continue
		}
		got := f.Bookings[1]
		for i := range got.Details {
			got.Details[i].Key = ""
		}
		want := *c.want
		want.Key, want.IBAN, want.Ref, want.BookedOn, want.ValueOn = got.Key, "CH9300762011623852957", "odd", "2027-04-01", "2027-04-01"
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A file that says so is read as Latin-1.
func TestParse_latin1(t *testing.T) {
	t.Parallel()
	for _, charset := range []string{"ISO-8859-1", "windows-1252"} {
		text := strings.NewReplacer("UTF-8", charset, "Praxis am See", "Praxis Z\xfcrichsee").Replace(string(read(t, "statement_v04.xml")))
		f, err := Parse([]byte(text))
		if err != nil || f.Bookings[1].Details[0].Name != "Praxis Zürichsee" {
			t.Errorf("%s: %+v, %v", charset, f, err)
		}
	}
}

// Amounts come out as they went in, however many zeros a bank writes.
func TestParseAmount(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 99_999_999_999_99).Draw(t, "rappen")
		s := fmt.Sprintf("%d.%02d", n/100, n%100) + strings.Repeat("0", rapid.IntRange(0, 3).Draw(t, "zeros"))
		if got, ok := parseAmount(s, 1); !ok || got != n {
			t.Fatalf("%s is read as %d, %t", s, got, ok)
		}
	})
	for _, bad := range []string{"", ".", "1.", ".5", "1.005", "+1", "1e3", "٣", "1 000", "0", "0.00", "9999999999999"} {
		if n, ok := parseAmount(bad, 1); ok {
			t.Errorf("%q is read as %d", bad, n)
		}
	}
}

// Whatever a bank sends, it is read whole or refused with a reason; what is read is fit
// to be booked, and the same file gives the same keys.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"statement_v04.xml", "notification_v08.xml", "notification_v02.xml"} {
		f.Add(read(f, name))
	}
	f.Add([]byte(`<Document><BkToCstmrStmt><Stmt><Acct><Id><IBAN>X</IBAN></Id></Acct></Stmt></BkToCstmrStmt></Document>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			var p *ParseError
			if !errors.As(err, &p) || p.Why == "" {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		keys := map[string]bool{}
		for _, b := range file.Bookings {
			if b.Key == "" || b.IBAN == "" || b.Rappen <= 0 || len(b.BookedOn) != 10 || len(b.ValueOn) != 10 || sum(b) > b.Rappen {
				t.Fatalf("booking %+v", b)
			}
			for _, d := range b.Details {
				if d.Rappen <= 0 || d.Key == "" || keys[b.IBAN+" "+b.Key+" "+d.Key] {
					t.Fatalf("detail %+v", d)
				}
				keys[b.IBAN+" "+b.Key+" "+d.Key] = true
			}
		}
		again, err := Parse(data)
		if err != nil || !cmp.Equal(file, again) {
			t.Fatalf("read again it is another: %v", err)
		}
	})
}
