package smpp

import (
	"bytes"
	"strings"
	"time"

	"github.com/linxGnu/gosmpp/data"

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
			r.Stat = statWord(word)
		case key == "err" && r.Err == "":
			if r.Err = "000"; string(word) != r.Err {
				r.Err = clean(string(word))
			}
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
		if n := bytes.IndexByte(text[i+1:], quote); n >= 0 && !bytes.ContainsAny(text[i+1:i+1+n], blanks) {
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

// parseDate reads YYMMDDhhmm, with seconds or with all of the year. It is zero where b
// isn't that, or no day of the calendar.
func parseDate(b []byte, zone *time.Location) time.Time {
	var n [7]int // two digits each, from the end: seconds, minutes, … and the century
	if len(b) == 10 {
		b = append(append(make([]byte, 0, 12), b...), '0', '0')
	}
	if len(b) != 12 && len(b) != 14 {
		return time.Time{}
	}
	for i := range len(b) / 2 {
		tens, ones := b[len(b)-2*i-2]-'0', b[len(b)-2*i-1]-'0'
		if tens > 9 || ones > 9 {
			return time.Time{}
		}
		n[i] = int(tens)*10 + int(ones)
	}
	if len(b) == 12 {
		n[6] = 20
	}
	t := time.Date(n[6]*100+n[5], time.Month(n[4]), n[3], n[2], n[1], n[0], 0, zone)
	if int(t.Month()) != n[4] || t.Day() != n[3] || n[2] > 23 || n[1] > 59 || n[0] > 59 {
		return time.Time{} // the 31st of February
	}
	return t
}

// statWord returns the word of a status in capitals.
func statWord(word []byte) string {
	if string(word) == "DELIVRD" { // nearly always
		return "DELIVRD"
	}
	return strings.ToUpper(clean(string(word)))
}
