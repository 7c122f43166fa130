package mail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/textproto"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// Server is where mail is handed over, and as whom.
type Server struct {
	Host     string
	Port     int
	TLS      bool // from the first byte (smtps); else STARTTLS wherever the server offers it
	Plain    bool // no TLS at all: only on this machine
	User     string
	Password string
	From     netmail.Address
}

// ParseURL reads RAPPEL_SMTP_URL: smtp://user:password@host:587?from=rappel@example.ch or
// smtps://…:465. name= is shown beside the address, "Rappel" by default. TLS is required,
// but on loopback. It fails with ErrURL and never quotes the URL, which holds a password.
func ParseURL(raw string) (Server, error) {
	bad := func(why string) (Server, error) {
		return Server{}, fmt.Errorf("%w: %s; write it as smtp://user:password@host:587?from=rappel@example.ch or smtps://…", ErrURL, why)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return bad("it isn't one")
	}
	s := Server{Host: u.Hostname(), User: u.User.Username()}
	s.Password, _ = u.User.Password() // none = no log-in
	switch u.Scheme {
	case "smtp":
		s.Port = 587
	case "smtps":
		s.Port, s.TLS = 465, true
	default:
		return bad("it begins with neither smtp: nor smtps:")
	}
	if s.Host == "" {
		return bad("the host is missing")
	}
	if p := u.Port(); p != "" {
		if s.Port, err = strconv.Atoi(p); err != nil || s.Port < 1 || s.Port > 65535 {
			return bad("the port isn't one")
		}
	}
	if (s.User == "") != (s.Password == "") {
		return bad("user and password belong together")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return bad("the part after ? can't be read")
	}
	from, err := netmail.ParseAddress(q.Get("from"))
	if err != nil || strings.ContainsAny(from.Address, "\r\n") {
		return bad("from= is missing or no address")
	}
	s.From = netmail.Address{Name: "Rappel", Address: from.Address}
	if n := oneLine(q.Get("name")); n != "" {
		s.From.Name = n
	}
	ip := net.ParseIP(s.Host)
	s.Plain = !s.TLS && (s.Host == "localhost" || ip != nil && ip.IsLoopback())
	return s, nil
}

// domain is the part of the sender's address that Message-IDs end with.
func (s Server) domain() string { return s.From.Address[strings.LastIndexByte(s.From.Address, '@')+1:] }

// sendTimeout bounds the whole of handing one mail over.
const sendTimeout = 2 * time.Minute

// send hands one mail over. A *textproto.Error or a *gomail.SendError inside tells why not.
func (s Server) send(ctx context.Context, m Mail, at time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&s.From)
	if err := msg.To(m.To); err != nil {
		return fmt.Errorf("%w: the address", ErrMail)
	}
	msg.Subject(m.Subject)
	msg.SetMessageIDWithValue(messageID(m.Account, m.Key, s.domain()))
	msg.SetDateWithValue(at)
	msg.SetGenHeader(gomail.Header("Auto-Submitted"), "auto-generated")
	msg.SetGenHeader(gomail.Header("Content-Language"), m.Language)
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	for _, a := range m.Attachments {
		if err := msg.AttachReader(a.Name, bytes.NewReader(a.Data), gomail.WithFileContentType(gomail.ContentType(a.ContentType))); err != nil {
			return fmt.Errorf("attach: %w", err)
		}
	}
	options := []gomail.Option{gomail.WithPort(s.Port), gomail.WithTimeout(30 * time.Second), gomail.WithHELO(s.domain())}
	switch {
	case s.TLS:
		options = append(options, gomail.WithSSL())
	case s.Plain:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if s.User != "" {
		auth := gomail.SMTPAuthAutoDiscover
		if s.Plain {
			auth = gomail.SMTPAuthPlainNoEnc
		}
		options = append(options, gomail.WithSMTPAuth(auth), gomail.WithUsername(s.User), gomail.WithPassword(s.Password))
	}
	client, err := gomail.NewClient(s.Host, options...)
	if err != nil {
		return fmt.Errorf("smtp: %w", err)
	}
	return client.DialAndSendWithContext(ctx, msg)
}

// code is the SMTP status a failure came with, 0 if the server said none.
func code(err error) int {
	var se *gomail.SendError
	if errors.As(err, &se) && se.ErrorCode() != 0 {
		return se.ErrorCode()
	}
	var te *textproto.Error
	if errors.As(err, &te) {
		return te.Code
	}
	return 0
}

// final reports whether a failure stays one however often it is tried: the server's 5xx
// about this mail. What it says of our log-in is mended in the configuration, and the
// mails of that time shall go then.
//
// Source: RFC 5321 section 4.2.1; RFC 4954 section 6 for 530 to 538.
func final(err error) bool {
	c := code(err)
	return errors.Is(err, ErrMail) || c >= 500 && c < 600 && (c < 530 || c > 538) && c != 503
}

var anAddress = regexp.MustCompile(`[^\s<>"']+@[^\s<>"']+`)

// problem is what to show of a failure: what the server said, without addresses.
func problem(err error) string {
	text := []rune(anAddress.ReplaceAllString(oneLine(err.Error()), "<…>"))
	if len(text) > 300 {
		text = append(text[:300], '…')
	}
	return string(text)
}
