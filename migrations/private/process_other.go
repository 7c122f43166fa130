//go:build !linux

package private

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// dieWithUs does nothing: only Linux can do that. The next Start ends the orphan.
func dieWithUs(*syscall.SysProcAttr, syscall.Signal) {}

// serves reports whether pid is a living PostgreSQL server on data, going by its
// command line.
func serves(pid int, data string) bool {
	out, err := exec.Command("ps", "-o", "stat=,command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return false // ps fails when there is no such process
	}
	line := strings.TrimSpace(string(out))
	return !strings.HasPrefix(line, "Z") && strings.Contains(line, "postgres") && strings.Contains(line, "-D "+data)
}

// leftovers is empty: backends don't show which data they serve. The server's own
// check of its shared memory remains.
func leftovers(string) []int { return nil }
