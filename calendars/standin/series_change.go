package standin

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// AddSeries is AddEvent with a recurrence.
func (w *World) AddSeries(calendarID string, e Event, r Repeat) (Event, error) {
	e.Repeat = &r
	return w.AddEvent(calendarID, e)
}

// MoveInstance is MoveEvent for the slot original of a series.
func (w *World) MoveInstance(master string, original, start time.Time) (Event, error) {
	id, err := w.slotID(master, original)
	if err != nil {
		return Event{}, err
	}
	return w.MoveEvent(id, start)
}

// CancelInstance drops one slot of a series.
func (w *World) CancelInstance(master string, original time.Time) error {
	id, err := w.slotID(master, original)
	if err != nil {
		return err
	}
	return w.CancelEvent(id, Delete)
}

// RestoreInstance brings a dropped slot back, as it was.
func (w *World) RestoreInstance(master string, original time.Time) error {
	id, err := w.slotID(master, original)
	if err != nil {
		return err
	}
	return w.Restore(id)
}

func (w *World) slotID(master string, original time.Time) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, m, err := w.find(master)
	if err != nil {
		return "", err
	}
	return InstanceID(master, original, m.AllDay), nil
}

// reseries replaces a master. If its slots move, exceptions move along with
// their slot's number, and the ids of slots that are gone leave tombstones.
func (w *World) reseries(c *calendar, before, after *Event) {
	old, fresh := before.slots(), after.slots()
	c.Events[after.ID] = after
	moved := map[string]*Event{}
	var former []time.Time
	for n, slot := range old {
		id := InstanceID(before.ID, slot, before.AllDay)
		x, isException := c.Exceptions[id]
		if n < len(fresh) && fresh[n].Equal(slot) && before.AllDay == after.AllDay {
			continue
		}
		kind := tombSlot
		if isException {
			kind = tombException
			delete(c.Exceptions, id)
			former = append(former, slot)
			if n < len(fresh) && before.AllDay == after.AllDay {
				y := *x
				y.Original = fresh[n]
				y.ID = InstanceID(after.ID, fresh[n], after.AllDay)
				y.Rev = after.Rev
				moved[y.ID] = &y
			}
		}
		c.Tombs[id] = &tomb{Key: id, Master: before.ID, Original: slot, AllDay: before.AllDay, Kind: kind, Seq: after.Rev}
	}
	// A slot that was an exception and is a plain slot of the new series keeps an
	// object of its own: without one, a client that reads series unexpanded would
	// go on using the old exception.
	for _, slot := range former {
		if before.AllDay == after.AllDay && slices.ContainsFunc(fresh, slot.Equal) {
			i := after.instance(slot)
			i.Changed = true
			c.Exceptions[i.ID] = &i
		}
	}
	maps.Copy(c.Exceptions, moved)
}

// SplitSeries does what "this and following" does: the old series ends before
// the slot from, and a new one with new ids takes over from there, edited by f
// (nil keeps everything). Exceptions from there on are lost, as at Google.
func (w *World) SplitSeries(master string, from time.Time, f func(*Event)) (Event, error) {
	var out Event
	err := w.change(func() ([]ring, error) {
		c, m, err := w.find(master)
		if err != nil {
			return nil, err
		}
		if m.Repeat == nil {
			return nil, fmt.Errorf("%w: not a series", ErrInvalid)
		}
		slots := m.slots()
		n := slices.IndexFunc(slots, from.Equal)
		if n <= 0 {
			return nil, fmt.Errorf("%w: a series is split at one of its later slots", ErrInvalid)
		}
		before, head, tail := *m, *m, *m
		headRepeat, tailRepeat := *m.Repeat, *m.Repeat
		headRepeat.Count, headRepeat.Until = 0, from.Add(-time.Second)
		if m.AllDay {
			headRepeat.Until = from.AddDate(0, 0, -1)
		}
		if tailRepeat.Count > 0 {
			tailRepeat.Count -= n
		}
		head.Repeat, tail.Repeat = &headRepeat, &tailRepeat
		first := m.instance(from)
		tail.Start, tail.End = first.Start, first.End
		if f != nil {
			f(&tail)
		}
		base, _, _ := strings.Cut(m.ID, "_R")
		tail.ID = base + "_R" + from.In(m.location()).Format("20060102T150405")
		tail.UID = tail.ID + "@standin.example"
		tail.Sequence = 0
		if _, taken := c.Events[tail.ID]; taken {
			tail.ID = w.eventID()
		}
		w.touch(&head)
		w.reseries(c, &before, &head)
		if err := w.put(c, &tail); err != nil {
			c.Events[m.ID] = &before
			return nil, err
		}
		out = tail
		return []ring{{c.ID, head.ID, "updated"}, {c.ID, tail.ID, "created"}}, nil
	})
	return out, err
}
