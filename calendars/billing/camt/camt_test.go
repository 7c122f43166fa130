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
	if b.Sum() != b.Rappen {
		t.Errorf("details come to %d of %d", b.Sum(), b.Rappen)
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
		"nothing":           {"", ErrNotCamt, "empty"},
		"a letter":          {"Guten Tag", ErrNotCamt, "XML"},
		"zip":               {"PK\x03\x04", ErrNotCamt, "unpack"},
		"gzip":              {"\x1f\x8b\x08", ErrNotCamt, "unpack"},
		"pdf":               {"%PDF-1.7", ErrNotCamt, "camt.053"},
		"a page":            {"<html></html>", ErrNotCamt, "html"},
		"a payment order":   {"<Document><CstmrCdtTrfInitn/></Document>", ErrNotCamt, "Stmt"},
		"interim":           {"<Document><BkToCstmrAcctRpt><Rpt/></BkToCstmrAcctRpt></Document>", ErrNotCamt, "camt.052"},
		"DTD":               {`<!DOCTYPE x [<!ENTITY a "b">]>` + good[strings.Index(good, "<Document"):], ErrNotCamt, "DTD"},
		"cut off":           {good[:len(good)/2], ErrBroken, "again"},
		"two files":         {good + "<Document/>", ErrBroken, "again"},
		"Latin-1":           {swap("UTF-8", "ISO-8859-1"), ErrBroken, "UTF-8"},
		"euro":              {swap(`<Amt Ccy="CHF">97.29`, `<Amt Ccy="EUR">97.29`), ErrCurrency, "booking 1"},
		"comma":             {swap("97.29", "97,29"), ErrBroken, "1949.75"},
		"three places":      {swap("97.29", "97.291"), ErrBroken, "booking 1"},
		"minus":             {swap("97.29", "-97.29"), ErrBroken, "booking 1"},
		"nothing paid":      {swap("97.29", "0.00"), ErrBroken, "booking 1"},
		"too much in parts": {swap(`<Amt Ccy="CHF">32.43</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>`, `<Amt Ccy="CHF">32.42</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>`), ErrBroken, "booking 2"},
		"direction":         {swap("<CdtDbtInd>DBIT</CdtDbtInd>", "<CdtDbtInd>X</CdtDbtInd>"), ErrBroken, "CRDT or DBIT"},
		"status":            {swap("<Sts>BOOK</Sts>", "<Sts>DONE</Sts>"), ErrBroken, "BOOK"},
		"no date":           {swap("<BookgDt><Dt>2027-04-01</Dt></BookgDt><AcctSvcrRef>FEE", "<AcctSvcrRef>FEE"), ErrBroken, "BookgDt"},
		"31 February":       {swap("2027-04-01</Dt></BookgDt>", "2027-02-31</Dt></BookgDt>"), ErrBroken, "BookgDt"},
		"no account":        {swap("<IBAN>CH9300762011623852957</IBAN>", ""), ErrBroken, "account"},
		"reversal":          {swap("<RvslInd>false", "<RvslInd>maybe"), ErrBroken, "RvslInd"},
	} {
		_, err := Parse([]byte(c.text))
		var p *ParseError
		if !errors.Is(err, c.kind) || !errors.As(err, &p) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v that says %q", name, err, c.kind, c.says)
		}
	}
}

// Amounts come out as they went in, however many zeros a bank writes.
func TestParseAmount(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 99_999_999_999_99).Draw(t, "rappen")
		s := fmt.Sprintf("%d.%02d", n/100, n%100) + strings.Repeat("0", rapid.IntRange(0, 3).Draw(t, "zeros"))
		if got, ok := parseAmount(s); !ok || got != n {
			t.Fatalf("%s is read as %d, %t", s, got, ok)
		}
	})
	for _, bad := range []string{"", ".", "1.", ".5", "1.005", "+1", "1e3", "٣", "1 000", "0", "0.00", "9999999999999"} {
		if n, ok := parseAmount(bad); ok {
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
			if b.Key == "" || b.IBAN == "" || b.Rappen <= 0 || len(b.BookedOn) != 10 || len(b.ValueOn) != 10 || b.Sum() > b.Rappen {
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
