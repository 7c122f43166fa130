package notify

import "slices"

// history completes the written history of e by what went by the book: that it was
// asked for, accepted at the first attempt, and what its one receipt said.
func (e Entry) history(written []HistoryEntry) []HistoryEntry {
	out := append([]HistoryEntry{{At: e.CreatedAt, What: WhatQueued}}, written...)
	has := func(what ...What) bool {
		return slices.ContainsFunc(written, func(h HistoryEntry) bool { return slices.Contains(what, h.What) })
	}
	if e.AcceptedAt != nil && !has(WhatAccepted, WhatResolved) {
		out = append(out, HistoryEntry{At: *e.AcceptedAt, What: WhatAccepted, Status: Sent})
	}
	if e.AcceptedAt != nil && e.Status.Final() && !slices.ContainsFunc(written, func(h HistoryEntry) bool { return h.Status == e.Status }) {
		out = append(out, HistoryEntry{At: e.StatusAt, What: WhatReceipt, Status: e.Status, Code: e.Code})
	}
	slices.SortStableFunc(out, func(a, b HistoryEntry) int { return a.At.Compare(b.At) })
	return out
}
