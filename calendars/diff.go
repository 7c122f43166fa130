package calendars

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// difference is what a snapshot brings.
type difference struct {
	changes []change
	put     []*Event // to be written: new, changed, or only with another ETag
	gone    []int64
	hidden  int // instances whose texts are withheld
}

// change keeps a pointer, since a new event gets its id only when it is written.
type change struct {
	event  *Event
	before *Event
}

// diff compares the events stored of a calendar with a complete snapshot of w. anew
// says that the Sink starts over with this calendar: every event in the snapshot is
// reported, with no Before.
//
// stored must hold every event that had not ended at w.From and those of the
// snapshot's keys.
func diff(cal CalendarRef, stored []Event, instances []Instance, w Window, anew bool, now time.Time) (difference, error) {
	var d difference
	in, err := normalise(instances)
	if err != nil {
		return d, err
	}
	old := make(map[string]*Event, len(stored))
	for i := range stored {
		old[stored[i].Key] = &stored[i]
	}
	tellApart(in, old)
	for _, i := range in {
		if i.Hidden {
			d.hidden++
		}
		was := old[i.Key]
		delete(old, i.Key)
		is := i.event(cal)
		if was == nil {
			is.FirstSeen, is.Changed = now, now
			d.put = append(d.put, &is)
			d.changes = append(d.changes, change{&is, nil})
			continue
		}
		is.ID, is.FirstSeen, is.Changed = was.ID, was.FirstSeen, was.Changed
		if was.Gone != nil || !sameToPatient(*was, is) {
			is.Changed = now
		}
		switch differs := was.Gone != nil || !same(*was, is); {
		case anew && (differs || was.ETag != is.ETag):
			d.put = append(d.put, &is)
			fallthrough
		case anew:
			d.changes = append(d.changes, change{&is, nil})
		case differs:
			d.put = append(d.put, &is)
			d.changes = append(d.changes, change{&is, was})
		case was.ETag != is.ETag:
			d.put = append(d.put, &is)
		}
	}
	// What had begun when the window began may have ended since, and what lies beyond
	// the window was not asked for: of both the snapshot says nothing.
	for i := range stored {
		was := &stored[i]
		if old[was.Key] == nil || was.Gone != nil || !was.Start.After(w.From) || !was.Start.Before(w.To) {
			continue
		}
		is := *was
		is.Gone, is.Changed = &now, now
		d.gone = append(d.gone, is.ID)
		d.changes = append(d.changes, change{&is, was})
	}
	return d, nil
}

// normalise brings instances into the form they are stored in: instants in
// microseconds, text that PostgreSQL takes, one per key (the last wins), ordered by key.
// An instance without a start is no appointment: minimal tombstones have none.
func normalise(instances []Instance) ([]Instance, error) {
	last := make(map[string]int, len(instances))
	for i := range instances {
		last[plain(instances[i].Key)] = i
	}
	out := make([]Instance, 0, len(last))
	for key, i := range last {
		in := instances[i]
		if key == "" {
			return nil, fmt.Errorf("%w: an instance without a key", ErrUnavailable)
		}
		if in.Start.IsZero() {
			continue
		}
		in.Key, in.UID, in.Occurrence, in.Kind, in.ETag = key, plain(in.UID), plain(in.Occurrence), plain(in.Kind), plain(in.ETag)
		in.UID, in.Kind = orElse(in.UID, key), orElse(in.Kind, "default")
		in.Start, in.End = in.Start.UTC().Truncate(time.Microsecond), in.End.UTC().Truncate(time.Microsecond)
		if in.End.Before(in.Start) {
			in.End = in.Start
		}
		if _, err := time.Parse(time.DateOnly, in.StartDate); err != nil {
			in.StartDate = ""
		}
		// They lie sealed, but what is found in them does not.
		in.Title, in.Location, in.Description = plain(in.Title), plain(in.Location), plain(in.Description)
		out = append(out, in)
	}
	slices.SortFunc(out, func(a, b Instance) int { return cmp.Compare(a.Key, b.Key) })
	return out, nil
}

// plain is s as PostgreSQL takes it: valid UTF-8 without NUL.
func plain(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// tellApart gives instances that share UID and occurrence, as copies do, UIDs of
// their own: reminders are keyed by both. One keeps the plain UID; whoever has a UID
// of its own keeps that for as long as it lives, lest its reminders change their key.
// in is ordered by key.
func tellApart(in []Instance, old map[string]*Event) {
	type slot struct{ uid, occurrence string }
	owner := make(map[slot]string, len(in))
	own := func(i Instance) string { return i.UID + "#" + i.Key }
	hasOwn := func(i Instance) bool { was := old[i.Key]; return was != nil && was.UID == own(i) }
	hasPlain := func(i Instance) bool {
		was := old[i.Key]
		return was != nil && was.Gone == nil && was.UID == i.UID && was.Occurrence == i.Occurrence
	}
	for _, claims := range []func(Instance) bool{hasPlain, func(i Instance) bool { return !hasOwn(i) }} {
		for _, i := range in {
			if s := (slot{i.UID, i.Occurrence}); owner[s] == "" && claims(i) {
				owner[s] = i.Key
			}
		}
	}
	for k := range in {
		if i := &in[k]; owner[slot{i.UID, i.Occurrence}] != i.Key {
			i.UID = own(*i)
		}
	}
}

func (i Instance) event(cal CalendarRef) Event {
	return Event{
		AccountID: cal.AccountID, CalendarID: cal.ID,
		Key: i.Key, UID: i.UID, Occurrence: i.Occurrence,
		Start: i.Start, End: i.End, AllDay: i.AllDay, StartDate: i.StartDate, Kind: i.Kind,
		Cancelled: i.Cancelled, Declined: i.Declined, Hidden: i.Hidden,
		Title: i.Title, Location: i.Location, Description: i.Description, ETag: i.ETag,
	}
}

// sameToPatient compares what a reminder could say or depend on: start, texts and
// standing. Only these move Changed, and with it the debounce.
func sameToPatient(a, b Event) bool {
	return a.Start.Equal(b.Start) && a.AllDay == b.AllDay && a.StartDate == b.StartDate && a.Kind == b.Kind &&
		a.Cancelled == b.Cancelled && a.Declined == b.Declined && a.Hidden == b.Hidden &&
		a.Title == b.Title && a.Location == b.Location && a.Description == b.Description
}

// same compares everything but our own notes and the ETag, which providers change
// for reasons that are none of ours.
func same(a, b Event) bool {
	return sameToPatient(a, b) && a.End.Equal(b.End) && a.UID == b.UID && a.Occurrence == b.Occurrence && a.Sealed == b.Sealed
}
