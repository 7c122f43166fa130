package migrations_test

import (
	"testing"

	"rappel/migrations"
	"rappel/migrations/dbtest"
)

// ofPatients are the tables that say something about people texted, or what leads there.
// The operator's role may not read a single column of them.
var ofPatients = []string{
	"calendars", "carrier_refs", "claims", "connections", "early_receipts", "events", "held", "inbound", "logins", "login_attempts",
	"message_events", "messages", "oauth_states", "opt_outs", "passkeys", "queue", "reminders", "rules", "sandbox_texts", "sent", "sent_ledger", "sessions",
	"signups", "link_tokens", "api_tokens", "operators", "stray_inbound", "credit_holds", "credit_settlements", "template_texts", "templates", "unanswered", "unsubscribe_links", "user_sessions", "verdicts",
}

// What the operator's people may not see, the database refuses, and not a page.
func TestOperatorRole_seesNoPatients(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	for what, query := range map[string]string{
		"read of a table about patients or secrets": `
			SELECT c.relname FROM pg_class c WHERE c.relnamespace = CAST('public' AS regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm')
			AND c.relname = ANY (string_to_array($2, ' ')) AND has_any_column_privilege($1, c.oid, 'SELECT')`,
		"read of a column that is about a patient, or leads to one": `
			SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
			WHERE c.relnamespace = CAST('public' AS regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm') AND $2 = $2
			AND (a.attname IN ('recipient', 'body', 'uid', 'message_id', 'event_id', 'reminder_id', 'origin_id', 'template_id', 'password_hash', 'token', 'token_hash',
			                   'recovery_hashes', 'credential') OR a.attname LIKE 'sealed%')
			AND NOT (c.relname = 'mails' AND a.attname = 'recipient') -- an address of the clinic's own people
			AND has_column_privilege($1, c.oid, a.attnum, 'SELECT')`,
		"more than reading, adding and correcting": `
			SELECT relname FROM pg_class WHERE relnamespace = CAST('public' AS regnamespace) AND relkind IN ('r', 'p') AND $2 = $2
			AND has_table_privilege($1, oid, 'TRUNCATE, TRIGGER, REFERENCES')`,
		"a change of what was audited": `
			SELECT relname FROM pg_class WHERE relnamespace = CAST('public' AS regnamespace) AND relkind IN ('r', 'p') AND $2 = $2
			AND relname IN ('audit', 'operator_audit') AND (has_table_privilege($1, oid, 'DELETE') OR has_any_column_privilege($1, oid, 'UPDATE'))`,
		"a role whose rights it has": `
			SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles w ON w.oid = m.member WHERE w.rolname = $1 AND $2 = $2`,
		"a right of a role": `
			SELECT rolname FROM pg_roles WHERE rolname = $1 AND $2 = $2 AND (rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole OR rolcanlogin)`,
		"a function that runs with its owner's rights": `
			SELECT proname FROM pg_proc WHERE pronamespace = CAST('public' AS regnamespace) AND prosecdef AND $2 = $2 AND has_function_privilege($1, oid, 'EXECUTE')`,
	} {
		var list string
		for _, table := range ofPatients {
			list += table + " "
		}
		var found []string
		if err := db.Select(&found, query, migrations.OperatorRole, list); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		for _, f := range found {
			t.Errorf("%s has %s: %s", migrations.OperatorRole, what, f)
		}
	}
}

// The role sees all accounts where it may, and can't read a secret even there.
func TestOperatorRole_seesEveryAccount(t *testing.T) {
	t.Parallel()
	dsn := dbtest.NewDSN(t)
	db, operator := dbtest.Open(t, dsn), dbtest.Operator(t, dsn)
	seed(t, db, tenantTables(t, db), 1, 2)
	for _, table := range []string{"accounts", "audit", "support_consents", "support_requests"} {
		var n int
		if err := operator.Get(&n, `SELECT count(account_id) FROM `+table); err != nil || n != 2 {
			t.Errorf("%s: %d rows, %v; want those of both accounts", table, n, err)
		}
	}
	for _, query := range []string{`SELECT password_hash FROM users`, `SELECT * FROM users`, `SELECT sealed FROM mails`, `SELECT after FROM audit`, `SELECT body FROM messages`, `SELECT count(*) FROM events`} {
		if _, err := operator.Exec(query); !denied(err) {
			t.Errorf("%s: %v, want a refusal", query, err)
		}
	}
}
