package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/jmoiron/sqlx"

	"rappel/notify/segment"
	"rappel/reminders"
)

// templateRoutes are the list and the editor.
//
// Ids for browser tests: #template-name, #text-de (…-fr, -it, -en), #lang-de to
// switch the language, #preview with .bubble, #save, #delete; in the list
// a[data-template="<id>"].
func (s *Server) templateRoutes() []route {
	return []route{
		{"GET /templates", daily, s.templateList},
		{"GET /templates/new", daily, s.templateNew},
		{"GET /templates/{id}", daily, s.templateEdit},
		{"POST /templates", daily, s.templateSave},
		{"POST /templates/preview", daily, s.templatePreview},
		{"POST /templates/{id}/delete", daily, s.templateDelete},
	}
}

type templateRow struct {
	reminders.Template
	Uses int
}

func (s *Server) templateList(w http.ResponseWriter, r *request) error {
	all, err := s.Templates.List(r.Context(), r.Account.ID)
	if err != nil {
		return err
	}
	uses := map[int64]int{}
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		uses, err = templateUses(ctx, tx, r.Account.ID)
		return err
	}); err != nil {
		return err
	}
	rows := make([]templateRow, len(all))
	for i, t := range all {
		rows[i] = templateRow{t, uses[t.ID]}
	}
	return r.page(w, "templates.html", "templates", rows)
}

// templateForm is the editor: what was typed, what is wrong with it, and how the
// text in Shown looks on a phone.
type templateForm struct {
	ID           int64
	Name         string
	Texts        map[string]string
	Shown        string // language whose text the phone shows
	Languages    []string
	Placeholders []string
	Errors       map[string]string // field → words
	Preview      preview
	Uses         int
}

// preview is a text as it will arrive.
type preview struct {
	Sender    string
	Text      string // rendered with sample values, as sent; "" when it can't be
	Problems  []string
	Advice    []string
	Encoding  string
	Segments  int
	Units     int
	Remaining int
	Changes   []segment.Change // what smart encoding replaces, each once
	Offenders []string         // what makes it UCS-2, each once
}

func (s *Server) templateNew(w http.ResponseWriter, r *request) error {
	return s.editor(w, r, http.StatusOK, templateForm{Texts: reminders.DefaultTexts(), Shown: r.Account.Language})
}

func (s *Server) templateEdit(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	t, err := s.Templates.Get(r.Context(), reminders.TemplateRef{AccountID: r.Account.ID, ID: id})
	if err != nil {
		return err
	}
	_, shown, _ := t.Pick(r.Account.Language, r.Lang)
	return s.editor(w, r, http.StatusOK, templateForm{ID: t.ID, Name: t.Name, Texts: t.Texts, Shown: shown})
}

func (s *Server) editor(w http.ResponseWriter, r *request, status int, f templateForm) error {
	f.Languages, f.Placeholders = reminders.Languages(), reminders.Placeholders()
	if f.Errors == nil {
		f.Errors = map[string]string{}
	}
	if f.Shown == "" {
		f.Shown = r.Account.Language
	}
	var err error
	if f.Preview, err = s.preview(r, f.Texts[f.Shown], f.Shown); err != nil {
		return err
	}
	if f.ID != 0 {
		if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) error {
			uses, err := templateUses(ctx, tx, r.Account.ID)
			f.Uses = uses[f.ID]
			return err
		}); err != nil {
			return err
		}
	}
	return s.render(w, r, status, "template.html", "templates", f)
}

