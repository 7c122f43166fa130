package outlook

import (
	"container/list"
	"crypto/sha256"
	"sync"
)

const (
	maxBodyMemory = 16 << 20 // bytes kept, all calendars together
	maxBody       = 64 << 10 // bytes of one description
)

// bodies remembers descriptions by the version of their event, the least
// recently used go first. Keys are hashes, so that neither ids nor etags stay.
type bodies struct {
	mu    sync.Mutex
	limit int
	size  int
	order *list.List // of *body, the most recent in front
	byKey map[bodyKey]*list.Element
}

type bodyKey [sha256.Size]byte

type body struct {
	key  bodyKey
	text string
}

// bodyOverhead is about what an entry costs beside its text.
const bodyOverhead = 256

func newBodies(limit int) *bodies {
	return &bodies{limit: limit, order: list.New(), byKey: map[bodyKey]*list.Element{}}
}

// keyOf includes the calendar, as an event's id is only known to be unique
// within its mailbox.
func keyOf(calendar, event, etag string) bodyKey {
	return sha256.Sum256([]byte(calendar + "\x00" + event + "\x00" + etag))
}

func (b *bodies) get(key bodyKey) (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.byKey[key]
	if !ok {
		return "", false
	}
	b.order.MoveToFront(e)
	return e.Value.(*body).text, true
}

func (b *bodies) put(key bodyKey, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e, ok := b.byKey[key]; ok {
		b.drop(e)
	}
	b.byKey[key] = b.order.PushFront(&body{key, text})
	b.size += len(text) + bodyOverhead
	for b.size > b.limit && b.order.Len() > 0 {
		b.drop(b.order.Back())
	}
}

// drop removes an entry; b.mu is held.
func (b *bodies) drop(e *list.Element) {
	gone := b.order.Remove(e).(*body)
	delete(b.byKey, gone.key)
	b.size -= len(gone.text) + bodyOverhead
}
