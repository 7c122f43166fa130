package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"rappel/web/accounts"
)

type operatorCmd struct {
	Add    operatorAddCmd    `cmd:"" help:"Add one of the operator's own people. The password is read from standard input; the second factor is set up at the first log-in."`
	List   operatorListCmd   `cmd:"" help:"List them."`
	Reset  operatorResetCmd  `cmd:"" help:"Give one a new password, read from standard input, and turn the second factor off: for a lost phone."`
	Remove operatorRemoveCmd `cmd:"" help:"Remove one; their sessions end."`
}

// people opens what the commands about people work with, for as long as do runs.
func (c databaseConfig) people(ctx context.Context, do func(store *accounts.Store) error) error {
	db, err := c.open(ctx, 2)
	if err != nil {
		return err
	}
	store, err := accounts.NewStore(accounts.Config{DB: db, Now: time.Now})
	if err == nil {
		err = do(store)
	}
	return errors.Join(err, db.Close())
}

// askPassword reads a password from standard input.
func askPassword(std stdio) (string, error) {
	fmt.Fprintf(std.err, "Password (at least %d characters): ", accounts.MinPassword)
	password, err := bufio.NewReader(std.in).ReadString('\n')
	if err != nil && password == "" {
		return "", fmt.Errorf("no password on standard input: %w", err)
	}
	return strings.TrimRight(password, "\r\n"), nil
}

// wordFieldError says what to do about a value that can't be.
func wordFieldError(err error) error {
	var fe *accounts.FieldError
	switch {
	case errors.As(err, &fe) && fe.Field == "password":
		return fmt.Errorf("the password must have at least %d characters", accounts.MinPassword)
	case errors.As(err, &fe) && fe.Field == "email":
		return errors.New("that is no e-mail address; write it as anna@example.ch")
	case errors.Is(err, accounts.ErrEmailTaken):
		return errors.New("somebody logs in with that address already; choose another")
	case errors.Is(err, accounts.ErrNotFound):
		return errors.New("there is no such operator; 'rappel operator list' shows them")
	}
	return err
}

type operatorAddCmd struct {
	databaseConfig
	Email    string `required:"" help:"E-mail address to log in with; not one of a clinic's."`
	Role     string `required:"" enum:"billing_admin,reviewer,support" help:"Role: billing_admin (subscriptions, invoices, payments), reviewer (first messages, senders), support (helps a clinic that lets it in)."`
	Name     string `help:"Name of the person, as clinics see it."`
	Language string `default:"" enum:",de,fr,it,en" help:"Language of the pages: de, fr, it, en; empty follows the browser."`
}

func (c operatorAddCmd) Run(ctx context.Context, std stdio) error {
	return c.people(ctx, func(store *accounts.Store) error {
		password, err := askPassword(std)
		if err != nil {
			return err
		}
		u, err := store.AddOperator(ctx, accounts.NewOperator{Email: c.Email, Name: c.Name, Role: c.Role, Password: password, Language: c.Language})
		if err != nil {
			return wordFieldError(err)
		}
		fmt.Fprintf(std.out, "added operator %d, %s\n", u.ID, u.Role)
		return nil
	})
}

type operatorListCmd struct{ databaseConfig }

func (c operatorListCmd) Run(ctx context.Context, std stdio) error {
	return c.people(ctx, func(store *accounts.Store) error {
		all, err := store.Operators(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "number\taddress\tname\trole\tsecond factor")
		for _, u := range all {
			second := "not set up"
			if u.HasTOTP {
				second = "on"
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", u.ID, u.Email, u.Name, u.Role, second)
		}
		return w.Flush()
	})
}

type operatorResetCmd struct {
	databaseConfig
	Email string `arg:"" help:"Their e-mail address."`
}

func (c operatorResetCmd) Run(ctx context.Context, std stdio) error {
	return c.people(ctx, func(store *accounts.Store) error {
		password, err := askPassword(std)
		if err != nil {
			return err
		}
		if err := store.ResetOperator(ctx, c.Email, password); err != nil {
			return wordFieldError(err)
		}
		fmt.Fprintln(std.out, "the new password is set; the second factor is off and asked for at the next log-in")
		return nil
	})
}

type operatorRemoveCmd struct {
	databaseConfig
	Email string `arg:"" help:"Their e-mail address."`
}

func (c operatorRemoveCmd) Run(ctx context.Context, std stdio) error {
	return c.people(ctx, func(store *accounts.Store) error {
		if err := store.RemoveOperator(ctx, c.Email); err != nil {
			return wordFieldError(err)
		}
		fmt.Fprintln(std.out, "removed")
		return nil
	})
}
