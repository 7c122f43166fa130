package migrations_test

import (
	"testing"

	"rappel/migrations/dbtest"
)

// What a distributed PostgreSQL would refuse or do wrong is refused here already, as
// far as the catalogue shows it. Each query lists the breaches of one law.
func TestSchema_keepsTheLawsOfSharding(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	const tenant = `
		WITH tenant AS (
		    SELECT c.oid, c.relname, a.attnum AS account,
		           COALESCE(obj_description(c.oid, 'pg_class') LIKE 'directory:%', false) AS directory
		    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'account_id' AND NOT a.attisdropped
		    WHERE c.relnamespace = CAST('public' AS regnamespace) AND c.relkind IN ('r', 'p'))`
	for law, query := range map[string]string{
		"a unique index carries account_id": tenant + `
			SELECT CAST(i.indexrelid AS regclass) FROM pg_index i JOIN tenant t ON t.oid = i.indrelid
			WHERE i.indisunique AND NOT t.directory AND NOT t.account = ANY (i.indkey)`,
		"an exclusion carries account_id": tenant + `
			SELECT conname FROM pg_constraint k JOIN tenant t ON t.oid = k.conrelid
			WHERE k.contype = 'x' AND NOT t.account = ANY (k.conkey)`,
		"a foreign key between tenant tables carries account_id on both sides": tenant + `
			SELECT conname FROM pg_constraint k JOIN tenant t ON t.oid = k.conrelid JOIN tenant p ON p.oid = k.confrelid
			WHERE k.contype = 'f' AND NOT EXISTS (
			    SELECT 1 FROM unnest(k.conkey, k.confkey) AS u(mine, theirs) WHERE u.mine = t.account AND u.theirs = p.account)`,
		"a table without account_id refers to no tenant table": tenant + `
			SELECT conname FROM pg_constraint k JOIN tenant p ON p.oid = k.confrelid
			WHERE k.contype = 'f' AND k.conrelid NOT IN (SELECT oid FROM tenant)`,
		"no foreign key sets null or a default": `
			SELECT conname FROM pg_constraint WHERE contype = 'f' AND (confdeltype IN ('n', 'd') OR confupdtype IN ('n', 'd'))`,
		"numbers given by the database are bigint": `
			SELECT attrelid::regclass || '.' || attname FROM pg_attribute
			WHERE attidentity <> '' AND atttypid <> CAST('bigint' AS regtype)
			AND attrelid <> to_regclass('goose_db_version')`,
		"no table inherits": `
			SELECT CAST(inhrelid AS regclass) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent WHERE c.relkind = 'r'`,
		"account_id is a bigint and always there": tenant + `
			SELECT t.relname FROM tenant t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = t.account
			WHERE a.atttypid <> CAST('bigint' AS regtype) OR NOT a.attnotnull`,
		"an instant has its zone": `
			SELECT attrelid::regclass || '.' || attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
			WHERE c.relnamespace = CAST('public' AS regnamespace) AND c.relkind IN ('r', 'p') AND a.attnum > 0
			AND a.atttypid = CAST('timestamp' AS regtype) AND c.relname <> 'goose_db_version'`,
	} {
		var breaches []string
		if err := db.Select(&breaches, query); err != nil {
			t.Errorf("%s: %v", law, err)
		}
		for _, b := range breaches {
			t.Errorf("law: %s; broken by %s", law, b)
		}
	}
}
