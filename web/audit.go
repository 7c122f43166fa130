package web

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/jmoiron/sqlx"

	"rappel/web/accounts"
)

// auditRoutes are who changed what: for the owner with how it was and is, for operators
// without.
func (s *Server) auditRoutes() []route {
	return []route{
		{"GET /audit", owners, s.auditPage},
		{"GET /admin/audit", operators, s.adminAudit},
	}
}

// auditView is one entry in words.
type auditView struct {
	accounts.Audited
	Changes []auditChange
}

// auditChange is one value that changed; "" where there was or is none.
type auditChange struct{ Field, Was, Is string }

type auditData struct {
	Entries  []auditView
	Older    string // address of the page before, "" = there is none
	Operator bool
	Account  string // number asked for, as typed
}

// auditWords fit the actions that have words of their own; others are put together of the
// table and what happened to a row.
func (v *view) AuditAction(a accounts.Audited) string {
	if key := "audit.action." + a.Action; v.s.words.has(key) {
		return v.s.words.say(v.Lang, key)
	}
	table, what, _ := strings.Cut(a.Action, ".")
	if v.s.words.has("audit.table."+table) && v.s.words.has("audit.what."+what) {
		return v.s.words.say(v.Lang, "audit.what."+what, "What", v.s.words.say(v.Lang, "audit.table."+table))
	}
	return a.Action
}

// AuditField is a column in words where it has some.
func (v *view) AuditField(column string) string {
	if key := "audit.field." + column; v.s.words.has(key) {
		return v.s.words.say(v.Lang, key)
	}
	return column
}

func (s *Server) auditPage(w http.ResponseWriter, r *request) error {
	before := auditCursor(r)
	var page []accounts.Audited
	var more bool
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		page, more, err = accounts.AuditTx(ctx, tx, r.Account.ID, before)
		return err
	}); err != nil {
		return err
	}
	d := auditData{Entries: auditViews(page)}
	if more {
		d.Older = fmt.Sprintf("/audit?before=%d", page[len(page)-1].ID)
	}
	return r.page(w, "audit.html", "audit", d)
}

func (s *Server) adminAudit(w http.ResponseWriter, r *request) error {
	d := auditData{Operator: true, Account: strings.TrimSpace(r.FormValue("account"))}
	account, err := strconv.ParseInt(d.Account, 10, 64)
	if err != nil || account < 0 {
		account = 0 // of no account in particular: what operators did
	}
	page, more, err := s.Accounts.Audit(r.Context(), account, auditCursor(r))
	if err != nil {
		return err
	}
	d.Entries = auditViews(page)
	if more {
		d.Older = fmt.Sprintf("/admin/audit?account=%d&before=%d", account, page[len(page)-1].ID)
	}
	return r.page(w, "audit.html", "admin-audit", d)
}

// auditCursor is the entry the page ends before; 0 = the newest.
func auditCursor(r *request) int64 {
	before, err := strconv.ParseInt(r.FormValue("before"), 10, 64)
	if err != nil || before < 0 {
		return 0
	}
	return before
}

func auditViews(page []accounts.Audited) (all []auditView) {
	for _, a := range page {
		all = append(all, auditView{a, auditChanges(a.Before, a.After)})
	}
	return all
}

// auditChanges puts what was and what is beside each other.
func auditChanges(before, after []byte) (all []auditChange) {
	was, is := auditValues(before), auditValues(after)
	names := map[string]bool{}
	for name := range was {
		names[name] = true
	}
	for name := range is {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if was[name] != is[name] {
			all = append(all, auditChange{name, was[name], is[name]})
		} else if was[name] == "•" {
			all = append(all, auditChange{name, "•", "•"}) // a secret that changed looks the same
		}
	}
	return all
}

// auditValues reads a JSON object of any values as text, long ones shortened.
func auditValues(data []byte) map[string]string {
	var raw map[string]any
	if len(data) == 0 || json.Unmarshal(data, &raw) != nil {
		return nil // no object: an entry of a later version; its other words stand
	}
	values := map[string]string{}
	for name, v := range raw {
		text := ""
		switch v := v.(type) {
		case nil:
		case string:
			text = v
		default:
			b, err := json.Marshal(v)
			if err != nil {
				continue // what was just read from JSON can be written
			}
			text = string(b)
		}
		if runes := []rune(text); len(runes) > 300 {
			text = string(runes[:300]) + "…"
		}
		values[name] = text
	}
	return values
}
