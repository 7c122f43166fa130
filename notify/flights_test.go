package notify

import (
	"context"
	"runtime"
	"testing"

	"rappel/migrations/dbtest"
)

// A receipt for an id in flight waits for the record, and is written then.
func TestFlights(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	f := NewFlights()
	desk, err := NewDesk(Config{DB: db, Flights: f})
	if err != nil {
		t.Fatal(err)
	}
	kept := make(chan error, 2)
	bring := func(id string) {
		kept <- desk.Receipt(context.Background(), Receipt{Carrier: "one", CarrierID: id, Status: Delivered})
	}
	f.took("one", []string{"x", "y"})
	go bring("x")
	for {
		f.mu.Lock()
		parked := len(f.parked[refKey{"one", "x"}])
		f.mu.Unlock()
		if parked == 1 {
			break
		}
		runtime.Gosched()
	}
	bring("z") // not in flight: it is put aside at once, and x is still waiting
	if err := <-kept; err != nil {
		t.Fatal(err)
	}
	var aside []string
	if err := db.Select(&aside, `SELECT carrier_message_id FROM early_receipts`); err != nil || len(aside) != 1 || aside[0] != "z" {
		t.Fatalf("put aside: %v, %v", aside, err)
	}
	f.landed("one", []outcome{{ids: []string{"x", "y"}}})
	if err := <-kept; err != nil {
		t.Fatal(err)
	}
	if len(f.parked) != 0 {
		t.Errorf("still in flight: %v", f.parked)
	}
	// The other carrier's id of the same name is another.
	f.took("two", []string{"x"})
	bring("x")
	if err := <-kept; err != nil {
		t.Fatal(err)
	}
}
