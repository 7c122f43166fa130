package standin

import (
	"fmt"
	"maps"
	"slices"
)

// Manner is how an event is cancelled.
type Manner int

// Delete leaves the tombstone both providers document. Vanish leaves nothing:
// the event is just no longer there. KeepDetails leaves a Google tombstone that
// still carries times and texts, as organizer copies do. MarkCancelled keeps
// the event listed at Microsoft with isCancelled, as in an attendee's copy; at
// Google it is KeepDetails.
const (
	Delete Manner = iota
	Vanish
	KeepDetails
	MarkCancelled
)

// CancelEvent cancels an event, a whole series or one instance.
func (w *World) CancelEvent(id string, how Manner) error {
	return w.change(func() ([]ring, error) {
		c, e, err := w.find(id)
		if err != nil {
			return nil, err
		}
		p := w.people[c.Person]
		if how == MarkCancelled && p.Provider == Microsoft {
			marked := *e
			marked.Cancelled = true
			w.touch(&marked)
			if e.Master != "" {
				marked.Changed = true
				c.Exceptions[id] = &marked
			} else {
				c.Events[id] = &marked
			}
			return []ring{{c.ID, id, "updated"}}, nil
		}
		if e.Master != "" {
			gone := *e
			gone.Dropped = true
			w.touch(&gone)
			if how == Vanish { // nothing new to report, the slot is just empty
				gone.Rev = 0
			}
			c.Exceptions[id] = &gone
			return []ring{{c.ID, id, "deleted"}}, nil
		}
		w.remove(c, e, how)
		return []ring{{c.ID, id, "deleted"}}, nil
	})
}

// remove takes an event or a series out of c and leaves tombstones unless how
// is Vanish.
func (w *World) remove(c *calendar, e *Event, how Manner) {
	w.seq++
	delete(c.Events, e.ID)
	trashed := *e
	c.Trash[e.ID] = &trashed
	leave := func(t tomb) {
		if how != Vanish {
			t.Seq = w.seq
			c.Tombs[t.Key] = &t
		}
	}
	t := tomb{Key: e.ID, Kind: tombSingle, AllDay: e.AllDay}
	if how == KeepDetails || how == MarkCancelled {
		d := trashed
		d.Updated = w.now()
		t.Details = &d
	}
	if e.Repeat == nil {
		leave(t)
		return
	}
	t.Kind = tombMaster
	leave(t)
	for _, slot := range e.slots() {
		id := InstanceID(e.ID, slot, e.AllDay)
		kind := tombSlot
		if x, ok := c.Exceptions[id]; ok {
			kind = tombException
			c.Trash[id] = x
			delete(c.Exceptions, id)
		}
		leave(tomb{Key: id, Master: e.ID, Original: slot, AllDay: e.AllDay, Kind: kind})
	}
}

// Restore undoes CancelEvent under the same id.
func (w *World) Restore(id string) error {
	return w.change(func() ([]ring, error) {
		for _, key := range slices.Sorted(maps.Keys(w.calendars)) {
			c := w.calendars[key]
			if c.Deleted {
				continue
			}
			if x, ok := c.Exceptions[id]; ok && x.Dropped {
				back := *x
				// It stays an object of its own, even if it is as its series would have
				// it: else clients that read series unexpanded would never hear of it.
				back.Dropped, back.Changed = false, true
				w.touch(&back)
				c.Exceptions[id] = &back
				return []ring{{c.ID, id, "created"}}, nil
			}
			if e, ok := c.Trash[id]; ok && e.Master == "" {
				back := *e
				w.touch(&back)
				c.Events[id] = &back
				delete(c.Trash, id)
				delete(c.Tombs, id)
				for _, slot := range back.slots() {
					if back.Repeat == nil {
						break
					}
					slotID := InstanceID(id, slot, back.AllDay)
					delete(c.Tombs, slotID)
					if x, ok := c.Trash[slotID]; ok {
						y := *x
						y.Rev = back.Rev
						c.Exceptions[slotID] = &y
						delete(c.Trash, slotID)
					}
				}
				return []ring{{c.ID, id, "created"}}, nil
			}
			if e, ok := c.Events[id]; ok && e.Cancelled {
				back := *e
				back.Cancelled = false
				w.touch(&back)
				c.Events[id] = &back
				return []ring{{c.ID, id, "updated"}}, nil
			}
		}
		return nil, fmt.Errorf("%w: no cancelled event of this id", ErrNotFound)
	})
}
