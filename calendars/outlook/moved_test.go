package outlook

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"rappel/calendars"
)

// A cursor kept before the operator pointed Graph's address elsewhere is worth
// nothing there, and no attack: it is lost, so that the core arms a new one.
func TestReader_cursorOfAnotherServer(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	raw, err := json.Marshal(cursor{Version: 1, Link: "https://old.example/v1.0/me/calendars/c/calendarView/delta?$deltatoken=x", Anchored: now, To: now.Add(30 * 24 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	r := New(Config{ClientID: "c", ClientSecret: "s", GraphURL: "https://new.example"}).Reader
	_, err = r.Changed(t.Context(), http.DefaultClient, calendars.Ref{Calendar: "c"}, raw, now, 24*time.Hour)
	if !errors.Is(err, calendars.ErrCursorLost) {
		t.Errorf("err = %v, want ErrCursorLost", err)
	}
}
