package sandbox

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/language"

	"rappel/notify"
	"rappel/notify/segment"
)

//go:embed phone.html phone.css phone.js
var files embed.FS

var page = template.Must(template.ParseFS(files, "phone.html"))

const (
	shownTexts  = 200
	shownPhones = 100
	maxReply    = 1600 // characters
)

// bubble is one text on the page.
type bubble struct {
	ID      int64
	Own     bool // written on the phone
	Partner string
	Body    string
	At      time.Time
	Parts   int
}

// listed is one phone of the list.
type listed struct {
	Number  string    `db:"phone"`
	Texts   int       `db:"texts"`
	Last    time.Time `db:"last"`
	Current bool      `db:"-"`
}

// Link is the address of the phone's page, relative to the list.
func (l listed) Link() string { return "?" + url.Values{"phone": {l.Number}}.Encode() }

type view struct {
	W        words
	Lang     string
	Phone    string
	Phones   []listed
	Bubbles  []bubble
	Partners []string // who wrote to the phone, the latest first
	Note     string   // what a demo number does
	Draft    string
	Problem  string
	Zone     *time.Location
	Limit    int
}

// Clock and Day show a time in the page's zone.
func (v view) Clock(t time.Time) string { return t.In(v.Zone).Format("15:04") }

// Day is the date of t as the page's language writes it.
func (v view) Day(t time.Time) string { return t.In(v.Zone).Format(v.W.Date) }

// ISO is t for machines.
func (v view) ISO(t time.Time) string { return t.In(v.Zone).Format(time.RFC3339) }

// Phone returns the page on which one reads what phones received and answers.
// Replies go to in at once, and otherwise with Run. It links relatively, so any
// prefix will do, and expects it stripped.
func (c *Carrier) Phone(in notify.Inbox) http.Handler {
	mux := http.NewServeMux()
	static := http.FileServerFS(files)
	for _, name := range []string{"phone.css", "phone.js"} {
		mux.Handle("GET /"+name, static)
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { c.show(w, r, http.StatusOK, "", "") })
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) { c.answer(w, r, in) })
	guarded := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "+
			"form-action 'self'; base-uri 'none'; frame-ancestors 'self'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		if r.URL.Path == "" {
			// The prefix without its slash: relative links would miss it.
			requested, _, _ := strings.Cut(r.RequestURI, "?")
			target := path.Base(requested) + "/"
			if r.URL.RawQuery != "" {
				target += "?" + r.URL.RawQuery
			}
			h.Set("Location", target)
			w.WriteHeader(http.StatusMovedPermanently)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// number reads a phone number as people paste it into an address: "+" is a space
// there.
func number(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
	if s == "" {
		return ""
	}
	return "+" + s
}

func (c *Carrier) show(w http.ResponseWriter, r *http.Request, status int, problem, draft string) {
	v, err := c.view(r.Context(), number(r.FormValue("phone")))
	if err != nil {
		c.log.ErrorContext(r.Context(), "phone page", slog.Any("error", err))
		http.Error(w, "database", http.StatusInternalServerError)
		return
	}
	v.W = wordsFor(r)
	v.Lang = v.W.Code
	v.Note = v.W.note(v.Phone)
	v.Draft = draft
	v.Problem = v.W.problem(problem)
	var out bytes.Buffer
	if err := page.Execute(&out, v); err != nil {
		c.log.ErrorContext(r.Context(), "phone page", slog.Any("error", err))
		http.Error(w, "template", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Vary", "Accept-Language")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // nothing to do about a browser that went away
}

// view reads what phone shows; "" means the one that heard last.
func (c *Carrier) view(ctx context.Context, phone string) (view, error) {
	v := view{Phone: phone, Zone: c.cfg.Zone, Limit: maxReply}
	err := c.db.SelectContext(ctx, &v.Phones, `
		SELECT phone, count(*) FILTER (WHERE direction = 'to_phone') AS texts, max(at) AS last
		FROM sandbox_texts GROUP BY phone ORDER BY max(id) DESC LIMIT $1`, shownPhones)
	if err != nil {
		return v, fmt.Errorf("phones: %w", err)
	}
	if v.Phone == "" && len(v.Phones) > 0 {
		v.Phone = v.Phones[0].Number
	}
	for i := range v.Phones {
		v.Phones[i].Current = v.Phones[i].Number == v.Phone
	}
	if v.Phone == "" {
		return v, nil
	}
	var texts []text
	err = c.db.SelectContext(ctx, &texts, `
		SELECT id, direction, phone, partner, body, at FROM (
			SELECT * FROM sandbox_texts WHERE phone = $1 ORDER BY id DESC LIMIT $2) latest
		ORDER BY id`, v.Phone, shownTexts)
	if err != nil {
		return v, fmt.Errorf("texts: %w", err)
	}
	hidden := demoOf(v.Phone).Hidden
	seen := map[string]bool{}
	for i := len(texts) - 1; i >= 0; i-- {
		if t := texts[i]; t.Direction == "to_phone" && !hidden && !seen[t.Partner] {
			seen[t.Partner] = true
			v.Partners = append(v.Partners, t.Partner)
		}
	}
	for _, t := range texts {
		own := t.Direction == "from_phone"
		if !own && hidden {
			continue
		}
		n, _ := segment.Count(t.Body)
		v.Bubbles = append(v.Bubbles, bubble{ID: t.ID, Own: own, Partner: t.Partner, Body: t.Body, At: t.At, Parts: n})
	}
	return v, nil
}

// answer takes a reply and shows the phone again.
func (c *Carrier) answer(w http.ResponseWriter, r *http.Request, in notify.Inbox) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "unreadable form", http.StatusBadRequest)
		return
	}
	phone, draft := number(r.PostFormValue("phone")), r.PostFormValue("body")
	body := strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(strings.ToValidUTF8(draft, "\uFFFD"), "\r\n", "\n"), "\x00", ""))
	partner := strings.ToValidUTF8(strings.ReplaceAll(r.PostFormValue("partner"), "\x00", ""), "\uFFFD")
	switch {
	case phone == "" || partner == "":
		c.show(w, r, http.StatusUnprocessableEntity, "nobody", draft)
		return
	case body == "":
		c.show(w, r, http.StatusUnprocessableEntity, "empty", draft)
		return
	case utf8.RuneCountInString(body) > maxReply:
		c.show(w, r, http.StatusUnprocessableEntity, "long", draft)
		return
	}
	if err := c.reply(r.Context(), phone, partner, body); err != nil {
		c.log.ErrorContext(r.Context(), "store a reply", slog.Any("error", err))
		http.Error(w, "database", http.StatusInternalServerError)
		return
	}
	if in != nil {
		// The reply is safe already; handing it on now only saves waiting for Run.
		if _, err := c.Tick(context.WithoutCancel(r.Context()), in); err != nil && !errors.Is(err, context.Canceled) {
			c.log.WarnContext(r.Context(), "reply waits", slog.Any("error", err))
		}
	}
	w.Header().Set("Location", "?"+url.Values{"phone": {phone}}.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

var languages = language.NewMatcher([]language.Tag{language.German, language.English})

// wordsFor picks the language the browser prefers, or ?lang=.
func wordsFor(r *http.Request) words {
	tags, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil {
		tags = nil // an odd header is as good as none
	}
	if want, err := language.Parse(r.FormValue("lang")); err == nil {
		tags = append([]language.Tag{want}, tags...)
	}
	if _, i, confidence := languages.Match(tags...); len(tags) > 0 && (i == 1 || confidence == language.No) {
		return english
	}
	return german
}
