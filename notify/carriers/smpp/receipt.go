package smpp

import (
	"context"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"rappel/notify"
)

// receiptText is what the text of a delivery receipt says. Fields it lacks are
// empty; At is zero where the date is absent or can't be read.
type receiptText struct {
	ID, Stat, Err string
	Done          time.Time
}

// parseReceipt reads the text gateways put into receipts:
//
//	id:IIIIIIIIII sub:SSS dlvrd:DDD submit date:YYMMDDhhmm done date:YYMMDDhhmm stat:DDDDDDD err:E text:…
//
// in any order, any case, with dates of either length, in zone. ok is false when
// it holds neither an id nor a stat, so that it is no receipt.
//
// Source: SMPP 3.4 appendix B, which leaves the format to the vendor.
func parseReceipt(text string, zone *time.Location) (r receiptText, ok bool) {
	if i := fieldAt(text, "text:"); i >= 0 {
		text = text[:i] // the message's own words: whatever they look like, they aren't fields
	}
	r.ID = field(text, "id:")
	r.Stat = strings.ToUpper(field(text, "stat:"))
	r.Err = field(text, "err:")
	r.Done = parseDate(field(text, "done date:"), zone)
	return r, r.ID != "" || r.Stat != ""
}

// field returns the word after key, or "".
func field(text, key string) string {
	i := fieldAt(text, key)
	if i < 0 {
		return ""
	}
	value := text[i+len(key):]
	if end := strings.IndexAny(value, blanks); end >= 0 {
		value = value[:end]
	}
	return value
}

const blanks = " \t\r\n\x00"

// fieldAt finds key, in any case, at the start of a word; -1 when there is none.
func fieldAt(text, key string) int {
	for i := 0; i+len(key) <= len(text); i++ {
		if (i == 0 || strings.IndexByte(blanks, text[i-1]) >= 0) && strings.EqualFold(text[i:i+len(key)], key) {
			return i
		}
	}
	return -1
}

func parseDate(s string, zone *time.Location) time.Time {
	layout := map[int]string{10: "0601021504", 12: "060102150405", 14: "20060102150405"}[len(s)]
	if layout == "" {
		return time.Time{}
	}
	t, err := time.ParseInLocation(layout, s, zone)
	if err != nil {
		return time.Time{}
	}
	return t
}

// statuses by the word in a receipt's text. Five-letter stems, since some
// gateways write them out (DELIVERED) or cut them.
//
// Source: SMPP 3.4 appendix B; our own status per facts of the trade.
func statusOf(stat string) (notify.Status, bool) {
	for stem, status := range map[string]notify.Status{
		"DELIV": notify.Delivered, "EXPIR": notify.Expired, "DELET": notify.NotDelivered, "UNDEL": notify.NotDelivered,
		"ACCEP": notify.Sent, "ENROU": notify.Sent, "UNKNO": notify.Sent, "REJEC": notify.Rejected, "FAILE": notify.NotDelivered,
		"BUFFE": notify.Sent,
	} {
		if strings.HasPrefix(stat, stem) {
			return status, true
		}
	}
	return notify.Sent, false
}

// statusOfState reads the TLV message_state. SMPP 3.4 §5.2.28.
func statusOfState(state byte) (notify.Status, bool) {
	switch state {
	case 2:
		return notify.Delivered, true
	case 3:
		return notify.Expired, true
	case 4, 5:
		return notify.NotDelivered, true
	case 1, 6, 7:
		return notify.Sent, true
	case 8:
		return notify.Rejected, true
	}
	return notify.Sent, false
}

// settleForm asks in which form the gateway writes ids, if d puts the question and
// this process can't tell by the answers it has had itself: it may be new, or the
// answer went to another.
func (c *Carrier) settleForm(ctx context.Context, d delivery, in notify.Inbox) error {
	directory, ok := in.(notify.Directory)
	if !ok {
		return nil
	}
	text, _ := parseReceipt(d.text(c.cfg.Alphabet), c.cfg.Zone)
	same, converted, puzzling := c.ids.puzzle(cstring(d.tlv(tagReceiptedID)), text.ID)
	if !puzzling {
		return nil
	}
	known, err := directory.Known(ctx, c.cfg.Name, []string{same, converted})
	if err != nil {
		return err
	}
	c.ids.solve(same, converted, known)
	return nil
}

// receipt builds what the Inbox gets from a deliver_sm that is one. ok is false
// when it names no id.
func (c *Carrier) receipt(d delivery) (r notify.Receipt, ok bool) {
	// The text is ASCII in practice, whatever data_coding says; some send it as
	// UCS-2, which decodes as such.
	text, _ := parseReceipt(d.text(c.cfg.Alphabet), c.cfg.Zone)
	tlvID := cstring(d.tlv(tagReceiptedID))
	r = notify.Receipt{
		Carrier: c.cfg.Name, CarrierID: c.ids.receipted(tlvID, text.ID),
		At: text.Done, Code: text.Err,
		Recipient: d.from.e164(), Sender: d.to.sender(),
	}
	known := false
	if state := d.tlv(tagMessageState); len(state) == 1 {
		r.Status, known = statusOfState(state[0])
	}
	if !known || r.Status == notify.Sent && text.Stat != "" {
		if status, ok := statusOf(text.Stat); ok || !known {
			r.Status = status
		}
	}
	if e := d.tlv(tagNetworkError); len(e) == 3 && (r.Code == "" || strings.Trim(r.Code, "0") == "") {
		if n := binary.BigEndian.Uint16(e[1:]); n != 0 {
			r.Code = strconv.Itoa(int(n))
		}
	}
	if strings.Trim(r.Code, "0") == "" {
		r.Code = ""
	}
	if r.Code == "" && r.Status != notify.Delivered {
		r.Code = text.Stat
	}
	return r, r.CarrierID != ""
}

func cstring(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}
