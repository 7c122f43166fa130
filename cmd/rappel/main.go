// Command rappel reads a clinic's Google and Outlook calendars and texts each
// patient before the appointment. See `rappel --help` and the README.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // zones must be known on machines without a zone database

	"github.com/alecthomas/kong"
)

// cli is every subcommand with its flags; each flag has an environment variable.
type cli struct {
	Dev      devCmd      `cmd:"" help:"Run everything on this machine: private PostgreSQL, stand-ins for Google, Microsoft and a phone, a demo clinic."`
	Serve    serveCmd    `cmd:"" help:"Run the product against a PostgreSQL of yours."`
	Migrate  migrateCmd  `cmd:"" help:"Bring the database to this program's schema, or show what is missing."`
	Sync     syncCmd     `cmd:"" help:"Poll calendars that are due."`
	Segment  segmentCmd  `cmd:"" help:"Count SMS segments: one JSON object a line on standard input, one a line on standard output."`
	Extract  extractCmd  `cmd:"" help:"Find mobile numbers: one JSON object a line on standard input, one a line on standard output."`
	Doctor   doctorCmd   `cmd:"" help:"Say what is wrong with configuration, database, carriers and connections, with the remedy."`
	User     userCmd     `cmd:"" help:"Manage the people who log in."`
	Operator operatorCmd `cmd:"" help:"Manage the operator's own people: billing admins, reviewers, support."`
	Review   reviewCmd   `cmd:"" help:"Decide about messages that are held: a clinic's first marketing, senders whose registration is under way."`
	Keyset   keysetCmd   `cmd:"" help:"Make the key that seals tokens and calendar texts, or add a new one to it."`
	Bench    benchCmd    `cmd:"" help:"Measure the parts that must be fast, on this machine."`
}

// stdio is where a subcommand reads and writes; tests put buffers here.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// errQuiet ends the program with status 1 without a further word: what there was
// to say has been said.
var errQuiet = errors.New("quiet")

// gcPercent lets the heap grow to five times what is in use before it is swept. Little is
// in use, some ten MB, and much passes through: by default a quarter of the dispatcher's
// time went into sweeping. GOGC overrides it.
const gcPercent = 400

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// run parses args and runs the subcommand; it returns the exit status: 0 well,
// 1 failed, 2 wrong usage.
func run(ctx context.Context, args []string, std stdio) int {
	var c cli
	exit := -1
	parser, err := kong.New(&c, kong.Name("rappel"), kong.Writers(std.out, std.err),
		kong.Description("Reads clinics' Google and Outlook calendars and texts each patient before the appointment."),
		kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.Exit(func(code int) { exit = code }),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(std))
	if err != nil {
		fmt.Fprintln(std.err, "rappel:", err)
		return 2
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if exit >= 0 { // --help has answered
		return exit
	}
	if err != nil {
		fmt.Fprintln(std.err, "rappel:", err)
		fmt.Fprintln(std.err, "See `rappel --help`.")
		return 2
	}
	if err := k.Run(); err != nil {
		if !errors.Is(err, errQuiet) {
			fmt.Fprintln(std.err, "rappel:", err)
		}
		return 1
	}
	return 0
}
