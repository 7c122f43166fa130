// Package standin is a stand-in for Stripe, for tests and for `rappel dev`: customers,
// pages on which one pays or leaves a card by a click, payment intents, stored methods,
// declines, refunds, disputes, and signed webhooks.
//
// # Words
//
// A World holds everything. A page is a checkout session. A behaviour says what comes of
// paying with a method: it goes through, is declined, wants its holder, or takes a while.
// An event is what Stripe sends to the webhook; a test may hold events back and deliver
// them late, twice, out of order or never.
//
// # Decisions
//
//   - It keeps state, which stripe-mock doesn't; what parameters Stripe takes is
//     stripe-mock's affair, and tests use both.
//   - Idempotency keys are kept: the same key with the same request gives the same answer,
//     with another request an error, as at Stripe.
//   - An intent of a page is made when somebody pays, and each attempt that fails leaves
//     its events.
//   - A charge without its holder is made in one request and confirmed in another, as our
//     client does; a confirmed one can't be canceled, a canceled one not confirmed.
//   - Numbers of cards are never asked for: one clicks what is to happen.
//   - With a state file everything survives a restart, so that `rappel dev` does.
//
// Source: Stripe's API reference, version 2026-03-25.dahlia.
package standin
