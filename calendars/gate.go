package calendars

import (
	"context"
	"sync"
)

// gates lets one at a time through per key: one reader per mailbox, one refresh per
// connection. It holds no memory of keys nobody waits for. The zero value is ready.
type gates[K comparable] struct {
	mu   sync.Mutex
	open map[K]*gate
}

type gate struct {
	pass  chan struct{} // holds the one permit
	users int           // inside or waiting
}

// enter waits for its turn or the end of ctx. leave must be called exactly once.
func (g *gates[K]) enter(ctx context.Context, key K) (leave func(), err error) {
	g.mu.Lock()
	if g.open == nil {
		g.open = make(map[K]*gate)
	}
	one := g.open[key]
	if one == nil {
		one = &gate{pass: make(chan struct{}, 1)}
		one.pass <- struct{}{}
		g.open[key] = one
	}
	one.users++
	g.mu.Unlock()

	gone := func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if one.users--; one.users == 0 {
			delete(g.open, key)
		}
	}
	select {
	case <-one.pass:
		return func() { one.pass <- struct{}{}; gone() }, nil
	case <-ctx.Done():
		gone()
		return nil, ctx.Err()
	}
}
