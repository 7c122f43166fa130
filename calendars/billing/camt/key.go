package camt

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
)

// keys are the names given in a file so far, and how often.
type keys struct {
	alike    map[string]int // bookings the bank gave no reference that look the same
	bookings map[string]int
	details  map[string]int
}

func newKeys() keys {
	return keys{map[string]int{}, map[string]int{}, map[string]int{}}
}

// set names a booking and its details.
func (k keys) set(b *Booking, entryRef string) {
	id := b.Ref
	if id == "" {
		// Not of the details: camt.053 may come without those that camt.054 has.
		id = "~" + digest(b.BookedOn, entryRef)
		alike := b.IBAN + b.KeyUnder(id)
		k.alike[alike]++
		id += "~" + strconv.Itoa(k.alike[alike])
	}
	b.Key = b.KeyUnder(id)
	within := b.IBAN + " " + b.Key + " "
	b.Again = k.bookings[within]
	k.bookings[within]++
	for i := range b.Details {
		d := &b.Details[i]
		name := d.Ref
		if name == "" || name == b.Ref {
			name = "~" + digest(d.Reference, d.EndToEnd, d.Name, d.IBAN, d.Text)
		}
		name = d.keyUnder(name)
		// Not of this booking alone: another of the same reference is other money.
		d.Key = name
		for k.details[within+d.Key] > 0 {
			k.details[within+name]++
			d.Key = name + "/" + strconv.Itoa(k.details[within+name])
		}
		k.details[within+d.Key]++
	}
}

// KeyUnder is the key b has under the bank's reference id.
func (b Booking) KeyUnder(id string) string {
	direction := "D"
	if b.Credit {
		direction = "C"
	}
	if b.Reversal {
		direction += "R"
	}
	return fmt.Sprintf("%s/%s/%d", id, direction, b.Rappen)
}

func (d Detail) keyUnder(name string) string { return fmt.Sprintf("%s/%d", name, d.Rappen) }

// Elsewhere are the keys another booking may have for d, a detail of b or b as a whole:
// that of a detail, and that of a booking of its own. A collective booking in one file
// may be single ones in another; what stays is the bank's name of the payment.
func (b Booking) Elsewhere(d Detail) (details, bookings []string) {
	if d.Ref != "" && d.Ref != b.Ref { // else it is no name of the payment
		details = append(details, d.Key)
		alone := b
		alone.Rappen = d.Rappen
		bookings = append(bookings, alone.KeyUnder(d.Ref))
	}
	if b.Ref != "" && d.Rappen == b.Rappen {
		details = append(details, d.keyUnder(b.Ref))
	}
	return details, bookings
}

func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p) // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}
