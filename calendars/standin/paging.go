package standin

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"
)

// maxLists bounds how many unfinished lists are remembered for paging.
const maxLists = 256

// list is one reading of a collection, frozen at its first page, so that pages
// fit together whatever changes in between.
type list struct {
	items []any
	scope string // what the query was, a page token of another one is refused
	final map[string]any
}

// lists keeps frozen lists by a number; the oldest go first.
type lists struct {
	byID map[string]*list
	ids  []string
	last int
}

func (l *lists) add(x *list) string {
	if l.byID == nil {
		l.byID = map[string]*list{}
	}
	l.last++
	id := strconv.Itoa(l.last)
	l.byID[id] = x
	l.ids = append(l.ids, id)
	if len(l.ids) > maxLists {
		delete(l.byID, l.ids[0])
		l.ids = l.ids[1:]
	}
	return id
}

// pageToken names a place in a frozen list.
type pageToken struct {
	List string `json:"l"`
	From int    `json:"f"`
	Size int    `json:"n"`
	// Empty counts pages that were deliberately left empty.
	Empty bool `json:"e,omitempty"`
}

// page cuts the next page out of the list of t. next is nil on the last page.
func (l *lists) page(t pageToken, emptyFirst bool) (items []any, next *pageToken, x *list, ok bool) {
	x, ok = l.byID[t.List]
	if !ok || t.From < 0 || t.From > len(x.items) || t.Size < 1 {
		return nil, nil, nil, false
	}
	if emptyFirst && t.From == 0 && !t.Empty {
		return []any{}, &pageToken{t.List, 0, t.Size, true}, x, true
	}
	end := min(t.From+t.Size, len(x.items))
	for end < len(x.items) && joined(x.items[end-1], x.items[end]) {
		end++
	}
	if end < len(x.items) {
		next = &pageToken{List: t.List, From: end, Size: t.Size}
	}
	return x.items[t.From:end], next, x, true
}

// joined tells whether b continues the series of a: a delta does not split a
// series over pages.
func joined(a, b any) bool {
	x, ok := a.(map[string]any)
	y, ok2 := b.(map[string]any)
	if !ok || !ok2 || y["seriesMasterId"] == nil {
		return false
	}
	return y["seriesMasterId"] == x["seriesMasterId"] || y["seriesMasterId"] == x["id"]
}

// syncState is what a sync token or delta link stands for.
type syncState struct {
	Calendar string    `json:"c"`
	Seq      uint64    `json:"s"`
	Epoch    int       `json:"e"`
	Scope    string    `json:"q,omitempty"` // parameters that must stay the same
	From     time.Time `json:"a,omitzero"`  // Graph: the fixed range
	To       time.Time `json:"b,omitzero"`
}

// seal writes an opaque token: base64url of JSON.
func seal(v any) string {
	raw, err := json.Marshal(v)
	if err != nil { // only our own plain structs come here
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// unseal reads a token of seal.
func unseal(text string, v any) bool {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && json.Unmarshal(raw, v) == nil
}
