package standin

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
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

// change runs f under the lock, then saves and rings the doorbells of the
// calendars f named. Every edit of the model goes through it.
func (w *World) change(f func() ([]ring, error)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	rings, err := f()
	if err != nil {
		return err
	}
	w.ring(rings)
	return w.save()
}

// ring names a change to tell subscribers of.
type ring struct {
	calendar string
	event    string
	kind     string // created, updated or deleted, Graph's words
}

// touch stamps e as changed now.
func (w *World) touch(e *Event) {
	w.seq++
	e.Rev = w.seq
	e.Updated = w.now()
	e.Sequence++
}

// AddPerson makes an account with a calendar of its own, the primary one, whose
// id at Google is the e-mail.
func (w *World) AddPerson(p Provider, email, name string) (Person, error) {
	var out Person
	err := w.change(func() ([]ring, error) {
		if p != Google && p != Microsoft || !strings.Contains(email, "@") {
			return nil, fmt.Errorf("%w: a person has a provider and an e-mail", ErrInvalid)
		}
		for _, x := range w.people {
			if x.Provider == p && x.Email == email {
				return nil, fmt.Errorf("%w: the person exists", ErrInvalid)
			}
		}
		id := w.uuid("person")
		if p == Google {
			id = "1" + decimal(w.bytes("person"), 20)
		}
		out = Person{ID: id, Provider: p, Email: email, Name: cmp.Or(name, email)}
		w.people[id] = &out
		title := email
		if p == Microsoft {
			title = "Kalender"
		}
		w.addCalendar(out, title, true)
		return nil, nil
	})
	return out, err
}

func decimal(b []byte, n int) string {
	var s strings.Builder
	for _, x := range b[:n] {
		s.WriteByte('0' + x%10)
	}
	return s.String()
}

// AddCalendar gives a person another calendar, as owner, in the default zone.
func (w *World) AddCalendar(person, name string) (Calendar, error) {
	var out Calendar
	err := w.change(func() ([]ring, error) {
		p, ok := w.people[person]
		if !ok {
			return nil, fmt.Errorf("%w: person", ErrNotFound)
		}
		out = w.addCalendar(*p, name, false).Calendar
		return nil, nil
	})
	return out, err
}

func (w *World) addCalendar(p Person, name string, primary bool) *calendar {
	id := w.hexID("calendar", 32) + "@group.calendar.google.com"
	switch {
	case p.Provider == Microsoft:
		id = "AAMkAG" + msEncode(w.hexID("calendar", 20)) + "="
	case primary:
		id = p.Email
	}
	w.seq++
	c := &calendar{
		Calendar: Calendar{ID: id, Person: p.ID, Name: name, Zone: w.opt.DefaultZone, Role: RoleOwner, Primary: primary},
		Events:   map[string]*Event{}, Exceptions: map[string]*Event{},
		Tombs: map[string]*tomb{}, Trash: map[string]*Event{}, Seq: w.seq,
	}
	w.calendars[id] = c
	return c
}

// RenameCalendar changes a calendar's name and zone; empty ones stay.
func (w *World) RenameCalendar(id, name, zone string) error {
	return w.change(func() ([]ring, error) {
		c, err := w.calendar(id)
		if err != nil {
			return nil, err
		}
		if _, err := time.LoadLocation(zone); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		c.Name, c.Zone = cmp.Or(name, c.Name), cmp.Or(zone, c.Zone)
		w.seq++
		c.Seq = w.seq
		return nil, nil
	})
}

// SetRole changes what the person may see of a calendar; NoRole unshares it.
// As at Google, a changed role ends the calendar's sync tokens.
func (w *World) SetRole(id, role string) error {
	return w.change(func() ([]ring, error) {
		c, err := w.calendar(id)
		if err != nil {
			return nil, err
		}
		w.seq++
		c.Role, c.Seq = role, w.seq
		c.Epoch++
		return []ring{{calendar: id}}, nil
	})
}

// DeleteCalendar removes a calendar with everything in it.
func (w *World) DeleteCalendar(id string) error {
	return w.change(func() ([]ring, error) {
		c, err := w.calendar(id)
		if err != nil {
			return nil, err
		}
		w.seq++
		c.Deleted, c.Seq = true, w.seq
		return nil, nil
	})
}

// ExpireSyncTokens ends every sync token and delta link of a calendar: the next
// use answers 410.
func (w *World) ExpireSyncTokens(id string) error {
	return w.change(func() ([]ring, error) {
		c, err := w.calendar(id)
		if err != nil {
			return nil, err
		}
		c.Epoch++
		return nil, nil
	})
}

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

// AddSeries is AddEvent with a recurrence.
func (w *World) AddSeries(calendarID string, e Event, r Repeat) (Event, error) {
	e.Repeat = &r
	return w.AddEvent(calendarID, e)
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
