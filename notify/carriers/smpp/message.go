package smpp

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"

	"rappel/notify"
	"rappel/notify/segment"
)

// letter is a message made ready: what its parts have in common, and where they are cut.
type letter struct {
	source, dest address
	expires      time.Time // zero = not said
	body         string
	coding       byte // data_coding
	cuts         []segment.Part
	reference    segment.Reference
}

var (
	errSender    = errors.New("smpp: sender is neither a name of up to 11 ASCII characters nor a number")
	errRecipient = errors.New("smpp: recipient is not in E.164")
	errLong      = errors.New("smpp: more than 255 parts")
)

// prepare makes m ready, its cuts in room if that is enough. Failures are final: the
// message can't be written down.
func (c *Carrier) prepare(m *notify.Message, room []segment.Part) (l letter, failed *notify.SendError) {
	var err error
	if l.source, err = c.source(m.Sender); err != nil {
		return l, &notify.SendError{Kind: notify.ErrInvalidSender, Err: err}
	}
	digits, plus := strings.CutPrefix(m.Recipient, "+")
	if !plus || !isDigits(digits) || len(digits) > 15 {
		return l, &notify.SendError{Kind: notify.ErrInvalidDestination, Err: errRecipient}
	}
	l.dest = address{byte(c.cfg.DestTON), byte(c.cfg.DestNPI), digits}
	if c.cfg.Validity && m.Expires.After(c.now()) {
		l.expires = m.Expires.UTC()
	}
	l.body = m.Body
	l.coding, l.reference, l.cuts = cutBody(room, m.Body, c.cfg)
	if len(l.cuts) == 0 || len(l.cuts) > segment.MaxParts {
		return l, &notify.SendError{Kind: notify.ErrRejected, Err: errLong}
	}
	return l, nil
}

// cutBody cuts body into as many parts as segment.Measure counts, unless the gateway's
// alphabet lacks a character of it: then it goes as UCS-2. The wider reference is used
// only where it costs no further part.
func cutBody(room []segment.Part, body string, cfg Config) (coding byte, ref segment.Reference, cuts []segment.Part) {
	r, cuts := segment.AppendParts(room, body, segment.Options{})
	if r.Encoding == segment.GSM7 && cfg.Alphabet == Latin1 && !isLatin1(body) {
		return data.UCS2Coding, segment.Ref8, cutUCS2(cuts[:0], body)
	}
	if cfg.Reference == 16 && cfg.Concat == UDH && r.Segments > 1 {
		if wide, others := segment.AppendParts(nil, body, segment.Options{Reference: segment.Ref16}); wide.Segments == r.Segments {
			ref, cuts = segment.Ref16, others
		}
	}
	if r.Encoding == segment.GSM7 {
		return data.GSM7BITCoding, ref, cuts
	}
	return data.UCS2Coding, ref, cuts
}

// cutUCS2 cuts a body of GSM-7 characters, all in the BMP, for UCS-2.
func cutUCS2(cuts []segment.Part, body string) []segment.Part {
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

func isLatin1(s string) bool {
	for _, r := range s {
		if r > 0xFF {
			return false
		}
	}
	return true
}

// source applies the rule for addresses: a name, an international number, or a
// short code, unless the configuration says otherwise.
func (c *Carrier) source(sender string) (address, error) {
	a := address{text: sender}
	switch digits, plus := strings.CutPrefix(sender, "+"); {
	case plus && isDigits(digits) && len(digits) <= 15:
		a = address{data.GSM_TON_INTERNATIONAL, data.GSM_NPI_E164, digits}
	case plus:
		return a, errSender
	case isDigits(sender) && len(sender) <= 8:
		a.ton, a.npi = data.GSM_TON_NETWORK, data.GSM_NPI_UNKNOWN
	case isDigits(sender) && len(sender) <= 15:
		a.ton, a.npi = data.GSM_TON_UNKNOWN, data.GSM_NPI_E164
	case isName(sender):
		a.ton, a.npi = data.GSM_TON_ALPHANUMERIC, data.GSM_NPI_UNKNOWN
	default:
		return a, errSender
	}
	if c.cfg.SourceTON >= 0 {
		a.ton = byte(c.cfg.SourceTON)
	}
	if c.cfg.SourceNPI >= 0 {
		a.npi = byte(c.cfg.SourceNPI)
	}
	return a, nil
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

// appendSubmit appends the submit_sm of part i (from 0), its sequence number still 0.
// ref says which parts belong together, sar by which means.
//
// Source: SMPP 3.4 §4.4.1.
func (c *Carrier) appendSubmit(dst []byte, l *letter, i int, ref uint16, sar bool) []byte {
	start := len(dst)
	dst = appendHeader(dst, 0, header{id: data.SUBMIT_SM})
	dst = append(dst, 0) // service_type
	dst = appendCString(append(dst, l.source.ton, l.source.npi), l.source.text)
	dst = appendCString(append(dst, l.dest.ton, l.dest.npi), l.dest.text)
	long := len(l.cuts) > 1
	esmClass := byte(data.DFLT_ESM_CLASS)
	if long && !sar {
		esmClass = data.SM_UDH_GSM
	}
	dst = append(dst, esmClass, 0, 0, 0) // protocol_id, priority_flag, schedule_delivery_time
	if !l.expires.IsZero() {
		// YYMMDDhhmmss, tenths, quarters of an hour from UTC. SMPP 3.4 §7.1.1.1.
		dst = append(l.expires.AppendFormat(dst, "060102150405"), "000+"...)
	}
	dst = append(dst, 0)
	registered := byte(0)
	if c.cfg.Receipts {
		registered = data.SM_SMSC_RECEIPT_REQUESTED
	}
	dst = append(dst, registered, 0, l.coding, 0, 0) // replace_if_present_flag; sm_default_msg_id, sm_length
	text := len(dst)
	total, seq := uint8(len(l.cuts)), uint8(i+1)
	if long && !sar {
		dst = segment.Options{Reference: l.reference}.AppendUDH(dst, ref, total, seq)
	}
	dst = appendText(dst, l.cuts[i].Text(l.body), l.coding, c.cfg.Alphabet)
	// A part is at most 7+152 octets in one alphabet and 140 in the other; sm_length
	// allows 254.
	dst[text-1] = byte(len(dst) - text)
	if long && sar {
		dst = appendTLV(dst, pdu.TagSarMsgRefNum, byte(ref>>8), byte(ref))
		dst = appendTLV(dst, pdu.TagSarTotalSegments, total)
		dst = appendTLV(dst, pdu.TagSarSegmentSeqnum, seq)
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}

// appendText appends s, which coding and alphabet can express, as octets.
func appendText(dst []byte, s string, coding byte, alphabet Alphabet) []byte {
	switch {
	case coding == data.UCS2Coding:
		return segment.EncodeUCS2(dst, s)
	case alphabet == Latin1:
		for _, r := range s {
			dst = append(dst, byte(r))
		}
		return dst
	}
	dst, err := segment.EncodeGSM7(dst, s)
	if err != nil {
		panic("smpp: a text measured as GSM-7 isn't") // segment contradicts itself
	}
	return dst
}
