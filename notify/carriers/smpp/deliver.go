package smpp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"
	"golang.org/x/text/encoding/charmap"

	"rappel/notify/segment"
)

// Tags of SMPP 3.4 §5.3.2 that a deliver_sm may carry.
const (
	tagReceiptedID  = pdu.TagReceiptedMessageID
	tagMessageState = pdu.TagMessageStateOption
	tagNetworkError = pdu.TagNetworkErrorCode
	tagPayload      = pdu.TagMessagePayload
)

// delivery is a deliver_sm as read.
type delivery struct {
	from, to address
	esmClass byte
	coding   byte
	octets   []byte // without UDH
	ref      uint16
	total    uint8 // 1 when it stands alone
	seq      uint8
	tlvs     map[pdu.Tag]pdu.Field
}

type address struct {
	ton  byte
	text string
}

var errDeliver = errors.New("smpp: deliver_sm can't be read")

// parseDelivery reads a whole deliver_sm PDU, header included. What can be saved of
// a damaged one is: a broken UDH becomes part of the text.
func parseDelivery(raw []byte) (d delivery, err error) {
	p := pdu.NewDeliverSM().(*pdu.DeliverSM)
	if err := p.Unmarshal(pdu.NewBuffer(bytes.Clone(raw))); err != nil {
		at, ok := esmClassAt(raw)
		if !ok || raw[at]&data.SM_UDH_GSM == 0 {
			return d, errDeliver
		}
		raw = bytes.Clone(raw)
		raw[at] &^= data.SM_UDH_GSM
		p = pdu.NewDeliverSM().(*pdu.DeliverSM)
		if err := p.Unmarshal(pdu.NewBuffer(bytes.Clone(raw))); err != nil {
			return d, errDeliver
		}
	}
	d = delivery{
		from: address{p.SourceAddr.Ton(), p.SourceAddr.Address()}, to: address{p.DestAddr.Ton(), p.DestAddr.Address()},
		esmClass: p.EsmClass, total: 1, seq: 1, tlvs: p.OptionalParameters,
	}
	if d.octets, err = p.Message.GetMessageData(); err != nil {
		return d, errDeliver
	}
	if at, ok := codingAt(raw); ok {
		d.coding = raw[at]
	}
	udh := p.Message.UDH()
	if payload := d.tlv(tagPayload); len(payload) > 0 {
		d.octets = payload
		if d.esmClass&data.SM_UDH_GSM != 0 && len(udh) == 0 {
			var inside pdu.UDH
			if n, err := inside.UnmarshalBinary(payload); err == nil && n <= len(payload) {
				udh, d.octets = inside, payload[n:]
			}
		}
	}
	d.concatenation(udh)
	return d, nil
}

// concatenation reads which part of how many d is. Figures that make no sense
// (part 3 of 2) are as good as none.
func (d *delivery) concatenation(udh pdu.UDH) {
	var ref uint16
	var total, seq uint8
	for _, e := range udh {
		switch {
		case e.ID == data.UDH_CONCAT_MSG_8_BIT_REF && len(e.Data) == 3:
			ref, total, seq = uint16(e.Data[0]), e.Data[1], e.Data[2]
		case e.ID == data.UDH_CONCAT_MSG_16_BIT_REF && len(e.Data) == 4:
			ref, total, seq = binary.BigEndian.Uint16(e.Data), e.Data[2], e.Data[3]
		}
	}
	r, t, s := d.tlv(pdu.TagSarMsgRefNum), d.tlv(pdu.TagSarTotalSegments), d.tlv(pdu.TagSarSegmentSeqnum)
	if total == 0 && len(r) == 2 && len(t) == 1 && len(s) == 1 {
		ref, total, seq = binary.BigEndian.Uint16(r), t[0], s[0]
	}
	if total > 1 && seq >= 1 && seq <= total {
		d.ref, d.total, d.seq = ref, total, seq
	}
}

func (d delivery) tlv(tag pdu.Tag) []byte { return d.tlvs[tag].Data }

// isReceipt tells receipts from what people write. Bits 5 to 2 of esm_class say
// it; a few gateways leave them empty but send the id of the receipted message.
func (d delivery) isReceipt() bool {
	switch d.esmClass & 0x3C {
	case data.SM_SMSC_DLV_RCPT_TYPE, data.SM_ESME_DLV_ACK_TYPE, data.SM_ESME_MAN_USER_ACK_TYPE, data.SM_INTMD_DLV_NOTIFY_TYPE:
		return true
	}
	return len(d.tlv(tagReceiptedID)) > 0
}

