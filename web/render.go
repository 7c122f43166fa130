package web

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/web/accounts"
)

//go:embed pages
var pageFiles embed.FS

// pageSet holds every page parsed once per language.
type pageSet struct {
	byLang map[string]map[string]*template.Template
}

// view is what a page's template sees as its root.
type view struct {
	s       *Server
	role    access
	home    string
	Own     accounts.Account // the user's own, where Account is one they went into
	Lang    string
	Account accounts.Account
	User    accounts.User
	Nav     string // which entry of the navigation is current
	Path    string // of the request, for links back
	Notices []noticeRow
	Purse   *purse // nil = nothing to say about money
	Flash   string
	Mood    string // of Flash: good, warn, bad
	Loc     *time.Location
	Now     time.Time
	Data    any
	Dev     *DevLinks
}

// looks are what every Server's pages are made of. All of it is embedded in the binary and
// read only, so that a process loads it once.
type looks struct {
	words  *words
	static *assets
	pages  *pageSet
}

// loadLooks fails when a page or a word file is broken.
var loadLooks = sync.OnceValues(func() (l *looks, err error) {
	l = &looks{}
	if l.words, err = loadWords(); err != nil {
		return nil, fmt.Errorf("words: %w", err)
	}
	if l.static, err = loadAssets(); err != nil {
		return nil, fmt.Errorf("static files: %w", err)
	}
	if l.pages, err = l.loadPages(); err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	return l, nil
})

func (l *looks) loadPages() (*pageSet, error) {
	set := &pageSet{byLang: map[string]map[string]*template.Template{}}
	files, err := fs.Glob(pageFiles, "pages/*.html")
	if err != nil {
		return nil, err
	}
	for _, tag := range accounts.Languages {
		lang := tag.String()
		set.byLang[lang] = map[string]*template.Template{}
		base, err := template.New("layout.html").Funcs(l.funcs(lang)).Option("missingkey=error").ParseFS(pageFiles, "pages/layout.html", "pages/parts.html")
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			name := path.Base(f)
			if name == "layout.html" || name == "parts.html" {
				continue
			}
			t, err := base.Clone()
			if err != nil {
				return nil, err
			}
			if set.byLang[lang][name], err = t.ParseFS(pageFiles, f); err != nil {
				return nil, err
			}
		}
	}
	return set, nil
}

// funcs are what templates may call beside the fields and methods of their view.
func (l *looks) funcs(lang string) template.FuncMap {
	return template.FuncMap{
		"t":      func(key string, pairs ...any) string { return l.words.say(lang, key, pairs...) },
		"has":    l.words.has,
		"asset":  l.static.url,
		"icon":   icon,
		"dict":   dict,
		"list":   func(v ...any) []any { return v },
		"join":   strings.Join,
		"phone":  displayPhone,
		"linked": func(key string, links ...string) (template.HTML, error) { return l.words.linked(lang, key, links) },
	}
}

// dict makes a map for a part that needs several values.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict takes names and values")
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is not a name", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

// page renders a whole page with status 200.
func (r *request) page(w http.ResponseWriter, file, nav string, data any) error {
	return r.s.render(w, r, http.StatusOK, file, nav, data)
}

// piece renders one defined part of a page file, as a fragment for app.js.
func (r *request) piece(w http.ResponseWriter, file, part string, data any) error {
	v, err := r.s.view(r, "", data)
	if err != nil {
		return err
	}
	return r.s.execute(w, r, http.StatusOK, file, part, v)
}

// render writes a page. Nothing is written before the template has succeeded, so
// that a failure can still become a proper answer.
func (s *Server) render(w http.ResponseWriter, r *request, status int, file, nav string, data any) error {
	v, err := s.view(r, nav, data)
	if err != nil {
		return err
	}
	v.Flash, v.Mood = s.sessions.PopString(r.Context(), "flash"), s.sessions.PopString(r.Context(), "flash_mood")
	return s.execute(w, r, status, file, "layout.html", v)
}

func (s *Server) view(r *request, nav string, data any) (*view, error) {
	v := &view{s: s, role: r.role, home: r.landing(), Own: r.home, Lang: r.Lang, Account: r.Account, User: r.User, Nav: nav, Path: r.URL.RequestURI(), Loc: r.Loc, Now: r.now(), Data: data, Dev: s.Dev}
	if r.Account.ID != 0 && r.role&(daily|money) != 0 && !r.fragment() {
		if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
			if v.Purse, err = purseTx(ctx, tx, r.Account.ID); err != nil || r.role&daily == 0 {
				return err
			}
			v.Notices, err = openNotices(ctx, tx, r.Account.ID)
			return err
		}); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (s *Server) execute(w http.ResponseWriter, r *request, status int, file, part string, v *view) error {
	t := s.pages.byLang[v.Lang][file]
	if t == nil {
		return fmt.Errorf("web: page %s does not exist", file)
	}
	var buf bytes.Buffer
	if err := t.ExecuteTemplate(&buf, part, v); err != nil {
		return fmt.Errorf("render %s: %w", file, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "Cookie, Accept-Language")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(buf.Bytes()) // a browser that left needs no answer
	}
	return nil
}
