package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars/billing"
	"rappel/migrations"
	"rappel/notify"
	"rappel/notify/credits"
	"rappel/web"
	"rappel/web/accounts"
	"rappel/web/mail"
)

// welcome is what a new account begins with: a template in every language, and to those
// who signed up the SMS to try.
type welcome struct {
	now  func() time.Time
	gift func(ctx context.Context, tx *sqlx.Tx, account int64) error
}

// WelcomeTx implements accounts.Welcome.
func (w welcome) WelcomeTx(ctx context.Context, tx *sqlx.Tx, n accounts.Newcomer) error {
	if err := seedTemplates(ctx, tx, n.Account, w.now()); err != nil {
		return err
	}
	if n.Parent != 0 {
		return nil
	}
	return w.gift(ctx, tx, n.Account)
}

// buildPost makes what writes to people.
func (a *app) buildPost(seal sealer) (err error) {
	var server *mail.Server
	if a.cfg.SMTPURL != "" {
		s, err := mail.ParseURL(a.cfg.SMTPURL)
		if err != nil {
			return fmt.Errorf("RAPPEL_SMTP_URL: %w", err)
		}
		server = &s
	}
	a.mails = mail.NewOutbox(seal, a.now)
	if a.postman, err = web.NewPostman(a.mails, a.cfg.BaseURL); err != nil {
		return err
	}
	a.mailer = mail.NewWorker(mail.Config{DB: a.pools.owner, Sealer: seal, Server: server, Keep: a.keepMails, Now: a.now, Log: a.log})
	return nil
}

// buildPeople makes what knows people. Post and credits are there.
func (a *app) buildPeople(seal sealer, secret []byte) (err error) {
	a.accounts, err = accounts.NewStore(accounts.Config{DB: a.pools.owner, Web: a.pools.web, Operator: a.pools.operator, Secret: secret, Sealer: seal, Now: a.now,
		Mailer: a.postman, Welcome: welcome{a.now, a.credits.SignUpTx}, BaseURL: a.cfg.BaseURL, Terms: a.cfg.TermsURL})
	return err
}

// granter lets subscriptions, packages and gifts bring credits. It implements
// billing.Granter; both sides call the sources by the same names.
type granter struct{ credits *credits.Credits }

// GrantTx gives what was earned, once for each key.
func (g granter) GrantTx(ctx context.Context, tx *sqlx.Tx, what billing.Grant) error {
	out := credits.Grant{Account: what.Account, Key: what.Key, Source: credits.Source(what.Source), Credits: what.Credits}
	if what.ExpiresOn != 0 {
		out.ExpiresOn = what.ExpiresOn.Start(time.UTC)
	}
	return g.credits.GrantTx(ctx, tx, out)
}

// creditMailer tells those who see to a clinic's money about its credits. It implements
// credits.Mailer.
type creditMailer struct{ postman *web.Postman }

// QueueTx implements credits.Mailer.
func (m creditMailer) QueueTx(ctx context.Context, tx *sqlx.Tx, l credits.Mail) error {
	return m.postman.QueueMoneyTx(ctx, tx, accounts.Letter{Account: l.Account, Kind: string(l.Occasion), Key: l.Key,
		Data: map[string]string{"Credits": strconv.FormatInt(l.Credits, 10), "Link": "/billing"}})
}

// transferer moves credits between an account and those below it. It implements
// web.Transferer.
type transferer struct {
	db      *sqlx.DB
	credits *credits.Credits
	now     func() time.Time
}

// Available is what an account can give away: what is free for a month stays where it is.
func (t transferer) Available(ctx context.Context, account int64) (n int64, err error) {
	lots, err := credits.LotsTx(ctx, t.db, account)
	if err != nil {
		return 0, err
	}
	for _, l := range lots {
		if l.Source != credits.Monthly {
			n += l.Available
		}
	}
	return n, nil
}

