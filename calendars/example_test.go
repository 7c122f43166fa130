package calendars_test

import (
	"fmt"
	"time"

	"rappel/calendars"
)

// An appointment that is still listed but was called off does not stand; neither
// does one that vanished.
func ExampleEvent_Stands() {
	at := time.Date(2026, 6, 2, 9, 0, 0, 0, time.UTC)
	fmt.Println(calendars.Event{Start: at}.Stands())
	fmt.Println(calendars.Event{Start: at, Cancelled: true}.Stands())
	fmt.Println(calendars.Event{Start: at, Gone: &at}.Stands())
	// Output:
	// true
	// false
	// false
}
