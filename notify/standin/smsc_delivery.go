package standin

import (
	"slices"

	"github.com/linxGnu/gosmpp/data"

	"rappel/notify/segment"
)

// MO is a text a phone writes to the client.
type MO struct {
	From, To string // as the network has them: "41791234567" or "+41…"
	Body     string
	Latin1   bool // data_coding 3, if the body allows it
	SAR      bool // several parts by TLV and not by UDH
	Ref16    bool // 16-bit reference in the UDH
	Payload  bool // all in TLV message_payload, not cut
	Reverse  bool // parts in reverse order
	Only     int  // deliver only this part, counted from 1; 0 = all
	Ref      uint16
	DCS      byte // data_coding to claim in place of the right one, if not 0
}

// Receive delivers m, in parts where it is long. While nobody is bound that may
// receive, it is kept.
func (s *SMSC) Receive(m MO) {
	parts := m.deliveries()
	if m.Reverse {
		slices.Reverse(parts)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range parts {
		s.enqueue(d)
	}
	s.redeliver()
}

func (m MO) deliveries() (out []*delivery) {
	o := segment.Options{}
	if m.Ref16 {
		o.Reference = segment.Ref16
	}
	r, cuts := segment.Split(m.Body, o)
	if m.Payload {
		cuts = []segment.Part{{End: len(m.Body)}}
	}
	from, to := party{1, 1, []byte(bare(m.From))}, party{1, 1, []byte(bare(m.To))}
	for i, cut := range cuts {
		if m.Only != 0 && i != m.Only-1 {
			continue
		}
		coding, octets := m.encode(r.Encoding, cut.Text(m.Body))
		if m.DCS != 0 {
			coding = m.DCS
		}
		total, seq := byte(len(cuts)), byte(i+1)
		switch {
		case m.Payload:
			d := newDelivery("", from, to, 0, coding, nil)
			d.raw = endPDU(appendParameter(d.raw, tlvPayload, octets...))
			out = append(out, d)
		case len(cuts) == 1:
			out = append(out, newDelivery("", from, to, 0, coding, octets))
		case m.SAR:
			d := newDelivery("", from, to, 0, coding, octets)
			d.raw = appendParameter(d.raw, tlvSARRef, byte(m.Ref>>8), byte(m.Ref))
			d.raw = appendParameter(d.raw, tlvSARTotal, total)
			d.raw = endPDU(appendParameter(d.raw, tlvSARSeq, seq))
			out = append(out, d)
		default:
			out = append(out, newDelivery("", from, to, data.SM_UDH_GSM, coding, append(o.AppendUDH(nil, m.Ref, total, seq), octets...)))
		}
	}
	return out
}

func (m MO) encode(enc segment.Encoding, body string) (coding byte, octets []byte) {
	if m.Latin1 {
		octets := make([]byte, 0, len(body))
		for _, r := range body {
			octets = append(octets, byte(r)) // the test chose a body Latin-1 has
		}
		return data.LATIN1Coding, octets
	}
	if enc == segment.GSM7 {
		octets, err := segment.EncodeGSM7(nil, body)
		if err == nil {
			return data.GSM7BITCoding, octets
		}
	}
	return data.UCS2Coding, segment.EncodeUCS2(nil, body)
}
