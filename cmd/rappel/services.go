package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// service is one part of a running process. run returns when its ctx ends, after
// it has finished what it had in hand.
type service struct {
	name string
	run  func(ctx context.Context) error
}

// runServices starts all in order and, when ctx ends or one of them fails, stops
// them in reverse order, each only after the one before has ended, so that nothing
// is handed to a part that is gone. patience bounds the whole stop; what has not
// ended by then is left to its leases, and said.
func runServices(ctx context.Context, log *slog.Logger, patience time.Duration, services []service) error {
	type running struct {
		service
		cancel context.CancelFunc
		done   chan error
	}
	failed := make(chan error, len(services))
	var started []running
	for _, s := range services {
		// Not a child of ctx: each is told to stop in its turn.
		sctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		r := running{s, cancel, make(chan error, 1)}
		started = append(started, r)
		go func() {
			err := r.run(sctx)
			if err != nil && sctx.Err() == nil {
				failed <- fmt.Errorf("%s: %w", r.name, err)
			} else if errors.Is(err, context.Canceled) {
				err = nil
			}
			r.done <- err
		}()
		log.InfoContext(ctx, "started", slog.String("service", s.name))
	}
	var errs []error
	select {
	case <-ctx.Done():
		log.InfoContext(ctx, "stopping")
	case err := <-failed:
		log.ErrorContext(ctx, "a service failed, stopping", slog.Any("err", err))
		errs = append(errs, err)
	}
	deadline := time.After(patience)
	for i := len(started) - 1; i >= 0; i-- {
		r := started[i]
		r.cancel()
		select {
		case err := <-r.done:
			if err != nil && len(errs) == 0 {
				errs = append(errs, fmt.Errorf("%s: %w", r.name, err))
			}
			log.InfoContext(ctx, "stopped", slog.String("service", r.name))
		case <-deadline:
			for ; i >= 0; i-- {
				started[i].cancel()
			}
			return errors.Join(append(errs, fmt.Errorf("%s did not stop within %s; its work is taken over when its leases end", r.name, patience))...)
		}
	}
	return errors.Join(errs...)
}

// serveHTTP serves h on l until ctx ends, then lets requests under way finish.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger, patience time.Duration) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience/2)
	defer cancel()
	if err := srv.Shutdown(stopCtx); err != nil {
		return errors.Join(err, srv.Close())
	}
	return nil
}
