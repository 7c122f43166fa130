package standin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// calendarList is calendarList.list.
func (w *World) calendarList(c *call) (map[string]any, *googleFailure) {
	size, fail := c.size("maxResults", 100, 250)
	if fail != nil {
		return nil, fail
	}
	const scope = "calendarList"
	return w.paged(c, scope, size, func() ([]any, syncState, *googleFailure) {
		since, synced := uint64(0), c.query.Has("syncToken")
		if synced {
			for _, name := range []string{"minAccessRole", "showOwnOrganizationOnly"} {
				if c.query.Has(name) {
					return nil, syncState{}, failInvalid(name, "Sync token cannot be used with other query restrictions.")
				}
			}
			for _, name := range []string{"showDeleted", "showHidden"} {
				if c.query.Get(name) == "false" {
					return nil, syncState{}, failInvalid(name, "Sync token cannot be used with "+name+"=false.")
				}
			}
			var s syncState
			if !unseal(c.query.Get("syncToken"), &s) || s.Calendar != c.person.ID || s.Seq > w.seq {
				return nil, syncState{}, failGone
			}
			since = s.Seq
		}
		showDeleted, fail := flag(c.query, "showDeleted")
		if fail != nil {
			return nil, syncState{}, fail
		}
		var items []any
		for _, cal := range w.calendarsOf(c.person.ID) {
			gone := cal.Deleted || cal.Role == NoRole
			switch {
			case synced && cal.Seq <= since, gone && !synced && !showDeleted, gone && c.mode.NoTombstones:
			case gone:
				items = append(items, map[string]any{"kind": "calendar#calendarListEntry", "id": cal.ID, "deleted": true})
			case roleRank(cal.Role) >= roleRank(c.query.Get("minAccessRole")):
				items = append(items, w.calendarEntry(cal))
			}
		}
		return items, syncState{Calendar: c.person.ID, Seq: w.seq}, nil
	}, map[string]any{"kind": "calendar#calendarList", "etag": strconv.Quote("p" + strconv.FormatUint(w.seq, 10))})
}

func roleRank(role string) int {
	return slices.Index([]string{RoleFreeBusyReader, RoleReader, RoleWriterWithoutPrivateAccess, RoleWriter, RoleOwner}, role)
}

func (w *World) calendarEntry(cal *calendar) map[string]any {
	entry := map[string]any{
		"kind": "calendar#calendarListEntry", "etag": strconv.Quote(strconv.FormatUint(cal.Seq, 10)), "id": cal.ID,
		"summary": cal.Name, "timeZone": cal.Zone, "accessRole": cal.Role, "colorId": "14",
		"backgroundColor": "#9fe1e7", "foregroundColor": "#000000", "selected": true,
		"defaultReminders": []any{},
	}
	if cal.Primary {
		entry["primary"] = true
	}
	return entry
}

// size reads a page size: below 1 is an error, above most is most.
func (c *call) size(name string, usual, most int) (int, *googleFailure) {
	n := usual
	if v := c.query.Get(name); v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil || n < 1 {
			return 0, failInvalid(name, fmt.Sprintf("Invalid value '%s'. Values must be within the range: [1, %d]", v, most))
		}
	}
	n = min(n, most)
	if c.mode.PageSize > 0 {
		n = min(n, c.mode.PageSize)
	}
	return n, nil
}

// paged answers one page: of the frozen list a page token names, or of a new
// one from read. The sync token comes on the last page only.
func (w *World) paged(c *call, scope string, size int, read func() ([]any, syncState, *googleFailure), head map[string]any) (map[string]any, *googleFailure) {
	scope += "?" + strings.Join([]string{c.person.ID, c.query.Get("syncToken")}, "&")
	t := pageToken{Size: size}
	if text := c.query.Get("pageToken"); text != "" {
		if !unseal(text, &t) {
			return nil, failInvalid("pageToken", "Invalid page token value.")
		}
		t.Size = size
	} else {
		items, state, fail := read()
		if fail != nil {
			return nil, fail
		}
		x := &list{items: items, scope: scope, final: map[string]any{}}
		if !c.mode.NoSyncTokens && state.Calendar != "" {
			x.final["nextSyncToken"] = seal(state)
		}
		t.List = w.lists.add(x)
	}
	items, next, x, ok := w.lists.page(t, c.mode.EmptyPages)
	if !ok || x.scope != scope {
		return nil, failInvalid("pageToken", "Invalid page token value.")
	}
	if items == nil {
		items = []any{}
	}
	head["items"] = items
	if next != nil {
		head["nextPageToken"] = seal(next)
		return head, nil
	}
	for key, value := range x.final {
		head[key] = value
	}
	return head, nil
}

// instant reads an RFC 3339 parameter, which must carry an offset.
func (c *call) instant(name string) (time.Time, *googleFailure) {
	v := c.query.Get(name)
	if v == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		return time.Time{}, failInvalid(name, "Bad Request")
	}
	return t, nil
}
