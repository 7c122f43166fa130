package notify

import (
	"slices"
	"time"
)

// history completes the written history of e, in the order it was written, by what
// went by the book: that it was asked for, accepted at the first attempt, and what its
// one receipt said.
//
// A receipt's time is the gateway's: mostly cut to the minute, by its own clock, at
// times in a zone of its own. So steps are told in the order they became known, and
// none at an earlier instant than the one before.
func (e Entry) history(written []HistoryEntry) []HistoryEntry {
	out := append([]HistoryEntry{{At: e.CreatedAt, What: WhatQueued}}, written...)
	has := func(what ...What) bool {
		return slices.ContainsFunc(written, func(h HistoryEntry) bool { return slices.Contains(what, h.What) })
	}
	if e.AcceptedAt != nil && !has(WhatAccepted, WhatResolved) {
		at := len(out)
		if later := slices.IndexFunc(written, func(h HistoryEntry) bool { return h.What == WhatReceipt || h.At.After(*e.AcceptedAt) }); later >= 0 {
			at = 1 + later
		}
		out = slices.Insert(out, at, HistoryEntry{At: *e.AcceptedAt, What: WhatAccepted, Status: Sent})
	}
	if e.AcceptedAt != nil && e.Status.Final() && !slices.ContainsFunc(written, func(h HistoryEntry) bool { return h.Status == e.Status }) {
		out = append(out, HistoryEntry{At: e.StatusAt, What: WhatReceipt, Status: e.Status, Code: e.Code})
	}
	var known time.Time
	for i := range out {
		if out[i].At.Before(known) {
			out[i].At = known
		}
		known = out[i].At
	}
	return out
}
