package smpp

import (
	"bytes"
	"context"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/linxGnu/gosmpp/data"

	"rappel/notify"
	"rappel/notify/segment"
)

// receiptText is what the text of a delivery receipt says. Fields it lacks are
// empty; Done is zero where the date is absent or can't be read.
type receiptText struct {
	ID, Stat, Err string // Stat in capitals
	Done          time.Time
}

// receiptText reads the octets as a receipt's text. They are ASCII in practice, whatever
// data_coding says; some gateways send UCS-2.
func (d delivery) receiptText(zone *time.Location) receiptText {
	octets := d.octets
	if charset(d.coding) == data.UCS2Coding {
		if text, err := segment.DecodeUCS2(octets); err == nil {
			octets = []byte(text)
		}
	}
	return parseReceipt(octets, zone)
}

// parseReceipt reads the text gateways put into receipts:
//
//	id:IIIIIIIIII sub:SSS dlvrd:DDD submit date:YYMMDDhhmm done date:YYMMDDhhmm stat:DDDDDDD err:E text:…
//
// in any order, any case, with blanks around the colons or none, values in quotes or not,
// dates of either length, in zone. What doesn't look so gives an empty result.
//
// Source: SMPP 3.4 appendix B, which leaves the format to the vendor.
func parseReceipt(text []byte, zone *time.Location) (r receiptText) {
	for i := 0; i < len(text); {
		key, value := fieldAt(text, i)
		if key == "" {
			i = nextWord(text, i)
			continue
		}
		if key == "text" {
			break // the message's own words: whatever they look like, they aren't fields
		}
		word, end := valueAt(text, value)
		switch {
		case len(word) == 0:
		case key == "id" && r.ID == "":
			r.ID = clean(string(word))
		case key == "stat" && r.Stat == "":
			r.Stat = strings.ToUpper(clean(string(word)))
		case key == "err" && r.Err == "":
			r.Err = clean(string(word))
		case key == "done" && r.Done.IsZero():
			r.Done = parseDate(word, zone)
		}
		i = end
	}
	return r
}

// receiptKeys are the fields a receipt may have, told apart by their first word.
var receiptKeys = [...]struct {
	key  string
	date bool // a second word, "date", follows
}{{"id", false}, {"stat", false}, {"err", false}, {"done", true}, {"submit", true}, {"sub", false}, {"dlvrd", false}, {"text", false}}

// fieldAt returns the key of the field at text[i:], in lower case, and where its value
// begins; "" where there is none.
func fieldAt(text []byte, i int) (key string, value int) {
	for _, k := range receiptKeys {
		rest := text[i:]
		if len(rest) <= len(k.key) || !sameWord(rest[:len(k.key)], k.key) {
			continue
		}
		rest = rest[len(k.key):]
		if k.date {
			rest = bytes.TrimLeft(rest, blanks+"_")
			if len(rest) < 4 || !sameWord(rest[:4], "date") {
				continue
			}
			rest = rest[4:]
		}
		rest = bytes.TrimLeft(rest, blanks)
		if len(rest) > 0 && rest[0] == ':' {
			return k.key, len(text) - len(rest) + 1
		}
	}
	return "", 0
}

// sameWord compares in any case; word is in lower case and ASCII.
func sameWord(b []byte, word string) bool {
	for i := range len(word) {
		if b[i]|0x20 != word[i] {
			return false
		}
	}
	return true
}

// valueAt returns the value that begins at or after text[i:], without quotes, and where
// it ends. It is empty where another field follows at once.
func valueAt(text []byte, i int) (value []byte, end int) {
	for i < len(text) && isBlank(text[i]) {
		i++
	}
	if i == len(text) {
		return nil, i
	}
	if quote := text[i]; quote == '"' || quote == '\'' {
		if n := bytes.IndexByte(text[i+1:], quote); n >= 0 && bytes.IndexAny(text[i+1:i+1+n], blanks) < 0 {
			return text[i+1 : i+1+n], i + n + 2
		}
	}
	if key, _ := fieldAt(text, i); key != "" {
		return nil, i
	}
	end = i
	for end < len(text) && !isBlank(text[end]) {
		if isComma(text[end]) {
			if key, _ := fieldAt(text, nextWord(text, end)); key != "" {
				return text[i:end], end
			}
		}
		end++
	}
	return bytes.TrimRight(text[i:end], ",;"), end
}

const blanks = " \t\r\n\x00"

func isBlank(b byte) bool { return strings.IndexByte(blanks, b) >= 0 }
func isComma(b byte) bool { return b == ',' || b == ';' || b == '|' }

// nextWord returns where the word after that at i begins.
func nextWord(text []byte, i int) int {
	for i < len(text) && !isBlank(text[i]) && !isComma(text[i]) {
		i++
	}
	for i < len(text) && (isBlank(text[i]) || isComma(text[i])) {
		i++
	}
	return i
}

func parseDate(b []byte, zone *time.Location) time.Time {
	layout := ""
	switch len(b) {
	case 10:
		layout = "0601021504"
	case 12:
		layout = "060102150405"
	case 14:
		layout = "20060102150405"
	default:
		return time.Time{}
	}
	t, err := time.ParseInLocation(layout, string(b), zone)
	if err != nil {
		return time.Time{}
	}
	return t
}

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

// settleForm asks in which form the gateway writes ids, if d puts the question and
// this process can't tell by the answers it has had itself: it may be new, or the
// answer went to another.
func (c *Carrier) settleForm(ctx context.Context, d delivery, text receiptText, in notify.Inbox) error {
	if c.ids.certain() {
		return nil
	}
	directory, ok := in.(notify.Directory)
	if !ok {
		return nil
	}
	same, converted, puzzling := c.ids.puzzle(cstring(d.receiptedID), text.ID)
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
func (c *Carrier) receipt(d delivery, text receiptText) (r notify.Receipt, ok bool) {
	r = notify.Receipt{
		Carrier: c.cfg.Name, CarrierID: c.ids.receipted(cstring(d.receiptedID), text.ID),
		At: text.Done, Code: text.Err,
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
	if isZeros(r.Code) && len(d.networkError) == 3 {
		if n := binary.BigEndian.Uint16(d.networkError[1:]); n != 0 {
			r.Code = strconv.Itoa(int(n))
		}
	}
	if isZeros(r.Code) {
		r.Code = ""
	}
	if r.Code == "" && r.Status != notify.Delivered {
		r.Code = text.Stat
	}
	return r, r.CarrierID != ""
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