// text decodes the octets. Whatever they are, something readable comes out: what
// the announced alphabet can't be is read as Latin-1. It holds no NUL, which the
// database refuses.
func (d delivery) text(alphabet Alphabet) string {
	var s string
	var err error
	coding := charset(d.coding)
	if d.coding == ia5Coding && bytes.ContainsFunc(bytes.TrimRight(d.octets, "\x00"), func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }) {
		coding = data.GSM7BITCoding // nobody writes control characters: some gateways call GSM-7 IA5
	}
	switch coding {
	case data.UCS2Coding:
		s, err = segment.DecodeUCS2(d.octets)
	case data.GSM7BITCoding:
		if alphabet == Latin1 {
			s = latin1(d.octets)
		} else {
			s, err = segment.DecodeGSM7(d.octets)
		}
	default:
		s = latin1(bytes.TrimRight(d.octets, "\x00")) // C strings: a STOP with a NUL is a STOP
	}
	if err != nil {
		s = latin1(d.octets)
	}
	return strings.ReplaceAll(s, "\x00", "\uFFFD")
}

// ia5Coding is data_coding for IA5, that is ASCII.
const ia5Coding = 1

// charset reduces data_coding to GSM-7, UCS-2 or octets for Latin-1. From 0x10 on
// it is the data coding scheme of GSM.
//
// Source: SMPP 3.4 §5.2.19; 3GPP TS 23.038 §4.
func charset(coding byte) byte {
	switch {
	case coding == data.GSM7BITCoding, coding == data.UCS2Coding:
		return coding
	case coding < 0x10:
		return data.LATIN1Coding
	case coding < 0x80: // general, also compressed: bits 3 and 2 say which
		switch coding >> 2 & 3 {
		case 0:
			return data.GSM7BITCoding
		case 2:
			return data.UCS2Coding
		}
	case coding >= 0xE0 && coding < 0xF0: // message waiting, in UCS-2
		return data.UCS2Coding
	case coding >= 0xC0 && coding < 0xE0: // message waiting
		return data.GSM7BITCoding
	case coding >= 0xF0 && coding&4 == 0: // with a message class
		return data.GSM7BITCoding
	}
	return data.LATIN1Coding
}

func latin1(octets []byte) string {
	s, err := charmap.ISO8859_1.NewDecoder().Bytes(octets)
	if err != nil {
		return strings.ToValidUTF8(string(octets), "\uFFFD") // every octet has a meaning there: can't be
	}
	return string(s)
}

// e164 writes the number of a phone, with "+". What is no international number
// stays as it came.
func (a address) e164() string {
	text := clean(strings.TrimPrefix(a.text, "+"))
	switch {
	case !isDigits(text) || a.ton == data.GSM_TON_ALPHANUMERIC:
		return clean(a.text)
	case strings.HasPrefix(text, "00"):
		return "+" + text[2:]
	case a.ton == data.GSM_TON_INTERNATIONAL,
		a.ton == data.GSM_TON_UNKNOWN && !strings.HasPrefix(text, "0") && len(text) > 8:
		return "+" + text
	}
	return text
}

// sender writes an address of ours the way messages name it.
func (a address) sender() string {
	if a.ton == data.GSM_TON_INTERNATIONAL {
		return a.e164()
	}
	return clean(a.text)
}

func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// esmClassAt and codingAt find these octets in a raw deliver_sm or submit_sm:
// after service_type and the two addresses, and five octets and two dates later.
func esmClassAt(raw []byte) (int, bool) {
	i := data.PDU_HEADER_SIZE
	for _, skip := range []int{0, 2, 2} { // service_type, source, destination
		i += skip
		if i > len(raw) {
			return 0, false
		}
		end := bytes.IndexByte(raw[i:], 0)
		if end < 0 {
			return 0, false
		}
		i += end + 1
	}
	return i, i < len(raw)
}

func codingAt(raw []byte) (int, bool) {
	i, ok := esmClassAt(raw)
	if !ok {
		return 0, false
	}
	i += 3 // esm_class, protocol_id, priority_flag
	for range 2 {
		if i > len(raw) {
			return 0, false
		}
		end := bytes.IndexByte(raw[i:], 0)
		if end < 0 {
			return 0, false
		}
		i += end + 1
	}
	i += 2 // registered_delivery, replace_if_present_flag
	return i, i < len(raw)
}
