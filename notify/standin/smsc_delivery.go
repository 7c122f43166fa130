package standin

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"

	"rappel/notify/segment"
)

// delivery is one deliver_sm until the client acknowledges it.
type delivery struct {
	user     string // the client it is for; "" = any
	from, to address
	esmClass byte
	coding   byte
	octets   []byte
	tlvs     []pdu.Field
}

type address struct {
	ton, npi byte
	text     string
}

// Ack is a client's answer to a deliver_sm.
type Ack struct{ Status uint32 }

// message states by the words of receipts; SMPP 3.4 §5.2.28.
var states = map[string]byte{
	"ENROUTE": 1, "DELIVRD": 2, "EXPIRED": 3, "DELETED": 4, "UNDELIV": 5, "ACCEPTD": 6, "UNKNOWN": 7, "REJECTD": 8,
}

// Receipt sends the receipt of the part with this id: stat such as "DELIVRD", code
// three digits such as "000". While nobody is bound that may receive, it is kept.
// An id never handed out gives a receipt too, from and to nobody: gateways do that.
func (s *SMSC) Receipt(id, stat, code string) {
	s.mu.Lock()
	part := Part{ID: id}
	if i, ok := s.byID[id]; ok {
		part = s.parts[i]
	}
	now := s.cfg.Now().UTC()
	layout := "0601021504"
	if s.cfg.LongDates {
		layout = "060102150405"
	}
	delivered := "000"
	if stat == "DELIVRD" {
		delivered = "001"
	}
	d := &delivery{
		user: part.User, esmClass: data.SM_SMSC_DLV_RCPT_TYPE,
		from: address{part.ToTON, part.ToNPI, part.To}, to: address{part.FromTON, part.FromNPI, part.From},
	}
	if s.cfg.Receipts != ReceiptTLV {
		text := part.Text
		if runes := []rune(text); len(runes) > 20 {
			text = string(runes[:20])
		}
		octets, err := segment.EncodeGSM7(nil, text)
		if err != nil {
			octets = []byte("-")
		}
		d.octets = append(fmt.Appendf(nil, "id:%s sub:001 dlvrd:%s submit date:%s done date:%s stat:%s err:%s text:",
			s.receiptID(id), delivered, now.Format(layout), now.Format(layout), stat, code), octets...)
	}
	if s.cfg.Receipts != ReceiptText {
		d.tlvs = append(d.tlvs,
			pdu.Field{Tag: pdu.TagReceiptedMessageID, Data: append([]byte(id), 0)},
			pdu.Field{Tag: pdu.TagMessageStateOption, Data: []byte{states[stat]}})
		if code != "" && code != "000" {
			n := uint16(0)
			for _, c := range code {
				n = n*10 + uint16(c-'0')
			}
			d.tlvs = append(d.tlvs, pdu.Field{Tag: pdu.TagNetworkErrorCode, Data: binary.BigEndian.AppendUint16([]byte{3}, n)})
		}
	}
	s.waiting = append(s.waiting, d)
	s.mu.Unlock()
	s.Redeliver()
}

// RawReceipt sends any text as a receipt.
func (s *SMSC) RawReceipt(text string) {
	s.mu.Lock()
	s.waiting = append(s.waiting, &delivery{esmClass: data.SM_SMSC_DLV_RCPT_TYPE, octets: []byte(text)})
	s.mu.Unlock()
	s.Redeliver()
}

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
	s.waiting = append(s.waiting, parts...)
	s.mu.Unlock()
	s.Redeliver()
}