// Transfer moves credits, and writes it into the log of both accounts: once for each key.
func (t transferer) Transfer(ctx context.Context, tr web.Transfer) error {
	err := migrations.InTx(ctx, t.db, func(tx *sqlx.Tx) error {
		moved, err := t.credits.TransferTx(ctx, tx, credits.Transfer{From: tr.From, To: tr.To, Credits: tr.Credits, Key: tr.Key, Note: tr.Note})
		if err != nil || !moved {
			return err
		}
		actor, ok := migrations.ActorOf(ctx)
		if !ok {
			actor = migrations.Actor{Kind: "system", Name: "rappel", At: t.now()}
		}
		for _, account := range []int64{tr.From, tr.To} {
			if err := accounts.RecordTx(ctx, tx, accounts.Entry{AccountID: account, Actor: actor, Action: "credits.transferred",
				After: map[string]int64{"from": tr.From, "to": tr.To, "credits": tr.Credits}}); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, credits.ErrShort) {
		return web.ErrTooFew
	}
	return err
}

// billingMailer puts billing's letters into the outbox.
type billingMailer struct{ postman *web.Postman }

// QueueTx implements billing.Mailer.
func (m billingMailer) QueueTx(ctx context.Context, tx *sqlx.Tx, l billing.Letter) error {
	all := mail.Mail{Account: l.Account, To: l.To, Language: l.Language, Kind: l.Kind, Subject: l.Subject, Text: l.Text, Key: l.Key}
	if l.FileName != "" {
		all.Attachments = []mail.Attachment{{Name: l.FileName, ContentType: "application/pdf", Data: l.PDF}}
	}
	return m.postman.QueuePlainTx(ctx, tx, all)
}

// reviewDesk decides about held messages for the reviewer's page. It works as the owner:
// the operator's role has no right on messages. It implements web.ReviewDesk.
type reviewDesk struct {
	db    *sqlx.DB
	holds *notify.Holds
	now   func() time.Time
}

// textsShown is how many different texts of a case are shown.
const textsShown = 5

// Waiting lists what is held for a person's decision.
func (d reviewDesk) Waiting(ctx context.Context) (cases []web.ReviewCase, err error) {
	var ids []int64
	if err := d.db.SelectContext(ctx, &ids, `SELECT DISTINCT h.account_id FROM held h WHERE h.reason IN ('review', 'registration') ORDER BY 1 LIMIT 100`); err != nil {
		return nil, fmt.Errorf("look for held messages: %w", err)
	}
	for _, id := range ids {
		if err := migrations.InAccount(ctx, d.db, id, func(tx *sqlx.Tx) error {
			of, err := d.waitingTx(ctx, tx, id)
			cases = append(cases, of...)
			return err
		}); err != nil {
			return nil, err
		}
	}
	return cases, nil
}

func (d reviewDesk) waitingTx(ctx context.Context, tx *sqlx.Tx, account int64) (cases []web.ReviewCase, err error) {
	var rows []struct {
		Business, Reason, Country, Sender string
		N                                 int
		Since, Until                      time.Time
	}
	// The review is of the account; a registration of one sender in one country.
	if err := tx.SelectContext(ctx, &rows, `SELECT a.business, h.reason, CASE WHEN h.reason = 'review' THEN '' ELSE h.country END AS country, h.sender,
			count(*) AS n, min(h.since) AS since, min(h.expires_at) AS until
		FROM held h JOIN accounts a ON a.account_id = h.account_id
		WHERE h.account_id = $1 AND a.account_id = $1 AND h.reason IN ('review', 'registration') GROUP BY 1, 2, 3, 4 ORDER BY until, 2, 3, 4`, account); err != nil {
		return nil, fmt.Errorf("list held messages: %w", err)
	}
	for _, r := range rows {
		c := web.ReviewCase{AccountID: account, Business: r.Business, Reason: r.Reason, Country: r.Country, Sender: r.Sender, Count: r.N, Since: r.Since, Until: r.Until}
		if err := tx.SelectContext(ctx, &c.Texts, `SELECT min(m.recipient) AS recipient, m.body FROM held h JOIN messages m ON m.account_id = h.account_id AND m.id = h.message_id
			WHERE h.account_id = $1 AND m.account_id = $1 AND h.reason = $2 AND h.sender = $3 AND ($4 = '' OR h.country = $4) GROUP BY m.body ORDER BY 2 LIMIT $5`,
			account, r.Reason, r.Sender, r.Country, textsShown); err != nil {
			return nil, fmt.Errorf("list held texts: %w", err)
		}
		cases = append(cases, c)
	}
	return cases, nil
}

// Settle releases an account's first marketing, or turns it down.
func (d reviewDesk) Settle(ctx context.Context, account int64, release bool) error {
	action := "review.rejected"
	if release {
		action = "review.released"
	}
	return migrations.InAccount(ctx, d.db, account, func(tx *sqlx.Tx) error {
		if err := waitingFor(ctx, tx, account, "review", "", ""); err != nil {
			return err
		}
		if err := d.auditTx(ctx, tx, account, action, ""); err != nil {
			return err
		}
		return d.holds.ReviewTx(ctx, tx, account, release, d.now())
	})
}

// Register writes down how far a sender's registration is.
func (d reviewDesk) Register(ctx context.Context, r web.SenderRegistration) error {
	state := notify.RegistrationState(r.State)
	if state != notify.RegistrationPending && state != notify.RegistrationApproved && state != notify.RegistrationRejected {
		return web.ErrReview
	}
	return migrations.InAccount(ctx, d.db, r.AccountID, func(tx *sqlx.Tx) error {
		if err := waitingFor(ctx, tx, r.AccountID, "registration", r.Country, r.Sender); err != nil {
			return err
		}
		if err := d.auditTx(ctx, tx, r.AccountID, "review.sender", fmt.Sprintf("%s %s %s", r.Country, r.Sender, r.State)); err != nil {
			return err
		}
		return d.holds.RegisterTx(ctx, tx, notify.Registration{AccountID: r.AccountID, Country: r.Country, Sender: r.Sender, State: state, Note: r.Note}, d.now())
	})
}

// waitingFor fails with web.ErrReview if nothing is held there.
func waitingFor(ctx context.Context, tx *sqlx.Tx, account int64, reason, country, sender string) error {
	var held bool
	if err := tx.GetContext(ctx, &held, `SELECT EXISTS (SELECT 1 FROM held WHERE account_id = $1 AND reason = $2 AND ($3 = '' OR country = $3 AND sender = $4))`,
		account, reason, country, sender); err != nil {
		return fmt.Errorf("look for held messages: %w", err)
	}
	if !held {
		return web.ErrReview
	}
	return nil
}

func (d reviewDesk) auditTx(ctx context.Context, tx *sqlx.Tx, account int64, action, subject string) error {
	actor, ok := migrations.ActorOf(ctx)
	if !ok {
		actor = migrations.Actor{Kind: "system", Name: "rappel", At: d.now()}
	}
	return accounts.RecordTx(ctx, tx, accounts.Entry{AccountID: account, Actor: actor, Action: action, Subject: subject})
}
