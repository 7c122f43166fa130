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
	type named struct {
		refKey
		recipient string
	}
	byKey := make(map[refKey]*folded, len(all))
	var more map[named]*folded // of ids that came with several recipients
	for _, r := range all {
		if r.At.IsZero() {
			r.At = now
		}
		r.Code = clean(r.Code)
		k := refKey{r.Carrier, clean(r.CarrierID)}
		known, ok := byKey[k]
		if !ok {
			byKey[k] = &folded{refKey: k, Receipt: r}
			continue
		}
		if known.Recipient != r.Recipient && known.Recipient != "" && r.Recipient != "" {
			if known, ok = more[named{k, r.Recipient}]; !ok {
				if more == nil {
					more = map[named]*folded{}
				}
				more[named{k, r.Recipient}] = &folded{refKey: k, Receipt: r}
				continue
			}
		}
		if known.Status.After(r.Status) {
			known.Status, known.Code, known.At = r.Status, r.Code, r.At
		}
		known.Recipient, known.Sender = cmp.Or(known.Recipient, r.Recipient), cmp.Or(known.Sender, r.Sender)
	}
	out := make([]folded, 0, len(byKey))
	for _, f := range byKey {
		out = append(out, *f)
	}
	for _, f := range more {
		out = append(out, *f)
	}
	slices.SortFunc(out, folded.compare)
	return out
}

// compare orders by carrier and id, then by recipient.
func (f folded) compare(o folded) int {
	return cmp.Or(cmp.Compare(f.carrier, o.carrier), cmp.Compare(f.id, o.id), cmp.Compare(f.Recipient, o.Recipient))
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
