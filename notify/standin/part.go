package standin

import (
	"encoding/binary"
	"errors"
	"strings"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"

	"rappel/notify/segment"
)

// Part is one submit_sm the SMSC accepted.
type Part struct {
	ID         string // as answered
	User       string // system_id of the client
	From       string
	FromTON    byte
	FromNPI    byte
	To         string
	ToTON      byte
	ToNPI      byte
	ESMClass   byte
	Coding     byte // data_coding
	Registered byte // registered_delivery
	Validity   string
	Ref        uint16
	Total, Seq uint8  // 1 and 1 when it stands alone
	SAR        bool   // concatenated by TLV and not by UDH
	Octets     []byte // without UDH
	Text       string // Octets decoded; U+FFFD where they can't be
}

// Text is what a handset shows.
type Text struct {
	IDs      []string // of its parts in their order
	From, To string
	Body     string
	Complete bool // false while a part is missing
}

func newPart(p *pdu.SubmitSM, latin1 bool) Part {
	octets, err := p.Message.GetMessageData()
	if err != nil {
		octets = nil // never: the method only hands out what it holds
	}
	part := Part{
		From: p.SourceAddr.Address(), FromTON: p.SourceAddr.Ton(), FromNPI: p.SourceAddr.Npi(),
		To: p.DestAddr.Address(), ToTON: p.DestAddr.Ton(), ToNPI: p.DestAddr.Npi(),
		ESMClass: p.EsmClass, Registered: p.RegisteredDelivery, Validity: p.ValidityPeriod,
		Octets: octets, Total: 1, Seq: 1,
	}
	if enc := p.Message.Encoding(); enc != nil {
		part.Coding = enc.DataCoding()
	}
	if payload, ok := p.OptionalParameters[pdu.TagMessagePayload]; ok {
		part.Octets = payload.Data
	}
	for _, e := range p.Message.UDH() {
		switch {
		case e.ID == data.UDH_CONCAT_MSG_8_BIT_REF && len(e.Data) == 3:
			part.Ref, part.Total, part.Seq = uint16(e.Data[0]), e.Data[1], e.Data[2]
		case e.ID == data.UDH_CONCAT_MSG_16_BIT_REF && len(e.Data) == 4:
			part.Ref, part.Total, part.Seq = binary.BigEndian.Uint16(e.Data), e.Data[2], e.Data[3]
		}
	}
	ref, total, seq := p.OptionalParameters[pdu.TagSarMsgRefNum].Data, p.OptionalParameters[pdu.TagSarTotalSegments].Data,
		p.OptionalParameters[pdu.TagSarSegmentSeqnum].Data
	if len(ref) == 2 && len(total) == 1 && len(seq) == 1 {
		part.SAR = true
		part.Ref, part.Total, part.Seq = binary.BigEndian.Uint16(ref), total[0], seq[0]
	}
	part.Text = decode(part.Coding, part.Octets, latin1)
	return part
}

func decode(coding byte, octets []byte, latin1 bool) string {
	switch {
	case coding == data.UCS2Coding:
		if s, err := segment.DecodeUCS2(octets); err == nil {
			return s
		}
	case coding == data.LATIN1Coding, coding == data.GSM7BITCoding && latin1:
		var b strings.Builder
		for _, o := range octets {
			b.WriteRune(rune(o))
		}
		return b.String()
	case coding == data.GSM7BITCoding:
		if s, err := segment.DecodeGSM7(octets); err == nil {
			return s
		}
	}
	return "\uFFFD"
}

// Reassemble puts parts together to what handsets show, in the order in which
// each text began. A part that comes twice begins a text of its own, so that
// doubles show.
func Reassemble(parts []Part) []Text {
	type key struct {
		from, to string
		ref      uint16
		total    uint8
	}
	type open struct {
		index int
		got   map[uint8]Part
	}
	var texts []Text
	pending := map[key]*open{}
	for _, p := range parts {
		if p.Total <= 1 {
			texts = append(texts, Text{IDs: []string{p.ID}, From: p.From, To: p.To, Body: p.Text, Complete: true})
			continue
		}
		k := key{p.From, p.To, p.Ref, p.Total}
		o := pending[k]
		if o == nil || o.got[p.Seq].ID != "" {
			o = &open{index: len(texts), got: map[uint8]Part{}}
			texts = append(texts, Text{})
			pending[k] = o
		}
		o.got[p.Seq] = p
		t := Text{From: p.From, To: p.To, Complete: len(o.got) == int(p.Total)}
		for seq := uint8(1); seq <= p.Total && seq != 0; seq++ {
			if q, ok := o.got[seq]; ok {
				t.Body += q.Text
				t.IDs = append(t.IDs, q.ID)
			}
		}
		texts[o.index] = t
		if t.Complete {
			delete(pending, k)
		}
	}
	return texts
}

// rawCoding lets pdu.ShortMessage carry octets that are encoded already.
type rawCoding byte

var errRaw = errors.New("smsc: octets only")

func (c rawCoding) Encode(string) ([]byte, error) { return nil, errRaw }
func (c rawCoding) Decode([]byte) (string, error) { return "", errRaw }
func (c rawCoding) DataCoding() byte              { return byte(c) }