func (m MO) deliveries() (out []*delivery) {
	o := segment.Options{}
	if m.Ref16 {
		o.Reference = segment.Ref16
	}
	r, cuts := segment.Split(m.Body, o)
	enc := r.Encoding
	if m.Payload {
		cuts = []segment.Part{{End: len(m.Body)}}
	}
	for i, cut := range cuts {
		if m.Only != 0 && i != m.Only-1 {
			continue
		}
		d := &delivery{from: address{1, 1, strings.TrimPrefix(m.From, "+")}, to: address{1, 1, strings.TrimPrefix(m.To, "+")}}
		d.coding, d.octets = m.encode(enc, cut.Text(m.Body))
		if m.DCS != 0 {
			d.coding = m.DCS
		}
		total, seq := uint8(len(cuts)), uint8(i+1)
		switch {
		case m.Payload:
			d.tlvs = append(d.tlvs, pdu.Field{Tag: pdu.TagMessagePayload, Data: d.octets})
			d.octets = nil
		case len(cuts) == 1:
		case m.SAR:
			d.tlvs = append(d.tlvs,
				pdu.Field{Tag: pdu.TagSarMsgRefNum, Data: binary.BigEndian.AppendUint16(nil, m.Ref)},
				pdu.Field{Tag: pdu.TagSarTotalSegments, Data: []byte{total}},
				pdu.Field{Tag: pdu.TagSarSegmentSeqnum, Data: []byte{seq}})
		default:
			d.esmClass |= data.SM_UDH_GSM
			d.octets = append(o.AppendUDH(nil, m.Ref, total, seq), d.octets...)
		}
		out = append(out, d)
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

// Redeliver sends every delivery that waits to a client that may receive. The
// SMSC does so by itself when something new arrives or a client binds.
func (s *SMSC) Redeliver() {
	s.mu.Lock()
	touched := map[*session]bool{}
	var left []*delivery
	for _, d := range s.waiting {
		c := s.receiver(d.user)
		if c == nil {
			left = append(left, d)
			continue
		}
		c.sequence++
		c.sent[c.sequence] = d
		c.write(d.pdu(c.sequence))
		touched[c] = true
	}
	s.waiting = left
	s.touch()
	s.mu.Unlock()
	for c := range touched {
		c.flush()
	}
}

// receiver picks the bound client of user with the least outstanding. s.mu is held.
func (s *SMSC) receiver(user string) (best *session) {
	for c := range s.sessions {
		if c.bound && c.receives && (user == "" || c.user == user) && (best == nil || len(c.sent) < len(best.sent)) {
			best = c
		}
	}
	return best
}

// Undelivered returns how many deliveries no client has acknowledged yet.
func (s *SMSC) Undelivered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.waiting)
	for c := range s.sessions {
		n += len(c.sent)
	}
	return n
}

// Acks returns the answers to deliver_sm in the order they came.
func (s *SMSC) Acks() []Ack {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.acks)
}

func (c *session) acknowledged(p *pdu.DeliverSMResp) {
	c.answered(p.SequenceNumber, uint32(p.CommandStatus))
}
func (c *session) nacked(p *pdu.GenericNack) { c.answered(p.SequenceNumber, uint32(p.CommandStatus)) }

func (c *session) answered(sequence int32, status uint32) {
	s := c.smsc
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := c.sent[sequence]
	if !ok {
		return
	}
	delete(c.sent, sequence)
	s.acks = append(s.acks, Ack{Status: status})
	// 0x64 is "not now"; other refusals are final, as with most SMSCs.
	if status == uint32(data.ESME_RX_T_APPN) {
		s.waiting = append(s.waiting, d)
	}
	s.touch()
}

func (d *delivery) pdu(sequence int32) pdu.PDU {
	p := pdu.NewDeliverSM().(*pdu.DeliverSM)
	p.SetSequenceNumber(sequence)
	p.SourceAddr = d.from.pdu()
	p.DestAddr = d.to.pdu()
	p.EsmClass = d.esmClass
	if err := p.Message.SetMessageDataWithEncoding(d.octets, rawCoding(d.coding)); err != nil {
		panic(fmt.Sprintf("smsc: a part of %d octets", len(d.octets))) // parts are cut to fit
	}
	for _, f := range d.tlvs {
		p.RegisterOptionalParam(f)
	}
	return p
}

func (a address) pdu() pdu.Address {
	p := pdu.NewAddressWithTonNpi(a.ton, a.npi)
	if err := p.SetAddress(a.text); err != nil {
		return pdu.NewAddress() // too long for SMPP: as good as absent
	}
	return p
}
