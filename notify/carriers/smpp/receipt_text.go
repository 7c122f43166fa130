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

// receiptText reads the octets as a receipt's text.
func (d delivery) receiptText(zone *time.Location) receiptText {
	return parseReceipt(d.receiptOctets(), zone)
}

// receiptOctets are the octets in ASCII, which they are in practice whatever data_coding
// says; some gateways send UCS-2, and some GSM-7, which writes | and _ in another way.
func (d delivery) receiptOctets() []byte {
	if charset(d.coding) == data.UCS2Coding {
		if text, err := segment.DecodeUCS2(bigEndian(d.octets)); err == nil {
			return []byte(text)
		}
		return d.octets
	}
	const escape, underscore = 0x1B, 0x11 // neither is ever in ASCII
	if !bytes.ContainsAny(d.octets, "\x1B\x11") {
		return d.octets
	}
	octets := make([]byte, 0, len(d.octets))
	for i := 0; i < len(d.octets); i++ {
		switch b := d.octets[i]; {
		case b == underscore:
			octets = append(octets, '_')
		case b == escape && i+1 < len(d.octets):
			if text, err := segment.DecodeGSM7(d.octets[i : i+2]); err == nil {
				octets = append(octets, text...)
			}
			i++
		default:
			octets = append(octets, b)
		}
	}
	return octets
}

// parseReceipt reads the text gateways put into receipts:
//
//	id:IIIIIIIIII sub:SSS dlvrd:DDD submit date:YYMMDDhhmm done date:YYMMDDhhmm stat:DDDDDDD err:E text:…
//
// in any order, any case, with = in place of the colons, with blanks around them or none,
// values in quotes or not, dates of either length, in zone; message_id is id. Of fields that
// come twice the first counts. What doesn't look so gives an empty result.
//
// Where the text comes before both id and stat, nobody can tell where it ends: then the last
// of each field counts, and both are needed.
//
// Source: SMPP 3.4 appendix B, which leaves the format to the vendor.
func parseReceipt(text []byte, zone *time.Location) (r receiptText) {
	textFirst := false
	for i := 0; i < len(text); {
		key, value := fieldAt(text, i)
		if key == "" {
			i = nextWord(text, i)
			continue
		}
		if key == "text" {
			if r.ID != "" || r.Stat != "" {
				break // the message's own words: whatever they look like, they aren't fields
			}
			textFirst = true
			i = value
			continue
		}
		word, end := valueAt(text, value)
		switch {
		case len(word) == 0:
		case key == "id" && (r.ID == "" || textFirst):
			r.ID = clean(string(word))
		case key == "stat" && (r.Stat == "" || textFirst):
			r.Stat = statWord(bytes.TrimRight(word, "."))
		case key == "err" && (r.Err == "" || textFirst):
			word = bytes.TrimRight(word, ".")
			if r.Err = "000"; string(word) != r.Err {
				r.Err = clean(string(word))
			}
		case key == "done" && (r.Done.IsZero() || textFirst):
			r.Done = parseDate(word, zone)
		}
		i = end
	}
	if _, known := statusOf(r.Stat); textFirst && (!known || r.ID == "") {
		return receiptText{}
	}
	return r
}

// onlyFields reports whether all words before the message's own belong to fields.
func onlyFields(text []byte) bool {
	for i := 0; i < len(text); {
		key, value := fieldAt(text, i)
		switch {
		case key == "text":
			return true
		case key != "":
			_, i = valueAt(text, value)
		case isBlank(text[i]) || isComma(text[i]):
			i = nextWord(text, i)
		default:
			return false
		}
	}
	return true
}

// receiptKeys are the fields a receipt may have, told apart by their first word.
var receiptKeys = [...]struct {
	key, word string
	second    string // follows word
}{
	{"id", "id", ""}, {"stat", "stat", ""}, {"err", "err", ""}, {"done", "done", "date"}, {"submit", "submit", "date"},
	{"sub", "sub", ""}, {"dlvrd", "dlvrd", ""}, {"text", "text", ""}, {"id", "message", "id"},
}

// fieldAt returns the key of the field at text[i:], in lower case, and where its value
// begins; "" where there is none.
func fieldAt(text []byte, i int) (key string, value int) {
	for _, k := range receiptKeys {
		rest := text[i:]
		if len(rest) <= len(k.word) || !sameWord(rest[:len(k.word)], k.word) {
			continue
		}
		rest = rest[len(k.word):]
		if k.second != "" {
			rest = bytes.TrimLeft(rest, blanks+"_")
			if len(rest) < len(k.second) || !sameWord(rest[:len(k.second)], k.second) {
				continue
			}
			rest = rest[len(k.second):]
		}
		rest = bytes.TrimLeft(rest, blanks)
		if len(rest) > 0 && (rest[0] == ':' || rest[0] == '=') {
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
