package main

import (
	"context"
	"errors"
	"fmt"
	"net"
)

type serveCmd struct {
	Config
	Roles []string `env:"RAPPEL_ROLES" default:"web,sync,remind,dispatch" help:"What this process does: web, sync, remind (reminders, and what subscriptions cost), dispatch."`
}

// Run serves the chosen roles until interrupted.
func (c serveCmd) Run(ctx context.Context, std stdio) error {
	r, err := parseRoles(c.Roles)
	if err != nil {
		return err
	}
	log := c.logger(std)
	a, err := newApp(ctx, c.Config, log, extras{})
	if err != nil {
		return err
	}
	var l net.Listener
	if r.web {
		if l, err = net.Listen("tcp", c.Listen); err != nil {
			return errors.Join(fmt.Errorf("can't listen on %s; another program may, or set RAPPEL_LISTEN: %w", c.Listen, err), a.close())
		}
	}
	return errors.Join(runServices(ctx, log, c.StopAfter, a.services(r, l)), a.close())
}
