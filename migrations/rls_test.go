package migrations_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/migrations"
	"rappel/migrations/dbtest"
)

func TestTables_areGuarded(t *testing.T) {
	t.Parallel()
	for _, tb := range tenantTables(t, dbtest.New(t)) {
		if !tb.RLS || tb.Policies == 0 {
			t.Errorf("%s: row-level security on: %t, policies: %d", tb.Name, tb.RLS, tb.Policies)
		}
		if !tb.Directory && (len(tb.Key) == 0 || tb.Key[0] != "account_id") {
			t.Errorf("%s: its primary key %v isn't led by account_id, and its comment doesn't begin with 'directory:'", tb.Name, tb.Key)
		}
	}
}

func TestWebRole_isBound(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	var role struct {
		Super      bool `db:"rolsuper"`
		Bypass     bool `db:"rolbypassrls"`
		CreateDB   bool `db:"rolcreatedb"`
		CreateRole bool `db:"rolcreaterole"`
		Login      bool `db:"rolcanlogin"`
	}
	if err := db.Get(&role, `SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolcanlogin FROM pg_roles WHERE rolname = $1`, migrations.WebRole); err != nil {
		t.Fatal(err)
	}
	if role.Super || role.Bypass || role.CreateDB || role.CreateRole || role.Login {
		t.Errorf("%s may too much: %+v", migrations.WebRole, role)
	}
	// Whatever a query finds here is a way around the policies.
	for name, query := range map[string]string{
		"a role it belongs to, whose rights it has": `
			SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles w ON w.oid = m.member WHERE w.rolname = $1`,
		"a relation it owns": `
			SELECT c.relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname = $1`,
		"a schema it may create in": `
			SELECT nspname FROM pg_namespace WHERE has_schema_privilege($1, oid, 'CREATE') AND nspname !~ '^pg_(toast_)?temp_'`,
		"a table it may empty, hang a trigger on, or refer to: policies don't hold there": `
			SELECT relname FROM pg_class WHERE relnamespace = CAST('public' AS regnamespace) AND relkind IN ('r', 'p')
			AND has_table_privilege($1, oid, 'TRUNCATE, TRIGGER, REFERENCES')`,
		"a view that reads with its owner's rights (say WITH (security_invoker))": `
			SELECT relname FROM pg_class WHERE relnamespace = CAST('public' AS regnamespace) AND relkind = 'v'
			AND has_table_privilege($1, oid, 'SELECT, INSERT, UPDATE, DELETE')
			AND NOT COALESCE(reloptions && '{security_invoker=true,security_invoker=on,security_invoker=1}', false)`,
		"a materialized view, which has no policies": `
			SELECT relname FROM pg_class WHERE relnamespace = CAST('public' AS regnamespace) AND relkind = 'm' AND has_table_privilege($1, oid, 'SELECT')`,
		"a function that runs with its owner's rights": `
			SELECT proname FROM pg_proc WHERE pronamespace = CAST('public' AS regnamespace) AND prosecdef AND has_function_privilege($1, oid, 'EXECUTE')`,
		"a table without account_id (if all accounts may see it, begin its comment with 'shared:')": `
			SELECT relname FROM pg_class c WHERE relnamespace = CAST('public' AS regnamespace) AND relkind IN ('r', 'p')
			AND has_table_privilege($1, oid, 'SELECT, INSERT, UPDATE, DELETE')
			AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'account_id' AND NOT a.attisdropped)
			AND COALESCE(obj_description(c.oid, 'pg_class'), '') NOT LIKE 'shared:%'`,
		"a policy that isn't for everybody and everything, or is one of several": `
			SELECT c.relname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
			WHERE p.polroles <> ARRAY(SELECT oid FROM pg_roles WHERE rolname = 'rappel_operator')
			AND ($1 <> $1 OR p.polcmd <> '*' OR p.polroles <> '{0}' OR p.polwithcheck IS NULL
			      OR (SELECT count(*) FROM pg_policy o WHERE o.polrelid = c.oid AND o.polpermissive AND '{0}' && o.polroles) > 1)`,
	} {
		var found []string
		if err := db.Select(&found, query, migrations.WebRole); err != nil {
			t.Errorf("look for %s: %v", name, err)
		}
		for _, f := range found {
			t.Errorf("%s has %s: %s", migrations.WebRole, name, f)
		}
	}
}

// Nobody but the owner, whom triggers hold up, may change what is booked.
func TestRoles_keepTheBooks(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	for name, query := range map[string]string{
		"a right to change what is booked": `
			SELECT r.rolname || ' of ' || relname FROM pg_class c, pg_roles r WHERE relnamespace = CAST('public' AS regnamespace) AND relname LIKE 'ledger%' AND relkind = 'r'
			AND r.rolname IN ('rappel_web', 'rappel_operator') AND has_table_privilege(r.oid, c.oid, 'UPDATE, DELETE, TRUNCATE')`,
		"a right to write a balance": `
			SELECT r.rolname FROM pg_roles r WHERE r.rolname IN ('rappel_web', 'rappel_operator') AND has_table_privilege(r.oid, 'ledger_balances', 'INSERT')`,
	} {
		var found []string
		if err := db.Select(&found, query); err != nil {
			t.Errorf("look for %s: %v", name, err)
		}
		for _, f := range found {
			t.Errorf("%s has %s", f, name)
		}
	}
}

