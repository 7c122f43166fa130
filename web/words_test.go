package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rappel/calendars"
	"rappel/notify"
	"rappel/notify/credits"
	"rappel/notify/phone"
	"rappel/reminders"
	"rappel/web/accounts"
)

// allWords returns key → words of a language; the two forms of a plural are joined.
func allWords(t *testing.T, lang string) map[string]string {
	t.Helper()
	files, err := filepath.Glob("i18n/*." + lang + ".json")
	if err != nil || len(files) == 0 {
		t.Fatalf("word files of %s: %v, %v", lang, files, err)
	}
	all := map[string]string{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var words map[string]any
		if err := json.Unmarshal(data, &words); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		for key, w := range words {
			if _, twice := all[key]; twice {
				t.Errorf("%s: %s is worded twice", f, key)
			}
			switch w := w.(type) {
			case string:
				all[key] = w
			case map[string]any:
				forms := slices.Sorted(maps.Keys(w))
				if !slices.Equal(forms, []string{"one", "other"}) {
					t.Errorf("%s: %s has the forms %v", f, key, forms)
				}
				all[key] = fmt.Sprintf("%v\x00%v", w["one"], w["other"])
			default:
				t.Errorf("%s: %s is a %T", f, key, w)
			}
		}
	}
	return all
}

var placeholder = regexp.MustCompile(`\{\{\s*\.(\w+)\s*\}\}`)

// names are the placeholders in words.
func names(words string) []string {
	set := map[string]bool{}
	for _, m := range placeholder.FindAllStringSubmatch(words, -1) {
		set[m[1]] = true
	}
	return slices.Sorted(maps.Keys(set))
}

func TestWords_SameInAllLanguages(t *testing.T) {
	t.Parallel()
	german := allWords(t, "de")
	for _, tag := range accounts.Languages[1:] {
		other := allWords(t, tag.String())
		for key, words := range german {
			w, ok := other[key]
			if !ok {
				t.Errorf("%s lacks %s", tag, key)
				continue
			}
			if strings.Contains(w, "\x00") != strings.Contains(words, "\x00") {
				t.Errorf("%s: %s is a plural in one language only", tag, key)
			}
			if a, b := names(words), names(w); !slices.Equal(a, b) {
				t.Errorf("%s: %s has placeholders %v, in German %v", tag, key, b, a)
			}
			if strings.TrimSpace(w) == "" {
				t.Errorf("%s: %s is empty", tag, key)
			}
		}
		for key := range other {
			if _, ok := german[key]; !ok {
				t.Errorf("%s has %s, which German lacks", tag, key)
			}
		}
	}
	for key, words := range german {
		if strings.Contains(words, "ß") {
			t.Errorf("%s: ß is not written in Switzerland: %q", key, words)
		}
	}
}

var (
	inPages = regexp.MustCompile(`\bt "([^"]+)"`)
	builtIn = regexp.MustCompile(`\bt \(print "([^"]+)"`)
	inCode  = regexp.MustCompile(`\b(?:say|see|flash)\((?:[^"()]*(?:"[^"]*"|\([^()]*\))[^"()]*)??"([a-z_]+\.[a-z_.A-Z]*)"(\s*\+)?`)
	glued   = regexp.MustCompile(`"([a-z_]+\.[a-z_.]*)"\s*\+`)
	anyKey  = regexp.MustCompile(`"([a-z_]+\.[a-zA-Z_.]+)"`)
)

// usedKeys are the keys that pages and code name literally, and the beginnings of those
// they put together.
func usedKeys(t *testing.T) (literal map[string]string, built map[string]bool) {
	t.Helper()
	literal, built = map[string]string{}, map[string]bool{}
	pages, err := filepath.Glob("pages/*.html")
	if err != nil {
		t.Fatal(err)
	}
	code, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range pages {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range inPages.FindAllStringSubmatch(string(data), -1) {
			literal[m[1]] = f
		}
		for _, m := range builtIn.FindAllStringSubmatch(string(data), -1) {
			built[m[1]] = true
		}
	}
	for _, f := range code {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range glued.FindAllStringSubmatch(string(data), -1) {
			built[m[1]] = true
		}
		for _, m := range inCode.FindAllStringSubmatch(string(data), -1) {
			if m[2] != "" || strings.HasSuffix(m[1], ".") {
				built[m[1]] = true
			} else {
				literal[m[1]] = f
			}
		}
	}
	if len(literal) < 200 || len(built) < 15 {
		t.Fatalf("found only %d keys and %d beginnings: the search is broken", len(literal), len(built))
	}
	return literal, built
}

