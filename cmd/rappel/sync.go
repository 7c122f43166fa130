package main

import (
	"context"
	"errors"
	"fmt"
)

type syncCmd struct {
	Config
	Once bool `required:"" help:"Poll everything that is due once and end. (Continuous polling is 'serve --roles sync'.)"`
}

// Run polls what is due and returns.
func (c syncCmd) Run(ctx context.Context, std stdio) error {
	a, err := newApp(ctx, c.Config, c.logger(std), extras{})
	if err != nil {
		return err
	}
	if err := a.syncer.Once(ctx); err != nil {
		return errors.Join(err, a.close())
	}
	fmt.Fprintln(std.out, "all calendars that were due have been read")
	return a.close()
}
