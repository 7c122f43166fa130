package reminders_test

import (
	"fmt"
	"testing"

	"rappel/calendars"
	"rappel/reminders"
)

// One clerk, one clinic, a full morning: reminders per second from due to queued.
func BenchmarkClerk(b *testing.B) {
	h := newHouse(b)
	events := make([]calendars.Event, b.N)
	for i := range events {
		events[i] = h.appointment(fmt.Sprintf("e%d", i))
		events[i].Title = fmt.Sprintf("079 %03d %02d %02d", 200+i/10000, i/100%100, i%100)
	}
	h.sync(h.cal, events...)
	h.at("06-01 14:00")
	b.ResetTimer()
	if n := h.tick(); n != b.N {
		b.Fatalf("%d of %d decided", n, b.N)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reminders/s")
}

// Planning one appointment, number and all.
func BenchmarkPlan(b *testing.B) {
	in := scene()
	b.ReportAllocs()
	for b.Loop() {
		reminders.Plan(in)
	}
}
