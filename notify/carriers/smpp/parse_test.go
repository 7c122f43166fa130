package smpp

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/linxGnu/gosmpp/data"
	"pgregory.net/rapid"

	"rappel/notify"
	"rappel/notify/notifytest"
	"rappel/notify/segment"
)

func TestParseURL(t *testing.T) {
	full := DefaultConfig()
	full.Address, full.User, full.Password, full.TLS = "smsc.example:2775", "clinic", "p@ss", true
	full.Window, full.Rate, full.Binds, full.Enquire, full.SourceTON = 50, 200, 2, time.Minute, 5
	full.Alphabet, full.Concat, full.ID, full.Receipts, full.Name = Latin1, SAR, IDHex, false, "backup"
	plain := DefaultConfig()
	plain.Address = "smsc.example:2775"
	for _, tt := range []struct {
		url  string
		want Config
		err  string
	}{
		{"smpp://smsc.example", plain, ""},
		{"smpp://clinic:p%40ss@smsc.example:2775?tls=1&window=50&rate=200&binds=2&enquire=1m&source_ton=5&alphabet=latin1&concat=sar&id=hex&receipts=0&name=backup", full, ""},
		{"smpps://clinic:p%40ss@smsc.example:2775?window=50&rate=200&binds=2&enquire=1m&source_ton=5&alphabet=latin1&concat=sar&id=hex&receipts=0&name=backup", full, ""},
		{"http://smsc.example", Config{}, "scheme"},
		{"smpp://", Config{}, "address"},
		{"smpp://h?windw=3", Config{}, "windw: no such parameter"},
		{"smpp://h?window=0", Config{}, "window"},
		{"smpp://h?window=1&window=2", Config{}, "given 2 times"},
		{"smpp://h?rate=NaN", Config{}, "rate"},
		{"smpp://h?alphabet=ascii", Config{}, "alphabet"},
		{"smpp://u:far-too-long" + strings.Repeat("x", 250) + "@h", Config{}, "password: want at most 255"},
		{"smpp://u:far-too-long%00@h", Config{}, "password: want at most 255 octets, none of them NUL"},
	} {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseURL(u)
		switch {
		case tt.err == "" && err != nil, tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: got %v, want %q", tt.url, err, tt.err)
		case err == nil:
			zones := cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() })
			if diff := cmp.Diff(tt.want, got, zones); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.url, diff)
			}
		case strings.Contains(err.Error(), "far-too-long"):
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("smpp://user:pass@host:2775?window=50&rate=200&binds=2")
	f.Add("smpps://h?zone=Europe/Zurich&id=auto&timeout=3s")
	f.Add("smpp://:pw@[::1]:1?rate=1e300&source_ton=-1")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.Parse(s)
		if err != nil {
			return
		}
		cfg, err := ParseURL(u)
		if err != nil {
			return
		}
		if _, err := New(cfg); err != nil {
			t.Errorf("%q parses but New says %v", s, err)
		}
	})
}

