package standin

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/linxGnu/gosmpp/data"
)

const pduHead = 16 // command_length, command_id, command_status, sequence_number

// Optional parameters by their tags. SMPP 3.4 §5.3.2.
const (
	tlvReceiptedID      = 0x001E
	tlvSARRef           = 0x020C
	tlvSARTotal         = 0x020E
	tlvSARSeq           = 0x020F
	tlvInterfaceVersion = 0x0210
	tlvNetworkError     = 0x0423
	tlvPayload          = 0x0424
	tlvMessageState     = 0x0427
)

// readPDU returns the next PDU, valid until the next call. Its error means that the
// stream can't be followed any further.
func readPDU(r *bufio.Reader, last int) ([]byte, error) {
	if _, err := r.Discard(last); err != nil {
		return nil, err
	}
	head, err := r.Peek(pduHead)
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head)
	if n < pduHead || n > data.MAX_PDU_LEN {
		return nil, fmt.Errorf("smsc: PDU of %d octets", n)
	}
	return r.Peek(int(n))
}

// scanner takes a PDU's body apart. Once something is missing it is short, and yields
// nothing more.
type scanner struct {
	b     []byte
	short bool
}

func (s *scanner) take(n int) []byte {
	if s.short || n > len(s.b) {
		s.short = true
		return nil
	}
	taken := s.b[:n]
	s.b = s.b[n:]
	return taken
}

func (s *scanner) one() byte {
	if b := s.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (s *scanner) text() string { return string(s.bytes()) }

func (s *scanner) bytes() []byte {
	for i, b := range s.b {
		if b == 0 {
			return s.take(i + 1)[:i]
		}
	}
	s.short = true
	return nil
}

// party is an address as it stands in a PDU.
type party struct {
	ton, npi byte
	number   []byte
}

func (s *scanner) party() party { return party{s.one(), s.one(), s.bytes()} }

// submission is a submit_sm, as long as the PDU is valid.
type submission struct {
	sequence   int32
	from, to   party
	esmClass   byte
	registered byte
	coding     byte
	validity   []byte
	octets     []byte // without UDH
	ref        uint16
	total, seq uint8 // 1 and 1 when it stands alone
	sar        bool
}

var errShort = errors.New("smsc: PDU ends too early")

// parseSubmission reads a submit_sm. SMPP 3.4 §4.4.1.
func parseSubmission(raw []byte) (p submission, err error) {
	s := scanner{b: raw[pduHead:]}
	p.sequence = int32(binary.BigEndian.Uint32(raw[12:]))
	s.bytes() // service_type
	p.from, p.to = s.party(), s.party()
	p.esmClass = s.one()
	s.take(2) // protocol_id, priority_flag
	s.bytes() // schedule_delivery_time
	p.validity = s.bytes()
	p.registered = s.one()
	s.one() // replace_if_present_flag
	p.coding = s.one()
	s.one() // sm_default_msg_id
	p.octets = s.take(int(s.one()))
	if s.short {
		return p, errShort
	}
	var sar [3][]byte
	for len(s.b) > 0 {
		head := s.take(4)
		if s.short {
			return p, errShort
		}
		value := s.take(int(binary.BigEndian.Uint16(head[2:])))
		switch binary.BigEndian.Uint16(head) {
		case tlvPayload:
			p.octets = value
		case tlvSARRef:
			sar[0] = value
		case tlvSARTotal:
			sar[1] = value
		case tlvSARSeq:
			sar[2] = value
		}
	}
	if s.short {
		return p, errShort
	}
	p.total, p.seq = 1, 1
	if p.esmClass&data.SM_UDH_GSM != 0 {
		if err := p.header(); err != nil {
			return p, err
		}
	}
	if len(sar[0]) == 2 && len(sar[1]) == 1 && len(sar[2]) == 1 {
		p.sar, p.ref, p.total, p.seq = true, binary.BigEndian.Uint16(sar[0]), sar[1][0], sar[2][0]
	}
	return p, nil
}

// header takes the user data header off the octets.
func (p *submission) header() error {
	s := scanner{b: p.octets}
	ies := scanner{b: s.take(int(s.one()))}
	p.octets = s.b
	for len(ies.b) > 0 {
		id := ies.one()
		value := ies.take(int(ies.one()))
		switch {
		case id == data.UDH_CONCAT_MSG_8_BIT_REF && len(value) == 3:
			p.ref, p.total, p.seq = uint16(value[0]), value[1], value[2]
		case id == data.UDH_CONCAT_MSG_16_BIT_REF && len(value) == 4:
			p.ref, p.total, p.seq = binary.BigEndian.Uint16(value), value[2], value[3]
		}
	}
	if s.short || ies.short {
		return errShort
	}
	return nil
}

// bindPDU is a bind_transmitter, _receiver or _transceiver.
type bindPDU struct{ user, password string }

func parseBind(raw []byte) (p bindPDU, err error) {
	s := scanner{b: raw[pduHead:]}
	p.user, p.password = s.text(), s.text()
	if s.short {
		return p, errShort
	}
	return p, nil
}

// beginPDU appends a header; endPDU writes the length into it.
func beginPDU(dst []byte, id data.CommandIDType, status uint32, sequence int32) []byte {
	dst = binary.BigEndian.AppendUint32(dst, pduHead)
	dst = binary.BigEndian.AppendUint32(dst, uint32(id))
	dst = binary.BigEndian.AppendUint32(dst, status)
	return binary.BigEndian.AppendUint32(dst, uint32(sequence))
}

func endPDU(pdu []byte) []byte {
	binary.BigEndian.PutUint32(pdu, uint32(len(pdu)))
	return pdu
}

func appendParty(dst []byte, ton, npi byte, number []byte) []byte {
	return append(append(append(dst, ton, npi), number...), 0)
}

func appendParameter(dst []byte, tag uint16, value ...byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, tag)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(value)))
	return append(dst, value...)
}

// bare removes what a TON says already.
func bare(number string) string { return strings.TrimPrefix(number, "+") }
