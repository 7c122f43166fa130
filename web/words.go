package web

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"

	"rappel/web/accounts"
)

//go:embed i18n
var wordFiles embed.FS

// words holds everything the pages say, in every language. Files are named
// area.language.json; keys are flat, such as "templates.saved".
type words struct {
	bundle  *i18n.Bundle
	matcher language.Matcher
	byLang  map[string]*i18n.Localizer
}

func loadWords() (*words, error) {
	w := &words{bundle: i18n.NewBundle(language.German), matcher: language.NewMatcher(accounts.Languages), byLang: map[string]*i18n.Localizer{}}
	w.bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	files, err := fs.Glob(wordFiles, "i18n/*.json")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		data, err := wordFiles.ReadFile(f)
		if err != nil {
			return nil, err
		}
		if _, err := w.bundle.ParseMessageFileBytes(data, path.Base(f)); err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
	}
	for _, tag := range accounts.Languages {
		w.byLang[tag.String()] = i18n.NewLocalizer(w.bundle, tag.String(), language.German.String())
	}
	return w, nil
}

// say returns the words for key in lang. pairs are names and values for the
// message's placeholders; a "Count" also chooses the plural form. A key without
// words shows itself, which the tests catch.
func (w *words) say(lang, key string, pairs ...any) string {
	data := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		data[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	c := &i18n.LocalizeConfig{MessageID: key, TemplateData: data}
	if n, ok := data["Count"]; ok {
		c.PluralCount = n
	}
	loc := w.byLang[lang]
	if loc == nil {
		loc = w.byLang["de"]
	}
	s, err := loc.Localize(c)
	if err != nil && s == "" {
		return key
	}
	return s
}

// linked returns the words for key with links in them: each three of links are the
// placeholder's name, what to read in its place, and where it leads, in a tab of its own,
// since a form is being filled.
func (w *words) linked(lang, key string, links []string) (template.HTML, error) {
	if len(links)%3 != 0 {
		return "", fmt.Errorf("linked takes names, words and addresses")
	}
	var pairs []any
	for i := 0; i < len(links); i += 3 {
		pairs = append(pairs, links[i], "<"+links[i]+">")
	}
	text := template.HTMLEscapeString(w.say(lang, key, pairs...))
	for i := 0; i < len(links); i += 3 {
		a := fmt.Sprintf(`<a href="%s" target="_blank" rel="noopener">%s</a>`, template.HTMLEscapeString(links[i+2]), template.HTMLEscapeString(links[i+1]))
		text = strings.ReplaceAll(text, "&lt;"+links[i]+"&gt;", a)
	}
	return template.HTML(text), nil // all of it is escaped above
}

// has reports whether key has words in any language.
func (w *words) has(key string) bool { return w.say("de", key) != key }

// language decides what to speak: the user's choice, the cookie of somebody not
// logged in, what the browser asks for, German.
func (w *words) language(r *http.Request, chosen string) string {
	if w.byLang[chosen] != nil {
		return chosen
	}
	if c, err := r.Cookie("rappel_language"); err == nil && w.byLang[c.Value] != nil {
		return c.Value
	}
	tags, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil || len(tags) == 0 {
		return "de" // a header that makes no sense asks for nothing
	}
	_, i, confidence := w.matcher.Match(tags...)
	if confidence == language.No {
		return "de"
	}
	return strings.SplitN(accounts.Languages[i].String(), "-", 2)[0]
}
