package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/reminders"
	"rappel/web/accounts"
)

type userCmd struct {
	Add         userAddCmd         `cmd:"" help:"Add a user, and with --business the clinic around it. The password is read from standard input."`
	ResetFactor userResetFactorCmd `cmd:"" help:"Turn somebody's second factor off, remove their passkeys and log them out: for a lost phone. The password stays."`
}

type userResetFactorCmd struct {
	databaseConfig
	Email string `arg:"" help:"Their e-mail address."`
}

func (c userResetFactorCmd) Run(ctx context.Context, std stdio) error {
	return c.people(ctx, func(store *accounts.Store) error {
		passkeys, err := store.ResetFactor(ctx, c.Email)
		if errors.Is(err, accounts.ErrNotFound) {
			return errors.New("nobody at a clinic logs in with that address; for the operator's own people there is 'rappel operator reset'")
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(std.out, "the second factor is off, %d passkeys are removed, and they are logged out\n", passkeys)
		return nil
	})
}

type userAddCmd struct {
	databaseConfig
	Email    string `arg:"" help:"E-mail address to log in with."`
	Business string `help:"Name of a new clinic; its first user is the owner."`
	Account  int64  `help:"Number of an existing clinic to add the user to."`
	Name     string `help:"Name of the person."`
	Role     string `default:"owner" enum:"owner,staff,billing" help:"Role: owner, staff, billing."`
	Metered  bool   `help:"The new clinic needs a subscription and credits, as one that signs up does. Default: free, as the operator's own."`
	Language string `default:"" enum:",de,fr,it,en" help:"Language of the pages: de, fr, it, en; empty follows the browser."`
}

func (c userAddCmd) Run(ctx context.Context, std stdio) error {
	if (c.Business == "") == (c.Account == 0) {
		return errors.New("give either --business NAME for a new clinic or --account N for an existing one")
	}
	db, err := c.open(ctx, 2)
	if err != nil {
		return err
	}
	defer db.Close()
	password, err := askPassword(std)
	if err != nil {
		return err
	}
	store, err := accounts.NewStore(accounts.Config{DB: db, Now: time.Now})
	if err != nil {
		return err
	}
	u, err := store.Create(ctx, accounts.NewUser{AccountID: c.Account, Business: c.Business, Email: c.Email, Name: c.Name,
		Password: password, Role: c.Role, Language: c.Language, Metered: c.Metered})
	if err != nil {
		return wordFieldError(err)
	}
	if c.Business != "" {
		if err := migrations.InAccount(ctx, db, u.AccountID, func(tx *sqlx.Tx) error {
			return seedTemplates(ctx, tx, u.AccountID, time.Now())
		}); err != nil {
			return err
		}
	}
	fmt.Fprintf(std.out, "added user %d to clinic %d\n", u.ID, u.AccountID)
	return nil
}

// seedTemplates gives a new clinic its first template, in every language.
func seedTemplates(ctx context.Context, tx *sqlx.Tx, account int64, now time.Time) error {
	_, err := reminders.NewTemplates(nil, func() time.Time { return now }).SaveTx(ctx, tx,
		reminders.Template{AccountID: account, Name: "Terminerinnerung", Texts: reminders.DefaultTexts()})
	return err
}
