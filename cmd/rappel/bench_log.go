package main

import (
	"context"
	"io"
	"log/slog"
	"sync"
)

// benchLogged is how often the same words are shown: at ten thousand messages a second a
// trouble of one is everybody's.
const benchLogged = 3

// newBenchLog shows the product's warnings and errors, each a few times.
func newBenchLog(w io.Writer) *slog.Logger {
	return slog.New(sparingHandler{slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}), &sparing{shown: map[string]int{}}})
}

// sparing counts what was shown, for a handler and those derived from it.
type sparing struct {
	mu    sync.Mutex
	shown map[string]int
}

type sparingHandler struct {
	slog.Handler
	*sparing
}

// Handle implements slog.Handler.
func (h sparingHandler) Handle(ctx context.Context, r slog.Record) error {
	h.mu.Lock()
	h.shown[r.Message]++
	n := h.shown[r.Message]
	h.mu.Unlock()
	if n > benchLogged {
		return nil
	}
	if n == benchLogged {
		r.AddAttrs(slog.Bool("further_ones_not_shown", true))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h sparingHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return sparingHandler{h.Handler.WithAttrs(attrs), h.sparing}
}

// WithGroup implements slog.Handler.
func (h sparingHandler) WithGroup(name string) slog.Handler {
	return sparingHandler{h.Handler.WithGroup(name), h.sparing}
}
