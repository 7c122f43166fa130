package paymentstest

import (
	"errors"
	"sync"

	"github.com/jmoiron/sqlx"

	"rappel/migrations/dbtest"
)

// ErrFault is what the database answers where it was told to fail.
var ErrFault = errors.New("paymentstest: the database went away")

// Faults is a database that fails at one chosen statement, BEGIN and COMMIT counted.
type Faults struct {
	mu    sync.Mutex
	count int
	at    int
	hit   bool
	lost  bool
}

// Arm has the n-th statement from now fail. With lost only COMMITs count, and what fails
// is the answer: the COMMIT takes place.
func (f *Faults) Arm(n int, lost bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count, f.at, f.hit, f.lost = 0, n, false, lost
}

// Hit reports whether that statement was reached.
func (f *Faults) Hit() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hit
}

// step answers ErrFault at the chosen statement, after it when only the answer is lost.
func (f *Faults) step(s dbtest.Step) (before, after error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost && s != dbtest.Commit {
		return nil, nil
	}
	if f.count++; f.at == 0 || f.count != f.at {
		return nil, nil
	}
	f.hit = true
	if f.lost {
		return nil, ErrFault
	}
	return ErrFault, nil
}

// Faulty returns a pool of w's database that fails as f says.
func (w *World) Faulty() (*sqlx.DB, *Faults) {
	w.Helper()
	f := &Faults{}
	return dbtest.Faulty(w, w.DSN, f.step), f
}
