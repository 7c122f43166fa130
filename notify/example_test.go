package notify_test

import (
	"fmt"
	"time"

	"rappel/notify"
)

// Texts written on the Saturday before the clock changes go on Monday at eight by the
// recipient's clock.
func ExampleNextOpen() {
	hours, err := notify.ParseHours([]string{"08:00-20:00", "08:00-20:00", "08:00-20:00", "08:00-20:00", "08:00-20:00", "10:00-18:00", "", ""})
	if err != nil {
		panic(err)
	}
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		panic(err)
	}
	at, ok := notify.NextOpen(hours, notify.Place{Zones: []*time.Location{paris}}, time.Date(2026, 3, 28, 18, 0, 0, 0, paris))
	fmt.Println(at.Format(time.RFC1123Z), ok)
	// Output: Mon, 30 Mar 2026 08:00:00 +0200 true
}

func ExampleCountry() {
	fmt.Println(notify.Country("+12125552345"), notify.Country("+14165552345"), notify.Country("+4237912345"), notify.Country("+447911123456"))
	// Output: US CA LI GG
}

func ExampleStatus_After() {
	fmt.Println(notify.Delivered.After(notify.Sent)) // a late SENT undoes nothing
	fmt.Println(notify.Expired.After(notify.NotDelivered))
	// Output:
	// false
	// true
}

func ExampleValidSender() {
	fmt.Println(notify.ValidSender("Dr. Weiss"), notify.ValidSender("Zahnarztpraxis"), notify.ValidSender("+41791234567"))
	// Output: true false true
}
