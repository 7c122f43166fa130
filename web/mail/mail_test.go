package mail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/web/mail"
)

var monday = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// plainSealer marks what it seals; sealing itself is tested where it is done.
type plainSealer struct{}

func (plainSealer) Seal(plain []byte, context string) ([]byte, error) {
	return append([]byte("sealed for "+context+":"), plain...), nil
}

func (plainSealer) Open(sealed []byte, context string) ([]byte, error) {
	plain, ok := bytes.CutPrefix(sealed, []byte("sealed for "+context+":"))
	if !ok {
		return nil, errors.New("sealed for something else")
	}
	return plain, nil
}

// postOffice is a real SMTP server on loopback.
type postOffice struct {
	mu     sync.Mutex
	got    []letter
	refuse error // said to RCPT
	drop   bool  // takes the mail and cuts the line before it says so
}

type letter struct {
	from string
	to   []string
	data string
}

func (p *postOffice) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{p: p, conn: c}, nil
}

type session struct {
	p    *postOffice
	conn *smtp.Conn
	l    letter
}

func (s *session) Reset()        { s.l = letter{} }
func (s *session) Logout() error { return nil }
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.l.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	if s.p.refuse != nil {
		return s.p.refuse
	}
	s.l.to = append(s.l.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	s.l.data = string(data)
	s.p.got = append(s.p.got, s.l)
	if s.p.drop {
		return s.conn.Close()
	}
	return nil
}

func (p *postOffice) letters() []letter {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]letter(nil), p.got...)
}

func (p *postOffice) say(err error, drop bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse, p.drop = err, drop
}

// world is an outbox, its worker and the post office.
type world struct {
	t      *testing.T
	db     *sqlx.DB
	now    time.Time
	outbox *mail.Outbox
	worker *mail.Worker
	office *postOffice
}

func newWorld(t *testing.T, keep bool) *world {
	t.Helper()
	w := &world{t: t, db: dbtest.New(t), now: monday, office: &postOffice{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := smtp.NewServer(w.office)
	srv.Domain, srv.AllowInsecureAuth, srv.ErrorLog = "localhost", true, smtpLog{}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		<-served
	})
	server, err := mail.ParseURL("smtp://" + l.Addr().String() + "?from=rappel@example.ch")
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return w.now }
	w.outbox = mail.NewOutbox(plainSealer{}, clock)
	w.worker = mail.NewWorker(mail.Config{DB: w.db, Sealer: plainSealer{}, Server: &server, Keep: keep, Now: clock, Log: slog.New(slog.DiscardHandler)})
	return w
}

type smtpLog struct{}

func (smtpLog) Printf(string, ...any) {}
func (smtpLog) Println(...any)        {}

func (w *world) queue(m mail.Mail) error {
	return migrations.InTx(context.Background(), w.db, func(tx *sqlx.Tx) error { return w.outbox.QueueTx(context.Background(), tx, m) })
}

func (w *world) tick(want int) {
	w.t.Helper()
	if n, err := w.worker.Tick(context.Background()); err != nil || n != want {
		w.t.Fatalf("Tick = %d, %v; want %d", n, err, want)
	}
}

// state is what the outbox says of its mails.
func (w *world) state() string {
	w.t.Helper()
	var rows []string
	if err := w.db.Select(&rows, `SELECT concat_ws(' ', key, status, attempts, to_char(next_at AT TIME ZONE 'UTC', 'HH24:MI'), problem, sealed IS NOT NULL) FROM mails ORDER BY id`); err != nil {
		w.t.Fatal(err)
	}
	return strings.Join(rows, "\n")
}

var hello = mail.Mail{Account: 0, To: "anna@example.com", Language: "de", Kind: "confirm", Subject: "Grüezi\r\nBcc: evil@example.com", Text: "Grüsse,\nRappel", HTML: "<p>Grüsse</p>",
	Attachments: []mail.Attachment{{Name: "rechnung.pdf", ContentType: "application/pdf", Data: []byte("%PDF-1.4")}}, Key: "a"}

