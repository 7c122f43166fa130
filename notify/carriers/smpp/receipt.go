package smpp

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"rappel/notify"
)

// statusOf reads the word in a receipt's text by its first five letters, since some
// gateways write it out (DELIVERED) or cut it.
//
// Source: SMPP 3.4 appendix B.
func statusOf(stat string) (notify.Status, bool) {
	switch stat[:min(len(stat), 5)] {
	case "DELIV":
		return notify.Delivered, true
	case "EXPIR":
		return notify.Expired, true
	case "DELET", "UNDEL", "FAILE":
		return notify.NotDelivered, true
	case "REJEC":
		return notify.Rejected, true
	case "ACCEP", "ENROU", "UNKNO", "BUFFE":
		return notify.Sent, true
	}
	return notify.Sent, false
}

// statusOfState reads the optional parameter message_state. SMPP 3.4 §5.2.28.
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

// disguised reports whether d, which says that a phone wrote it, is a receipt all the same.
func (c *Carrier) disguised(ctx context.Context, d delivery, in notify.Inbox) (bool, error) {
	octets := bytes.TrimLeft(d.receiptOctets(), blanks)
	first, _ := fieldAt(octets, 0)
	if d.total != 1 || first == "" { // nearly everything people write
		return false, nil
	}
	text := parseReceipt(octets, c.cfg.Zone)
	if _, status := statusOf(text.Stat); !status || text.ID == "" || first != "id" && !onlyFields(octets) {
		return false, nil
	}
	if !text.Done.IsZero() && text.Err != "" {
		return true, nil // nobody writes that by hand
	}
	directory, ok := in.(notify.Directory)
	if !ok {
		return false, nil
	}
	var ids []string
	for _, as := range readings(text.ID) {
		ids = append(ids, as.id)
	}
	known, err := directory.Known(ctx, c.cfg.Name, ids)
	r := notify.Receipt{Recipient: d.from.e164(), Sender: d.to.sender()}
	for _, recipient := range known {
		if r.Concerns(recipient) {
			return true, err
		}
	}
	return false, err
}

// receipt builds what the Inbox gets from a deliver_sm that is one, all but the id.
func (c *Carrier) receipt(d delivery, text receiptText) (r notify.Receipt) {
	r = notify.Receipt{
		Carrier: c.cfg.Name, At: text.Done, Code: text.Err,
		Recipient: d.from.e164(), Sender: d.to.sender(),
	}
	known := false
	if len(d.state) == 1 {
		r.Status, known = statusOfState(d.state[0])
	}
	if !known || r.Status == notify.Sent && text.Stat != "" {
		if status, ok := statusOf(text.Stat); ok || !known {
			r.Status = status
		}
	}
	if r.Status == notify.NotDelivered && c.nobodys(d, text) {
		r.Status = notify.InvalidDestination
	}
	if isZeros(r.Code) && len(d.networkError) == 3 {
		if n := binary.BigEndian.Uint16(d.networkError[1:]); n != 0 {
			r.Code = strconv.Itoa(int(n))
		}
	}
	if isZeros(r.Code) || r.Status == notify.Delivered { // whatever it says, it is no error
		r.Code = ""
	}
	if r.Code == "" && r.Status != notify.Delivered {
		r.Code = text.Stat
	}
	return r
}

// nobodys reports whether an undelivered receipt says that nobody has the number: by the
// network's own code, or by one the configuration knows for this gateway.
//
// Source: SMPP 3.4 §5.3.2.31 (type 3 is GSM); 3GPP TS 29.002 §17.6.6 (1 is unknownSubscriber).
func (c *Carrier) nobodys(d delivery, text receiptText) bool {
	if len(d.networkError) == 3 && d.networkError[0] == 3 && binary.BigEndian.Uint16(d.networkError[1:]) == 1 {
		return true
	}
	return !isZeros(text.Err) && slices.ContainsFunc(c.cfg.Unknown, func(code string) bool {
		return strings.TrimLeft(code, "0") == strings.TrimLeft(text.Err, "0")
	})
}

// isZeros reports whether a code says that there is no error.
func isZeros(code string) bool { return strings.Trim(code, "0") == "" }

// cstring returns a string that may end in a NUL.
func cstring(b []byte) string {
	if end := bytes.IndexByte(b, 0); end >= 0 {
		b = b[:end]
	}
	return clean(string(b))
}
