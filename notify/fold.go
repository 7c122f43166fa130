package notify

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// refKey names a message, or a part of one, as carriers do.
type refKey struct{ carrier, id string }

// folded is what all receipts for one carrier id come to, together.
type folded struct {
	refKey
	Receipt
}

// fold reduces receipts to one per carrier id and recipient named: the status they lead to
// in the order given. The order of different ids doesn't matter; sorted, they can't deadlock.
func fold(all []Receipt, now time.Time) []folded {
	keys := make([]refKey, len(all))
	order := make([]int32, len(all))
	for i := range all {
		keys[i], order[i] = refKey{all[i].Carrier, clean(all[i].CarrierID)}, int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Or(keys[a].compare(keys[b]), cmp.Compare(a, b)) })
	out := make([]folded, 0, len(all))
	first := 0 // of those with the key at hand
	for _, i := range order {
		f := folded{keys[i], all[i]}
		if f.At.IsZero() {
			f.At = now
		}
		f.Code = clean(f.Code)
		if len(out) == 0 || out[first].refKey != f.refKey {
			first = len(out)
			out = append(out, f)
			continue
		}
		into := first
		if f.otherThan(out[first]) { // an id that came with several recipients
			for into++; into < len(out) && f.Recipient != out[into].Recipient; into++ {
			}
		}
		if into == len(out) {
			out = append(out, f)
		} else {
			out[into].take(f.Receipt)
		}
	}
	for i := 1; i < len(out); i++ {
		if out[i].refKey == out[i-1].refKey { // rare
			slices.SortFunc(out, folded.compare)
			break
		}
	}
	return out
}

// otherThan reports whether f and o name different recipients.
func (f *folded) otherThan(o folded) bool {
	return f.Recipient != o.Recipient && f.Recipient != "" && o.Recipient != ""
}

// take adds a later receipt.
func (f *folded) take(r Receipt) {
	if f.Status.After(r.Status) {
		f.Status, f.Code, f.At = r.Status, r.Code, r.At
	}
	f.Recipient, f.Sender = cmp.Or(f.Recipient, r.Recipient), cmp.Or(f.Sender, r.Sender)
}

// compare orders by carrier and id.
func (k refKey) compare(o refKey) int {
	if k.carrier != o.carrier {
		return strings.Compare(k.carrier, o.carrier)
	}
	return strings.Compare(k.id, o.id)
}

// compare orders by carrier and id, then by recipient.
func (f folded) compare(o folded) int {
	return cmp.Or(f.refKey.compare(o.refKey), strings.Compare(f.Recipient, o.Recipient))
}

// apart splits receipts, sorted, into those whose ids are all different and those whose id
// was there before, with another recipient: mostly none.
func apart(all []folded) (first, again []folded) {
	for i := 1; i < len(all); i++ {
		if all[i].refKey != all[i-1].refKey {
			continue
		}
		first = slices.Clone(all[:i])
		for ; i < len(all); i++ {
			if all[i].refKey == all[i-1].refKey {
				again = append(again, all[i])
			} else {
				first = append(first, all[i])
			}
		}
		return first, again
	}
	return all, nil
}

// clean makes text from outside storable.
func clean(s string) string {
	if strings.IndexByte(s, 0) < 0 && utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}
