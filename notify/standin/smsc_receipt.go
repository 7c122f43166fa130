package standin

import (
	"encoding/binary"
	"strings"

	"github.com/linxGnu/gosmpp/data"

	"rappel/notify/segment"
)

// receiptOf is what a receipt is about.
type receiptOf struct {
	n        uint64
	id       string // in place of n
	user     string
	from, to party
	coding   byte
	octets   []byte
}

// message states by the words of receipts; SMPP 3.4 §5.2.28.
func stateOf(stat string) byte {
	switch stat {
	case "ENROUTE":
		return 1
	case "DELIVRD":
		return 2
	case "EXPIRED":
		return 3
	case "DELETED":
		return 4
	case "UNDELIV":
		return 5
	case "ACCEPTD":
		return 6
	case "REJECTD":
		return 8
	}
	return 7 // UNKNOWN
}

// receipt builds a receipt. s.mu is held.
func (s *SMSC) receipt(of receiptOf, stat, code string) *delivery {
	var text [320]byte
	b := text[:0]
	if s.cfg.Receipts != ReceiptTLV {
		b = s.appendReceipt(b, of, stat, code)
	}
	d := newDelivery(of.user, of.from, of.to, data.SM_SMSC_DLV_RCPT_TYPE, 0, b)
	if s.cfg.Receipts != ReceiptText {
		id := append(text[:0], of.id...)
		if of.id == "" {
			id = s.cfg.appendID(text[:0], of.n)
		}
		d.raw = appendParameter(d.raw, tlvReceiptedID, append(id, 0)...)
		d.raw = appendParameter(d.raw, tlvMessageState, stateOf(stat))
		if n := codeNumber(code); n != 0 {
			d.raw = appendParameter(d.raw, tlvNetworkError, 3, byte(n>>8), byte(n))
		}
		d.raw = endPDU(d.raw)
	}
	return d
}

// appendReceipt appends the text of a receipt. SMPP 3.4 appendix B.
func (s *SMSC) appendReceipt(b []byte, of receiptOf, stat, code string) []byte {
	layout := "0601021504"
	if s.cfg.LongDates {
		layout = "060102150405"
	}
	now := s.cfg.Now().UTC()
	b = append(b, "id:"...)
	if of.id != "" {
		b = append(b, of.id...)
	} else {
		b = s.cfg.appendDecimal(b, of.n)
	}
	delivered := byte('0')
	if stat == "DELIVRD" {
		delivered = '1'
	}
	b = append(b, " sub:001 dlvrd:00"...)
	b = append(append(b, delivered), " submit date:"...)
	b = now.AppendFormat(b, layout)
	b = append(b, " done date:"...)
	b = now.AppendFormat(b, layout)
	b = append(append(b, " stat:"...), stat...)
	b = append(append(b, " err:"...), code...)
	b = append(b, " text:"...)
	return append(b, excerpt(of.coding, of.octets, s.cfg.Latin1)...)
}

// excerpt returns the beginning of a text as receipts quote it: 20 octets, or a dash
// where the default alphabet can't show it.
func excerpt(coding byte, octets []byte, latin1 bool) []byte {
	if coding == data.GSM7BITCoding && !latin1 {
		return octets[:min(len(octets), 20)]
	}
	text := decode(coding, octets, latin1)
	if runes := []rune(text); len(runes) > 20 {
		text = string(runes[:20])
	}
	quoted, err := segment.EncodeGSM7(nil, strings.ToValidUTF8(text, "?"))
	if err != nil {
		return []byte("-")
	}
	return quoted
}

func codeNumber(code string) (n uint16) {
	for i := range len(code) {
		n = n*10 + uint16(code[i]-'0')
	}
	return n
}

// newDelivery builds a deliver_sm. SMPP 3.4 §4.6.1.
func newDelivery(user string, from, to party, esmClass, coding byte, octets []byte) *delivery {
	d := deliveries.Get().(*delivery)
	b := beginPDU(d.raw[:0], data.DELIVER_SM, 0, 0)
	b = append(b, 0) // service_type
	b = appendParty(b, from.ton, from.npi, from.number)
	b = appendParty(b, to.ton, to.npi, to.number)
	b = append(b, esmClass, 0, 0, 0, 0, 0, 0, coding, 0, byte(len(octets)))
	b = append(b, octets...)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	d.user, d.raw = user, b
	return d
}
