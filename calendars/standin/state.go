package standin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// file is the shape of StateFile. Fields are added, never renamed, so that a
// newer program reads an older file.
type file struct {
	Version   int                      `json:"version"`
	Seq       uint64                   `json:"seq"`
	Serial    uint64                   `json:"serial"`
	People    map[string]*Person       `json:"people"`
	Calendars map[string]*calendar     `json:"calendars"`
	Auth      authState                `json:"auth"`
	Channels  map[string]*channel      `json:"channels"`
	Subs      map[string]*subscription `json:"subscriptions"`
}

const fileVersion = 1

// load reads StateFile; a missing one is an empty World.
func (w *World) load() error {
	if w.opt.StateFile == "" {
		return nil
	}
	raw, err := os.ReadFile(w.opt.StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	f := file{People: w.people, Calendars: w.calendars, Auth: w.auth, Channels: w.channels, Subs: w.subs}
	if err := json.Unmarshal(raw, &f); err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	if f.Version != fileVersion {
		return fmt.Errorf("%w: version %d, want %d", ErrState, f.Version, fileVersion)
	}
	w.seq, w.serial, w.auth = f.Seq, f.Serial, f.Auth
	w.people, w.calendars, w.channels, w.subs = f.People, f.Calendars, f.Channels, f.Subs
	return nil
}

// save replaces StateFile atomically: a crash leaves the old or the new state,
// never half of one. w.mu is held.
func (w *World) save() error {
	if w.opt.StateFile == "" {
		return nil
	}
	raw, err := json.Marshal(file{
		Version: fileVersion, Seq: w.seq, Serial: w.serial, People: w.people, Calendars: w.calendars,
		Auth: w.auth, Channels: w.channels, Subs: w.subs,
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(w.opt.StateFile), ".standin-*")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	_, err = tmp.Write(raw)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), w.opt.StateFile)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrState, errors.Join(err, os.Remove(tmp.Name())))
	}
	return nil
}

// saved is save for handlers, which have answered the client's request already:
// the change stands in memory, and the log tells of the file.
func (w *World) saved() {
	if err := w.save(); err != nil {
		w.log.Error("stand-in state not saved", "error", err)
	}
}
