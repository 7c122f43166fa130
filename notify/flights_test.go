package notify

import (
	"context"
	"runtime"
	"slices"
	"strconv"
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
	f.landed("one", []outcome{{ids: []string{"x", "y"}}}, nil)
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

// What is remembered of recorded ids is bounded, and the latest of it stays.
func TestFlights_messages(t *testing.T) {
	t.Parallel()
	f := NewFlights()
	id := func(i int) string { return strconv.Itoa(i) }
	n := 0
	for range 5 {
		some := make([]standing, latelyMost/2)
		for i := range some {
			some[i] = standing{MessageRef: MessageRef{1, int64(n)}, id: id(n), it: &item{Message: Message{Recipient: "+41791234567"}}}
			n++
		}
		f.landed("one", nil, some)
	}
	if kept := len(f.lately.young) + len(f.lately.former); kept > 2*latelyMost {
		t.Errorf("%d ids are kept", kept)
	}
	receipt := func(carrier, id string) folded { return folded{refKey{carrier, id}, Receipt{Status: Delivered}} }
	all := []folded{receipt("one", id(n-1)), receipt("one", id(0)), receipt("two", id(n-1)), receipt("one", id(n-latelyMost))}
	refs, known, others := f.messages(all)
	if !slices.Equal(refs, []MessageRef{{1, int64(n - 1)}, {1, int64(n - latelyMost)}}) || len(known) != 2 || len(others) != 2 ||
		known[1].id != id(n-latelyMost) || others[0].id != id(0) {
		t.Errorf("of %v: %v, known %v, others %v", all, refs, known, others)
	}
	// For somebody else, as it says.
	foreign := all[0]
	foreign.Recipient = "+41790000000"
	if _, known, others := f.messages([]folded{foreign}); len(known) != 0 || len(others) != 1 {
		t.Errorf("taken for another's: %v", known)
	}
	// Given again, for a message in parts.
	f.landed("one", []outcome{{ids: []string{id(n - 1), "more"}}}, nil)
	if _, known, _ := f.messages(all[:1]); len(known) != 0 {
		t.Errorf("still known: %v", known)
	}
}
