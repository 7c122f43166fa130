package ledger_test

import (
	"fmt"
	"time"

	"rappel/migrations/ledger"
)

// A package of 500 credits comes in as a lot of its own, here number 7.
func ExampleMove() {
	bought := ledger.Tx{Account: 1, Key: "order/12", Kind: "grant", At: time.Date(2027, 3, 11, 9, 0, 0, 0, time.UTC),
		Entries: ledger.Move(500, ledger.Place{Unit: ledger.SMS, Name: "granted", Item: 7}, ledger.Place{Unit: ledger.SMS, Name: "available", Item: 7})}
	for _, e := range bought.Entries {
		fmt.Println(e.Name, e.Item, e.Amount, e.Unit)
	}
	// Output:
	// granted 7 -500 SMS
	// available 7 500 SMS
}
