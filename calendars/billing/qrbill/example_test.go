package qrbill_test

import (
	"fmt"

	"rappel/calendars/billing/qrbill"
)

func ExampleBody_QRR() {
	ref, err := qrbill.Body{Account: 1042, Document: 17}.QRR()
	if err != nil {
		panic(err)
	}
	fmt.Println(qrbill.FormatReference(ref))
	// Output: 00 00000 00010 42000 00000 00179
}

// A QR-IBAN and an ordinary one take different references.
func ExampleBill_Check() {
	b := qrbill.Bill{IBAN: "CH4431999123000889012", Rappen: 3243, Reference: "RF18539007547034",
		Creditor: qrbill.Address{Name: "Rappel AG", Zip: "8008", Town: "Zürich", Country: "CH"}}
	fmt.Println(b.Check())
	// Output: qrbill: the reference is wrong or doesn't go with the account: reference: a QR-IBAN wants a reference of 27 digits, another IBAN can't have one
}
