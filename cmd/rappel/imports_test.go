package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

// TestImportsGoOneWay reads what imports what and fails on any arrow that is not
// cmd → web → reminders → {calendars, notify} → migrations, on adapters that
// import a sibling, and on anybody but cmd importing an adapter.
func TestImportsGoOneWay(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "rappel/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	dec := json.NewDecoder(bytes.NewReader(out))
	n := 0
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n++
		for _, to := range p.Imports {
			if why := wrongArrow(p.ImportPath, to, false); why != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, to, why)
			}
		}
		for _, to := range append(p.TestImports, p.XTestImports...) {
			if why := wrongArrow(p.ImportPath, to, true); why != "" {
				t.Errorf("tests of %s import %s: %s", p.ImportPath, to, why)
			}
		}
	}
	if n < 10 {
		t.Errorf("go list named %d packages only", n)
	}
}

// rank orders the floors of the house; an import goes to a lower floor.
var rank = map[string]int{"cmd": 4, "web": 3, "reminders": 2, "calendars": 1, "notify": 1, "migrations": 0}

// adapters are packages only cmd may import (and tests of their own floor).
func adapter(path string) bool {
	for _, a := range []string{"calendars/google", "calendars/outlook", "calendars/caldav", "calendars/ics", "calendars/standin", "calendars/billing/stripe", "calendars/billing/standin",
		"notify/carriers/", "notify/standin", "migrations/private"} {
		if strings.HasPrefix(path, a) {
			return true
		}
	}
	return false
}

// wrongArrow says what is wrong with an import, "" if nothing.
func wrongArrow(from, to string, test bool) string {
	const module = "rappel/"
	if !strings.HasPrefix(to, module) {
		if strings.HasPrefix(to, "github.com/microsoftgraph/") && !strings.HasPrefix(from, module+"calendars/outlook") {
			return "only calendars/outlook may import the Graph SDK"
		}
		return ""
	}
	from, to = strings.TrimSuffix(strings.TrimPrefix(from, module), "_test"), strings.TrimPrefix(to, module)
	// Packages such as calendarstest are tests that several share.
	if strings.HasSuffix(to, "test") && !test && !strings.HasSuffix(from, "test") {
		return "only tests import packages made for tests"
	}
	test = test || strings.HasSuffix(from, "test")
	floor := func(p string) string { f, _, _ := strings.Cut(p, "/"); return f }
	a, b := floor(from), floor(to)
	switch {
	case from == to, test && strings.HasPrefix(to, "migrations/dbtest"):
		return ""
	case a == "cmd":
		return ""
	case rank[a] < rank[b]:
		return "imports go down the house, not up"
	case a != b && rank[a] == rank[b]:
		return a + " and " + b + " never import each other"
	case test && a == b:
		return "" // tests of a floor may use its stand-ins and adapters
	case adapter(to) && !(a == "migrations" && b == "migrations"):
		return "only cmd imports adapters"
	case adapter(from) && a == b && to != a && !allowedBelow(from, to):
		return "an adapter imports its parent, never a sibling"
	}
	return ""
}

// allowedBelow lists what an adapter may import beside its parent: pure packages of
// the same room, and what carriers over HTTP share.
func allowedBelow(from, to string) bool {
	return strings.HasPrefix(from, "notify/") && (to == "notify/segment" || to == "notify/phone") ||
		strings.HasPrefix(from, "notify/carriers/") && to == "notify/carriers" ||
		from == "calendars/billing/stripe" && (to == "calendars/billing" || to == "calendars/billing/payments" || to == "calendars/billing/paper")
}

func TestWrongArrow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to string
		test, ok bool
	}{
		{"rappel/web", "rappel/notify", false, true},
		{"rappel/notify", "rappel/calendars", false, false},
		{"rappel/calendars", "rappel/notify", false, false},
		{"rappel/calendars", "rappel/reminders", false, false},
		{"rappel/migrations", "rappel/notify", false, false},
		{"rappel/calendars/google", "rappel/calendars", false, true},
		{"rappel/calendars/google", "rappel/calendars/outlook", false, false},
		{"rappel/calendars/billing/stripe", "rappel/calendars/billing/payments", false, true},
		{"rappel/calendars/billing/stripe", "rappel/calendars/google", false, false},
		{"rappel/web", "rappel/calendars/billing/stripe", false, false},
		{"rappel/calendars", "rappel/calendars/google", false, false},
		{"rappel/notify/carriers/smpp", "rappel/notify", false, true},
		{"rappel/notify/carriers/smpp", "rappel/notify/segment", false, true},
		{"rappel/notify/carriers/smpp", "rappel/notify/carriers/twilio", false, false},
		{"rappel/notify/carriers/smsup", "rappel/notify/carriers", false, true},
		{"rappel/notify", "rappel/notify/carriers/smsup", false, false},
		{"rappel/web", "rappel/notify/carriers/twilio", false, false},
		{"rappel/web", "rappel/migrations/private", false, false},
		{"rappel/calendars/google", "rappel/calendars/standin", true, true},
		{"rappel/notify", "rappel/migrations/dbtest", true, true},
		{"rappel/migrations/dbtest", "rappel/migrations/private", false, true},
		{"rappel/cmd/rappel", "rappel/calendars/outlook", false, true},
		{"rappel/calendars/calendarstest", "rappel/calendars/standin", false, true},
		{"rappel/calendars/calendarstest", "rappel/notify", false, false},
		{"rappel/calendars", "rappel/calendars/calendarstest", false, false},
		{"rappel/calendars/google", "rappel/calendars/calendarstest", true, true},
		{"rappel/calendars/google", "github.com/microsoftgraph/msgraph-sdk-go", false, false},
	} {
		if why := wrongArrow(c.from, c.to, c.test); (why == "") != c.ok {
			t.Errorf("wrongArrow(%s, %s, %v) = %q, want ok %v", c.from, c.to, c.test, why, c.ok)
		}
	}
}
