package standin

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

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
