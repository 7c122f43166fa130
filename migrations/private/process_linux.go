package private

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// dieWithUs asks the kernel to send sig to the child when we are gone. It is tied
// to the thread that starts the child; see [runPinned].
func dieWithUs(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }

// serves reports whether pid is a living PostgreSQL process on data. PostgreSQL
// works inside its data folder. A zombie has neither executable nor folder.
func serves(pid int, data string) bool {
	proc := fmt.Sprintf("/proc/%d", pid)
	exe, err := os.Readlink(proc + "/exe")
	if err != nil || !strings.HasPrefix(filepath.Base(exe), "postgres") {
		return false // also "postgres (deleted)", after an upgrade of the package, is one
	}
	cwd, err := os.Readlink(proc + "/cwd")
	return err == nil && cwd == data
}

// leftovers lists all living PostgreSQL processes on data.
func leftovers(data string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil // without /proc the server's own check of its shared memory remains
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && serves(pid, data) {
			pids = append(pids, pid)
		}
	}
	return pids
}
