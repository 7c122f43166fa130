package standin

import (
	"bytes"
	"strings"

	"github.com/linxGnu/gosmpp/data"

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

// part copies p, which goes with its PDU.
func (p *submission) part(id, user string, latin1 bool) Part {
	return Part{
		ID: id, User: user,
		From: string(p.from.number), FromTON: p.from.ton, FromNPI: p.from.npi,
		To: string(p.to.number), ToTON: p.to.ton, ToNPI: p.to.npi,
		ESMClass: p.esmClass, Coding: p.coding, Registered: p.registered, Validity: string(p.validity),
		Ref: p.ref, Total: p.total, Seq: p.seq, SAR: p.sar,
		Octets: bytes.Clone(p.octets), Text: decode(p.coding, p.octets, latin1),
	}
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
