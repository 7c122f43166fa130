package web

import (
	"context"
	"errors"
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/calendars"
	"rappel/notify/phone"
	"rappel/notify/segment"
	"rappel/reminders"
)

// textPiece is a stretch of a text; Number marks one that is a phone number.
type textPiece struct {
	Text   string
	Number bool // usable, and texted
	Other  bool // a usable number that is not texted
}

// textField is one text of an appointment.
type textField struct {
	Name   string // location, title, description
	Pieces []textPiece
	Chosen bool // the number was taken from here
}

// historyItem is a step in the life of an appointment.
type historyItem struct {
	At      time.Time
	Key     string // words "history.<Key>"
	Message *messageState
}

type appointmentDetailPage struct {
	appointmentRow
	Texts     []textField
	Rejected  []reminders.Rejected
	History   []historyItem
	Promised  map[int64]int64 // reminder id → message that announced the same start already
	Preview   *textPreview    // what will be sent, or was
	Rules     int             // enabled rules of the calendar
	Reconnect bool            // its connection must be renewed
	Texted    bool            // it has messages
}

// textPreview is one message as it will arrive, or did.
type textPreview struct {
	Sender, Recipient, Text string
	At                      time.Time // when it goes, or went
	Sent                    bool
	Segments                int
	Encoding                string
	Problem                 string // it can't be made: why
}

