package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/notify"
	"rappel/notify/credits"
	"rappel/notify/links"
)

type reviewCmd struct {
	List    reviewListCmd    `cmd:"" help:"What is held back, by clinic: why, how much, since when and until when it is of use."`
	Release reviewReleaseCmd `cmd:"" help:"A clinic's first marketing is in order: send what is held, hold nothing more."`
	Reject  reviewRejectCmd  `cmd:"" help:"A clinic's first marketing is not in order: end what is held; what comes next is held again."`
	Sender  reviewSenderCmd  `cmd:"" help:"Write down how far the registration of a sender in a country is; messages wait for it, go or end accordingly."`
}

type reviewListCmd struct {
	databaseConfig
	Account int64 `help:"Number of one clinic; default all."`
	Texts   int   `default:"3" help:"Different texts to show of each, without their recipients."`
}

func (c reviewListCmd) Run(ctx context.Context, std stdio) error {
	db, err := c.open(ctx, 2)
	if err != nil {
		return err
	}
	defer db.Close()
	var accounts []struct {
		ID       int64  `db:"account_id"`
		Business string `db:"business"`
	}
	if err := db.SelectContext(ctx, &accounts, `SELECT a.account_id, a.business FROM accounts a
		WHERE ($1 = 0 OR a.account_id = $1) AND EXISTS (SELECT 1 FROM held h WHERE h.account_id = a.account_id) ORDER BY a.account_id`, c.Account); err != nil {
		return fmt.Errorf("look for held messages: %w", err)
	}
	if len(accounts) == 0 {
		_, err := fmt.Fprintln(std.out, "nothing is held")
		return err
	}
	for _, a := range accounts {
		fmt.Fprintf(std.out, "clinic %d, %s\n", a.ID, a.Business)
		if err := migrations.InAccount(ctx, db, a.ID, func(tx *sqlx.Tx) error { return c.show(ctx, tx, std, a.ID) }); err != nil {
			return err
		}
	}
	return nil
}

func (c reviewListCmd) show(ctx context.Context, tx *sqlx.Tx, std stdio, account int64) error {
	var rows []struct {
		Reason, Country, Sender string
		N                       int
		Since, Until            time.Time
	}
	if err := tx.SelectContext(ctx, &rows, `SELECT h.reason, h.country, h.sender, count(*) AS n, min(h.since) AS since, min(h.expires_at) AS until
		FROM held h WHERE h.account_id = $1 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`, account); err != nil {
		return fmt.Errorf("list held messages: %w", err)
	}
	w := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  held for\tcountry\tsender\tmessages\tsince\tfirst of no use after")
	for _, r := range rows {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%d\t%s\t%s\n", r.Reason, r.Country, r.Sender, r.N, r.Since.UTC().Format(time.RFC3339), r.Until.UTC().Format(time.RFC3339))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	var bodies []string
	if err := tx.SelectContext(ctx, &bodies, `SELECT DISTINCT m.body FROM held h JOIN messages m ON m.account_id = h.account_id AND m.id = h.message_id
		WHERE h.account_id = $1 ORDER BY 1 LIMIT $2`, account, c.Texts); err != nil {
		return fmt.Errorf("list held texts: %w", err)
	}
	for _, b := range bodies {
		if _, err := fmt.Fprintf(std.out, "  %q\n", b); err != nil {
			return err
		}
	}
	return nil
}

// holds opens what the commands that decide work with.
func (c databaseConfig) holds(ctx context.Context) (*sqlx.DB, *notify.Holds, error) {
	db, err := c.open(ctx, 2)
	if err != nil {
		return nil, nil, err
	}
	h, err := newHolds(db)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, h, nil
}

// newHolds returns Holds for a process that enqueues nothing: the texts that are held have
// their links, so where new ones would lead doesn't matter.
func newHolds(db *sqlx.DB) (*notify.Holds, error) {
	l, err := links.New("localhost/u", []byte(rand.Text()+rand.Text()))
	if err != nil {
		return nil, err
	}
	meter, err := credits.New(credits.Config{DB: db})
	if err != nil {
		return nil, err
	}
	policy, err := notify.NewPolicy(notify.PolicyConfig{DB: db, Now: time.Now, Links: l, Meter: meter})
	if err != nil {
		return nil, err
	}
	return notify.NewHolds(notify.HoldsConfig{DB: db, Policy: policy, Now: time.Now})
}

type reviewReleaseCmd struct {
	databaseConfig
	Account int64 `required:"" help:"Number of the clinic."`
}

func (c reviewReleaseCmd) Run(ctx context.Context, std stdio) error {
	return c.settle(ctx, std, c.Account, true)
}

type reviewRejectCmd struct {
	databaseConfig
	Account int64 `required:"" help:"Number of the clinic."`
}

func (c reviewRejectCmd) Run(ctx context.Context, std stdio) error {
	return c.settle(ctx, std, c.Account, false)
}

func (c databaseConfig) settle(ctx context.Context, std stdio, account int64, release bool) error {
	db, h, err := c.holds(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	var held int
	err = migrations.InAccount(ctx, db, account, func(tx *sqlx.Tx) error {
		if err := known(ctx, tx, account); err != nil {
			return err
		}
		if err := tx.GetContext(ctx, &held, `SELECT count(*) FROM held WHERE account_id = $1 AND reason = 'review'`, account); err != nil {
			return fmt.Errorf("look for held messages: %w", err)
		}
		return h.ReviewTx(ctx, tx, account, release, time.Now())
	})
	if err != nil {
		return err
	}
	what := "turned down"
	if release {
		what = "released"
	}
	_, err = fmt.Fprintf(std.out, "%s: %d held messages of clinic %d\n", what, held, account)
	return err
}

// known says in words that there is no such clinic.
func known(ctx context.Context, tx *sqlx.Tx, account int64) error {
	var there bool
	if err := tx.GetContext(ctx, &there, `SELECT EXISTS (SELECT 1 FROM accounts WHERE account_id = $1)`, account); err != nil {
		return fmt.Errorf("look for clinic %d: %w", account, err)
	}
	if !there {
		return fmt.Errorf("there is no clinic %d; 'rappel review list' shows those that wait", account)
	}
	return nil
}

type reviewSenderCmd struct {
	databaseConfig
	Account int64  `required:"" help:"Number of the clinic."`
	Country string `required:"" help:"Country of the recipients, two letters such as IT."`
	Sender  string `required:"" help:"The sender, as messages have it."`
	State   string `required:"" enum:"pending,approved,rejected" help:"How far it is: pending, approved, rejected."`
	Note    string `help:"What the operators said."`
}

func (c reviewSenderCmd) Run(ctx context.Context, std stdio) error {
	db, h, err := c.holds(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	err = migrations.InAccount(ctx, db, c.Account, func(tx *sqlx.Tx) error {
		if err := known(ctx, tx, c.Account); err != nil {
			return err
		}
		return h.RegisterTx(ctx, tx, notify.Registration{AccountID: c.Account, Country: c.Country, Sender: c.Sender,
			State: notify.RegistrationState(c.State), Note: c.Note}, time.Now())
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "sender %s of clinic %d is %s in %s\n", c.Sender, c.Account, c.State, c.Country)
	return err
}