func TestParseReceipt(t *testing.T) {
	zurich, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	minute, second := time.Date(2026, 3, 4, 14, 31, 0, 0, zurich), time.Date(2026, 3, 4, 14, 31, 2, 0, zurich)
	for _, tt := range []struct {
		text string
		want receiptText
	}{
		{"id:123 sub:001 dlvrd:001 submit date:2603041430 done date:2603041431 stat:DELIVRD err:000 text:Ihr Termin",
			receiptText{"123", "DELIVRD", "000", minute}},
		{"id:0A1f sub:001 dlvrd:000 submit date:260304143059 done date:260304143102 stat:UNDELIV err:027 text:",
			receiptText{"0A1f", "UNDELIV", "027", second}},
		{"ID:9 STAT:delivrd ERR:0 Done Date:20260304143102", receiptText{"9", "DELIVRD", "0", second}},
		{"stat:EXPIRED id:9", receiptText{"9", "EXPIRED", "", time.Time{}}},
		{"id:5 stat:DELIVRD text:id:6 stat:REJECTD err:1", receiptText{"5", "DELIVRD", "", time.Time{}}},
		{"id:5 done date:260231 stat:DELIVRD", receiptText{"5", "DELIVRD", "", time.Time{}}},
		{"id:5 done date:2602311200 stat:DELIVRD", receiptText{"5", "DELIVRD", "", time.Time{}}},
		{"id: 123  sub: 001 dlvrd: 001 submit date: 2603041430 done  date: 2603041431 stat: DELIVRD err: 000 text: x", receiptText{"123", "DELIVRD", "000", minute}},
		{"id :123 stat : DELIVRD", receiptText{"123", "DELIVRD", "", time.Time{}}},
		{"id:\"0A1F\" stat:'DELIVRD' err:\"000\" text:\"id:7\"", receiptText{"0A1F", "DELIVRD", "000", time.Time{}}},
		{"id:\"0A1F stat:DELIVRD", receiptText{"\"0A1F", "DELIVRD", "", time.Time{}}},
		{"id:1,sub:001,dlvrd:001,done_date:2603041431,stat:DELIVRD,err:000", receiptText{"1", "DELIVRD", "000", minute}},
		{"id:1; stat:DELIVRD; err:5;", receiptText{"1", "DELIVRD", "5", time.Time{}}},
		{"id:a,b|c stat:DELIVRD", receiptText{"a,b|c", "DELIVRD", "", time.Time{}}},
		{"id:1 err: stat:DELIVRD", receiptText{"1", "DELIVRD", "", time.Time{}}},
		{"id:1 stat:DELIVRD donedate:2603041431", receiptText{"1", "DELIVRD", "", minute}},
		{"id:1 id:2 stat:DELIVRD stat:REJECTD", receiptText{"1", "DELIVRD", "", time.Time{}}},
		{"\r\n id:1\tstat:DELIVRD\x00", receiptText{"1", "DELIVRD", "", time.Time{}}},
		{"solid:7 id:1 wstat:X stat:DELIVRD", receiptText{"1", "DELIVRD", "", time.Time{}}},
		{"id:b3f0a1c2-77d1-4b1e_9 stat:DELIVRD", receiptText{"b3f0a1c2-77d1-4b1e_9", "DELIVRD", "", time.Time{}}},
		{"id=123 sub=001 dlvrd=001 submit date=2603041430 done date=2603041431 stat=DELIVRD err=000 text=id=7", receiptText{"123", "DELIVRD", "000", minute}},
		{"message_id:1 stat:DELIVRD err:000", receiptText{"1", "DELIVRD", "000", time.Time{}}},
		{"messageId: 1 stat:DELIVRD", receiptText{"1", "DELIVRD", "", time.Time{}}},
		{"text:Hallo id:1 sub:001 dlvrd:001 submit date:2603041430 done date:2603041431 stat:DELIVRD err:000", receiptText{"1", "DELIVRD", "000", minute}},
		{"text:Hallo id:7 stat:REJECTD err:1 id:1 stat:DELIVRD err:000", receiptText{"1", "DELIVRD", "000", time.Time{}}},
		{"text:Ihre id:7", receiptText{}},
		{"text:Ihre id:7 stat:gut", receiptText{}},
		{"stat:DELIVRD text:Ihre id:7", receiptText{"", "DELIVRD", "", time.Time{}}},
		{"id:1 stat:DELIVRD. err:000.", receiptText{"1", "DELIVRD", "000", time.Time{}}},
		{"id:1. stat:UNDELIV err:027.", receiptText{"1.", "UNDELIV", "027", time.Time{}}},
		{"message:5 id:1 stat:DELIVRD", receiptText{"1", "DELIVRD", "", time.Time{}}},
		{"id:1", receiptText{"1", "", "", time.Time{}}},
		{"JA, ich komme", receiptText{}},
		{"id", receiptText{}},
		{"", receiptText{}},
	} {
		if got := parseReceipt([]byte(tt.text), zurich); !got.Done.Equal(tt.want.Done) || got.ID != tt.want.ID || got.Stat != tt.want.Stat || got.Err != tt.want.Err {
			t.Errorf("%q: got %+v, want %+v", tt.text, got, tt.want)
		}
	}
}

