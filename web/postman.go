package web

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"strings"

	"github.com/jmoiron/sqlx"

	"rappel/web/accounts"
	"rappel/web/mail"
)

//go:embed letters/letter.html
var letterFiles embed.FS

// Postman words letters, as text and HTML in the reader's language, and puts them into the
// outbox. A letter of kind k is worded by mail.k.subject, mail.k.text (paragraphs apart by
// empty lines) and, if it has a link, mail.k.button.
type Postman struct {
	words  *words
	html   *template.Template
	outbox *mail.Outbox
	base   string
}

// NewPostman returns a Postman whose links begin with base.
func NewPostman(outbox *mail.Outbox, base string) (*Postman, error) {
	l, err := loadLooks()
	if err != nil {
		return nil, err
	}
	t, err := template.ParseFS(letterFiles, "letters/letter.html")
	if err != nil {
		return nil, fmt.Errorf("letters: %w", err)
	}
	return &Postman{words: l.words, html: t, outbox: outbox, base: base}, nil
}

// QueueTx words a letter and queues it in the caller's transaction. It implements
// accounts.Mailer. Data "Link" is a path of this web, "Name" whom to greet.
func (p *Postman) QueueTx(ctx context.Context, tx *sqlx.Tx, l accounts.Letter) error {
	m, err := p.write(l)
	if err != nil {
		return err
	}
	return p.outbox.QueueTx(ctx, tx, m)
}

// QueueMoneyTx queues a letter to each of those at an account who see its money: owners
// and billing contacts. Of a sub-account, which pays nothing itself, to its own people.
func (p *Postman) QueueMoneyTx(ctx context.Context, tx *sqlx.Tx, l accounts.Letter) error {
	var people []accounts.User
	if err := tx.SelectContext(ctx, &people, `SELECT email, name, language FROM users WHERE account_id = $1 AND role IN ('owner', 'billing') ORDER BY id`, l.Account); err != nil {
		return fmt.Errorf("look whom to write to: %w", err)
	}
	for i, u := range people {
		one := l
		one.To, one.Language, one.Key = u.Email, u.Language, fmt.Sprintf("%s/%d", l.Key, i)
		one.Data = map[string]string{"Name": u.Name}
		for k, v := range l.Data {
			one.Data[k] = v
		}
		if err := p.QueueTx(ctx, tx, one); err != nil {
			return err
		}
	}
	return nil
}

// QueuePlainTx queues a mail that its sender worded whole, and adds the text as HTML.
func (p *Postman) QueuePlainTx(ctx context.Context, tx *sqlx.Tx, m mail.Mail) error {
	d := letterData{Lang: m.Language, Subject: m.Subject, Paragraphs: strings.Split(strings.TrimSpace(m.Text), "\n\n")}
	var err error
	if m.HTML, err = p.page(d); err != nil {
		return err
	}
	return p.outbox.QueueTx(ctx, tx, m)
}

// letterData is what letters/letter.html shows.
type letterData struct {
	Lang, Subject, Link, Button, Otherwise, Sign string
	Paragraphs                                   []string
}

func (p *Postman) page(d letterData) (string, error) {
	var html bytes.Buffer
	if err := p.html.Execute(&html, d); err != nil {
		return "", fmt.Errorf("write letter %q: %w", d.Subject, err)
	}
	return html.String(), nil
}

// write words a letter.
func (p *Postman) write(l accounts.Letter) (mail.Mail, error) {
	lang := l.Language
	if p.words.byLang[lang] == nil {
		lang = "de"
	}
	var pairs []any
	for k, v := range l.Data {
		pairs = append(pairs, k, v)
	}
	say := func(key string) string { return p.words.say(lang, key, pairs...) }
	d := letterData{Lang: lang, Subject: say("mail." + l.Kind + ".subject"), Sign: say("mail.sign")}
	greeting := say("mail.greeting")
	if l.Data["Name"] != "" {
		greeting = say("mail.greeting.name")
	}
	d.Paragraphs = append([]string{greeting}, strings.Split(say("mail."+l.Kind+".text"), "\n\n")...)
	text := strings.Join(d.Paragraphs, "\n\n") + "\n\n"
	if path := l.Data["Link"]; path != "" {
		d.Link, d.Button, d.Otherwise = p.base+path, say("mail."+l.Kind+".button"), say("mail.otherwise")
		text += d.Button + ":\n" + d.Link + "\n\n"
	}
	html, err := p.page(d)
	if err != nil {
		return mail.Mail{}, err
	}
	return mail.Mail{Account: l.Account, To: l.To, Language: lang, Kind: l.Kind, Subject: d.Subject, Text: text + d.Sign + "\n", HTML: html, Key: l.Key}, nil
}