// A mail arrives whole, once, and what it said is gone from the database.
func TestWorker_sends(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	for range 2 { // the key makes it one
		if err := w.queue(hello); err != nil {
			t.Fatal(err)
		}
	}
	w.tick(1)
	w.tick(0)
	got := w.office.letters()
	if len(got) != 1 || got[0].from != "rappel@example.ch" || len(got[0].to) != 1 || got[0].to[0] != "anna@example.com" {
		t.Fatalf("the post office got %+v", got)
	}
	m, err := netmail.ReadMessage(strings.NewReader(got[0].data))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != "Grüezi Bcc: evil@example.com" || m.Header.Get("Bcc") != "" {
		t.Errorf("subject %q, %v, Bcc %q", subject, err, m.Header.Get("Bcc"))
	}
	if id := m.Header.Get("Message-ID"); !strings.HasSuffix(id, "@example.ch>") || strings.Contains(id, "a@") && len(id) < 30 {
		t.Errorf("Message-ID %q", id)
	}
	if m.Header.Get("Auto-Submitted") != "auto-generated" {
		t.Error("doesn't say that a program wrote it")
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/mixed" {
		t.Fatalf("content %q, %v", kind, err)
	}
	parts := 0
	for r := multipart.NewReader(m.Body, params["boundary"]); ; parts++ {
		if _, err := r.NextRawPart(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if parts != 2 {
		t.Errorf("%d parts, want the texts and the file", parts)
	}
	if got, want := w.state(), "a sent 1 08:01  f"; got != want && got != strings.Replace(want, "  ", " ", 1) {
		t.Errorf("state %q, want %q", got, want)
	}
}

// What is refused for now is tried again, later and later; what is refused for good, or
// too often, is given up, visibly and without an address.
func TestWorker_triesAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	if err := w.queue(hello); err != nil {
		t.Fatal(err)
	}
	w.office.say(&smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "anna@example.com: try later"}, false)
	waits := []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute}
	for i, wait := range waits {
		w.tick(1)
		if s := w.state(); !strings.Contains(s, fmt.Sprintf("queued %d", i+1)) || !strings.Contains(s, "try later") || strings.Contains(s, "anna@") {
			t.Fatalf("after try %d: %s", i+1, s)
		}
		w.now = w.now.Add(wait - time.Second)
		w.tick(0)
		w.now = w.now.Add(time.Second)
	}
	w.office.say(&smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}, false)
	w.tick(1)
	if s := w.state(); !strings.Contains(s, "failed 5") || !strings.Contains(s, "no such user") {
		t.Fatalf("refused for good: %s", s)
	}
	w.tick(0)
	w.office.say(nil, false)
	var id int64
	if err := w.db.Get(&id, `SELECT id FROM mails`); err != nil {
		t.Fatal(err)
	}
	if err := migrations.InTx(context.Background(), w.db, func(tx *sqlx.Tx) error { return mail.RetryTx(context.Background(), tx, 0, id, w.now) }); err != nil {
		t.Fatal(err)
	}
	w.tick(1)
	if s := w.state(); !strings.Contains(s, "sent 1") {
		t.Errorf("tried again by hand: %s", s)
	}
	if err := migrations.InTx(context.Background(), w.db, func(tx *sqlx.Tx) error { return mail.RetryTx(context.Background(), tx, 0, id, w.now) }); !errors.Is(err, mail.ErrGone) {
		t.Errorf("retry of a sent one: %v", err)
	}
	w.now = w.now.Add(31 * 24 * time.Hour)
	if err := w.worker.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s := w.state(); s != "" {
		t.Errorf("a month later: %s", s)
	}
}

// A line that is cut after the mail was taken leaves it open: it goes again, under the
// same Message-ID.
func TestWorker_atLeastOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	if err := w.queue(hello); err != nil {
		t.Fatal(err)
	}
	w.office.say(nil, true)
	w.tick(1)
	w.office.say(nil, false)
	w.now = w.now.Add(time.Minute)
	w.tick(1)
	got := w.office.letters()
	if len(got) != 2 {
		t.Fatalf("%d letters, want the open one and its double", len(got))
	}
	var ids []string
	for _, l := range got {
		m, err := netmail.ReadMessage(strings.NewReader(l.data))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.Header.Get("Message-ID"))
	}
	if ids[0] != ids[1] {
		t.Errorf("Message-IDs %q", ids)
	}
	if s := w.state(); !strings.Contains(s, "sent 2") || !strings.HasSuffix(s, "t") {
		t.Errorf("kept: %s", s)
	}
	kept, err := mail.NewBox(w.db, plainSealer{}).Latest(context.Background(), 10)
	if err != nil || len(kept) != 1 || kept[0].Mail.Text != hello.Text {
		t.Errorf("the box has %+v, %v", kept, err)
	}
}

