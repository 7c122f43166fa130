package migrations_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/lib/pq"

	"rappel/migrations"
	"rappel/migrations/dbtest"
)

func TestMain(m *testing.M) {
	migrations.SetEmptyDatabase(emptied)
	os.Exit(m.Run())
}

// emptied returns the connection string of a database without a schema. Its roles,
// like all of the server, are there.
func emptied(t testing.TB) string {
	t.Helper()
	dsn := dbtest.NewDSN(t)
	db := dbtest.Open(t, dsn)
	if _, err := db.Exec(`DROP SCHEMA public CASCADE; CREATE SCHEMA public`); err != nil {
		t.Fatal(err)
	}
	return dsn
}

func TestWebDSN(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"URL", "postgres://u:p@h:5432/d?sslmode=disable", "postgres://u:p@h:5432/d?role=rappel_web&sslmode=disable"},
		{"URL without settings", "postgresql://u@h/d", "postgresql://u@h/d?role=rappel_web"},
		{"URL with a role", "postgres://h/d?role=owner", "postgres://h/d?role=rappel_web"},
		{"URL with a socket", "postgres://u@/d?host=%2Ftmp%2Fx", "postgres://u@/d?host=%2Ftmp%2Fx&role=rappel_web"},
		{"pairs", "host=h dbname=d", "host=h dbname=d role=rappel_web"},
		{"pairs with quotes", `host=h password='a b\'c'`, `host=h password='a b\'c' role=rappel_web`},
		{"nothing but defaults", "", "role=rappel_web"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := migrations.WebDSN(tt.in)
			if err != nil || got != tt.want {
				t.Errorf("WebDSN(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
			}
		})
	}
}

func TestOperatorDSN(t *testing.T) {
	got, err := migrations.OperatorDSN("postgres://u:p@h:5432/d?role=owner")
	if want := "postgres://u:p@h:5432/d?role=rappel_operator"; err != nil || got != want {
		t.Errorf("OperatorDSN = %q, %v; want %q", got, err, want)
	}
	if _, err := migrations.OperatorDSN("password=secret\\"); !errors.Is(err, migrations.ErrDSN) || strings.Contains(err.Error(), "secret") {
		t.Errorf("unreadable: %v", err)
	}
}

func FuzzWebDSN(f *testing.F) {
	for _, s := range []string{"postgres://u:p@h:5432/d?sslmode=disable", "host=h dbname=d", `password='a b\'c'`, "postgres://%zz", "role=x role=y", "a='", "postgres:=0", `a=b\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, dsn string) {
		got, err := migrations.WebDSN(dsn)
		if err != nil {
			return
		}
		c, err := pq.NewConfig(got)
		if err != nil || c.Runtime["role"] != migrations.WebRole {
			t.Fatalf("WebDSN(%q) = %q, which the driver takes for role %q, %v", dsn, got, c.Runtime["role"], err)
		}
	})
}

func TestWebDSN_unreadable(t *testing.T) {
	for _, dsn := range []string{"postgres://u:secret@%zz/d", "host='open password=secret", `password=secret\`, "port=secret"} {
		_, err := migrations.WebDSN(dsn)
		if !errors.Is(err, migrations.ErrDSN) || strings.Contains(err.Error(), "secret") {
			t.Errorf("WebDSN(%q) = %v, want ErrDSN without the password", dsn, err)
		}
	}
}
