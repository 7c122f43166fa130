package google

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	gcal "google.golang.org/api/calendar/v3"
	"google.golang.org/api/option"

	"rappel/calendars"
)

const (
	opList     = "calendarList.list"
	opBell     = "events.list (bell)"
	opSnapshot = "events.list (snapshot)"
)

// Field masks. The tokens must be named or Google leaves them out. Of attendees
// only the calendar's own answer is asked for.
const (
	listFields     = "kind,nextPageToken,items(id,summary,summaryOverride,primary,timeZone,accessRole,deleted)"
	bellFields     = "kind,nextPageToken,nextSyncToken,items(id)"
	snapshotFields = "kind,nextPageToken,timeZone,items(id,etag,status,recurringEventId,originalStartTime,iCalUID,start,end," +
		"summary,location,description,eventType,visibility,attendees(self,responseStatus))"
)

// Largest pages Google serves.
const (
	calendarsPerPage = 250
	eventsPerPage    = 2500
)

// bellReach is how far back the arming read looks; it only has to be valid.
const bellReach = 24 * time.Hour

// Reader reads through Calendar API v3. It holds no state between calls.
type Reader struct {
	endpoint string
	now      func() time.Time
}

var _ calendars.Reader = (*Reader)(nil)

// service makes a client of the API for one operation.
func (r *Reader) service(ctx context.Context, op string, client *http.Client) (*gcal.Service, error) {
	s, err := gcal.NewService(ctx, option.WithHTTPClient(calendars.Guarded(client, r.endpoint)), option.WithEndpoint(r.endpoint))
	if err != nil {
		return nil, &calendars.Error{Provider: Name, Op: op, Kind: calendars.ErrClientConfig, Err: calendars.Cause(err)}
	}
	return s, nil
}

// Calendars implements calendars.Reader. Calendars hidden in Google's own
// side bar are listed too: hiding one must not stop its reminders.
func (r *Reader) Calendars(ctx context.Context, client *http.Client) ([]calendars.Remote, error) {
	s, err := r.service(ctx, opList, client)
	if err != nil {
		return nil, err
	}
	call := s.CalendarList.List().Context(ctx).MaxResults(calendarsPerPage).ShowHidden(true).Fields(listFields)
	at := map[string]int{}
	var out []calendars.Remote
	for seen := new(calendars.Pages); ; {
		page, err := call.Do()
		if err != nil {
			return nil, r.failure(opList, false, err)
		}
		if page.Kind == "" && page.Items == nil && page.NextPageToken == "" {
			return nil, &calendars.Error{Provider: Name, Op: opList, Kind: calendars.ErrUnavailable, Err: errNoList}
		}
		for _, c := range page.Items {
			if c == nil || c.Id == "" || c.Deleted {
				continue
			}
			remote := remote(c)
			if i, ok := at[c.Id]; ok { // listed again: the later entry counts
				out[i] = remote
				continue
			}
			at[c.Id] = len(out)
			out = append(out, remote)
		}
		more, err := seen.Next(Name, opList, page.NextPageToken, len(page.Items))
		if err != nil {
			return nil, err
		}
		if !more {
			return out, nil
		}
		call.PageToken(page.NextPageToken)
	}
}

func remote(c *gcal.CalendarListEntry) calendars.Remote {
	out := calendars.Remote{Ref: c.Id, Name: c.Summary, Zone: c.TimeZone, Role: c.AccessRole, Primary: c.Primary}
	if c.SummaryOverride != "" {
		out.Name = c.SummaryOverride
	}
	switch c.AccessRole {
	case "owner", "writer":
		out.Readable = true
	case "reader", "writerWithoutPrivateAccess":
		out.Readable, out.HidesTexts = true, true
	}
	return out
}

// identity names the account by its primary calendar, whose id is its address.
func (r *Reader) identity(ctx context.Context, client *http.Client) (calendars.Identity, error) {
	list, err := r.Calendars(ctx, client)
	var failed *calendars.Error
	if errors.As(err, &failed) && failed.Code == "insufficientPermissions" {
		failed.Kind = calendars.ErrScopeMissing // the token reply did not name its scopes
	}
	if err != nil {
		return calendars.Identity{}, err
	}
	for _, c := range list {
		if c.Primary {
			return calendars.Identity{Subject: c.Ref, Label: c.Ref}, nil
		}
	}
	return calendars.Identity{}, &calendars.Error{Provider: Name, Op: opList, Kind: calendars.ErrUnavailable, Code: "no_primary_calendar"}
}

// cursor is what Changed hands out, as JSON.
type cursor struct {
	Version int    `json:"v"`
	Sync    string `json:"sync"`
}

func decodeCursor(raw []byte) (cursor, error) {
	var c cursor
	if err := json.Unmarshal(raw, &c); err != nil {
		return cursor{}, fmt.Errorf("cursor: %w", err)
	}
	if c.Version != 1 || c.Sync == "" {
		return cursor{}, errors.New("cursor: of another version")
	}
	return c, nil
}

