// Package paymentstest is what the tests of orders, the bank and Stripe share: a database
// with a seller and clinics, the real books over it, a clock one sets, and a driver that
// loses the connection at the statement one names.
package paymentstest
