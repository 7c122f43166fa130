package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// benchDispatchCmd measures the message path, and in the same run what the hardware
// and PostgreSQL would allow at most, so that the figures of different machines, and of
// one machine at different hours, can be compared by their ratio.
type benchDispatchCmd struct {
	Messages    int      `default:"200000" help:"Messages of each round."`
	Finished    int      `default:"5000000" help:"Finished messages that lie in the tables in the second round of the store; 0 leaves that round out."`
	Accounts    int      `default:"10" help:"Accounts the messages are spread over."`
	Many        int      `default:"1000" help:"Accounts of another round of the store, with 30 messages each; 0 leaves that round out."`
	Runs        int      `default:"3" help:"Times each round of the store is run; the median is shown."`
	Parts       []string `default:"store,intake,smpp,latency" enum:"store,intake,smpp,latency" help:"What to measure: the store with a carrier that does nothing, messages taken one by one, the whole way over SMPP, a reminder's way past a campaign."`
	Quick       bool     `help:"A short look of less than 20 seconds: few messages, no finished ones."`
	JSON        bool     `name:"json" help:"Print one JSON object instead of a table."`
	DatabaseURL string   `placeholder:"URL" help:"Work on this PostgreSQL server, in databases made for it and dropped again, and not on a private one. The login must be allowed to create databases."`

	For time.Duration `default:"3s" help:"How long each round of the intake goes on."`

	Meter bool `help:"Charge for the messages of the store: accounts are metered and have credits enough, and what became of the messages is booked meanwhile."`

	Workers  int `default:"0" help:"The dispatcher's workers; 0 = the product's default."`
	Batch    int `default:"0" help:"Most messages of one claim; 0 = the product's default."`
	Window   int `default:"4000" help:"Window of the carrier that does nothing, in messages."`
	Callers  int `default:"2000" help:"Receipts that are brought at once, as by the binds of a gateway."`
	Binds    int `default:"4" help:"SMPP connections."`
	Under    int `name:"smpp-window" default:"500" help:"submit_sm under way on each SMPP connection."`
	Rate     int `default:"200" help:"The campaign's route a second time with this limit, in parts a second; 0 leaves that out."`
	Reminder int `name:"reminders" default:"50" help:"Reminders sent past the campaign, half of them of the campaign's own account."`
}

// What a quick look measures instead of the defaults.
const (
	quickMessages  = 10_000
	quickReminders = 10
	quickIntake    = 200 * time.Millisecond
)

// manyEach is how many messages each of many accounts has: as many as a clinic's
// reminders that come due together.
const manyEach = 30

func (c *benchDispatchCmd) Run(ctx context.Context, std stdio) (err error) {
	if c.Quick {
		c.For = min(c.For, quickIntake)
		c.Messages, c.Finished, c.Many, c.Runs, c.Reminder = min(c.Messages, quickMessages), 0, 0, 1, min(c.Reminder, quickReminders)
	}
	if min(c.Messages, c.Accounts, c.Runs, c.Window, c.Callers, c.Binds, c.Under) < 1 || c.Reminder < 2 || min(c.Finished, c.Many, c.Rate, c.Workers, c.Batch) < 0 {
		return errors.New("messages, accounts, runs, windows, callers and binds must be at least 1, reminders at least 2, the others not below 0")
	}
	b := &bench{benchDispatchCmd: c, std: std, began: time.Now(),
		log: newBenchLog(std.err)}
	b.say("starting PostgreSQL")
	if b.place, err = openBenchPlace(ctx, c.DatabaseURL); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.place.close(ctx)) }()
	r, err := b.measure(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(std.out)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	return r.print(std.out)
}

// bench is one run of the command.
type bench struct {
	*benchDispatchCmd
	std   stdio
	log   *slog.Logger // of the product, warnings and worse
	place *benchPlace
	began time.Time
}

// say tells on standard error how far things are.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.std.err, "%6.1fs  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

func (b *bench) measure(ctx context.Context) (r *benchReport, err error) {
	r = &benchReport{Bench: "dispatch", Began: b.began.UTC().Truncate(time.Second), Machine: benchMachine(ctx, b.place), Settings: b.settings()}
	if slices.Contains(b.Parts, "store") {
		rounds := []benchRound{{messages: b.Messages, accounts: b.Accounts}}
		if b.Many > 0 {
			rounds = append(rounds, benchRound{messages: b.Many * manyEach, accounts: b.Many})
		}
		if b.Finished > 0 {
			rounds = append(rounds, benchRound{messages: b.Messages, accounts: b.Accounts, finished: b.Finished})
		}
		for _, round := range rounds {
			s, err := b.store(ctx, round)
			if err != nil {
				return nil, err
			}
			r.Store = append(r.Store, s)
		}
	}
	if slices.Contains(b.Parts, "intake") {
		if r.Intake, err = b.intake(ctx, b.For); err != nil {
			return nil, fmt.Errorf("intake: %w", err)
		}
	}
	if slices.Contains(b.Parts, "smpp") {
		if r.SMPP, err = b.smpp(ctx); err != nil {
			return nil, fmt.Errorf("over SMPP: %w", err)
		}
	}
	if slices.Contains(b.Parts, "latency") {
		rates := []int{0}
		if b.Rate > 0 {
			rates = append(rates, b.Rate)
		}
		for _, rate := range rates {
			l, err := b.latency(ctx, rate)
			if err != nil {
				return nil, fmt.Errorf("past a campaign: %w", err)
			}
			r.Latency = append(r.Latency, l)
		}
	}
	return r, nil
}

// benchRound is one setting of the store.
type benchRound struct{ messages, accounts, finished int }

func (r benchRound) String() string {
	s := fmt.Sprintf("%d messages, %d accounts", r.messages, r.accounts)
	if r.finished > 0 {
		s += fmt.Sprintf(", %d finished before", r.finished)
	}
	return s
}

// store measures the floor and the product in turns.
func (b *bench) store(ctx context.Context, round benchRound) (*benchStore, error) {
	floors, products := make([]benchPhases, 0, b.Runs), make([]benchPhases, 0, b.Runs)
	var f *benchFloor
	var e *benchEngine
	closing := func() error {
		var errs []error
		if f != nil {
			errs = append(errs, f.close(ctx))
		}
		if e != nil {
			errs = append(errs, e.close(ctx))
		}
		f, e = nil, nil
		return errors.Join(errs...)
	}
	err := func() (err error) {
		for run := range b.Runs {
			// Empty tables are made anew for each run; finished messages stay.
			if round.finished == 0 || run == 0 {
				if err := closing(); err != nil {
					return err
				}
				if f, err = b.newFloor(ctx, round); err != nil {
					return fmt.Errorf("floor: %w", err)
				}
				if e, err = b.newEngine(ctx, round); err != nil {
					return fmt.Errorf("store: %w", err)
				}
			}
			b.say("floor, %s", round)
			p, err := f.cycle(ctx, round)
			if err != nil {
				return fmt.Errorf("floor: %w", err)
			}
			floors = append(floors, p)
			b.say("store, %s", round)
			if p, err = e.cycle(ctx, b, round); err != nil {
				return fmt.Errorf("store: %w", err)
			}
			products = append(products, p)
		}
		return nil
	}()
	if err := errors.Join(err, closing()); err != nil {
		return nil, err
	}
	return newBenchStore(round, floors, products), nil
}
