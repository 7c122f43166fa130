package private

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMajor(t *testing.T) {
	tests := []struct {
		in   string
		want int
	}{
		{"postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n", 15},
		{"postgres (PostgreSQL) 18beta2\n", 18},
		{"postgres (PostgreSQL) 17rc1", 17},
		{"postgres (PostgreSQL) 19devel\n", 19},
		{"postgres (PostgreSQL) 9.6.24\n", 9},
		{"postgres (PostgreSQL) 16", 16},
		{"postgres (EnterpriseDB) 15", 0},
		{"postgres (PostgreSQL)", 0},
		{"", 0},
	}
	for _, tt := range tests {
		if got, err := parseMajor(tt.in); got != tt.want || (err == nil) != (tt.want != 0) {
			t.Errorf("parseMajor(%q) = %d, %v; want %d", tt.in, got, err, tt.want)
		}
	}
}

func FuzzParseMajor(f *testing.F) {
	f.Add("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n")
	f.Add("(PostgreSQL) 0")
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseMajor(s); err == nil && n < 0 {
			t.Fatalf("parseMajor(%q) = %d", s, n)
		}
	})
}

// fake makes an installation that can say its version and nothing else.
func fake(t *testing.T, dir, version string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"postgres", "initdb"} {
		script := "#!/bin/sh\necho '" + name + " (PostgreSQL) " + version + "'\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	return real
}

func TestInstalled(t *testing.T) {
	root := t.TempDir()
	path := fake(t, filepath.Join(root, "path", "real"), "14.1")
	v16 := fake(t, filepath.Join(root, "16", "bin"), "16.2")
	v9 := fake(t, filepath.Join(root, "9.6", "bin"), "9.6.24")
	v17 := fake(t, filepath.Join(root, "17", "bin"), "17.5")
	broken := fake(t, filepath.Join(root, "18", "bin"), "18.0")
	if err := os.Remove(filepath.Join(broken, "initdb")); err != nil {
		t.Fatal(err)
	}
	links := filepath.Join(root, "links")
	if err := os.Mkdir(links, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(path, "postgres"), filepath.Join(links, "postgres")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", links+":/usr/bin:/bin")

	have := installed(t.Context(), []string{filepath.Join(root, "*", "bin")})
	want := []binaries{{path, 14}, {v17, 17}, {v16, 16}, {v9, 9}}
	if diff := cmp.Diff(want, have, cmp.AllowUnexported(binaries{})); diff != "" {
		t.Errorf("installed (-want +got):\n%s", diff)
	}
	for major, want := range map[int]string{0: v17, 14: path, 16: v16, 9: v9, 15: ""} {
		if got, _ := pick(have, major); got.dir != want {
			t.Errorf("for version %d: %q, want %q", major, got.dir, want)
		}
	}
}

// repository plays Maven Central with one archive; testdata/postgres.txz holds
// bin/postgres, bin/initdb and bin/pg_ctl as scripts that say version 17.5.
func repository(t *testing.T) string {
	t.Helper()
	txz, err := os.ReadFile("testdata/postgres.txz")
	if err != nil {
		t.Fatal(err)
	}
	var jar bytes.Buffer
	z := zip.NewWriter(&jar)
	w, err := z.Create("postgres-any.txz")
	if err == nil {
		_, err = w.Write(txz)
	}
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(jar.Bytes())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := jar.Bytes()
		if strings.HasSuffix(r.URL.Path, ".sha256") {
			body = []byte(hex.EncodeToString(sum[:]))
		} else if !strings.Contains(r.URL.Path, "/17.5.0/") {
			http.NotFound(w, r)
			return
		}
		if _, err := w.Write(body); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestChoose_fetchesWhenThereIsNone(t *testing.T) {
	t.Setenv("PATH", "/usr/bin:/bin")
	t.Setenv("TMPDIR", t.TempDir()) // the library leaves an empty file there
	o := Options{Log: quiet, Cache: t.TempDir(), places: []string{}, repository: repository(t)}
	b, err := o.choose(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if b.major != 17 || !strings.HasPrefix(b.dir, o.Cache) {
		t.Errorf("chose %v", b)
	}
	left, err := filepath.Glob(filepath.Join(o.Cache, "fetch-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	// The next time it is there, with no repository to ask.
	o.repository = "http://127.0.0.1:1"
	if again, err := o.choose(t.Context(), 17); err != nil || again != b {
		t.Errorf("second time: %v, %v", again, err)
	}
	if _, err := o.choose(t.Context(), 16); !errors.Is(err, ErrVersion) {
		t.Errorf("another version = %v, want ErrVersion", err)
	}
}

func TestChoose_saysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", "/usr/bin:/bin")
	t.Setenv("TMPDIR", t.TempDir()) // the library leaves an empty file there
	o := Options{Log: quiet, Cache: t.TempDir(), places: []string{}, repository: "http://127.0.0.1:1"}
	if _, err := o.choose(t.Context(), 0); !errors.Is(err, ErrNoPostgres) || !strings.Contains(err.Error(), "apt-get install postgresql") {
		t.Errorf("choose = %v, want ErrNoPostgres with the remedy", err)
	}
	if _, err := o.choose(t.Context(), 15); !errors.Is(err, ErrVersion) {
		t.Errorf("choose for data = %v, want ErrVersion", err)
	}
}
