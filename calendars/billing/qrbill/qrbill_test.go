package qrbill

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestReferences(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"21000000000313947143000901": "210000000003139471430009017",
		"00000000000000104200000017": "000000000000001042000000178",
	} {
		if got, err := QRR(body); err != nil || got != want {
			t.Errorf("QRR(%s) = %s, %v, want %s", body, got, err, want)
		}
	}
	for body, want := range map[string]string{"539007547034": "RF18539007547034", "INV2026000017": "RF50INV2026000017", "0191230100405JSH0438": "RF240191230100405JSH0438", "20191230100405JSH0438": "RF0720191230100405JSH0438"} {
		if got, err := SCOR(body); err != nil || got != want {
			t.Errorf("SCOR(%s) = %s, %v, want %s", body, got, err, want)
		}
	}
	// As older prints of the guide have it, a zero lost.
	if _, err := CheckReference("RF720191230100405JSH0438"); !errors.Is(err, ErrReference) {
		t.Errorf("wrong check digits are taken: %v", err)
	}
	for _, bad := range []Body{{}, {Bank: 1_000_000}, {Account: 100_000_000}, {Document: 1_000_000_000_000}, {Account: -1}} {
		if ref, err := bad.QRR(); !errors.Is(err, ErrReference) {
			t.Errorf("%+v gives %s, %v", bad, ref, err)
		}
	}
	for _, bad := range []string{"1", "RF", "RF18", "RF18é", "000000000000000000000000000", "210000000003139471430009018", "RF18 5390 0754 7034", "NON"} {
		if kind, err := CheckReference(bad); !errors.Is(err, ErrReference) {
			t.Errorf("CheckReference(%s) = %s, %v", bad, kind, err)
		}
	}
	if got := FormatReference("210000000003139471430009017"); got != "21 00000 00003 13947 14300 09017" {
		t.Error(got)
	}
	if got := FormatReference("RF18539007547034"); got != "RF18 5390 0754 7034" {
		t.Error(got)
	}
}

// Any one digit mistyped is noticed, and what is printed in groups is read again.
func TestReferences_findSlips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ref, err := Body{Bank: rapid.Int64Range(0, 999_999).Draw(t, "bank"), Account: rapid.Int64Range(1, 99_999_999).Draw(t, "account"),
			Document: rapid.Int64Range(0, 999_999_999_999).Draw(t, "document")}.QRR()
		if err != nil {
			t.Fatal(err)
		}
		if kind, err := CheckReference(ref); err != nil || kind != KindQRR {
			t.Fatalf("our own reference %s: %s, %v", ref, kind, err)
		}
		if got := NormalReference(" " + strings.ToLower(FormatReference(ref))); got != ref {
			t.Fatalf("printed and read again: %s", got)
		}
		body, ok := BodyOf(ref)
		if again, err := body.QRR(); !ok || err != nil || again != ref {
			t.Fatalf("%s is read as %+v, %v", ref, body, err)
		}
		plain, err := body.For("CH9300762011623852957")
		switch got, ok := BodyOf(plain); {
		case err != nil && len(fmt.Sprintf("K%dD%d", body.Account, body.Document)) <= 21:
			t.Fatal(err)
		case err == nil && (!ok || got.Account != body.Account || got.Document != body.Document):
			t.Fatalf("%s is read as %+v", plain, got)
		}
		i, add := rapid.IntRange(0, 26).Draw(t, "at"), rapid.IntRange(1, 9).Draw(t, "add")
		wrong := []byte(ref)
		wrong[i] = '0' + (wrong[i]-'0'+byte(add))%10
		if _, err := CheckReference(string(wrong)); err == nil {
			t.Fatalf("%s passes for %s", wrong, ref)
		}
	})
}

