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
// without. What is about the operator's own people and business is for the billing admin.
//
// Ids for browser tests: #csv, #xlsx, a[data-log].
func (s *Server) auditRoutes() (all []route) {
	for _, l := range []struct {
		path string
		who  access
		log  auditLog
	}{
		{"/audit", owners, auditLog{s.auditPage, s.ownAudit}},
		{"/admin/audit", operators, auditLog{s.adminAudit, s.accountsAudit}},
		{"/admin/audit/operators", roleBillingAdmin, auditLog{s.operatorAudit, s.operatorsAudit}},
	} {
		all = append(all, route{"GET " + l.path, l.who, l.log.page},
			route{"GET " + l.path + "/export.csv", l.who, func(w http.ResponseWriter, r *request) error {
				return r.auditExport(newCSVSheet(w, r.fileName("audit", "csv")), l.log.read)
			}},
			route{"GET " + l.path + "/export.xlsx", l.who, func(w http.ResponseWriter, r *request) error {
				out, err := newXLSXSheet(w, r.fileName("audit", "xlsx"))
				if err != nil {
					return err
				}
				return r.auditExport(out, l.log.read)
			}})
	}
	return all
}

// auditLog is a log: its page, and its entries older than one (0 = from the newest), a page
// of them at a time.
type auditLog struct {
	page func(w http.ResponseWriter, r *request) error
	read auditReader
}

type auditReader func(r *request, before int64) (page []accounts.Audited, more bool, err error)

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
	Own      bool   // of the operator's own people, not of accounts
	Account  string // number asked for, as typed
	Export   string // address of the files, up to their ending
	Filter   string // of the files
}

// AuditAction says what was done, in words of its own where it has some; others are put
// together of the table and what happened to a row.
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

// ownAudit reads the log of the owner's account.
func (s *Server) ownAudit(r *request, before int64) (page []accounts.Audited, more bool, err error) {
	err = r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		page, more, err = accounts.AuditTx(ctx, tx, r.Account.ID, before)
		return err
	})
	return page, more, err
}

func (s *Server) auditPage(w http.ResponseWriter, r *request) error {
	page, more, err := s.ownAudit(r, auditCursor(r))
	if err != nil {
		return err
	}
	d := auditData{Entries: auditViews(page), Export: "/audit/export"}
	if more {
		d.Older = fmt.Sprintf("/audit?before=%d", page[len(page)-1].ID)
	}
	return r.page(w, "audit.html", "audit", d)
}

// auditAccount is the account that is asked for; 0 = none in particular: what operators did.
func auditAccount(r *request) int64 {
	account, err := strconv.ParseInt(strings.TrimSpace(r.FormValue("account")), 10, 64)
	if err != nil || account < 0 {
		return 0
	}
	return account
}

// accountsAudit reads the log of accounts, as operators may see it.
func (s *Server) accountsAudit(r *request, before int64) (page []accounts.Audited, more bool, err error) {
	return s.Accounts.Audit(r.Context(), auditAccount(r), before)
}

func (s *Server) adminAudit(w http.ResponseWriter, r *request) error {
	page, more, err := s.accountsAudit(r, auditCursor(r))
	if err != nil {
		return err
	}
	account := auditAccount(r)
	d := auditData{Entries: auditViews(page), Operator: true, Account: strings.TrimSpace(r.FormValue("account")), Export: "/admin/audit/export"}
	if account != 0 {
		d.Filter = fmt.Sprintf("?account=%d", account)
	}
	if more {
		d.Older = fmt.Sprintf("/admin/audit?account=%d&before=%d", account, page[len(page)-1].ID)
	}
	return r.page(w, "audit.html", "admin-audit", d)
}

// operatorsAudit reads the log of the operator's own people.
func (s *Server) operatorsAudit(r *request, before int64) (page []accounts.Audited, more bool, err error) {
	return s.Accounts.OperatorAudit(r.Context(), before)
}

func (s *Server) operatorAudit(w http.ResponseWriter, r *request) error {
	page, more, err := s.operatorsAudit(r, auditCursor(r))
	if err != nil {
		return err
	}
	d := auditData{Entries: auditViews(page), Operator: true, Own: true, Export: "/admin/audit/operators/export"}
	if more {
		d.Older = fmt.Sprintf("/admin/audit/operators?before=%d", page[len(page)-1].ID)
	}
	return r.page(w, "audit.html", "admin-audit", d)
}

// auditColumns are those of an exported log, by their words.
var auditColumns = []string{"when", "who", "number", "role", "what", "subject", "account", "why", "values"}

// auditExport writes a whole log, page by page.
func (r *request) auditExport(out sheet, read auditReader) error {
	defer out.Abandon()
	if err := out.Row(r.head("audit.", auditColumns)...); err != nil {
		return err
	}
	words := &view{s: r.s, Lang: r.Lang}
	for before, more := int64(0), true; more; {
		var page []accounts.Audited
		var err error
		if page, more, err = read(r, before); err != nil {
			return err
		}
		for _, e := range auditViews(page) {
			role, number, account := e.Role, "", ""
			if role != "" {
				role = r.say("role." + role)
			}
			if e.ActorID != 0 {
				number = strconv.FormatInt(e.ActorID, 10)
			}
			if e.AccountID != 0 {
				account = strconv.FormatInt(e.AccountID, 10)
			}
			var values []string
			for _, c := range e.Changes {
				values = append(values, words.AuditField(c.Field)+": "+c.Was+" → "+c.Is)
			}
			if err := out.Row(e.At.In(r.Loc), e.Actor, number, role, words.AuditAction(e.Audited), e.Subject, account, e.Reason, strings.Join(values, "; ")); err != nil {
				return err
			}
			before = e.ID
		}
	}
	return out.Close()
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
