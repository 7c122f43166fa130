package main

import (
	"context"
	"fmt"

	"rappel/migrations"
)

type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Apply what is missing. Safe to run from several processes at once."`
	Status migrateStatusCmd `cmd:"" help:"List the steps; exit status 1 when some are missing."`
}

type migrateUpCmd struct{ databaseConfig }

func (c migrateUpCmd) Run(ctx context.Context, std stdio) error {
	db, err := c.open(ctx, 2)
	if err != nil {
		return err
	}
	defer db.Close()
	before, err := migrations.Pending(ctx, db.DB)
	if err != nil {
		return err
	}
	if err := migrations.Up(ctx, db.DB); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "applied %d of the schema's steps; the database is up to date\n", before)
	return nil
}

type migrateStatusCmd struct{ databaseConfig }

func (c migrateStatusCmd) Run(ctx context.Context, std stdio) error {
	db, err := c.open(ctx, 2)
	if err != nil {
		return err
	}
	defer db.Close()
	steps, err := migrations.Status(ctx, db.DB)
	if err != nil {
		return err
	}
	missing := 0
	for _, s := range steps {
		state := "missing"
		if !s.AppliedAt.IsZero() {
			state = "applied " + s.AppliedAt.UTC().Format("2006-01-02 15:04:05Z")
		} else {
			missing++
		}
		fmt.Fprintf(std.out, "%04d %-30s %s\n", s.Version, s.Name, state)
	}
	if missing > 0 {
		return fmt.Errorf("%d steps are missing; run 'rappel migrate up'", missing)
	}
	return nil
}
