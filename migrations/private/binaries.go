package private

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oldest is the first major version Rappel's SQL runs on.
const oldest = 15

// usualPlaces are where packagers put the programs when not on the PATH.
var usualPlaces = []string{
	"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
	"/usr/pgsql-*/bin",          // Red Hat
	"/usr/libexec/postgresql*",  // Alpine
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// binaries is one installation of PostgreSQL's server.
type binaries struct {
	dir   string // holds postgres and initdb; symbolic links resolved
	major int
}

func (b binaries) String() string { return fmt.Sprintf("PostgreSQL %d in %s", b.major, b.dir) }

// installed lists the installations on this machine, the one on the PATH first,
// then by falling version.
func installed(ctx context.Context, places []string) []binaries {
	var dirs []string
	if p, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, p)
	}
	onPath := len(dirs)
	for _, place := range places {
		// The only error of Glob is a malformed pattern, and ours are constants.
		found, _ := filepath.Glob(filepath.Join(place, "postgres"))
		dirs = append(dirs, found...)
	}
	var path, rest []binaries
	seen := map[string]bool{}
	for i, p := range dirs {
		b, err := inspect(ctx, p)
		if err != nil || seen[b.dir] {
			continue // half an installation is none
		}
		seen[b.dir] = true
		if i < onPath {
			path = append(path, b)
		} else {
			rest = append(rest, b)
		}
	}
	slices.SortStableFunc(rest, func(a, b binaries) int { return b.major - a.major })
	return append(path, rest...)
}

// inspect tells which installation the program at path belongs to. A link such as
// /usr/local/bin/postgres is followed, since PostgreSQL finds its share files
// relative to where it lies.
func inspect(ctx context.Context, path string) (binaries, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return binaries{}, fmt.Errorf("resolve %s: %w", path, err)
	}
	dir := filepath.Dir(real)
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return binaries{}, fmt.Errorf("initdb beside %s: %w", real, err)
	}
	out, err := exec.CommandContext(ctx, real, "--version").Output()
	if err != nil {
		return binaries{}, fmt.Errorf("%s --version: %w", real, err)
	}
	major, err := parseMajor(string(out))
	if err != nil {
		return binaries{}, fmt.Errorf("%s --version: %w", real, err)
	}
	return binaries{dir: dir, major: major}, nil
}

var versionNumber = regexp.MustCompile(`\b(\d{1,4})(?:\.\d+|beta\d|rc\d|devel|$|\s)`)

// parseMajor reads the major version out of what postgres --version says, such as
// "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)".
func parseMajor(s string) (int, error) {
	_, after, ok := strings.Cut(s, "(PostgreSQL)")
	if !ok {
		return 0, errors.New("not PostgreSQL")
	}
	m := versionNumber.FindStringSubmatch(strings.TrimSpace(after))
	if m == nil {
		return 0, errors.New("no version number")
	}
	return strconv.Atoi(m[1])
}

// choose picks the binaries for data of version major, or, with major 0 (no data
// yet), the first good enough. When there are none it fetches them.
func (o Options) choose(ctx context.Context, major int) (binaries, error) {
	places := usualPlaces
	if o.places != nil {
		places = o.places
	}
	var have []binaries
	if o.Bin != "" {
		b, err := inspect(ctx, filepath.Join(o.Bin, "postgres"))
		if err != nil {
			return binaries{}, fmt.Errorf("%w in %s: %w", ErrNoPostgres, o.Bin, err)
		}
		have = []binaries{b}
	} else {
		cache, err := o.cache()
		if err == nil {
			places = append(slices.Clone(places), filepath.Join(cache, "postgresql-*", "bin"))
		}
		have = installed(ctx, places)
	}
	if b, ok := pick(have, major); ok {
		return b, nil
	}
	if major != 0 && len(have) > 0 {
		// The right version may still be fetched, but only when there is none at
		// all do we go to the network without having been told.
		return binaries{}, versionError(major, have)
	}
	o.Log.InfoContext(ctx, "no PostgreSQL found, fetching one", slog.Int("major", major))
	b, err := o.fetch(ctx, major)
	if err != nil {
		if major != 0 {
			return binaries{}, errors.Join(versionError(major, have), err)
		}
		return binaries{}, fmt.Errorf("%w, and fetching it failed (%w): install it (Debian, Ubuntu: apt-get install postgresql; macOS: brew install postgresql@17)", ErrNoPostgres, err)
	}
	return b, nil
}

func pick(have []binaries, major int) (binaries, bool) {
	for _, b := range have {
		if b.major == major || major == 0 && b.major >= oldest {
			return b, true
		}
	}
	return binaries{}, false
}

func versionError(major int, have []binaries) error {
	found := "none"
	if len(have) > 0 {
		var s []string
		for _, b := range have {
			s = append(s, b.String())
		}
		found = strings.Join(s, ", ")
	}
	return fmt.Errorf("%w: they were written by version %d; found here: %s; install version %d (Debian, Ubuntu: apt-get install postgresql-%d), or move the folder away to start empty",
		ErrVersion, major, found, major, major)
}