func (s *Server) appointmentDetail(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	ctx := r.Context()
	e, err := s.Calendars.Event(ctx, calendars.EventRef{AccountID: r.Account.ID, ID: id})
	if err != nil {
		return err
	}
	rows, err := s.explained(r, []calendars.Event{e})
	if err != nil {
		return err
	}
	set, err := s.Settings.Get(ctx, r.Account.ID)
	if err != nil {
		return err
	}
	p := appointmentDetailPage{appointmentRow: rows[0], Promised: map[int64]int64{}}
	conn, err := s.Calendars.Connection(ctx, p.Calendar.Connection())
	if err != nil {
		return err
	}
	p.Reconnect = conn.Status == calendars.ConnectionNeedsReconnect
	rules, err := s.Rules.List(ctx, p.Calendar.Ref())
	if err != nil {
		return err
	}
	for _, rule := range rules {
		if rule.Enabled {
			p.Rules++
		}
	}
	p.Texts = appointmentTexts(e, set, p.Why)
	p.Rejected = reminders.Extract(reminders.FieldsOf(e), set.Extract()).Rejected
	var messages []messageState
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		if messages, err = messagesOf(ctx, tx, r.Account.ID, p.Reminders); err != nil {
			return err
		}
		for _, l := range p.Lines {
			if l.Reason != reminders.AlreadySent && l.Reason != reminders.MovedBack {
				continue
			}
			if p.Promised[l.ReminderID], err = promisedMessage(ctx, tx, r.Account.ID, l.Recipient, l.StartsAt); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	p.History, p.Texted = appointmentHistory(p.appointmentRow, messages), len(messages) > 0
	if p.Preview, err = s.appointmentPreview(r, p, set, messages); err != nil {
		return err
	}
	if r.fragment() {
		return r.piece(w, "appointment.html", "story", p)
	}
	return r.page(w, "appointment.html", "appointments", p)
}

// appointmentPreview is the next planned message worded as of today; without one, the
// latest that was made. nil when there is neither.
func (s *Server) appointmentPreview(r *request, p appointmentDetailPage, set reminders.Settings, messages []messageState) (*textPreview, error) {
	for _, l := range p.Lines {
		if l.Status != reminders.StatusPlanned || l.Rule == nil {
			continue
		}
		return s.wordedPreview(r, l, p.Calendar, p.Event, set)
	}
	if len(messages) == 0 {
		return nil, nil
	}
	m := messages[len(messages)-1]
	measured := segment.Measure(m.Body)
	return &textPreview{Sender: m.Sender, Recipient: m.Recipient, Text: m.Body, At: m.CreatedAt, Sent: true,
		Segments: measured.Segments, Encoding: measured.Encoding.String()}, nil
}

// wordedPreview words the message of a planned reminder as the clerk will.
func (s *Server) wordedPreview(r *request, l reminderLine, cal calendars.Calendar, e calendars.Event, set reminders.Settings) (*textPreview, error) {
	t := &textPreview{Sender: l.Rule.Sender, Recipient: l.Recipient, At: l.At}
	if t.Sender == "" {
		t.Sender = set.Sender
	}
	language := l.Rule.Language
	if language == "" {
		language = set.Language
	}
	tpl, err := s.Templates.Get(r.Context(), reminders.TemplateRef{AccountID: r.Account.ID, ID: l.Rule.TemplateID})
	if err != nil && !errors.Is(err, reminders.ErrNotFound) {
		return nil, err
	}
	body, language, ok := tpl.Pick(language, set.Language)
	if !ok {
		t.Problem = r.say("field.no_text_in_language")
		return t, nil
	}
	vars, err := reminders.VarsFor(set, cal, e, language)
	if err != nil {
		return nil, err
	}
	if t.Text, err = reminders.Render(body, vars); err != nil {
		t.Text, t.Problem = "", r.say("preview.broken")
		return t, nil
	}
	if set.Smart {
		t.Text, _ = segment.Smart(t.Text, segment.Typographic)
	}
	m := segment.Measure(t.Text)
	t.Segments, t.Encoding = m.Segments, m.Encoding.String()
	return t, nil
}

// appointmentHistory is what happened, the oldest first.
func appointmentHistory(row appointmentRow, messages []messageState) []historyItem {
	e := row.Event
	items := []historyItem{{At: e.FirstSeen, Key: "seen"}}
	if e.Changed.After(e.FirstSeen) && e.Gone == nil {
		items = append(items, historyItem{At: e.Changed, Key: "changed"})
	}
	if e.Gone != nil {
		items = append(items, historyItem{At: *e.Gone, Key: "gone"})
	}
	for i := range messages {
		items = append(items, historyItem{At: messages[i].CreatedAt, Key: "message", Message: &messages[i]})
	}
	slices.SortStableFunc(items, func(a, b historyItem) int { return a.At.Compare(b.At) })
	return items
}

// appointmentTexts are the texts of e with the numbers in them marked.
func appointmentTexts(e calendars.Event, set reminders.Settings, why reminders.Explanation) []textField {
	options := []phone.Option{phone.WithIgnored(set.OwnNumbers...)}
	for _, region := range set.MoreRegions {
		if _, err := phone.New(region); err == nil {
			options = append(options, phone.WithFurtherRegions(region))
		}
	}
	finder, err := phone.New(set.Region, options...)
	var fields []textField
	for _, f := range []struct{ name, text string }{{"title", e.Title}, {"location", e.Location}, {"description", e.Description}} {
		text := strings.TrimSpace(plainText(f.text))
		if text == "" {
			continue
		}
		field := textField{Name: f.name, Chosen: why.Recipient != "" && why.Field == f.name}
		if err != nil { // a country nobody knows: nothing is found either
			field.Pieces = []textPiece{{Text: text}}
		} else {
			field.Pieces = markNumbers(text, finder.Find(text).Numbers, why.Recipient)
		}
		fields = append(fields, field)
	}
	return fields
}

// markNumbers cuts text at the numbers found in it.
func markNumbers(text string, numbers []phone.Number, recipient string) []textPiece {
	var pieces []textPiece
	slices.SortFunc(numbers, func(a, b phone.Number) int { return a.Start - b.Start })
	at := 0
	for _, n := range numbers {
		if n.Start < at || n.End > len(text) || n.End <= n.Start {
			continue
		}
		if n.Start > at {
			pieces = append(pieces, textPiece{Text: text[at:n.Start]})
		}
		pieces = append(pieces, textPiece{Text: text[n.Start:n.End], Number: n.E164 == recipient, Other: n.E164 != recipient})
		at = n.End
	}
	if at < len(text) {
		pieces = append(pieces, textPiece{Text: text[at:]})
	}
	return pieces
}

var (
	htmlSign   = regexp.MustCompile(`<(?:/?[a-zA-Z][a-zA-Z0-9]*(?:\s[^<>]*)?/?|!--.*?--)>|&(?:[a-zA-Z]+|#[0-9]+);`)
	htmlSilent = regexp.MustCompile(`(?is)<(script|style)\b.*?</(script|style)\s*>|<!--.*?-->`)
	htmlBreak  = regexp.MustCompile(`(?i)<(?:br|/p|/div|/li|/tr|/h[1-6])\b[^<>]*>`)
	htmlTag    = regexp.MustCompile(`</?[a-zA-Z][^<>]*>`)
	manyBreaks = regexp.MustCompile(`\n\s*\n\s*`)
)

// plainText shows what a calendar keeps as HTML the way it reads; plain text stays as
// it is. The result is shown escaped, so this is for the eye, not for safety.
func plainText(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	if !htmlSign.MatchString(s) {
		return s
	}
	s = htmlSilent.ReplaceAllString(s, "")
	s = htmlBreak.ReplaceAllString(s, "\n")
	s = htmlTag.ReplaceAllString(s, "")
	return manyBreaks.ReplaceAllString(html.UnescapeString(s), "\n")
}
