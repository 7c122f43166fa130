package mail

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Mail is what somebody is told by e-mail.
type Mail struct {
	Account     int64 // 0 = of no account
	To          string
	Language    string // de, fr, it, en
	Kind        string // such as "invoice"; shown to the operator
	Subject     string
	Text        string
	HTML        string // "" = text only
	Attachments []Attachment
	Key         string // queueing the same key again, of the same account, does nothing
}

// Attachment is a file that comes with a mail.
type Attachment struct {
	Name        string
	ContentType string
	Data        []byte
}

// check returns ErrMail for what can't be sent.
func (m Mail) check() error {
	switch {
	case m.Key == "" || m.Kind == "":
		return fmt.Errorf("%w: key or kind is missing", ErrMail)
	case !strings.Contains(m.To, "@") || strings.ContainsAny(m.To, " \r\n<>"):
		return fmt.Errorf("%w: no address", ErrMail)
	case m.Subject == "" || m.Text == "":
		return fmt.Errorf("%w: it says nothing", ErrMail)
	}
	return nil
}

// content is the part of a mail that lies sealed.
type content struct {
	Subject     string       `json:"subject"`
	Text        string       `json:"text"`
	HTML        string       `json:"html,omitempty"`
	Attachments []Attachment `json:"attachments,omitempty"`
}

func (m Mail) content() ([]byte, error) {
	return json.Marshal(content{Subject: oneLine(m.Subject), Text: m.Text, HTML: m.HTML, Attachments: m.Attachments})
}

// oneLine keeps a subject from becoming a header of its own.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// sealContext binds sealed content to its mail.
func sealContext(account int64, key string) string { return fmt.Sprintf("mails/%d/%s", account, key) }

// messageID is the same for every try of a mail. The key itself may hold a secret's hash
// or a number of somebody's, so only a hash of it travels.
func messageID(account int64, key, domain string) string {
	sum := sha256.Sum256([]byte(sealContext(account, key)))
	return hex.EncodeToString(sum[:16]) + "@" + domain
}

const (
	maxAttempts = 10
	firstWait   = time.Minute
	longestWait = 6 * time.Hour
	lease       = 10 * time.Minute // longer than a mail may take to hand over
)

// wait is the time before the next try, after so many.
func wait(attempts int) time.Duration {
	w := firstWait
	for range attempts - 1 {
		if w *= 2; w >= longestWait {
			return longestWait
		}
	}
	return w
}
