package standin

import (
	"cmp"
	"fmt"
	"time"
)

// AddEvent puts an event into a calendar. With Repeat set it is a series.
func (w *World) AddEvent(calendarID string, e Event) (Event, error) {
	err := w.change(func() ([]ring, error) {
		c, err := w.calendar(calendarID)
		if err != nil {
			return nil, err
		}
		if e.ID == "" {
			e.ID = w.eventID()
		}
		if _, _, err := w.find(e.ID); err == nil {
			return nil, fmt.Errorf("%w: the id is taken", ErrInvalid)
		}
		if err := w.put(c, &e); err != nil {
			return nil, err
		}
		return []ring{{calendarID, e.ID, "created"}}, nil
	})
	return e, err
}

// put completes and stores a new event.
func (w *World) put(c *calendar, e *Event) error {
	e.Calendar = c.ID
	e.Zone = cmp.Or(e.Zone, c.Zone)
	e.UID = cmp.Or(e.UID, e.ID+"@standin.example")
	e.Start, e.End = e.Start.UTC(), e.End.UTC()
	if err := e.check(); err != nil {
		return err
	}
	e.Master, e.Original, e.Changed, e.Dropped = "", time.Time{}, false, false
	e.Created = w.now()
	w.touch(e)
	stored := *e
	if e.Repeat != nil { // the caller keeps his own copy
		r := *e.Repeat
		stored.Repeat = &r
	}
	c.Events[e.ID] = &stored
	delete(c.Tombs, e.ID)
	return nil
}

// EditEvent lets f change an event. The id of an instance makes an exception of
// it; that of a master changes the whole series. f must not change ids.
func (w *World) EditEvent(id string, f func(*Event)) (Event, error) {
	var out Event
	err := w.change(func() ([]ring, error) {
		c, e, err := w.find(id)
		if err != nil {
			return nil, err
		}
		before := *e
		after := before
		if before.Repeat != nil {
			r := *before.Repeat
			after.Repeat = &r
		}
		f(&after)
		after.ID, after.Calendar, after.UID = before.ID, before.Calendar, before.UID
		after.Master, after.Original = before.Master, before.Original
		after.Start, after.End = after.Start.UTC(), after.End.UTC()
		if before.Master != "" || before.Repeat == nil {
			after.Repeat = nil
		}
		// A series that moves keeps its number of slots: its end moves along.
		if r := after.Repeat; r != nil && !r.Until.IsZero() && r.Until.Equal(before.Repeat.Until) {
			r.Until = r.Until.Add(after.Start.Sub(before.Start))
		}
		if err := after.check(); err != nil {
			return nil, err
		}
		w.touch(&after)
		switch {
		case before.Master != "":
			after.Changed = true
			c.Exceptions[id] = &after
		case before.Repeat != nil:
			w.reseries(c, &before, &after)
		default:
			c.Events[id] = &after
		}
		out = after
		return []ring{{c.ID, id, "updated"}}, nil
	})
	return out, err
}

// MoveEvent gives an event, a whole series or one instance a new start and
// keeps its length.
func (w *World) MoveEvent(id string, start time.Time) (Event, error) {
	return w.EditEvent(id, func(e *Event) {
		length := e.End.Sub(e.Start)
		e.Start, e.End = start, start.Add(length)
	})
}

// MoveToCalendar moves a single event or series to another calendar of the same
// provider. The old calendar keeps a tombstone with the same id.
func (w *World) MoveToCalendar(id, calendarID string) error {
	return w.change(func() ([]ring, error) {
		from, e, err := w.find(id)
		if err != nil {
			return nil, err
		}
		to, err := w.calendar(calendarID)
		if err != nil {
			return nil, err
		}
		if e.Master != "" || w.people[from.Person].Provider != w.people[to.Person].Provider || from == to {
			return nil, fmt.Errorf("%w: only whole events move, to another calendar of their provider", ErrInvalid)
		}
		moved := *e
		exceptions := map[string]*Event{}
		for key, x := range from.Exceptions {
			if x.Master == id {
				y := *x
				y.Calendar = to.ID
				exceptions[key] = &y
			}
		}
		w.remove(from, e, Delete)
		delete(from.Trash, id)
		moved.Calendar = to.ID
		w.touch(&moved)
		to.Events[id] = &moved
		delete(to.Tombs, id)
		for key, x := range exceptions {
			delete(from.Trash, key)
			x.Rev = moved.Rev
			to.Exceptions[key] = x
		}
		return []ring{{from.ID, id, "deleted"}, {to.ID, id, "created"}}, nil
	})
}