func TestWords_EveryKeyUsedExists(t *testing.T) {
	t.Parallel()
	german := allWords(t, "de")
	literal, built := usedKeys(t)
	for key, file := range literal {
		if _, ok := german[key]; !ok {
			t.Errorf("%s says %s, which has no words", file, key)
		}
	}
	beginnings := slices.Collect(maps.Keys(built))
	mentioned := map[string]bool{}
	code, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range code {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range anyKey.FindAllStringSubmatch(string(data), -1) {
			mentioned[m[1]] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(german)) {
		used := literal[key] != "" || mentioned[key] || slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(key, b) })
		if !used {
			t.Logf("%s seems unused", key)
		}
	}
}

// TestWords_EveryCode walks the closed sets of the rooms: a code added there must be
// worded here.
func TestWords_EveryCode(t *testing.T) {
	t.Parallel()
	german := allWords(t, "de")
	need := func(key string) {
		t.Helper()
		if german[key] == "" {
			t.Errorf("%s has no words", key)
		}
	}
	for _, reason := range reminders.Reasons() {
		need("why." + string(reason))
		need("why." + string(reason) + ".do")
	}
	for _, why := range phone.Whys {
		need("rejected." + string(why))
	}
	for _, status := range notify.Statuses() {
		need("status." + status.String())
		need("status." + status.String() + ".is")
		need("status." + status.String() + ".do")
	}
	for _, status := range []reminders.Status{reminders.StatusPlanned, reminders.StatusQueued, reminders.StatusSkipped, reminders.StatusDropped} {
		need("reminder." + string(status))
	}
	for _, kind := range noticeKinds {
		for _, end := range []string{"", ".do", ".action"} {
			need("trouble." + kind + end)
		}
	}
	for _, show := range appointmentShows {
		need("appointments.show." + show)
	}
	for _, p := range reminders.Placeholders() {
		need("placeholder." + p)
	}
	for _, f := range reminders.FieldNames() {
		need("event." + f)
		need("appointments.in." + f)
	}
	for _, l := range reminders.Languages() {
		need("language." + l)
	}
	for _, name := range []string{"connect", "pick", "template", "rule"} {
		for _, end := range []string{"", ".do", ".action"} {
			need("steps." + name + end)
		}
	}
	// The rooms keep these sets as constants without a list: read them from the source.
	for _, c := range constants(t, "../notify/reason.go", "Reason") {
		need("reason." + c)
		need("reason." + c + ".do")
		if !slices.Contains(messageReasons, notify.Reason(c)) {
			t.Errorf("reason %s is not among the meanings: add it to messageReasons", c)
		}
	}
	for _, c := range constants(t, "../notify/message.go", "Origin") {
		need("origin." + c)
	}
	for _, kind := range messageKinds {
		need("kind." + kind.String())
	}
	for _, c := range untyped(t, "../notify/suppress.go", "Source") {
		need("optout." + c)
	}
	for _, c := range constants(t, "../notify/reason.go", "What") {
		need("what." + c)
	}
	for _, c := range constants(t, "../calendars/connection.go", "Problem") {
		if c == string(calendars.ProblemGrantRevoked) || c == string(calendars.ProblemScopeMissing) {
			need("problem.connection." + c)
		} else {
			need("problem.calendar." + c)
			need("problem.calendar." + c + ".short")
		}
	}
	for _, c := range untyped(t, "../reminders/errors.go", "Code") {
		need("field." + c)
	}
	for _, c := range untyped(t, "../reminders/lint.go", "Warn") {
		need("advice." + c)
	}
	for _, c := range untyped(t, "../calendars/billing/bank/entry.go", "Why") {
		need("desk.why." + c)
	}
	for _, c := range append(untyped(t, "../calendars/sink.go", "Notice"), credits.NoticeLow, credits.NoticeOut) {
		if !slices.Contains(noticeKinds, c) {
			t.Errorf("notice %s is opened but not shown", c)
		}
	}
}

