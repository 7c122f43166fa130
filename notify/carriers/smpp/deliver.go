package smpp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"
	"golang.org/x/text/encoding/charmap"

	"rappel/notify/segment"
)

// delivery is a deliver_sm or data_sm as read. It holds on to the octets it was read from.
type delivery struct {
	from, to address
	esmClass byte
	coding   byte
	octets   []byte // without UDH
	ref      uint16
	total    uint8 // 1 when it stands alone
	seq      uint8

	// Optional parameters of SMPP 3.4 §5.3.2; nil = absent.
	receiptedID, state, networkError []byte
}

type address struct {
	ton, npi byte
	text     string
}

var errDeliver = errors.New("smpp: deliver_sm can't be read")

// parseDelivery reads a whole deliver_sm PDU, header included. What can be saved of
// a damaged one is: a broken UDH becomes part of the text, and optional parameters that
// can't be followed are passed over.
//
// Source: SMPP 3.4 §4.6.1.
func parseDelivery(raw []byte) (d delivery, err error) {
	f := fields{rest: raw[headerSize:]}
	f.cstring() // service_type
	d.from = f.address()
	d.to = f.address()
	d.esmClass = f.octet()
	f.octets(2) // protocol_id, priority_flag
	f.cstring() // schedule_delivery_time
	f.cstring() // validity_period
	f.octets(2) // registered_delivery, replace_if_present_flag
	d.coding = f.octet()
	f.octet() // sm_default_msg_id
	d.octets = f.octets(int(f.octet()))
	return d, d.takeParameters(&f)
}

// parseData reads a whole data_sm PDU, header included: like deliver_sm, with the text, if
// there is one, in message_payload.
//
// Source: SMPP 3.4 §4.7.1.
func parseData(raw []byte) (d delivery, err error) {
	f := fields{rest: raw[headerSize:]}
	f.cstring() // service_type
	d.from = f.address()
	d.to = f.address()
	d.esmClass = f.octet()
	f.octet() // registered_delivery
	d.coding = f.octet()
	return d, d.takeParameters(&f)
}

// takeParameters takes the optional parameters, and the UDH off the octets.
func (d *delivery) takeParameters(f *fields) error {
	if f.broken {
		*d = delivery{}
		return errDeliver
	}
	d.total, d.seq = 1, 1
	var payload, sarRef, sarTotal, sarSeq []byte
	for {
		tag, value, ok := f.tlv()
		if !ok {
			break
		}
		switch tag {
		case pdu.TagReceiptedMessageID:
			d.receiptedID = value
		case pdu.TagMessageStateOption:
			d.state = value
		case pdu.TagNetworkErrorCode:
			d.networkError = value
		case pdu.TagMessagePayload:
			payload = value
		case pdu.TagSarMsgRefNum:
			sarRef = value
		case pdu.TagSarTotalSegments:
			sarTotal = value
		case pdu.TagSarSegmentSeqnum:
			sarSeq = value
		}
	}
	if len(payload) > 0 {
		d.octets = payload
	}
	var ref uint16
	var total, seq uint8
	if d.esmClass&data.SM_UDH_GSM != 0 {
		ref, total, seq = d.takeUDH()
	}
	if total == 0 && len(sarRef) == 2 && len(sarTotal) == 1 && len(sarSeq) == 1 {
		ref, total, seq = binary.BigEndian.Uint16(sarRef), sarTotal[0], sarSeq[0]
	}
	if total > 1 && seq >= 1 && seq <= total { // part 3 of 2 is as good as none
		d.ref, d.total, d.seq = ref, total, seq
	}
	return nil
}

func (f *fields) address() address {
	ton, npi := f.octet(), f.octet()
	return address{ton, npi, string(f.cstring())}
}

// takeUDH takes the user data header off the octets and returns which part of how many
// it says this is, zeros where it doesn't. A header longer than all there is is none.
//
// Source: 3GPP TS 23.040 §9.2.3.24.
func (d *delivery) takeUDH() (ref uint16, total, seq uint8) {
	if len(d.octets) == 0 || len(d.octets) <= int(d.octets[0]) {
		return 0, 0, 0
	}
	rest := d.octets[1 : 1+d.octets[0]]
	d.octets = d.octets[1+d.octets[0]:]
	for len(rest) >= 2 && len(rest) >= 2+int(rest[1]) {
		id, value := rest[0], rest[2:2+rest[1]]
		rest = rest[2+rest[1]:]
		switch {
		case id == data.UDH_CONCAT_MSG_8_BIT_REF && len(value) == 3:
			ref, total, seq = uint16(value[0]), value[1], value[2]
		case id == data.UDH_CONCAT_MSG_16_BIT_REF && len(value) == 4:
			ref, total, seq = binary.BigEndian.Uint16(value), value[2], value[3]
		}
	}
	return ref, total, seq
}

