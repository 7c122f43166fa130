package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestServicesStopInReverse(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var order []string
	note := func(s string) { mu.Lock(); order = append(order, s); mu.Unlock() }
	ctx, cancel := context.WithCancel(context.Background())
	var up sync.WaitGroup
	up.Add(3)
	part := func(name string) service {
		return service{name, func(ctx context.Context) error {
			up.Done()
			<-ctx.Done()
			note(name)
			return ctx.Err()
		}}
	}
	go func() { up.Wait(); cancel() }()
	if err := runServices(ctx, slog.New(slog.DiscardHandler), time.Minute, []service{part("a"), part("b"), part("c")}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"c", "b", "a"}; !slices.Equal(order, want) {
		t.Errorf("stopped in order %v, want %v", order, want)
	}
}

func TestServicesEndWhenOneFails(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	stopped := false
	err := runServices(context.Background(), slog.New(slog.DiscardHandler), time.Minute, []service{
		{"steady", func(ctx context.Context) error { <-ctx.Done(); stopped = true; return nil }},
		{"weak", func(context.Context) error { return boom }},
	})
	if !errors.Is(err, boom) || !strings.Contains(err.Error(), "weak") {
		t.Errorf("err = %v, want boom by weak", err)
	}
	if !stopped {
		t.Error("the other service was not stopped")
	}
}