func FuzzParseReceipt(f *testing.F) {
	f.Add("id:123 sub:001 dlvrd:001 submit date:2603041430 done date:2603041431 stat:DELIVRD err:000 text:Ihr Termin")
	f.Add("id: stat: err:")
	f.Add("id:\"1\" , stat:'x' ; done_date : 2603041431")
	f.Add("done date:9999999999 text:")
	f.Fuzz(func(t *testing.T, s string) {
		r := parseReceipt([]byte(s), time.UTC)
		if strings.ContainsAny(r.ID+r.Stat+r.Err, " \t\r\n\x00") || !utf8.ValidString(r.ID+r.Stat+r.Err) {
			t.Errorf("a field of two words in %+v", r)
		}
		if s, known := statusOf(r.Stat); !known && s != notify.Sent {
			t.Errorf("unknown stat %q became %v", r.Stat, s)
		}
	})
}

func FuzzDelivery(f *testing.F) {
	seed := func(d byte, octets []byte) []byte {
		raw := append([]byte{0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1}, 0, 1, 1)
		raw = append(raw, "41791234567\x00\x01\x0141790000100\x00"...)
		raw = append(raw, 0, 0, 0, 0, 0, 0, 0, d, 0, byte(len(octets)))
		raw = append(raw, octets...)
		raw[3] = byte(len(raw))
		return raw
	}
	f.Add(seed(0, []byte("STOP")))
	f.Add(seed(8, segment.EncodeUCS2(nil, "Ça va 😀")))
	f.Add(seed(3, []byte{0xE4, 0x00, 0xFF}))
	udh := seed(0, append([]byte{5, 0, 3, 1, 2, 1}, "part"...))
	udh[16+1+14+14] = 0x40 // esm_class: after the header, service_type and two addresses
	f.Add(udh)
	broken := append([]byte(nil), udh...)
	broken[len(broken)-10] = 200 // UDH longer than the message
	f.Add(broken)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) < data.PDU_HEADER_SIZE {
			return // readFrame lets none through
		}
		d, err := parseDelivery(raw)
		if err != nil {
			return
		}
		for _, alphabet := range []Alphabet{GSM, Latin1} {
			if s := d.text(alphabet); !utf8.ValidString(s) || strings.Contains(s, "\x00") {
				t.Errorf("text %q can't be stored", s)
			}
		}
		for _, s := range []string{d.from.e164(), d.to.sender()} {
			if !utf8.ValidString(s) || strings.Contains(s, "\x00") {
				t.Errorf("address %q can't be stored", s)
			}
		}
		if d.total == 0 || d.seq == 0 || d.seq > d.total {
			t.Errorf("part %d of %d", d.seq, d.total)
		}
		sameAsLibrary(t, raw, d)
		c := &Carrier{cfg: DefaultConfig(), now: time.Now}
		text := d.receiptText(time.UTC)
		r := c.receipt(d, text)
		if _, err := c.identify(context.Background(), d, text, &r, notifytest.NewInbox()); err != nil || !utf8.ValidString(r.CarrierID) {
			t.Errorf("id %q can't be stored; %v", r.CarrierID, err)
		}
	})
}

func TestParseDelivery_brokenHeaderIsText(t *testing.T) {
	raw := append([]byte{0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1}, 0, 1, 1)
	raw = append(raw, "41791234567\x00\x01\x0141790000100\x00"...)
	raw = append(raw, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 4)
	raw = append(raw, "STOP"...)
	raw[3] = byte(len(raw))
	d, err := parseDelivery(raw)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.text(GSM); got != "STOP" || d.total != 1 {
		t.Errorf("got %q, part of %d", got, d.total)
	}
}

// receipted is the id of a receipt that names recipient.
func receipted(ids *ids, tlv, text, recipient string) string {
	id, _ := ids.receipted(tlv, text, &notify.Receipt{Recipient: recipient}, time.Time{})
	return id
}