func TestIBAN(t *testing.T) {
	t.Parallel()
	for iban, qr := range map[string]bool{"CH4431999123000889012": true, "CH9300762011623852957": false, "LI21088100002324013AA": false, "CH5604835012345678009": false} {
		if err := CheckIBAN(iban); err != nil {
			t.Errorf("%s: %v", iban, err)
		}
		if IsQRIBAN(iban) != qr {
			t.Errorf("%s is a QR-IBAN: %t", iban, !qr)
		}
	}
	for _, bad := range []string{"", "CH93 0076 2011 6238 5295 7", "CH9300762011623852958", "DE89370400440532013000", "CH930076201162385295", "ch9300762011623852957", "CH9A00762011623852957"} {
		if err := CheckIBAN(bad); !errors.Is(err, ErrIBAN) {
			t.Errorf("%q is taken: %v", bad, err)
		}
	}
	if got := FormatIBAN("CH4431999123000889012"); got != "CH44 3199 9123 0008 8901 2" {
		t.Error(got)
	}
}

// sample is a right bill with everything in it.
func sample() Bill {
	return Bill{IBAN: "CH4431999123000889012", Rappen: 194975, Reference: "210000000003139471430009017", Message: "Rechnung 2027-000017", Info: "//S1/10/2027-000017",
		Creditor: Address{"Rappel AG", "Seestrasse", "12a", "8008", "Zürich", "CH"},
		Debtor:   &Address{"Praxis Dr. Ağça & Söhne", "", "", "9490", "Vaduz", "LI"}}
}

func TestPayload(t *testing.T) {
	t.Parallel()
	got, err := Payload(sample())
	if err != nil {
		t.Fatal(err)
	}
	want := "SPC\n0200\n1\nCH4431999123000889012\nS\nRappel AG\nSeestrasse\n12a\n8008\nZürich\nCH\n\n\n\n\n\n\n\n1949.75\nCHF\n" +
		"S\nPraxis Dr. Ağça & Söhne\n\n\n9490\nVaduz\nLI\nQRR\n210000000003139471430009017\nRechnung 2027-000017\nEPD\n//S1/10/2027-000017"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("payload (-want +got):\n%s", diff)
	}
	back, err := ParsePayload(strings.ReplaceAll(got, "\n", "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(), back); diff != "" {
		t.Errorf("read again (-want +got):\n%s", diff)
	}
}

