package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed static
var staticFiles embed.FS

// assets serves the static files under names that carry their checksum, so that
// browsers may keep them for ever.
type assets struct {
	byName map[string]string // "app.css" → "/static/app.0123abcd.css"
	byPath map[string]string // the reverse, to the file in staticFiles
}

func loadAssets() (*assets, error) {
	a := &assets{byName: map[string]string{}, byPath: map[string]string{}}
	err := fs.WalkDir(staticFiles, "static", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := staticFiles.ReadFile(p)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		name := strings.TrimPrefix(p, "static/")
		ext := path.Ext(name)
		a.byName[name] = "/static/" + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:4]) + ext
		a.byPath[a.byName[name]] = p
		return nil
	})
	return a, err
}

// url returns the address of a static file, "" if there is none by that name.
func (a *assets) url(name string) string { return a.byName[name] }

// ServeHTTP serves /static/….
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, ok := a.byPath[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeFileFS(w, r, staticFiles, p)
}
