package notify_test

import (
	"fmt"

	"rappel/notify"
)

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
