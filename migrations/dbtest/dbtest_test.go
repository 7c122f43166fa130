package dbtest_test

import (
	"testing"

	"rappel/migrations/dbtest"
)

func TestNew_givesEachTestItsOwnDatabase(t *testing.T) {
	a, b := dbtest.New(t), dbtest.New(t)
	if _, err := a.Exec(`CREATE TABLE only_here (n int)`); err != nil {
		t.Fatal(err)
	}
	var there bool
	if err := b.Get(&there, `SELECT to_regclass('only_here') IS NOT NULL`); err != nil {
		t.Fatal(err)
	}
	if there {
		t.Error("two tests share a database")
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		db := dbtest.New(b)
		if err := db.Ping(); err != nil {
			b.Fatal(err)
		}
	}
}
