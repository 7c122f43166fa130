package outlook

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"rappel/calendars"
)

const (
	opList     = "calendars"
	opBell     = "calendarView/delta"
	opSnapshot = "calendarView"
	opBody     = "event body"
)

var (
	listFields     = []string{"id", "name", "isDefaultCalendar", "canEdit", "canViewPrivateItems"}
	snapshotFields = []string{
		"id", "iCalUId", "subject", "bodyPreview", "location", "start", "end", "isAllDay", "isCancelled", "type",
		"seriesMasterId", "originalStart", "responseStatus", "sensitivity",
	}
)

const (
	calendarsPerPage = int32(100)
	eventsPerPage    = int32(500)
)

// floatingSlack widens the window asked for, because Graph places the dates of
// all-day events in UTC and a calendar's midnight is up to 14 h away from it.
const floatingSlack = 24 * time.Hour

// Reader reads through Microsoft Graph. Its only state is the memory of bodies.
type Reader struct {
	base   string
	now    func() time.Time
	bodies *bodies
}

var _ calendars.Reader = (*Reader)(nil)

// Calendars implements calendars.Reader.
func (r *Reader) Calendars(ctx context.Context, client *http.Client) ([]calendars.Remote, error) {
	return guarded(ctx, opList, func(ctx context.Context) ([]calendars.Remote, error) {
		me, err := r.me(client, false)
		if err != nil {
			return nil, err
		}
		top := calendarsPerPage
		request := me.Calendars()
		cfg := &users.ItemCalendarsRequestBuilderGetRequestConfiguration{
			Headers: headers(), QueryParameters: &users.ItemCalendarsRequestBuilderGetQueryParameters{Select: listFields, Top: &top},
		}
		at := map[string]int{}
		var out []calendars.Remote
		for seen := new(calendars.Pages); ; {
			page, err := request.Get(ctx, cfg)
			if err != nil {
				return nil, err
			}
			if page == nil || page.GetValue() == nil {
				return nil, errNoList
			}
			for _, c := range page.GetValue() {
				if c == nil || str(c.GetId()) == "" {
					continue
				}
				remote := remote(c)
				if i, ok := at[remote.Ref]; ok { // listed again: the later entry counts
					out[i] = remote
					continue
				}
				at[remote.Ref] = len(out)
				out = append(out, remote)
			}
			link := str(page.GetOdataNextLink())
			more, err := seen.Next(Name, opList, link, len(page.GetValue()))
			if err != nil {
				return nil, err
			}
			if !more {
				return out, nil
			}
			request = request.WithUrl(link)
			cfg = &users.ItemCalendarsRequestBuilderGetRequestConfiguration{Headers: headers()}
		}
	})
}

// remote translates a calendar. Graph names no zone, and no role: canEdit
// stands for it.
func remote(c models.Calendarable) calendars.Remote {
	out := calendars.Remote{Ref: str(c.GetId()), Name: str(c.GetName()), Primary: yes(c.GetIsDefaultCalendar()), Readable: true, Role: "reader"}
	switch {
	case out.Primary:
		out.Role = "owner"
	case yes(c.GetCanEdit()):
		out.Role = "writer"
	}
	if p := c.GetCanViewPrivateItems(); p != nil && !*p {
		out.HidesTexts = true
	}
	return out
}

// Changed implements calendars.Reader.
func (r *Reader) Changed(ctx context.Context, client *http.Client, ref calendars.Ref, raw []byte, now time.Time, horizon time.Duration) (calendars.Bell, error) {
	return guarded(ctx, opBell, func(ctx context.Context) (calendars.Bell, error) {
		if len(raw) == 0 {
			return r.anchor(ctx, client, ref, now, horizon)
		}
		c, err := decodeCursor(raw)
		if err != nil {
			return calendars.Bell{}, &calendars.Error{Provider: Name, Op: opBell, Kind: calendars.ErrCursorLost, Err: err}
		}
		if !calendars.SameHost(c.Link, r.base) {
			// Links are checked before they are kept, so Graph's own address has been
			// changed in the configuration since. The new one knows nothing of this link.
			return calendars.Bell{}, &calendars.Error{Provider: Name, Op: opBell, Kind: calendars.ErrCursorLost, Err: errors.New("cursor: of another server")}
		}
		if c.stale(now, horizon) {
			return r.anchor(ctx, client, ref, now, horizon)
		}
		return r.ring(ctx, client, ref, c)
	})
}

// anchor starts a delta over with a range around now.
func (r *Reader) anchor(ctx context.Context, client *http.Client, ref calendars.Ref, now time.Time, horizon time.Duration) (calendars.Bell, error) {
	me, err := r.me(client, false)
	if err != nil {
		return calendars.Bell{}, err
	}
	c := cursor{Version: 1, Anchored: now.UTC(), To: now.Add(horizon + rangeAhead).UTC()}
	from, to := instant(now.Add(-rangeBehind)), instant(c.To)
	link, _, err := r.round(ctx, me.Calendars().ByCalendarId(ref.Calendar).CalendarView().Delta(),
		&users.ItemCalendarsItemCalendarViewDeltaRequestBuilderGetQueryParameters{StartDateTime: &from, EndDateTime: &to})
	if noBell(err) {
		return calendars.Bell{Changed: true}, nil
	}
	if err != nil {
		return calendars.Bell{}, err
	}
	return r.bell(c, link, true)
}

