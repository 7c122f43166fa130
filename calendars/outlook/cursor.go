package outlook

import (
	"encoding/json"
	"errors"
	"time"
)

// The range of a delta link reaches from a day ago to two weeks behind the
// horizon, and is anchored anew every week: a week is left to spare.
const (
	rangeBehind = 24 * time.Hour
	rangeAhead  = 14 * 24 * time.Hour
	anchorFor   = 7 * 24 * time.Hour
)

// cursor is what Changed hands out, as JSON.
type cursor struct {
	Version  int       `json:"v"`
	Link     string    `json:"link"`
	Anchored time.Time `json:"anchored"`
	To       time.Time `json:"to"` // end of the link's range
}

func decodeCursor(raw []byte) (cursor, error) {
	var c cursor
	if err := json.Unmarshal(raw, &c); err != nil {
		return cursor{}, errors.New("cursor: not readable")
	}
	if c.Version != 1 || c.Link == "" || c.Anchored.IsZero() || c.To.IsZero() {
		return cursor{}, errors.New("cursor: of another version")
	}
	return c, nil
}

// stale tells whether the link's range no longer suits now and horizon. A clock
// set back counts, too.
func (c cursor) stale(now time.Time, horizon time.Duration) bool {
	age := now.Sub(c.Anchored)
	return age >= anchorFor || age < -rangeBehind || now.Add(horizon).After(c.To)
}
