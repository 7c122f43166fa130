package smpp

import (
	"encoding/binary"
	"errors"
	"strings"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"
	"golang.org/x/text/encoding/charmap"

	"rappel/notify"
	"rappel/notify/segment"
)

// letter is a message made ready: what its parts have in common, and the octets
// of each.
type letter struct {
	source, dest pdu.Address
	validity     string
	coding       byte
	parts        [][]byte // without UDH
}

var (
	errSender    = errors.New("smpp: sender is neither a name of up to 11 ASCII characters nor a number")
	errRecipient = errors.New("smpp: recipient is not in E.164")
	errLong      = errors.New("smpp: more than 255 parts")
)

// encode makes m ready. Failures are final: the message can't be written down.
func (c *Carrier) encode(m notify.Message) (l letter, err error) {
	if l.source, err = c.source(m.Sender); err != nil {
		return l, &notify.SendError{Kind: notify.ErrInvalidSender, Err: err}
	}
	digits, plus := strings.CutPrefix(m.Recipient, "+")
	if !plus || !isDigits(digits) || len(digits) > 15 {
		return l, &notify.SendError{Kind: notify.ErrInvalidDestination, Err: errRecipient}
	}
	if l.dest, err = pdu.NewAddressWithTonNpiAddr(byte(c.cfg.DestTON), byte(c.cfg.DestNPI), digits); err != nil {
		return l, &notify.SendError{Kind: notify.ErrInvalidDestination, Err: errRecipient}
	}
	if c.cfg.Validity && m.Expires.After(c.now()) {
		// YYMMDDhhmmss, tenths, quarters of an hour from UTC. SMPP 3.4 §7.1.1.1.
		l.validity = m.Expires.UTC().Format("060102150405") + "000+"
	}
	l.coding, l.parts = encodeBody(m.Body, c.cfg.Alphabet)
	if len(l.parts) == 0 || len(l.parts) > segment.MaxParts {
		return l, &notify.SendError{Kind: notify.ErrRejected, Err: errLong}
	}
	return l, nil
}

// encodeBody cuts body as segment.Split counts it and encodes the pieces.
func encodeBody(body string, alphabet Alphabet) (coding byte, parts [][]byte) {
	r, cuts := segment.Split(body, segment.Options{})
	if r.Encoding == segment.GSM7 {
		if parts, ok := encodeParts(body, cuts, alphabet); ok {
			return data.GSM7BITCoding, parts
		}
		cuts = splitUCS2(body)
	}
	parts = make([][]byte, len(cuts))
	for i, cut := range cuts {
		parts[i] = segment.EncodeUCS2(nil, cut.Text(body))
	}
	return data.UCS2Coding, parts
}

// encodeParts reports false where alphabet lacks a character.
func encodeParts(body string, cuts []segment.Part, alphabet Alphabet) (parts [][]byte, ok bool) {
	for _, cut := range cuts {
		var octets []byte
		var err error
		if alphabet == Latin1 {
			octets, err = charmap.ISO8859_1.NewEncoder().Bytes([]byte(cut.Text(body)))
		} else {
			octets, err = segment.EncodeGSM7(make([]byte, 0, cut.Units), cut.Text(body))
		}
		if err != nil {
			return nil, false
		}
		parts = append(parts, octets)
	}
	return parts, true
}

// splitUCS2 cuts a body of GSM-7 characters, all in the BMP, for UCS-2.
func splitUCS2(body string) (cuts []segment.Part) {
	runes := 0
	for range body {
		runes++
	}
	single, per := segment.Options{}.Limits(segment.UCS2)
	if runes <= single {
		per = single
	}
	start, n := 0, 0
	for i := range body {
		if n == per {
			cuts = append(cuts, segment.Part{Start: start, End: i, Units: n})
			start, n = i, 0
		}
		n++
	}
	return append(cuts, segment.Part{Start: start, End: len(body), Units: n})
}

// source applies the rule for addresses: a name, an international number, or a
// short code, unless the configuration says otherwise.
func (c *Carrier) source(sender string) (pdu.Address, error) {
	var ton, npi byte
	text := sender
	switch digits, plus := strings.CutPrefix(sender, "+"); {
	case plus && isDigits(digits) && len(digits) <= 15:
		ton, npi, text = data.GSM_TON_INTERNATIONAL, data.GSM_NPI_E164, digits
	case plus:
		return pdu.Address{}, errSender
	case isDigits(sender) && len(sender) <= 8:
		ton, npi = data.GSM_TON_NETWORK, data.GSM_NPI_UNKNOWN
	case isDigits(sender) && len(sender) <= 15:
		ton, npi = data.GSM_TON_UNKNOWN, data.GSM_NPI_E164
	case isName(sender):
		ton, npi = data.GSM_TON_ALPHANUMERIC, data.GSM_NPI_UNKNOWN
	default:
		return pdu.Address{}, errSender
	}
	if c.cfg.SourceTON >= 0 {
		ton = byte(c.cfg.SourceTON)
	}
	if c.cfg.SourceNPI >= 0 {
		npi = byte(c.cfg.SourceNPI)
	}
	return pdu.NewAddressWithTonNpiAddr(ton, npi, text)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func isName(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= 11
}

// submit builds the submit_sm of part i (from 0). ref says which parts belong
// together.
func (c *Carrier) submit(l letter, i int, ref uint16) *pdu.SubmitSM {
	p := pdu.NewSubmitSM().(*pdu.SubmitSM)
	p.SourceAddr, p.DestAddr = l.source, l.dest
	p.ValidityPeriod = l.validity
	if c.cfg.Receipts {
		p.RegisteredDelivery = data.SM_SMSC_RECEIPT_REQUESTED
	}
	octets := l.parts[i]
	total, seq := uint8(len(l.parts)), uint8(i+1)
	switch {
	case total == 1:
	case c.cfg.Concat == SAR:
		p.RegisterOptionalParam(pdu.Field{Tag: pdu.TagSarMsgRefNum, Data: binary.BigEndian.AppendUint16(nil, ref)})
		p.RegisterOptionalParam(pdu.Field{Tag: pdu.TagSarTotalSegments, Data: []byte{total}})
		p.RegisterOptionalParam(pdu.Field{Tag: pdu.TagSarSegmentSeqnum, Data: []byte{seq}})
	default:
		p.EsmClass |= data.SM_UDH_GSM
		octets = append(segment.Options{}.AppendUDH(make([]byte, 0, len(octets)+6), ref, total, seq), octets...)
	}
	if err := p.Message.SetMessageDataWithEncoding(octets, rawCoding(l.coding)); err != nil {
		// A part is at most 6+153 octets; sm_length allows 254.
		panic("smpp: part longer than sm_length allows")
	}
	return p
}

// rawCoding lets pdu.ShortMessage carry octets that are encoded already.
type rawCoding byte

var errRaw = errors.New("smpp: octets only")

func (c rawCoding) Encode(string) ([]byte, error) { return nil, errRaw }
func (c rawCoding) Decode([]byte) (string, error) { return "", errRaw }
func (c rawCoding) DataCoding() byte              { return byte(c) }
