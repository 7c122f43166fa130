package migrations_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// samples are values for columns whose CHECK the general ones don't pass, or which a
// CHECK wants filled though they may be null. The rows of the isolation tests are made
// from the catalogue, so only such columns, without a default, need an entry here.
var samples = map[string]string{
	"rules.template_id":       `1`,
	"rules.kind":              `'hours_before'`,
	"template_texts.language": `'de'`,
	"reminders.status":        `'planned'`,

	"sender_registrations.state": `'pending'`,
	"held.reason":                `'review'`,

	"ledger_tx.lines":             `2`,
	"credit_lots.source":          `'gift'`,
	"user_sessions.method":        `'password'`,
	"invitations.role":            `'staff'`,
	"link_tokens.purpose":         `'reset'`,
	"audit.actor_kind":            `'user'`,
	"support_consents.granted_at": `'2026-01-01T00:00:00Z'`,

	"subscriptions.status":           `'active'`,
	"subscriptions.billing_interval": `'monthly'`,
	"subscription_periods.ends_on":   `'2026-01-01'`,
	"subscription_periods.starts_on": `'2026-01-01'`,
	"mrr_movements.kind":             `'new'`,
	"invoices.kind":                  `'invoice'`,
	"invoices.total":                 `2`,
	"invoice_lines.kind":             `'manual'`,
	"invoice_lines.service_to":       `'2026-12-31'`,
	"payments.kind":                  `'payment'`,
	"payment_allocations.payment_id": `1`,
	"payment_allocations.invoice_id": `1`,
	"billing_jobs.kind":              `'mail'`,
	"dunning_steps.level":            `1`,

	"provider_customers.provider": `'stripe'`,
	"payment_methods.provider":    `'stripe'`,
	"charges.status":              `'asked'`,
	"orders.method":               `'bank'`,
	"order_files.mime":            `'application/pdf'`,
	"order_files.seq":             `1`,
	"order_files.sha256":          `decode(repeat('07', 32), 'hex')`,
	"order_files.content":         `'x'`,
}

// table is one relation with an account_id, as the catalogue has it.
type table struct {
	OID       int64          `db:"oid"`
	Name      string         `db:"name"`
	Directory bool           `db:"directory"` // keyed by a global name, see the laws
	RLS       bool           `db:"rls"`
	Policies  int            `db:"policies"`
	Key       pq.StringArray `db:"key"` // the primary key's columns in order
}

// tenantTables finds every table with an account_id.
func tenantTables(t *testing.T, db *sqlx.DB) []table {
	t.Helper()
	var tables []table
	err := db.Select(&tables, `
		SELECT c.oid, c.relname AS name, c.relrowsecurity AS rls,
		       COALESCE(obj_description(c.oid, 'pg_class') LIKE 'directory:%', false) AS directory,
		       (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) AS policies,
		       ARRAY(SELECT k.attname FROM pg_index i
		             CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS u(num, ord)
		             JOIN pg_attribute k ON k.attrelid = c.oid AND k.attnum = u.num
		             WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY u.ord) AS key
		FROM pg_class c
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'account_id' AND NOT a.attisdropped
		WHERE c.relnamespace = CAST('public' AS regnamespace) AND c.relkind IN ('r', 'p')
		ORDER BY c.relname`)
	if err != nil {
		t.Fatal(err)
	}
	if len(tables) < 10 {
		t.Fatalf("found %d tables with an account_id; is the look-up broken?", len(tables))
	}
	return tables
}

type column struct {
	Name     string         `db:"name"`
	Type     string         `db:"type"`
	InUnique bool           `db:"in_unique"`
	Enum     pq.StringArray `db:"enum"`
}

