package qrbill

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// swissqrbill is the folder of npm's package, which `make test` keeps in .cache. It is
// fetched here, too, so that `go test` works in a fresh checkout.
func swissqrbill(t *testing.T) string {
	t.Helper()
	const pattern = "../../../.cache/swissqrbill-*"
	if out, err := exec.Command("bash", "../../../.deploy/setup.sh", "swissqrbill").CombinedOutput(); err != nil {
		t.Fatalf("swissqrbill could not be fetched, `make tools-test` says more: %v\n%s", err, out)
	}
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("no %s: %v", pattern, err)
	}
	dir, err := filepath.Abs(found[len(found)-1])
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// verdict is what swissqrbill makes of a bill.
type verdict struct {
	Payload string `json:"payload"`
	QRIBAN  bool   `json:"qriban"`
	Valid   bool   `json:"valid"` // IBAN and reference
	Kind    string `json:"kind"`
	Printed string `json:"printed"` // reference
	IBAN    string `json:"iban"`    // printed
	Amount  string `json:"amount"`  // printed
	Error   string `json:"error"`
}

const script = `
const fs = require("fs"), dir = process.argv[1];
const qr = require(dir + "/lib/cjs/shared/qr-code.cjs"), u = require(dir + "/lib/cjs/shared/utils.cjs");
const bills = JSON.parse(fs.readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(bills.map(b => {
  try {
    const ref = b.reference;
    return { payload: qr.generateQRData(b), qriban: u.isQRIBAN(b.creditor.account), kind: u.getReferenceType(ref),
      valid: u.isIBANValid(b.creditor.account) && (ref === undefined || u.isQRReferenceValid(ref) || u.isSCORReferenceValid(ref)),
      printed: ref === undefined ? "" : u.formatReference(ref), iban: u.formatIBAN(b.creditor.account), amount: u.formatAmount(b.amount) };
  } catch (e) { return { error: String(e) }; }
})));`

// ask runs swissqrbill over bills.
func ask(t *testing.T, bills []Bill) []verdict {
	t.Helper()
	address := func(a Address) map[string]any {
		m := map[string]any{"name": a.Name, "address": a.Street, "zip": a.Zip, "city": a.Town, "country": a.Country}
		if a.Number != "" {
			m["buildingNumber"] = a.Number
		}
		return m
	}
	var in []map[string]any
	for _, b := range bills {
		c := address(b.Creditor)
		c["account"] = b.IBAN
		m := map[string]any{"amount": json.Number(decimal(b.Rappen)), "currency": "CHF", "creditor": c}
		if b.Debtor != nil {
			m["debtor"] = address(*b.Debtor)
		}
		if b.Reference != "" {
			m["reference"] = b.Reference
		}
		if b.Message != "" {
			m["message"] = b.Message
		}
		if b.Info != "" {
			m["additionalInformation"] = b.Info
		}
		in = append(in, m)
	}
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "-e", script, swissqrbill(t))
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(data), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, stderr.String())
	}
	var all []verdict
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestAgainstAnother compares payload, references and printed forms of random bills with
// what npm's swissqrbill makes of them.
func TestAgainstAnother(t *testing.T) {
	t.Parallel()
	const n = 800
	r := rand.New(rand.NewPCG(20, 27))
	bills := make([]Bill, n)
	for i := range bills {
		bills[i] = random(t, r)
	}
	for i, v := range ask(t, bills) {
		b := bills[i]
		payload, err := Payload(b)
		if err != nil {
			t.Fatalf("bill %d: %v\n%+v", i, err, b)
		}
		kind, err := CheckReference(b.Reference)
		if err != nil {
			t.Fatal(err)
		}
		got := verdict{Payload: payload, QRIBAN: IsQRIBAN(b.IBAN), Valid: true, Kind: string(kind), IBAN: FormatIBAN(b.IBAN), Amount: FormatAmount(b.Rappen)}
		if b.Reference != "" {
			got.Printed = FormatReference(b.Reference)
		}
		if diff := cmp.Diff(v, got); diff != "" {
			t.Fatalf("bill %d (-swissqrbill +ours):\n%s", i, diff)
		}
	}
}

// random makes a right bill of any kind.
func random(t *testing.T, r *rand.Rand) Bill {
	t.Helper()
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:'+-/()?!\"#%&*=@_$éàèäöüçñÉÀÈÄÖÜßœŠžęłă"
	text := func(max int) string {
		runes, s := []rune(letters), make([]rune, 1+r.IntN(max))
		for i := range s {
			s[i] = runes[r.IntN(len(runes))]
			if i%7 == 3 && i+1 < len(s) {
				s[i] = ' '
			}
		}
		return string(s)
	}
	maybe := func(max int) string {
		if r.IntN(3) == 0 {
			return ""
		}
		return text(max)
	}
	address := func() Address {
		// The other one demands a street.
		return Address{Name: text(70), Street: text(70), Number: maybe(16), Zip: fmt.Sprint(1000 + r.IntN(9000)), Town: text(35), Country: []string{"CH", "LI", "DE", "FR"}[r.IntN(4)]}
	}
	b := Bill{Creditor: address(), Rappen: 1 + r.Int64N(MaxRappen/1000), Message: maybe(70)}
	if r.IntN(4) > 0 {
		d := address()
		b.Debtor = &d
	}
	if r.IntN(2) == 0 {
		b.Info = "//S1/10/" + strings.ReplaceAll(text(50), "/", "-")
	}
	var err error
	bank := 30000 + r.IntN(2000)
	switch r.IntN(3) {
	case 0:
		b.Reference, err = Body{Bank: r.Int64N(1_000_000), Account: r.Int64N(100_000_000), Document: r.Int64N(1_000_000_000_000)}.QRR()
	case 1:
		bank = r.IntN(30000)
		b.Reference, err = SCOR(strings.ToUpper(fmt.Sprintf("%x", r.Int64())))
	default:
		bank = 32000 + r.IntN(60000)
	}
	if err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf("%05d%012d", bank, r.Int64N(1_000_000_000_000))
	country := []string{"CH", "LI"}[r.IntN(2)]
	b.IBAN = fmt.Sprintf("%s%02d%s", country, 98-mod97(body+country+"00"), body)
	return b
}
