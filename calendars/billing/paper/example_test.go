package paper_test

import (
	"bytes"
	"fmt"

	"rappel/calendars/billing/paper"
)

// What is printed comes from the frozen document alone, and the same again each time.
func ExampleInvoice_PDF() {
	d := paper.Invoice{Kind: paper.KindInvoice, Language: "de", Number: "2027-000001", IssuedOn: "2027-04-01", DueOn: "2027-05-01",
		Seller: paper.Party{Name: "Rappel AG", Zip: "8008", Town: "Zürich"}, Buyer: paper.Party{Name: "Praxis am See", Zip: "8001", Town: "Zürich"},
		Lines: []paper.Line{{Text: "Abonnement, 2 Kalender", From: "2027-04-01", To: "2027-05-01", Quantity: 2, Unit: 1500, Net: 3000, Rate: 810}},
		Taxes: []paper.Tax{{Rate: 810, Net: 3000, Tax: 243}}, Net: 3000, Tax: 243, Total: 3243, Due: 3243,
		IBAN: "CH4431999123000889012", Reference: "000000000010420000000000179"}
	first, err := d.PDF()
	if err != nil {
		panic(err)
	}
	again, err := d.PDF()
	if err != nil {
		panic(err)
	}
	fmt.Println(bytes.HasPrefix(first, []byte("%PDF-")), bytes.Equal(first, again))
	// Output: true true
}
