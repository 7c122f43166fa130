package main

import (
	"bytes"
	"strings"
	"testing"

	"rappel/migrations/dbtest"
)

// TestOperator adds one of the operator's people, gives them a new password and removes
// them; what can't be says what to do.
func TestOperator(t *testing.T) {
	t.Parallel()
	dsn := dbtest.NewDSN(t)
	do := func(in string, args ...string) (int, string) {
		t.Helper()
		var out, errs bytes.Buffer
		code := run(t.Context(), append(append([]string{"operator"}, args...), "--database-url", dsn), stdio{strings.NewReader(in), &out, &errs})
		return code, out.String() + errs.String()
	}
	for _, c := range []struct {
		in   string
		args []string
		code int
		want string
	}{
		{"ein langes Wort\n", []string{"add", "--email", "Olga@rappel.test", "--role", "reviewer", "--name", "Olga"}, 0, "added operator 1, reviewer"},
		{"ein langes Wort\n", []string{"add", "--email", "olga@rappel.test", "--role", "support"}, 1, "choose another"},
		{"kurz\n", []string{"add", "--email", "b@rappel.test", "--role", "support"}, 1, "at least 10 characters"},
		{"ein langes Wort\n", []string{"add", "--email", "b", "--role", "support"}, 1, "anna@example.ch"},
		{"", []string{"add", "--email", "b@rappel.test", "--role", "support"}, 1, "no password on standard input"},
		{"ein langes Wort\n", []string{"add", "--email", "b@rappel.test", "--role", "king"}, 2, "billing_admin"},
		{"", []string{"list"}, 0, "olga@rappel.test"},
		{"ein neues langes Wort\n", []string{"reset", "olga@rappel.test"}, 0, "the second factor is off"},
		{"ein neues langes Wort\n", []string{"reset", "x@rappel.test"}, 1, "rappel operator list"},
		{"", []string{"remove", "olga@rappel.test"}, 0, "removed"},
		{"", []string{"remove", "olga@rappel.test"}, 1, "rappel operator list"},
	} {
		if code, text := do(c.in, c.args...); code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("%v: status %d, want %d with %q:\n%s", c.args, code, c.code, c.want, text)
		}
	}
}
