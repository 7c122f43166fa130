package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"rappel/notify"
)

// roles are the shares of the work a process can take.
type roles struct{ web, sync, remind, dispatch bool }

func parseRoles(words []string) (r roles, err error) {
	for _, w := range words {
		switch strings.TrimSpace(w) {
		case "web":
			r.web = true
		case "sync":
			r.sync = true
		case "remind":
			r.remind = true
		case "dispatch":
			r.dispatch = true
		default:
			return r, fmt.Errorf("unknown role %q; known are web, sync, remind, dispatch", w)
		}
	}
	if r == (roles{}) {
		return r, errors.New("no role given; known are web, sync, remind, dispatch")
	}
	return r, nil
}

// services lists what runs for the roles, in the order of starting: what others
// hand work to comes first, so that a stop, in reverse, loses nothing.
func (a *app) services(r roles, listener net.Listener) []service {
	var all []service
	if r.dispatch {
		for _, c := range a.carriers {
			if s, ok := c.(notify.Session); ok {
				all = append(all, service{"carrier " + c.Name(), func(ctx context.Context) error { return s.Run(ctx, a.desk) }})
			}
		}
		all = append(all, service{"dispatch", a.dispatcher.Run}, service{"holds", a.holds.Run}, service{"credits", a.credits.Run})
	}
	if r.remind {
		all = append(all, service{"remind", a.clerk.Run}, service{"purge", a.purger.Run}, service{"billing", a.billing.Run})
		all = append(all, a.money.services()...)
	}
	if r.sync {
		all = append(all, service{"sync", a.syncer.Run})
	}
	all = append(all, service{"housekeeping", func(ctx context.Context) error { return a.housekeeping(ctx, r) }})
	if r.web {
		all = append(all, service{"mail", a.mailer.Run}, service{"web", func(ctx context.Context) error { return serveHTTP(ctx, listener, a.web, a.log, a.cfg.StopAfter) }})
	}
	return all
}
