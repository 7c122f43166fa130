package camt

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
)

// setKeys names a booking and its details. equal counts the bookings of one file that
// are alike and that the bank gave no reference.
func setKeys(b *Booking, entryRef string, equal map[string]int) {
	direction := "D"
	if b.Credit {
		direction = "C"
	}
	if b.Reversal {
		direction += "R"
	}
	id := b.Ref
	if id == "" {
		// Not of the details: camt.053 may come without those that camt.054 has.
		id = "~" + digest(b.BookedOn, entryRef)
		alike := b.IBAN + id + direction + strconv.FormatInt(b.Rappen, 10)
		equal[alike]++
		id += "~" + strconv.Itoa(equal[alike])
	}
	b.Key = fmt.Sprintf("%s/%s/%d", id, direction, b.Rappen)
	seen := map[string]int{}
	for i := range b.Details {
		d := &b.Details[i]
		name := d.Ref
		if name == "" || name == b.Ref {
			name = "~" + digest(d.Reference, d.EndToEnd, d.Name, d.IBAN, d.Text)
		}
		name = fmt.Sprintf("%s/%d", name, d.Rappen)
		seen[name]++
		d.Key = name
		if n := seen[name]; n > 1 {
			d.Key += "/" + strconv.Itoa(n)
		}
	}
}

func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p) // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}