// checkValue is what a column's CHECK lists.
var checkValue = regexp.MustCompile(`'([^']+)'::text`)

// TestWords_EveryDeskWord: each value the billing admin's pages can show of a column that
// the schema closes has its words, and so has each filter, order and entry of the history.
func TestWords_EveryDeskWord(t *testing.T) {
	t.Parallel()
	german := allWords(t, "de")
	need := func(key string) {
		t.Helper()
		if german[key] == "" {
			t.Errorf("%s has no words", key)
		}
	}
	s := newSite(t)
	for set, column := range map[string]string{
		"subscriptions": "subscriptions.status", "interval": "subscriptions.billing_interval", "invoices": "invoices.status", "kind": "invoices.kind", "orders": "orders.status", "method": "orders.method",
		"payments": "payments.kind", "entries": "bank_entries.state", "movements": "mrr_movements.kind", "actions": "admin_actions.status", "job": "billing_jobs.kind", "charges": "charges.status",
		"source": "credit_lots.source", "billing": "accounts.billing",
	} {
		table, name, _ := strings.Cut(column, ".")
		def := s.text(`SELECT string_agg(pg_get_constraintdef(c.oid), ' ') FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
			WHERE c.contype = 'c' AND c.conrelid = CAST($1 AS regclass) AND a.attname = $2 AND cardinality(c.conkey) = 1`, table, name)
		values := checkValue.FindAllStringSubmatch(def, -1)
		if len(values) < 2 && column != "orders.method" {
			t.Errorf("%s: the schema lists %d values: %s", column, len(values), def)
		}
		for _, v := range values {
			if v[1] != "draft" { // drafts are never shown
				need("desk." + set + "." + v[1])
			}
		}
	}
	for i := range deskLists {
		l := &deskLists[i]
		need("desk.list." + l.name)
		need("desk.list." + l.name + ".lead")
		for _, st := range l.states {
			need("desk." + l.name + "." + st.name)
		}
	}
	for _, a := range deskActions() {
		need("desk.action." + a.name)
		need("audit.action.billing." + a.name)
	}
	for _, c := range constants(t, "../calendars/billing/change.go", "ChangeKind") {
		need("desk.action." + c)
	}
	files, err := filepath.Glob("../calendars/billing/*.go")
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range auditedAs.FindAllStringSubmatch(string(data), -1) {
			if written++; !strings.HasSuffix(f, "_test.go") {
				need("desk.action." + m[1])
			}
		}
	}
	if written < 5 {
		t.Errorf("found only %d entries of the history in the code: has its form changed?", written)
	}
}

// auditedAs are the actions billing writes into its history.
var auditedAs = regexp.MustCompile(`\.(?:correct|once)\(ctx, \w+, "([a-z_]+)"`)

// constants are the values of a Go file's constants of a string type, "" left out.
func constants(t *testing.T, file, typ string) []string {
	t.Helper()
	return values(t, file, regexp.MustCompile(`(?m)^\s*\w+\s+`+typ+`\s*=\s*"([^"]+)"`))
}

// untyped are the values of constants whose names begin with prefix.
func untyped(t *testing.T, file, prefix string) []string {
	t.Helper()
	return values(t, file, regexp.MustCompile(`(?m)^\s*`+prefix+`\w+\s*=\s*"([^"]+)"`))
}

func values(t *testing.T, file string, pattern *regexp.Regexp) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range pattern.FindAllStringSubmatch(string(data), -1) {
		out = append(out, m[1])
	}
	if len(out) == 0 {
		t.Fatalf("%s: nothing matches %s", file, pattern)
	}
	return out
}
