// Package billing is the engine of subscriptions and invoices: what a clinic's
// calendars cost, which documents follow from it, and who still owes what.
package billing
