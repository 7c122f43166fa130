package private

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

const (
	logLimit  = 10 << 20 // bytes; beyond, the log starts anew at the next start
	tailLines = 15
	tailBytes = 8 << 10
)

// openLog opens postgres.log for appending and tells where the new part begins.
func (f folder) openLog() (*os.File, int64, error) {
	if info, err := os.Stat(f.log()); err == nil && info.Size() > logLimit {
		if err := os.Rename(f.log(), f.log()+".1"); err != nil {
			return nil, 0, fmt.Errorf("%w: %w", ErrFolder, err)
		}
	}
	file, err := os.OpenFile(f.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	if err := f.user.own(f.log()); err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("%w: %w", ErrFolder, err), file.Close())
	}
	return file, info.Size(), nil
}

// written returns the end of what was logged since from.
func (f folder) written(from int64) string {
	file, err := os.Open(f.log())
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }() // only read from
	if info, err := file.Stat(); err == nil && info.Size()-from > tailBytes {
		from = info.Size() - tailBytes
	}
	text, err := io.ReadAll(io.NewSectionReader(file, from, tailBytes))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return string(text)
}

// tail quotes the last lines logged since from, for an error.
func (f folder) tail(from int64) string {
	lines := strings.Split(strings.TrimSpace(f.written(from)), "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	if len(lines) == 1 && lines[0] == "" {
		return "its log " + f.log() + " says nothing"
	}
	return "its log " + f.log() + " ends with:\n\t" + strings.Join(lines, "\n\t")
}