// preview renders body as a patient would get it, with sample values.
func (s *Server) preview(r *request, body, language string) (preview, error) {
	settings, err := s.Settings.Get(r.Context(), r.Account.ID)
	if err != nil {
		return preview{}, err
	}
	vars := reminders.SampleVars(settings, language, r.now())
	p := preview{Sender: settings.Sender}
	if strings.TrimSpace(body) == "" {
		return p, nil
	}
	for _, e := range reminders.CheckBody(body) {
		p.Problems = append(p.Problems, r.fieldWords(e))
	}
	if len(p.Problems) > 0 {
		return p, nil
	}
	if p.Text, err = reminders.Render(body, vars); err != nil {
		return p, err
	}
	if settings.Smart {
		text, changes := segment.Smart(p.Text, segment.Typographic)
		p.Text, p.Changes = text, firsts(changes, func(c segment.Change) string { return c.From })
	}
	for _, o := range firsts(segment.Offenders(p.Text), func(o segment.Offender) string { return string(o.Rune) }) {
		p.Offenders = append(p.Offenders, string(o.Rune))
	}
	m := segment.Measure(p.Text)
	p.Encoding, p.Segments, p.Units, p.Remaining = m.Encoding.String(), m.Segments, m.Units, m.Remaining
	for _, warning := range reminders.Lint(body, vars) {
		p.Advice = append(p.Advice, r.say("advice."+warning.Code, paramPairs(warning.Params)...))
	}
	return p, nil
}

// firsts returns the first of all with each key, in order.
func firsts[T any](all []T, key func(T) string) (out []T) {
	seen := map[string]bool{}
	for _, x := range all {
		if k := key(x); !seen[k] {
			seen[k], out = true, append(out, x)
		}
	}
	return out
}

// formTemplate reads the editor's fields.
func formTemplate(r *request) templateForm {
	id, err := strconv.ParseInt(r.PostFormValue("id"), 10, 64)
	if err != nil {
		id = 0 // a new one
	}
	f := templateForm{ID: id, Name: strings.TrimSpace(r.PostFormValue("name")), Texts: map[string]string{}, Shown: r.PostFormValue("shown")}
	for _, lang := range reminders.Languages() {
		// Browsers send line ends as CR LF; a phone needs one character.
		if text := strings.ReplaceAll(r.PostFormValue("text_"+lang), "\r\n", "\n"); strings.TrimSpace(text) != "" {
			f.Texts[lang] = text
		}
	}
	return f
}

func (s *Server) templatePreview(w http.ResponseWriter, r *request) error {
	f := formTemplate(r)
	p, err := s.preview(r, f.Texts[f.Shown], f.Shown)
	if err != nil {
		return err
	}
	return r.piece(w, "template.html", "preview", p)
}

func (s *Server) templateSave(w http.ResponseWriter, r *request) error {
	f := formTemplate(r)
	_, err := s.Templates.Save(r.Context(), reminders.Template{AccountID: r.Account.ID, ID: f.ID, Name: f.Name, Texts: f.Texts})
	var bad *reminders.Invalid
	if errors.As(err, &bad) {
		f.Errors = r.fieldErrors(bad)
		for _, e := range bad.Fields { // show the text that is wrong
			if lang, ok := strings.CutPrefix(e.Field, "texts."); ok {
				f.Shown = lang
				break
			}
		}
		return s.editor(w, r, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	return r.see(w, "/templates", "templates.saved", "Name", f.Name)
}

func (s *Server) templateDelete(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	err = s.Templates.Delete(r.Context(), reminders.TemplateRef{AccountID: r.Account.ID, ID: id})
	if errors.Is(err, reminders.ErrInUse) {
		r.flash("bad", "templates.in_use")
		return r.see(w, "/templates/"+strconv.FormatInt(id, 10), "")
	}
	if err != nil {
		return err
	}
	return r.see(w, "/templates", "templates.deleted")
}

// templateUses counts the rules of each template.
func templateUses(ctx context.Context, tx *sqlx.Tx, account int64) (map[int64]int, error) {
	var rows []struct {
		Template int64 `db:"template_id"`
		N        int   `db:"n"`
	}
	if err := tx.SelectContext(ctx, &rows,
		`SELECT template_id, count(*) AS n FROM rules WHERE account_id = $1 AND deleted_at IS NULL GROUP BY template_id`, account); err != nil {
		return nil, err
	}
	uses := map[int64]int{}
	for _, row := range rows {
		uses[row.Template] = row.N
	}
	return uses, nil
}