// isReceipt tells receipts from what people write. Bits 5 to 2 of esm_class say
// it; a few gateways leave them empty but send the id of the receipted message.
func (d delivery) isReceipt() bool {
	switch d.esmClass & 0x3C {
	case data.SM_SMSC_DLV_RCPT_TYPE, data.SM_ESME_DLV_ACK_TYPE, data.SM_ESME_MAN_USER_ACK_TYPE, data.SM_INTMD_DLV_NOTIFY_TYPE:
		return true
	}
	return len(d.receiptedID) > 0
}

// text decodes the octets. Whatever they are, something readable comes out: what
// the announced alphabet can't be is read as UTF-8 or, where it isn't that, as Latin-1. It
// holds no NUL, which the database refuses.
func (d delivery) text(alphabet Alphabet) string {
	var s string
	var err error
	coding := charset(d.coding)
	if d.coding == ia5Coding && bytes.ContainsFunc(bytes.TrimRight(d.octets, "\x00"), func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }) {
		coding = data.GSM7BITCoding // nobody writes control characters: some gateways call GSM-7 IA5
	}
	switch coding {
	case data.UCS2Coding:
		s, err = segment.DecodeUCS2(bigEndian(d.octets))
	case data.GSM7BITCoding:
		if alphabet == Latin1 {
			s = utf8OrLatin1(d.octets)
		} else {
			s, err = segment.DecodeGSM7(d.octets)
		}
	default:
		s = utf8OrLatin1(bytes.TrimRight(d.octets, "\x00")) // C strings: a STOP with a NUL is a STOP
	}
	if err != nil {
		s = utf8OrLatin1(d.octets)
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

// bigEndian returns UCS-2 as the standard has it, without the NULs or the odd octet some
// gateways leave at its end. Little-endian is what a byte order mark calls so, and what is
// Latin text in that order: in the other one it would be rare characters only.
func bigEndian(octets []byte) []byte {
	if len(octets)%2 == 1 && plain(bytes.TrimRight(octets, "\x00")) {
		return octets // no UCS-2 at all: whoever decodes it fails, and reads it as it stands
	}
	if len(octets) > 1 {
		octets = octets[:len(octets)&^1]
	}
	for n := len(octets); n > 1 && octets[n-1] == 0 && octets[n-2] == 0; n = len(octets) {
		octets = octets[:n-2]
	}
	switch {
	case bytes.HasPrefix(octets, []byte{0xFE, 0xFF}):
		return octets[2:]
	case bytes.HasPrefix(octets, []byte{0xFF, 0xFE}):
		return swapped(octets[2:])
	case latinLittleEndian(octets):
		return swapped(octets)
	}
	return octets
}

// latinLittleEndian reports whether octets, read as little-endian, hold nothing but Latin
// letters, common signs and emoji, and at least two letters or digits of ASCII. A big-endian
// text is that only if two of its characters, such as U+4E00, end in an octet 0 and no other
// is from a common script.
func latinLittleEndian(octets []byte) bool {
	ascii := 0
	for i := 0; i+1 < len(octets); i += 2 {
		switch r := rune(octets[i+1])<<8 | rune(octets[i]); {
		case r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			ascii++
		case r < 0x250 && unicode.IsPrint(r), r == '\n', r == '\r', r == '\t', r == '\u00A0':
		case r >= 0x2010 && r <= 0x2044, r == '€', r == '\uFE0F', utf16.IsSurrogate(r):
		default:
			return false
		}
	}
	return ascii >= 2
}

func swapped(octets []byte) []byte {
	out := make([]byte, len(octets))
	for i := 0; i+1 < len(octets); i += 2 {
		out[i], out[i+1] = octets[i+1], octets[i]
	}
	return out
}

// utf8OrLatin1 reads octets above 0x7F as UTF-8 where they are that: nobody writes letters of
// Latin-1 in such an order.
func utf8OrLatin1(octets []byte) string {
	if utf8.Valid(octets) {
		return string(octets)
	}
	return latin1(octets)
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

// plain reports whether octets are what somebody writes in ASCII.
func plain(octets []byte) bool {
	return !bytes.ContainsFunc(octets, func(r rune) bool { return r >= 0x7F || r < ' ' && r != '\n' && r != '\r' && r != '\t' })
}