// One account sees and changes nothing of another's, in any table. Tried twice: with
// the rights the web really has, and with all rights on every table, where the policies
// alone stand in between.
func TestAccounts_areIsolated(t *testing.T) {
	t.Parallel()
	for _, all := range []bool{false, true} {
		t.Run(fmt.Sprintf("all rights %t", all), func(t *testing.T) {
			t.Parallel()
			dsn := dbtest.NewDSN(t)
			db, web := dbtest.Open(t, dsn), dbtest.Web(t, dsn)
			tables := tenantTables(t, db)
			seed(t, db, tables, 1, 2)
			if all {
				if _, err := db.Exec(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ` + migrations.WebRole); err != nil {
					t.Fatal(err)
				}
			}
			for _, tb := range tables {
				p := prober{t: t, db: db, web: web, tb: tb, allRights: all}
				t.Run(tb.Name, func(t *testing.T) {
					p.t = t
					p.withAccount()
					p.withoutAccount()
					p.untouched()
				})
			}
		})
	}
}

// prober tries to get from account 1 to account 2 in one table.
type prober struct {
	t         *testing.T
	db, web   *sqlx.DB
	tb        table
	allRights bool
}

func (p prober) name() string { return pq.QuoteIdentifier(p.tb.Name) }

// withAccount works as the web does for account 1.
func (p prober) withAccount() {
	p.t.Helper()
	account1 := func(ctx context.Context, try func(tx *sqlx.Tx)) {
		if err := migrations.InAccount(ctx, p.web, 1, func(tx *sqlx.Tx) error { try(tx); return errUndo }); err != errUndo {
			p.t.Fatal(err)
		}
	}
	ctx := p.t.Context()
	account1(ctx, func(tx *sqlx.Tx) {
		p.reads(tx, "account 2's rows", `SELECT count(*) FROM `+p.name()+` WHERE account_id = 2`, 0)
	})
	account1(ctx, func(tx *sqlx.Tx) { p.reads(tx, "rows, its own", `SELECT count(*) FROM `+p.name(), 1) })
	account1(ctx, func(tx *sqlx.Tx) {
		p.changes(tx, "UPDATE of account 2", `UPDATE `+p.name()+` SET account_id = 1 WHERE account_id = 2`)
	})
	account1(ctx, func(tx *sqlx.Tx) {
		p.changes(tx, "UPDATE of everybody else", `UPDATE `+p.name()+` SET account_id = account_id WHERE account_id <> 1`)
	})
	account1(ctx, func(tx *sqlx.Tx) {
		p.changes(tx, "DELETE of account 2", `DELETE FROM `+p.name()+` WHERE account_id = 2`)
	})
	account1(ctx, func(tx *sqlx.Tx) {
		p.refused(tx, "UPDATE that gives a row away", `UPDATE `+p.name()+` SET account_id = 2 WHERE account_id = 1`)
	})
	account1(ctx, func(tx *sqlx.Tx) {
		p.refused(tx, "INSERT for account 2", insert(p.tb, values(p.t, p.db, p.tb, 2, 1)))
	})
	account1(ctx, func(tx *sqlx.Tx) { p.refused(tx, "TRUNCATE", `TRUNCATE `+p.name()+` CASCADE`) })
}

// withoutAccount works as the web would if it forgot to say for whom.
func (p prober) withoutAccount() {
	p.t.Helper()
	for _, set := range []string{``, `SET LOCAL app.account_id = ''`} {
		nobody := func(try func(tx *sqlx.Tx)) {
			err := migrations.InTx(p.t.Context(), p.web, func(tx *sqlx.Tx) error {
				if _, err := tx.Exec(set); err != nil {
					return err
				}
				try(tx)
				return errUndo
			})
			if err != errUndo {
				p.t.Fatal(err)
			}
		}
		nobody(func(tx *sqlx.Tx) { p.reads(tx, "rows without an account", `SELECT count(*) FROM `+p.name(), 0) })
		nobody(func(tx *sqlx.Tx) {
			p.changes(tx, "UPDATE without an account", `UPDATE `+p.name()+` SET account_id = account_id`)
		})
		nobody(func(tx *sqlx.Tx) { p.changes(tx, "DELETE without an account", `DELETE FROM `+p.name()) })
		nobody(func(tx *sqlx.Tx) {
			p.refused(tx, "INSERT without an account", insert(p.tb, values(p.t, p.db, p.tb, 2, 1)))
		})
	}
}

// untouched looks as the owner, whom nothing is hidden from.
func (p prober) untouched() {
	p.t.Helper()
	var n int
	if err := p.db.Get(&n, `SELECT count(*) FROM `+p.name()+` WHERE account_id IN (1, 2)`); err != nil {
		p.t.Fatal(err)
	}
	if n != 2 {
		p.t.Errorf("%d rows are left of two", n)
	}
}

// errUndo rolls a trial back.
var errUndo = fmt.Errorf("undo")

// denied tells a lack of rights, or a policy, from any other failure.
func denied(err error) bool { return pq.As(err, "42501") != nil }

func (p prober) reads(tx *sqlx.Tx, what, query string, want int) {
	p.t.Helper()
	var n int
	switch err := tx.Get(&n, query); {
	case denied(err) && !p.allRights:
	case err != nil:
		p.t.Errorf("%s: %v", what, err)
	case n != want:
		p.t.Errorf("%s: sees %d, want %d", what, n, want)
	}
}

func (p prober) changes(tx *sqlx.Tx, what, statement string) {
	p.t.Helper()
	res, err := tx.Exec(statement)
	if denied(err) && !p.allRights {
		return
	}
	if err != nil {
		p.t.Errorf("%s: %v", what, err)
		return
	}
	if n, err := res.RowsAffected(); err != nil || n != 0 {
		p.t.Errorf("%s: changed %d rows, %v", what, n, err)
	}
}

func (p prober) refused(tx *sqlx.Tx, what, statement string) {
	p.t.Helper()
	if _, err := tx.Exec(statement); !denied(err) {
		p.t.Errorf("%s: %v, want a refusal", what, err)
	}
}