func TestIDs(t *testing.T) {
	for _, tt := range []struct {
		name             string
		form             IDForm
		answer, tlv, txt string
		same             bool
	}{
		{"decimal", IDDecimal, "12345", "", "12345", true},
		{"decimal, zeros", IDDecimal, "0012345", "", "12345", true},
		{"UUID", IDAuto, "b0e1-XY", "b0e1-XY", "", true},
		{"hex and decimal", IDHex, "A0B0C1", "", "10531009", true},
		{"hex and decimal, padded", IDHex, "00A0B0C1", "", "0010531009", true},
		{"hex, TLV as answered", IDHex, "A0B0C1", "a0b0c1", "10531009", true},
		{"hex, TLV alone", IDHex, "A0B0C1", "a0b0c1", "", true},
		{"hex, TLV decimal too", IDHex, "A0B0C1", "10531009", "10531009", true},
		{"decimal and hex", IDHexReceipt, "10531009", "", "A0B0C1", true},
		{"decimal and hex, padded", IDHexReceipt, "0010531009", "", "00A0B0C1", true},
		{"decimal and hex without letters", IDHexReceipt, "4096", "", "1000", true},
		{"decimal and hex, UUID", IDHexReceipt, "b0e1-XY", "", "b0e1-XY", true},
		{"decimal and hex, TLV as answered", IDHexReceipt, "10531009", "10531009", "a0b0c1", true},
		{"auto learns hex receipts", IDAuto, "10531009", "", "A0B0C1", true},
		{"auto learns", IDAuto, "A0B0C1", "", "10531009", true},
		{"auto, same form", IDAuto, "10531009", "", "10531009", true},
		{"beyond 64 bits", IDHex, "FFFFFFFFFFFFFFFFFF", "", "4722366482869645213695", true},
		{"another", IDHex, "A0B0C1", "", "10531010", false},
		{"decimal isn't converted", IDDecimal, "A0B0C1", "", "10531009", false},
	} {
		ids := ids{form: tt.form}
		kept := canonical(tt.answer)
		if ids.learns(kept) {
			ids.answered(kept, "")
		}
		if got := receipted(&ids, tt.tlv, tt.txt, ""); (got == kept) != tt.same {
			t.Errorf("%s: answered %q, receipted %q; want the same: %v", tt.name, kept, got, tt.same)
		}
	}
}

