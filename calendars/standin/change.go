package standin

// change runs f under the lock, then saves and rings the doorbells of the
// calendars f named. Every edit of the model goes through it.
func (w *World) change(f func() ([]ring, error)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	rings, err := f()
	if err != nil {
		return err
	}
	w.ring(rings)
	return w.save()
}

// ring names a change to tell subscribers of.
type ring struct {
	calendar string
	event    string
	kind     string // created, updated or deleted, Graph's words
}

// touch stamps e as changed now.
func (w *World) touch(e *Event) {
	w.seq++
	e.Rev = w.seq
	e.Updated = w.now()
	e.Sequence++
}
