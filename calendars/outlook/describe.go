package outlook

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"rappel/calendars"
)

const (
	// cutFrom is the length in characters from which a preview looks cut. Graph
	// cuts at 255 and may trim what is left.
	cutFrom = 250
	// singly is how many bodies are fetched one by one; for more, a second read
	// of the window is cheaper.
	singly        = 10
	bodiesPerPage = int32(50)
)

// describe replaces previews that look cut by their bodies. An instance that
// vanished since the list was read is left out.
func (r *Reader) describe(ctx context.Context, me *users.UserItemRequestBuilder, ref calendars.Ref, w calendars.Window, found []calendars.Instance) ([]calendars.Instance, error) {
	var missing []int
	for i := range found {
		if utf8.RuneCountInString(found[i].Description) < cutFrom {
			continue
		}
		if text, ok := r.bodies.get(keyOf(ref.Calendar, found[i].Key, found[i].ETag)); ok && found[i].ETag != "" {
			found[i].Description = text
			continue
		}
		missing = append(missing, i)
	}
	keep := func(i int, text string) {
		if text == "" {
			return // an odd answer; the preview says more
		}
		found[i].Description = text
		if found[i].ETag != "" {
			r.bodies.put(keyOf(ref.Calendar, found[i].Key, found[i].ETag), text)
		}
	}
	if len(missing) > singly {
		at := make(map[string]int, len(missing))
		for _, i := range missing {
			at[found[i].Key] = i
		}
		err := r.view(ctx, me, ref, w, []string{"id", "body"}, bodiesPerPage, func(e models.Eventable) error {
			if e != nil {
				if i, ok := at[str(e.GetId())]; ok {
					keep(i, text(e))
				}
			}
			return nil
		})
		return found, err
	}
	gone := map[int]bool{}
	for _, i := range missing {
		e, err := me.Events().ByEventId(found[i].Key).Get(ctx, &users.ItemEventsEventItemRequestBuilderGetRequestConfiguration{
			Headers:         headers(preferText),
			QueryParameters: &users.ItemEventsEventItemRequestBuilderGetQueryParameters{Select: []string{"body"}},
		})
		var failed *calendars.Error
		switch {
		case err == nil && e != nil:
			keep(i, text(e))
		case err == nil:
			return nil, errNoList
		case errors.As(err, &failed) && errors.Is(failed.Kind, calendars.ErrNotFound):
			gone[i] = true
		case errors.As(err, &failed) && failed.Status == http.StatusNotFound:
			// A server without single events, not one that misses this event.
		default:
			return nil, failure(opBody, err)
		}
	}
	if len(gone) == 0 {
		return found, nil
	}
	left := make([]calendars.Instance, 0, len(found)-len(gone))
	for i := range found {
		if !gone[i] {
			left = append(left, found[i])
		}
	}
	return left, nil
}

// text is the body, as text or HTML, cut to maxBody bytes at a character.
func text(e models.Eventable) string {
	b := e.GetBody()
	if b == nil {
		return ""
	}
	s := strings.TrimSpace(str(b.GetContent()))
	if len(s) <= maxBody {
		return s
	}
	return strings.ToValidUTF8(s[:maxBody], "")
}