// values makes a row of tb for account: a value for each column that must have one.
// salt tells two rows of one account apart.
func values(t *testing.T, db *sqlx.DB, tb table, account int64, salt int) map[string]string {
	t.Helper()
	var columns []column
	err := db.Select(&columns, `
		SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type,
		       EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND a.attnum = ANY (i.indkey)) AS in_unique,
		       ARRAY(SELECT e.enumlabel FROM pg_enum e WHERE e.enumtypid = a.atttypid ORDER BY e.enumsortorder) AS enum
		FROM pg_attribute a
		LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		  AND (a.attname = 'account_id' OR a.attnotnull AND a.attidentity = '' AND d.oid IS NULL
		       OR a.attidentity <> '' AND a.attname <> 'account_id' OR $2 || '.' || a.attname = ANY ($3))
		ORDER BY a.attnum`, tb.OID, tb.Name, pq.Array(slices.Collect(maps.Keys(samples))))
	if err != nil {
		t.Fatal(err)
	}
	row := map[string]string{}
	for _, c := range columns {
		n := account*10 + int64(salt) // unique over accounts, so that global names don't clash
		if !c.InUnique {
			n = 1
		}
		sample, given := samples[tb.Name+"."+c.Name]
		switch {
		case c.Name == "account_id":
			row[c.Name] = fmt.Sprint(account)
		case given:
			row[c.Name] = sample
		case len(c.Enum) > 0:
			row[c.Name] = pq.QuoteLiteral(c.Enum[0])
		case strings.HasSuffix(c.Type, "[]"):
			row[c.Name] = `'{}'`
		default:
			value, ok := general(c.Type, n)
			if !ok {
				t.Fatalf("table %s column %s needs a sample value: type %s is new here", tb.Name, c.Name, c.Type)
			}
			row[c.Name] = value
		}
	}
	return row
}

func general(typ string, n int64) (string, bool) {
	switch typ {
	case "smallint", "integer", "bigint", "numeric", "real", "double precision":
		return fmt.Sprint(n), true
	case "text", "character varying", "citext":
		return fmt.Sprintf("'x%d'", n), true
	case "boolean":
		return "false", true
	case "timestamp with time zone":
		return fmt.Sprintf("'2026-01-01T00:00:00Z'::timestamptz + interval '%d hours'", n), true
	case "date":
		return fmt.Sprintf("'2026-01-01'::date + %d", n), true
	case "time without time zone":
		return "'09:00'", true
	case "interval":
		return "'1 hour'", true
	case "bytea":
		return fmt.Sprintf(`'\x%02x'`, n), true
	case "json", "jsonb":
		return "'{}'", true
	case "uuid":
		return fmt.Sprintf("'00000000-0000-0000-0000-%012d'", n), true
	case "inet":
		return fmt.Sprintf("'10.0.0.%d'", n), true
	}
	return "", false
}

// insert words the row as a statement.
func insert(tb table, row map[string]string) string {
	names := slices.Sorted(maps.Keys(row))
	quoted, vals := make([]string, len(names)), make([]string, len(names))
	for i, name := range names {
		quoted[i], vals[i] = pq.QuoteIdentifier(name), row[name]
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", pq.QuoteIdentifier(tb.Name), strings.Join(quoted, ", "), strings.Join(vals, ", "))
}

// seed puts one row of each account into every table. Foreign keys rest meanwhile:
// isolation doesn't depend on them, and so the order of the tables doesn't matter.
func seed(t *testing.T, db *sqlx.DB, tables []table, accounts ...int64) {
	t.Helper()
	tx, err := db.Beginx()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }() // after Commit there is nothing to roll back
	if _, err := tx.Exec(`SET LOCAL session_replication_role = replica`); err != nil {
		t.Fatal(err)
	}
	for _, tb := range tables {
		for _, account := range accounts {
			if _, err := tx.Exec(insert(tb, values(t, db, tb, account, 0))); err != nil {
				if e := pq.As(err, "23514"); e != nil {
					t.Fatalf("table %s needs a sample value for the column of constraint %s: add it to samples in catalogue_test.go", tb.Name, e.Constraint)
				}
				t.Fatalf("table %s can't be filled; perhaps a column needs a sample value: %v", tb.Name, err)
			}
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}