// noBell tells whether a first delta was refused as such: a question never
// answered differently, while the snapshot may well work.
func noBell(err error) bool {
	var failed *calendars.Error
	if !errors.As(err, &failed) || !errors.Is(failed.Kind, calendars.ErrUnavailable) {
		return false
	}
	switch failed.Status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	}
	return false
}

// ring follows the delta link of c.
func (r *Reader) ring(ctx context.Context, client *http.Client, ref calendars.Ref, c cursor) (calendars.Bell, error) {
	me, err := r.me(client, true)
	if err != nil {
		return calendars.Bell{}, err
	}
	link, some, err := r.round(ctx, me.Calendars().ByCalendarId(ref.Calendar).CalendarView().Delta().WithUrl(c.Link), nil)
	if err != nil {
		return calendars.Bell{}, err
	}
	return r.bell(c, link, some)
}

// round reads a delta to its end and tells its new link and whether anything
// came. The content does not matter: see the package's decisions.
func (r *Reader) round(ctx context.Context, request *users.ItemCalendarsItemCalendarViewDeltaRequestBuilder,
	query *users.ItemCalendarsItemCalendarViewDeltaRequestBuilderGetQueryParameters,
) (link string, some bool, err error) {
	for seen := new(calendars.Pages); ; {
		page, err := request.GetAsDeltaGetResponse(ctx, &users.ItemCalendarsItemCalendarViewDeltaRequestBuilderGetRequestConfiguration{
			Headers: headers(preferPage), QueryParameters: query,
		})
		if err != nil {
			return "", false, err
		}
		if page == nil || page.GetValue() == nil {
			return "", false, errNoList
		}
		some = some || len(page.GetValue()) > 0
		next := str(page.GetOdataNextLink())
		more, err := seen.Next(Name, opBell, next, len(page.GetValue()))
		if err != nil {
			return "", false, err
		}
		if !more {
			return str(page.GetOdataDeltaLink()), some, nil
		}
		request, query = request.WithUrl(next), nil
	}
}

// bell answers with c moved on to link; without a link there is no bell here. A link
// to another host is not kept: the next round would refuse to follow it.
func (r *Reader) bell(c cursor, link string, changed bool) (calendars.Bell, error) {
	if link == "" {
		return calendars.Bell{Changed: true}, nil
	}
	if !calendars.SameHost(link, r.base) {
		return calendars.Bell{}, &calendars.Error{Provider: Name, Op: opBell, Kind: calendars.ErrForeignLink}
	}
	c.Link = link
	raw, err := json.Marshal(c)
	if err != nil {
		return calendars.Bell{}, err
	}
	return calendars.Bell{Changed: changed, Cursor: raw}, nil
}

// Snapshot implements calendars.Reader.
func (r *Reader) Snapshot(ctx context.Context, client *http.Client, ref calendars.Ref, w calendars.Window) (calendars.Snapshot, error) {
	return guarded(ctx, opSnapshot, func(ctx context.Context) (calendars.Snapshot, error) {
		zone, err := time.LoadLocation(ref.Zone) // "" is UTC
		if err != nil {
			return calendars.Snapshot{}, &calendars.Error{Provider: Name, Op: opSnapshot, Kind: calendars.ErrUnavailable, Code: "zone", Err: err}
		}
		me, err := r.me(client, false)
		if err != nil {
			return calendars.Snapshot{}, err
		}
		found := newGathering()
		err = r.view(ctx, me, ref, w, snapshotFields, eventsPerPage, func(e models.Eventable) error { return found.add(e, zone) })
		if err != nil {
			return calendars.Snapshot{}, err
		}
		out := found.within(w)
		if out, err = r.describe(ctx, me, ref, w, out); err != nil {
			return calendars.Snapshot{}, err
		}
		return calendars.Snapshot{Instances: out}, nil
	})
}

// view reads calendarView with some fields, all pages.
func (r *Reader) view(ctx context.Context, me *users.UserItemRequestBuilder, ref calendars.Ref, w calendars.Window,
	fields []string, top int32, each func(models.Eventable) error,
) error {
	from, to := instant(w.From.Add(-floatingSlack)), instant(w.To.Add(floatingSlack))
	request := me.Calendars().ByCalendarId(ref.Calendar).CalendarView()
	query := &users.ItemCalendarsItemCalendarViewRequestBuilderGetQueryParameters{
		StartDateTime: &from, EndDateTime: &to, Select: fields, Top: &top,
	}
	for seen := new(calendars.Pages); ; {
		page, err := request.Get(ctx, &users.ItemCalendarsItemCalendarViewRequestBuilderGetRequestConfiguration{
			Headers: headers(preferText), QueryParameters: query,
		})
		if err != nil {
			return err
		}
		if page == nil || page.GetValue() == nil {
			return errNoList
		}
		for _, e := range page.GetValue() {
			if err := each(e); err != nil {
				return &calendars.Error{Provider: Name, Op: opSnapshot, Kind: calendars.ErrUnavailable, Code: "item", Err: err}
			}
		}
		link := str(page.GetOdataNextLink())
		more, err := seen.Next(Name, opSnapshot, link, len(page.GetValue()))
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
		request, query = request.WithUrl(link), nil
	}
}

// instant writes a bound of a range; Graph counts its offset.
func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// str and yes read what the SDK hands out as pointers.
func str(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

func yes(p *bool) bool { return p != nil && *p }