// A decimal id that was answered long ago may look like the hexadecimal form of one
// answered lately. What most receipts say prevails.
func TestIDs_chanceDoesNotMislead(t *testing.T) {
	ids := ids{form: IDAuto}
	for n := range 9000 {
		ids.answered(strconv.Itoa(10000+n), "") // decimal, of which the first 808 are forgotten
	}
	receipted(&ids, "", "10000", "") // 0x2710, never answered
	for n := range 40 {
		if got, want := receipted(&ids, "", strconv.Itoa(12000+n), ""), strconv.Itoa(12000+n); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	receipted(&ids, "", "70000", "") // 0x11170 was answered, 70000 never
	if ids.learned != IDHex {
		t.Fatalf("learned %q: the case is none", ids.learned)
	}
	for n := range 2 * sureVotes {
		got, want := receipted(&ids, "", strconv.Itoa(13000+n), ""), strconv.Itoa(13000+n)
		if got != want {
			t.Fatalf("after a misleading one: got %q, want %q", got, want)
		}
	}
	if !ids.certain() || ids.recent != nil {
		t.Error("not sure after many that said the same")
	}
	ids.answered("11170", "")
	if got := receipted(&ids, "", "70000", ""); got != "70000" {
		t.Errorf("once it is sure, a chance changed it: %q", got)
	}
}

// A gateway that counts from 1 has nearly every id in both forms. Where the receipt names a
// number, that tells; where it doesn't, an id that may be both tells nothing.
func TestIDs_smallAndDense(t *testing.T) {
	t.Parallel()
	for _, form := range []IDForm{IDDecimal, IDHex, IDHexReceipt} {
		for _, named := range []bool{true, false} {
			ids := ids{form: IDAuto}
			recipient := func(n int) string { return fmt.Sprintf("+4179%07d", n) }
			answer := func(n int) string {
				if form == IDHex {
					return strconv.FormatInt(int64(n), 16)
				}
				return strconv.Itoa(n)
			}
			for n := 1; n <= 1000; n++ {
				ids.answered(answer(n), recipient(n))
			}
			wrong := 0
			for n := 1; n <= 1000; n++ {
				of := ""
				if named {
					of = recipient(n)
				}
				text := strconv.Itoa(n)
				if form == IDHexReceipt {
					text = strconv.FormatInt(int64(n), 16)
				}
				if receipted(&ids, "", text, of) != answer(n) {
					wrong++
				}
			}
			if named && wrong > 0 {
				t.Errorf("%s: %d of 1000 misread", form, wrong)
			}
			if ids.learned != form { // by those that can be only one thing
				t.Errorf("%s, named %v: learned %q", form, named, ids.learned)
			}
		}
	}
}

// Ids that are no numbers have nothing to learn from.
func TestIDs_noNumbers(t *testing.T) {
	ids := ids{form: IDAuto}
	if ids.learns("7f3e-11aa") {
		t.Error("remembered")
	}
}

// Once one receipt has shown the form, those of forgotten answers follow.
func TestIDs_learning(t *testing.T) {
	ids := ids{form: IDAuto}
	ids.answered("a0b0c1", "")
	receipted(&ids, "", "10531009", "")
	if got := receipted(&ids, "", "10531010", ""); got != "a0b0c2" {
		t.Errorf("got %q, want a0b0c2", got)
	}
}

func TestCutBody_agreesWithSegments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.StringOf(rapid.RuneFrom([]rune("aä€[ж😀 \n"))).Draw(t, "body")
		n, enc := segment.Count(body)
		cfg := DefaultConfig()
		cfg.Reference = rapid.SampledFrom([]int{8, 16}).Draw(t, "ref")
		coding, _, cuts := cutBody(nil, body, cfg)
		if len(cuts) != n {
			t.Errorf("%d parts, counted %d", len(cuts), n)
		}
		if want := map[segment.Encoding]byte{segment.GSM7: 0, segment.UCS2: 8}[enc]; coding != want {
			t.Errorf("data_coding %d for %v", coding, enc)
		}
		text := ""
		for _, p := range cuts {
			text += p.Text(body)
		}
		if text != body {
			t.Errorf("the parts are %q", text)
		}
	})
}

// Binds refused at once don't knock again together, nor ever more often than each half
// second, nor later than a minute.
func TestBackoff(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		attempt := rapid.IntRange(0, 1000).Draw(t, "attempt")
		full := min(500*time.Millisecond<<min(attempt, 10), time.Minute)
		if got := backoff(attempt); got > full || got < full/2 {
			t.Fatalf("attempt %d waits %v, want %v to %v", attempt, got, full/2, full)
		}
	})
}

func TestReferences_lastFor256(t *testing.T) {
	r := newReferences()
	seen := map[byte]bool{}
	for range 256 {
		ref := byte(r.of("+41791234567"))
		if seen[ref] {
			t.Fatal("a reference came again too early")
		}
		seen[ref] = true
	}
}

func TestKind_namesEveryStatus(t *testing.T) {
	for status, want := range map[uint32]error{
		0x00: nil, 0x58: notify.ErrThrottled, 0x14: notify.ErrThrottled, 0x08: notify.ErrTemporary, 0x64: notify.ErrTemporary,
		0xFE: notify.ErrTemporary, 0xFF: notify.ErrTemporary, 0x0B: notify.ErrInvalidDestination, 0x50: notify.ErrInvalidDestination,
		0x51: notify.ErrInvalidDestination, 0x0A: notify.ErrInvalidSender, 0x48: notify.ErrInvalidSender, 0x49: notify.ErrInvalidSender,
		0x45: notify.ErrUndelivered, 0x66: notify.ErrRejected, 0x01: notify.ErrRejected, 0x43: notify.ErrRejected, 0x61: notify.ErrRejected,
		0x62: notify.ErrRejected, 0x0D: notify.ErrTemporary, 0x0E: notify.ErrTemporary, 0x0F: notify.ErrTemporary,
		0x15: notify.ErrRejected, 0x53: notify.ErrRejected,
		0x400: notify.ErrRejected,
	} {
		if got := kind(status); got != want {
			t.Errorf("%s: got %v, want %v", code(status), got, want)
		}
	}
}