// A process that died with a mail in hand is succeeded when its lease ends; two at once
// never take the same.
func TestWorker_lease(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	for i := range 30 {
		m := hello
		m.Key, m.Attachments = fmt.Sprint(i), nil
		if err := w.queue(m); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 3 {
				if _, err := w.worker.Tick(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	w.tick(0)
	if n := len(w.office.letters()); n != 30 {
		t.Errorf("%d letters for 30 mails", n)
	}
	if _, err := w.db.Exec(`UPDATE mails SET status = 'queued', sealed = 'sealed for mails/0/5:{"subject":"s","text":"t"}', next_at = $1 WHERE key = '5'`, w.now.Add(10*time.Minute)); err != nil {
		t.Fatal(err)
	}
	w.tick(0)
	w.now = w.now.Add(10 * time.Minute)
	w.tick(1)
}

func TestQueue_wantsAMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	for what, change := range map[string]func(*mail.Mail){
		"no key": func(m *mail.Mail) { m.Key = "" }, "no kind": func(m *mail.Mail) { m.Kind = "" }, "no address": func(m *mail.Mail) { m.To = "anna" },
		"a header in the address": func(m *mail.Mail) { m.To = "a@b.ch\r\nBcc: c@d.ch" }, "no subject": func(m *mail.Mail) { m.Subject = "" }, "no text": func(m *mail.Mail) { m.Text = "" },
	} {
		m := hello
		change(&m)
		if err := w.queue(m); !errors.Is(err, mail.ErrMail) {
			t.Errorf("%s: %v, want ErrMail", what, err)
		}
	}
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		raw  string
		want string
	}{
		{"smtp://u:p%40ss@mail.example.ch?from=rappel@example.ch", "mail.example.ch 587 false false u p@ss rappel@example.ch Rappel"},
		{"smtps://mail.example.ch?from=rappel@example.ch&name=Meine%20Praxis", "mail.example.ch 465 true false   rappel@example.ch Meine Praxis"},
		{"smtp://localhost:2525?from=Rappel%20%3Ca@b.ch%3E", "localhost 2525 false true   a@b.ch Rappel"},
	} {
		s, err := mail.ParseURL(c.raw)
		if got := fmt.Sprint(s.Host, " ", s.Port, " ", s.TLS, " ", s.Plain, " ", s.User, " ", s.Password, " ", s.From.Address, " ", s.From.Name); err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.raw, got, err, c.want)
		}
	}
	for _, bad := range []string{"", "mail.example.ch", "http://mail?from=a@b.ch", "smtp://?from=a@b.ch", "smtp://h:99999?from=a@b.ch", "smtp://secret:@h?from=a@b.ch", "smtp://u:secret@h", "smtp://u:secret@h?from=x", "smtp://u:secret@h:%zz", "smtp://h?from=%zz"} {
		if _, err := mail.ParseURL(bad); !errors.Is(err, mail.ErrURL) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want ErrURL without the password", bad, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"smtp://u:p@h:25?from=a@b.ch", "smtps://h?from=A%20%3Ca@b.ch%3E&name=x", "smtp://[::1]:25?from=a@b.ch", "smtp:", "%zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		s, err := mail.ParseURL(raw)
		if err != nil {
			if !errors.Is(err, mail.ErrURL) {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		if s.Host == "" || s.Port < 1 || s.Port > 65535 || !strings.Contains(s.From.Address, "@") || strings.ContainsAny(s.From.Address+s.From.Name, "\r\n") || s.TLS && s.Plain {
			t.Fatalf("%q: %+v", raw, s)
		}
	})
}
