package smpp

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"
	"pgregory.net/rapid"

	"rappel/notify"
	"rappel/notify/segment"
)

// sameAsLibrary compares a deliver_sm as we read it with the library's reading, where
// the library can make something of it.
func sameAsLibrary(t *testing.T, raw []byte, d delivery) {
	t.Helper()
	raw = bytes.Clone(raw)
	binary.BigEndian.PutUint32(raw, uint32(len(raw)))
	p := pdu.NewDeliverSM().(*pdu.DeliverSM)
	if err := p.Unmarshal(pdu.NewBuffer(bytes.Clone(raw))); err != nil {
		return
	}
	if d.from.text != p.SourceAddr.Address() || d.from.ton != p.SourceAddr.Ton() || d.from.npi != p.SourceAddr.Npi() || d.to.text != p.DestAddr.Address() {
		t.Errorf("from %+v to %+v, the library has %+v and %+v", d.from, d.to, p.SourceAddr, p.DestAddr)
	}
	octets, err := p.Message.GetMessageData()
	if err != nil {
		t.Fatal(err)
	}
	if _, paid := p.OptionalParameters[pdu.TagMessagePayload]; !paid && p.EsmClass&data.SM_UDH_GSM == 0 && !bytes.Equal(d.octets, octets) {
		t.Errorf("octets % X, the library has % X", d.octets, octets)
	}
	if id, ok := p.OptionalParameters[pdu.TagReceiptedMessageID]; ok && !bytes.Equal(d.receiptedID, id.Data) {
		t.Errorf("receipted id %q, the library has %q", d.receiptedID, id.Data)
	}
}

// What we write, the library reads as it was meant.
func TestAppendSubmit_library(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cfg := DefaultConfig()
		cfg.Address = "127.0.0.1:1"
		cfg.Alphabet = rapid.SampledFrom([]Alphabet{GSM, Latin1}).Draw(t, "alphabet")
		cfg.Concat = rapid.SampledFrom([]Concat{UDH, SAR}).Draw(t, "concat")
		cfg.Reference = rapid.SampledFrom([]int{8, 16}).Draw(t, "ref")
		cfg.Receipts, cfg.Validity = rapid.Bool().Draw(t, "receipts"), rapid.Bool().Draw(t, "validity")
		now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
		cfg.Now = func() time.Time { return now }
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		body := strings.Repeat(rapid.StringOfN(rapid.RuneFrom([]rune("aä€[ж😀Ω \n")), 1, 60, -1).Draw(t, "body"), rapid.IntRange(1, 9).Draw(t, "times"))
		m := notify.Message{Recipient: "+41791234567", Sender: "Praxis", Body: body, Expires: now.Add(time.Hour)}
		l, failed := c.prepare(&m, nil)
		if failed != nil {
			t.Fatal(failed)
		}
		ref := uint16(rapid.IntRange(0, math.MaxUint16).Draw(t, "reference"))
		text := ""
		for i := range l.cuts {
			raw := c.appendSubmit([]byte("before"), &l, i, ref, cfg.Concat == SAR)[len("before"):]
			p := pdu.NewSubmitSM().(*pdu.SubmitSM)
			if err := p.Unmarshal(pdu.NewBuffer(bytes.Clone(raw))); err != nil {
				t.Fatalf("part %d: %v: % X", i, err, raw)
			}
			if int(p.CommandLength) != len(raw) || p.SourceAddr.Address() != "Praxis" || p.SourceAddr.Ton() != 5 || p.DestAddr.Address() != "41791234567" {
				t.Fatalf("part %d: %+v", i, p)
			}
			if want := map[bool]string{true: "260304130000000+"}[cfg.Validity]; p.ValidityPeriod != want {
				t.Fatalf("validity %q, want %q", p.ValidityPeriod, want)
			}
			if want := map[bool]byte{true: 1}[cfg.Receipts]; p.RegisteredDelivery != want {
				t.Fatalf("registered_delivery %d, want %d", p.RegisteredDelivery, want)
			}
			octets, err := p.Message.GetMessageData()
			if err != nil {
				t.Fatal(err)
			}
			header := 0
			for _, e := range p.Message.UDH() {
				header = 3 + len(e.Data)
				want := []byte{byte(ref), byte(len(l.cuts)), byte(i + 1)}
				if e.ID == data.UDH_CONCAT_MSG_16_BIT_REF {
					want = append([]byte{byte(ref >> 8)}, want...)
				}
				if !bytes.Equal(e.Data, want) {
					t.Fatalf("part %d: header % X, want % X", i, e.Data, want)
				}
			}
			sar := p.OptionalParameters[pdu.TagSarSegmentSeqnum].Data
			if long := len(l.cuts) > 1; (header > 0) != (long && cfg.Concat == UDH) || (len(sar) == 1) != (long && cfg.Concat == SAR) {
				t.Fatalf("part %d of %d: header of %d, SAR %v", i, len(l.cuts), header, sar)
			}
			coding := p.Message.Encoding().DataCoding()
			units := len(octets)
			if coding == 8 {
				units /= 2
			}
			if cfg.Alphabet == GSM { // whole segments on the air
				single, per := segment.Options{Reference: l.reference}.Limits(map[byte]segment.Encoding{8: segment.UCS2}[coding])
				if limit := map[bool]int{false: single, true: per}[len(l.cuts) > 1]; units > limit {
					t.Fatalf("part %d has %d units of %d", i, units, limit)
				}
			}
			d := delivery{coding: coding, octets: octets}
			text += d.text(cfg.Alphabet)
		}
		if text != body {
			t.Fatalf("reads %q, want %q", text, body)
		}
	})
}

