package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is whom the server runs as.
type account struct {
	uid, gid uint32
	name     string
	other    bool // not ourselves: we are root
}

// credential is nil when the server runs as ourselves.
func (a account) credential() *syscall.Credential {
	if !a.other {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// own gives path to the server user.
func (a account) own(path string) error {
	if !a.other {
		return nil
	}
	if err := os.Lchown(path, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("give %s to user %s: %w", path, a.name, err)
	}
	return nil
}

// serverUser finds out whom to run as. Root takes the owner of a folder already in
// use, so that it serves a folder another user made; else postgres, else nobody.
func serverUser(dir string) (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid()), name: strconv.Itoa(os.Geteuid())}, nil
	}
	for _, p := range []string{filepath.Join(dir, "data"), dir} {
		if info, err := os.Stat(p); err == nil {
			if st := info.Sys().(*syscall.Stat_t); st.Uid != 0 {
				return account{uid: st.Uid, gid: st.Gid, name: userName(st.Uid), other: true}, nil
			}
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil || uid == 0 {
			continue
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			continue
		}
		return account{uid: uint32(uid), gid: uint32(gid), name: name, other: true}, nil
	}
	return account{}, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor a user nobody: start as an ordinary user")
}

func userName(uid uint32) string {
	if u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil {
		return u.Username
	}
	return strconv.FormatUint(uint64(uid), 10)
}

// barrier returns the first folder on the way to path that a may not enter, "" when
// the way is free. Parts that don't exist yet are no barrier.
func (a account) barrier(path string) (string, error) {
	if !a.other {
		return "", nil
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return "", fmt.Errorf("look at %s: %w", dir, err)
		case !a.mayEnter(info):
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", nil
		}
	}
}

// mayEnter judges by the mode bits alone; the server has no further groups.
func (a account) mayEnter(info fs.FileInfo) bool {
	st := info.Sys().(*syscall.Stat_t)
	switch {
	case st.Uid == a.uid:
		return info.Mode().Perm()&0o100 != 0
	case st.Gid == a.gid:
		return info.Mode().Perm()&0o010 != 0
	}
	return info.Mode().Perm()&0o001 != 0
}
