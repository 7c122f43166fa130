// Package stripe moves money by Stripe: pages on which one pays or leaves a card, charges
// of finalised invoices, and the word of what happened.
//
// # Words
//
//   - A checkout is a page of Stripe's. It pays an order or an invoice (mode payment) or
//     stores a method for later (mode setup). A method is a card, PayPal or TWINT, named by
//     Stripe; we have its name, its brand and its last digits, never a number.
//   - An intent is one payment at Stripe. Its id is what the payment is called in our books,
//     so that the many events about it book it once.
//   - A charge is an attempt to be paid for an invoice with the stored method, without
//     anybody present.
//   - An event is the word that something happened, at POST /hooks/stripe.
//
// An event:
//
//	 hook: signature, store, 200        worker: read the object at Stripe
//	(sent) ──────────────────▶ waiting ──────────────────────────────────▶ done
//	                             ▲  │ fails: error kept, tried again, ever later
//	                       Retry │  ▼
//	                             failed (ten times): seen by an operator
//
// # Decisions
//
//   - Money only. Stripe Subscriptions and its tax would own proration, numbers and tax a
//     second time.
//   - An event is never believed: it says which object to look at, and what that is now
//     is read at Stripe. So order, repetition and delay of events don't matter.
//   - The hook stores and answers; all else is the worker's, so Stripe gets its 200 in
//     milliseconds and what fails can be seen and repeated.
//   - The signature is checked with our clock: 300 seconds to either side. The version of
//     the event doesn't matter, since nothing but ids is read from it.
//   - Requests that move money have idempotency keys made of what they are for:
//     order/7/17/… for pages, inv/{id}/charge/{n}/… for charges.
//   - A charge takes two requests, each after a row is written: one that makes the intent,
//     which moves nothing, and, once its name is kept and the amount is still owed, one that
//     confirms it. So a lost answer never hides a payment: who finds an attempt without an
//     end reads its intent at Stripe, goes on with it if amount and method are those of now,
//     and else cancels it there before another attempt begins. Whose name is lost is found
//     in the list of the customer's intents. Never two are confirmed for one invoice.
//   - What Stripe refuses for good (4xx, but not our keys, 409 or 429) is a declined attempt:
//     its key would get the same answer for ever.
//   - A declined charge isn't repeated by itself: the clinic is told by the reminder of the
//     invoice, pays on a page, or leaves another card. Knocking every hour costs trust.
//   - A refund made at Stripe, and a dispute, open again what the payment had paid, by the
//     amount that went back: each refund once by its id, and a dispute what is left after
//     them. A refund made here is in the books before. What couldn't be refunded, and what a
//     dispute gives back, is money that comes again. What goes back once more after a refund
//     failed is taken of that, too, and only what Stripe itself says was refunded may be
//     missing: anything else fails and is seen.
//   - What isn't about an account of ours is done with: the account at Stripe may serve
//     others, too.
package stripe