// The wider reference must not make a message dearer than it was sold.
func TestCutBody_reference(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Reference = 16
	for _, tt := range []struct {
		body string
		ref  segment.Reference
		n    int
	}{
		{strings.Repeat("a", 160), segment.Ref8, 1},
		{strings.Repeat("a", 304), segment.Ref16, 2},
		{strings.Repeat("a", 305), segment.Ref8, 2},
		{strings.Repeat("a", 306), segment.Ref8, 2},
		{strings.Repeat("a", 307), segment.Ref16, 3},
		{strings.Repeat("ж", 132), segment.Ref16, 2},
		{strings.Repeat("ж", 134), segment.Ref8, 2},
	} {
		if _, ref, cuts := cutBody(nil, tt.body, cfg); ref != tt.ref || len(cuts) != tt.n {
			t.Errorf("%d characters: reference %v in %d parts, want %v in %d", len([]rune(tt.body)), ref, len(cuts), tt.ref, tt.n)
		}
	}
}

func TestParseSubmitResp(t *testing.T) {
	t.Parallel()
	head := make([]byte, headerSize)
	for _, tt := range []struct {
		body, id string
	}{{"", ""}, {"\x00", ""}, {"7f\x00", "7f"}, {"7f\x00\x04\x27", "7f"}, {"7f", "7f"}, {strings.Repeat("7", 300), strings.Repeat("7", longestID)}} {
		if id := parseSubmitResp(append(head, tt.body...)); string(id) != tt.id {
			t.Errorf("%q: %q", tt.body, id)
		}
	}
}

func TestParseBindResp(t *testing.T) {
	t.Parallel()
	head := make([]byte, headerSize)
	for body, want := range map[string]byte{
		"": 0, "smsc\x00": 0, "smsc\x00\x02\x10\x00\x01\x34": 0x34, "smsc\x00\x02\x10\x00\x01\x33": 0x33,
		"smsc\x00\x00\x1E\x00\x01\x34": 0, "smsc\x00\x02\x10\x00\x09\x34": 0, "smsc": 0,
	} {
		if got := parseBindResp(append(head, body...)); got != want {
			t.Errorf("%q: version 0x%02X, want 0x%02X", body, got, want)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte("7f\x00\x02\x10\x00\x01\x34"))
	f.Add([]byte("no end"))
	f.Fuzz(func(t *testing.T, body []byte) {
		raw := append(make([]byte, headerSize), body...)
		if id := parseSubmitResp(raw); bytes.IndexByte(id, 0) >= 0 {
			t.Errorf("an id with a NUL: %q", id)
		}
		parseBindResp(raw)
	})
}

// Sequence numbers wrap, pass over those still under way, and the oldest is found.
func TestRing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newRing(40)
		w.next = math.MaxInt32 - int32(rapid.IntRange(0, 200).Draw(t, "from"))
		w.oldest = w.next
		var open []*request
		for range rapid.IntRange(1, 600).Draw(t, "steps") {
			if len(open) < 40 && rapid.Bool().Draw(t, "send") {
				if rapid.IntRange(0, 9).Draw(t, "control") == 0 {
					w.number()
				}
				r := &request{}
				w.put(r)
				open = append(open, r)
			} else if len(open) > 0 {
				i := rapid.IntRange(0, len(open)-1).Draw(t, "answer")
				w.drop(open[i])
				open = append(open[:i], open[i+1:]...)
			}
			if w.n != len(open) {
				t.Fatalf("%d under way, want %d", w.n, len(open))
			}
			var first *request
			if len(open) > 0 {
				first = open[0]
			}
			if got := w.first(); got != first {
				t.Fatalf("first %+v, want %+v", got, first)
			}
			for _, r := range open {
				if r.sequence < 1 || w.get(r.sequence) != r {
					t.Fatalf("sequence %d is lost", r.sequence)
				}
			}
		}
		if diff := cmp.Diff(len(open), len(w.all())); diff != "" {
			t.Fatal(diff)
		}
	})
}
