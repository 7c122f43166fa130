package accounts

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
)

// Entry is something somebody did at an account. What they change in the account's own
// tables the schema writes down by itself (see migrations.Actor); an Entry is for what
// is no change of a row, or one in a table without that trigger.
type Entry struct {
	AccountID int64
	Actor     migrations.Actor
	Action    string // such as "support.entered", worded by the web as audit.<action>
	Subject   string // such as "invoice:7"
	Before    any    // nil or something JSON can hold; nothing secret, nothing of patients
	After     any
	Reason    string
}

// RecordTx writes an entry in the transaction of what it tells about.
func RecordTx(ctx context.Context, tx *sqlx.Tx, e Entry) error {
	before, err := asJSON(e.Before)
	if err != nil {
		return err
	}
	after, err := asJSON(e.After)
	if err != nil {
		return err
	}
	if e.Reason == "" {
		e.Reason = e.Actor.Reason
	}
	if _, err := tx.ExecContext(ctx,
		`INSERT INTO audit (account_id, at, actor_kind, actor_id, actor, role, action, subject, before, after, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		e.AccountID, e.Actor.At, e.Actor.Kind, e.Actor.ID, e.Actor.Name, e.Actor.Role, e.Action, e.Subject, before, after, e.Reason); err != nil {
		return fmt.Errorf("audit %s: %w", e.Action, err)
	}
	return nil
}

func asJSON(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return string(b), nil
}

// Audited is an entry as it is read. Operators don't get the values.
type Audited struct {
	AccountID int64     `db:"account_id"`
	ID        int64     `db:"id"`
	At        time.Time `db:"at"`
	ActorKind string    `db:"actor_kind"`
	ActorID   int64     `db:"actor_id"` // number of the user or operator; 0 = of none
	Actor     string    `db:"actor"`
	Role      string    `db:"role"`
	Action    string    `db:"action"`
	Subject   string    `db:"subject"`
	Before    []byte    `db:"before"`
	After     []byte    `db:"after"`
	Reason    string    `db:"reason"`
}

// AuditPage is how many entries a page of the audit has.
const AuditPage = 50

// auditPage cuts what was read, one entry more than a page has, to the page.
func auditPage(read []Audited) (page []Audited, more bool) {
	return read[:min(len(read), AuditPage)], len(read) > AuditPage
}

// AuditTx reads the account's entries before (older than) an id, the newest first; 0
// begins. It returns up to AuditPage of them, and whether there are more.
func AuditTx(ctx context.Context, tx *sqlx.Tx, account, before int64) (page []Audited, more bool, err error) {
	if err := tx.SelectContext(ctx, &page,
		`SELECT account_id, id, at, actor_kind, actor_id, actor, role, action, subject, before, after, reason FROM audit
		WHERE account_id = $1 AND ($2 = 0 OR (at, id) < (SELECT at, id FROM audit WHERE account_id = $1 AND id = $2)) ORDER BY at DESC, id DESC LIMIT $3`, account, before, AuditPage+1); err != nil {
		return nil, false, fmt.Errorf("read audit: %w", err)
	}
	page, more = auditPage(page)
	return page, more, nil
}

// Audit reads the entries of one account, or with 0 of all that operators made, as
// operators may see them: without values.
func (s *Store) Audit(ctx context.Context, account, before int64) (page []Audited, more bool, err error) {
	if err := s.cfg.Operator.SelectContext(ctx, &page,
		`SELECT account_id, id, at, actor_kind, actor_id, actor, role, action, subject, reason FROM audit
		WHERE (account_id = $1 OR $1 = 0 AND actor_kind = 'operator') AND ($2 = 0 OR (at, id) < (SELECT at, id FROM audit WHERE id = $2 LIMIT 1)) ORDER BY at DESC, id DESC LIMIT $3`, account, before, AuditPage+1); err != nil {
		return nil, false, fmt.Errorf("read audit: %w", err)
	}
	page, more = auditPage(page)
	return page, more, nil
}

// OperatorAudit reads what the operator's people did that belongs to no account, or what
// was done to them, before (older than) an id, the newest first; 0 begins. There is no
// clinic's value among it, so the values are there.
func (s *Store) OperatorAudit(ctx context.Context, before int64) (page []Audited, more bool, err error) {
	if err := s.cfg.Operator.SelectContext(ctx, &page,
		`SELECT 0 AS account_id, id, at, CASE operator_id WHEN 0 THEN 'system' ELSE 'operator' END AS actor_kind, operator_id AS actor_id, actor, role, action, subject, before, after, reason FROM operator_audit
		WHERE $1 = 0 OR (at, id) < (SELECT at, id FROM operator_audit WHERE id = $1) ORDER BY at DESC, id DESC LIMIT $2`, before, AuditPage+1); err != nil {
		return nil, false, fmt.Errorf("read operators' audit: %w", err)
	}
	page, more = auditPage(page)
	return page, more, nil
}