func TestCheck_refuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(b *Bill)
		kind   error
		field  string
	}{
		"foreign account":     {func(b *Bill) { b.IBAN = "DE89370400440532013000" }, ErrIBAN, "iban"},
		"QR-IBAN without QRR": {func(b *Bill) { b.Reference = "RF18539007547034" }, ErrReference, "reference"},
		"QR-IBAN and nothing": {func(b *Bill) { b.Reference = "" }, ErrReference, "reference"},
		"QRR without QR-IBAN": {func(b *Bill) { b.IBAN = "CH9300762011623852957" }, ErrReference, "reference"},
		"no town":             {func(b *Bill) { b.Creditor.Town = "" }, ErrAddress, "creditor.town"},
		"country in words":    {func(b *Bill) { b.Debtor.Country = "ch" }, ErrAddress, "debtor.country"},
		"long name":           {func(b *Bill) { b.Debtor.Name = strings.Repeat("ä", 71) }, ErrTooLong, "debtor.name"},
		"cyrillic":            {func(b *Bill) { b.Debtor.Name = "Иван" }, ErrText, "debtor.name"},
		"line break":          {func(b *Bill) { b.Message = "a\nb" }, ErrText, "message"},
		"nothing to pay":      {func(b *Bill) { b.Rappen = 0 }, ErrAmount, "amount"},
		"less than nothing":   {func(b *Bill) { b.Rappen = -5 }, ErrAmount, "amount"},
		"a billion":           {func(b *Bill) { b.Rappen = MaxRappen + 1 }, ErrAmount, "amount"},
		"message and info":    {func(b *Bill) { b.Message = strings.Repeat("x", 122) }, ErrTooLong, "message"},
		"info without prefix": {func(b *Bill) { b.Info = "S1/10/7" }, ErrText, "info"},
		"three schemes":       {func(b *Bill) { b.Schemes = []string{"a", "b", "c"} }, ErrTooLong, "schemes"},
		"space in front":      {func(b *Bill) { b.Creditor.Name = " Rappel" }, ErrText, "creditor.name"},
		"broken UTF-8":        {func(b *Bill) { b.Creditor.Name = "a\xff" }, ErrText, "creditor.name"},
	} {
		b := sample()
		c.change(&b)
		_, err := Payload(b)
		var f *FieldError
		if !errors.Is(err, c.kind) || !errors.As(err, &f) || f.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParsePayload_refuses(t *testing.T) {
	t.Parallel()
	good, err := Payload(sample())
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"nothing":           "",
		"line at the end":   good + "\n",
		"mixed line ends":   strings.Replace(good, "\n", "\r\n", 1),
		"other header":      strings.Replace(good, "SPC", "BCD", 1),
		"euro":              strings.Replace(good, "CHF", "EUR", 1),
		"combined address":  strings.Replace(good, "\nS\n", "\nK\n", 1),
		"other kind":        strings.Replace(good, "QRR", "NON", 1),
		"amount with comma": strings.Replace(good, "1949.75", "1949,75", 1),
		"amount with zero":  strings.Replace(good, "1949.75", "01949.75", 1),
		"amount of one":     strings.Replace(good, "1949.75", "1949.7", 1),
		"ultimate creditor": strings.Replace(good, "CH\n\n", "CH\nS\n", 1),
		"no trailer":        strings.Replace(good, "EPD", "END", 1),
		"half a debtor":     strings.Replace(good, "\nS\nPraxis", "\n\nPraxis", 1),
		"too long":          good + strings.Repeat("x", 1000),
	} {
		var f *FieldError
		if _, err := ParsePayload(bad); !errors.As(err, &f) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"  Praxis\t«Am  See»\n": "Praxis «Am See»",
		"Zahnärzte – O’Neill":   "Zahnärzte - O'Neill",
		"Nguyễn 医院 Ș":           "Nguyen Ș",
		"U\u0308ber":            "Über",
		"😀":                     "",
		"a\xffb":                "ab",
	} {
		if got := Clean(in, 70); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Clean("abc def", 4); got != "abc" {
		t.Errorf("cut: %q", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := Clean(rapid.String().Draw(t, "typed"), 35)
		if err := checkText("x", s, 35); err != nil {
			t.Fatal(err)
		}
		if again := Clean(s, 35); again != s {
			t.Fatalf("%q becomes %q", s, again)
		}
	})
}

func TestFormatAmount(t *testing.T) {
	t.Parallel()
	for rappen, want := range map[int64]string{1: "0.01", 5: "0.05", 2092: "20.92", 194975: "1 949.75", 100000: "1 000.00", 99_999_999_999: "999 999 999.99"} {
		if got := FormatAmount(rappen); got != want {
			t.Errorf("%d is printed %s, want %s", rappen, got, want)
		}
	}
}

// What the parser takes, the writer writes again, byte for byte.
func FuzzParsePayload(f *testing.F) {
	good, err := Payload(sample())
	if err != nil {
		f.Fatal(err)
	}
	short := sample()
	short.Debtor, short.Info, short.Message, short.IBAN, short.Reference = nil, "", "", "CH9300762011623852957", ""
	bare, err := Payload(short)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{good, bare, strings.ReplaceAll(good, "\n", "\r\n"), good + "\nav1", "", strings.Repeat("\n", 30)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := ParsePayload(s)
		if err != nil {
			var fe *FieldError
			if !errors.As(err, &fe) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		again, err := Payload(b)
		if err != nil {
			t.Fatal(err)
		}
		if again != strings.ReplaceAll(s, "\r\n", "\n") {
			t.Fatalf("%q is written %q", s, again)
		}
	})
}

// A reference is taken only in its one right form.
func FuzzCheckReference(f *testing.F) {
	for _, s := range []string{"210000000003139471430009017", "RF18539007547034", "RF50INV2026000017", "RF720191230100405JSH0438", "", "RF00A", "٣"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		kind, err := CheckReference(s)
		switch {
		case err != nil && !errors.Is(err, ErrReference):
			t.Fatalf("an error of no kind: %v", err)
		case err != nil:
			return
		}
		var want string
		switch kind {
		case KindQRR:
			want, err = QRR(s[:26])
		case KindSCOR:
			want, err = SCOR(s[4:])
		}
		if err != nil || want != s {
			t.Fatalf("%q is taken for %q, %v", s, want, err)
		}
		if NormalReference(FormatReference(s)) != s {
			t.Fatalf("%q is printed %q", s, FormatReference(s))
		}
	})
}