// Changed implements calendars.Reader. horizon plays no part: a sync token
// covers the whole calendar.
func (r *Reader) Changed(ctx context.Context, client *http.Client, ref calendars.Ref, raw []byte, now time.Time, _ time.Duration) (calendars.Bell, error) {
	s, err := r.service(ctx, opBell, client)
	if err != nil {
		return calendars.Bell{}, err
	}
	call := s.Events.List(ref.Calendar).Context(ctx).SingleEvents(false).MaxResults(eventsPerPage).Fields(bellFields)
	armed := len(raw) > 0
	if armed {
		c, err := decodeCursor(raw)
		if err != nil {
			return calendars.Bell{}, &calendars.Error{Provider: Name, Op: opBell, Kind: calendars.ErrCursorLost, Err: err}
		}
		call.SyncToken(c.Sync)
	} else {
		call.TimeMin(now.Add(-bellReach).UTC().Format(time.RFC3339))
	}
	bell := calendars.Bell{Changed: !armed}
	for seen := new(calendars.Pages); ; {
		page, err := call.Do()
		if err != nil {
			return calendars.Bell{}, r.failure(opBell, armed, err)
		}
		if !isList(page) {
			return calendars.Bell{}, &calendars.Error{Provider: Name, Op: opBell, Kind: calendars.ErrUnavailable, Err: errNoList}
		}
		bell.Changed = bell.Changed || len(page.Items) > 0
		more, err := seen.Next(Name, opBell, page.NextPageToken, len(page.Items))
		switch {
		case err != nil:
			return calendars.Bell{}, err
		case more:
			call.PageToken(page.NextPageToken)
			continue
		case page.NextSyncToken == "": // no bell here
			return calendars.Bell{Changed: true}, nil
		}
		bell.Cursor, err = json.Marshal(cursor{Version: 1, Sync: page.NextSyncToken})
		if err != nil {
			return calendars.Bell{}, &calendars.Error{Provider: Name, Op: opBell, Kind: calendars.ErrUnavailable, Err: err}
		}
		return bell, nil
	}
}

// Snapshot implements calendars.Reader. Google's bounds are exclusive, of the
// end and of the start, which is the overlap asked for.
func (r *Reader) Snapshot(ctx context.Context, client *http.Client, ref calendars.Ref, w calendars.Window) (calendars.Snapshot, error) {
	s, err := r.service(ctx, opSnapshot, client)
	if err != nil {
		return calendars.Snapshot{}, err
	}
	call := s.Events.List(ref.Calendar).Context(ctx).SingleEvents(true).ShowDeleted(false).MaxResults(eventsPerPage).
		TimeMin(w.From.UTC().Format(time.RFC3339)).TimeMax(w.To.UTC().Format(time.RFC3339)).Fields(snapshotFields)
	found := newGathering()
	zone := ""
	for seen := new(calendars.Pages); ; {
		page, err := call.Do()
		if err != nil {
			return calendars.Snapshot{}, r.failure(opSnapshot, false, err)
		}
		if !isList(page) {
			return calendars.Snapshot{}, &calendars.Error{Provider: Name, Op: opSnapshot, Kind: calendars.ErrUnavailable, Err: errNoList}
		}
		if page.TimeZone != "" {
			zone = page.TimeZone
		}
		loc, err := location(ref.Zone, zone)
		if err != nil {
			return calendars.Snapshot{}, &calendars.Error{Provider: Name, Op: opSnapshot, Kind: calendars.ErrUnavailable, Code: "zone", Err: err}
		}
		for _, e := range page.Items {
			if err := found.add(e, loc); err != nil {
				return calendars.Snapshot{}, &calendars.Error{Provider: Name, Op: opSnapshot, Kind: calendars.ErrUnavailable, Code: "item", Err: err}
			}
		}
		more, err := seen.Next(Name, opSnapshot, page.NextPageToken, len(page.Items))
		if err != nil {
			return calendars.Snapshot{}, err
		}
		if !more {
			return calendars.Snapshot{Instances: found.list(), Zone: zone}, nil
		}
		call.PageToken(page.NextPageToken)
	}
}

// errNoList is a 2xx that is no answer to the question, such as {}. Taken for an
// empty list, it would make every appointment of a calendar disappear.
var errNoList = errors.New("the reply holds no list")

// isList tells an empty list from no list. Google may leave out empty fields, so
// any sign of a list will do.
func isList(page *gcal.Events) bool {
	return page.Kind != "" || page.Items != nil || page.NextPageToken != "" || page.NextSyncToken != "" || page.TimeZone != ""
}

// location is the zone dates float in: the clinic's choice, else the
// calendar's, else UTC.
func location(ours, theirs string) (*time.Location, error) {
	if ours != "" {
		return time.LoadLocation(ours)
	}
	loc, err := time.LoadLocation(theirs)
	if err != nil {
		return time.UTC, nil // a zone newer than our table; dates only shift in display
	}
	return loc, nil
}
