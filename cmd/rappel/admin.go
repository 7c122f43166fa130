package main

import "rappel/web"

// books are what the billing admin's pages change.
func (a *app) books() *web.Books {
	b := &web.Books{Billing: a.billing, Desk: a.money.desk, Bank: a.money.bank, Credits: a.credits}
	if a.money.stripe != nil { // an interface that holds a nil pointer isn't nil
		b.Card = a.money.stripe
	}
	return b
}
