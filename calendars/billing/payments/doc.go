// Package payments is where money that comes in meets what it pays: orders of SMS
// packages, and the invoices of package billing. The ways money takes, the bank and
// Stripe, are packages of their own and hand what arrived to a [Desk].
//
// # Words
//
//   - An order asks for a package. By bank transfer it has a form to print, sign and send
//     back; by card it has a page of the provider's.
//   - To hand over is to give the credit and to make the invoice, in this order and in one
//     transaction, once per order.
//   - A receipt is money that arrived, named by its provider and the provider's name for
//     it (bank: the entry, Stripe: the payment intent). The same name counts once.
//   - A target is what a reference stands for: an invoice or an order of an account.
//
// An order:
//
//	            Sign: handed over            its invoice paid
//	offered ───────────────────────▶ signed ──────────────────▶ fulfilled
//	   │ │                                                          ▲
//	   │ └─paid in full: handed over ───────────────────────────────┤
//	   │        │ handing over fails                                │
//	   │        └────────────▶ paid ── Retry: handed over ──────────┘
//	   └─valid_to passed ──▶ expired ── signed or paid late all the same ──▶ as from offered
//
// # Decisions
//
//   - The signed form is enough: clinics get their credit when an operator has looked at
//     it, and the invoice after. So a signed order owes money, and dunning is that of its
//     invoice.
//   - Money is never refused. What can't be handed over for it is kept as the account's
//     credit, the order says paid and why, and is tried again.
//   - What an order was offered for, tax included, is what its invoice comes to, whatever
//     the rate or the rounding is by then. The tax in it is that of the day it is handed
//     over, the day of the service.
//   - A payment below an order's total, on an order nobody signed, is the account's credit
//     until what came under the order's reference reaches the total: then it is handed over,
//     and the credit pays its invoice. Until then the order says how much came. What the
//     bank took back doesn't count.
//   - The reference carries the account and the document, so a reference is looked up
//     within its account and no directory of references is needed. Documents of orders are
//     numbered from 900 000 000 000 on, those of invoices below.
//   - The order is locked before the payer; nothing locks them the other way round.
//   - Uploaded forms are told by their content, not by their name: PDF, JPEG, PNG. They are
//     given back as downloads only.
package payments
