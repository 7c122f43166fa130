// Package billing is the engine of subscriptions and invoices: what a clinic's
// calendars cost, which documents follow from it, who still owes what, and whether the
// service goes on. Packages beneath print documents, read the bank's files and talk to
// payment services.
//
// # Words
//
//   - The payer is a root account. Its sub-accounts are paid for with it. Only metered
//     accounts pay; the operator's own (free) never get here.
//   - The quantity of a subscription is how many calendars may be read.
//   - A [Period] is half-open, in civil days of the payer's zone. Boundaries are whole
//     months after the anchor, clamped to a month's end, always counted from the anchor.
//   - A step is a quantity and the day from which on it holds within a period.
//   - A target is what a period costs by its steps: the exact sum of its days' prices,
//     rounded once. What is billed is the difference of two targets.
//   - A [Change] is asked for, a [Quote] is what it does; [Ask] is the only reckoning.
//   - A document is an invoice or a credit note. Amounts of both are above zero.
//   - Credit is what an account has with us: paid too much, credited, given. A source is
//     where it came from, an allocation what it paid.
//   - A job is what happens outside once a transaction has committed: a letter, a charge.
//
// A subscription:
//
//	          paid, or an admin             invoice overdue
//	incomplete ───────────────▶ active ◀────────────────────▶ past_due
//	   │ │ 30 days                ▲ │ ▲       paid               │ │ 2 reminders, warning,
//	   │ ▼                        │ │ │                          │ │ 14 days
//	   │ expired      trial over  │ │ └────────── paid ────────┐ │ ▼
//	   │               trialing ──┘ │                          suspended
//	   ▼                  ▼         ▼ end reached, or an admin    ▼
//	canceled ◀────────────┴─────────┴────────────────────────────┘
//
// To end with the period is a date on an active subscription and no status. Canceled and
// expired are final: coming back is a new subscription with a new anchor.
//
// A document:
//
//	draft ──number──▶ open ◀──payment went back── paid
//	   │               │ └───────────paid──────────▶ ▲
//	   │               ├──▶ void (nothing paid yet)  │
//	   │               └──▶ uncollectible ───paid────┤
//	   └── nothing to pay, or a credit note ─────────┘
//
// # The way of one franc
//
//	a period begins     receivable/invoice +16.22   revenue −15.00   vat/rate −1.22
//	the bank reports    received           +16.22   customer_credit −16.22
//	it is allocated     customer_credit    +16.22   receivable/invoice −16.22
//	a credit note       revenue +5.00   vat/rate +0.41   customer_credit −5.41
//	a refund            customer_credit     +5.41   received −5.41
//	written off         loss +…                     receivable/invoice −…
//
// All money goes through customer_credit, which never rises above zero; a receivable
// never falls below. So nothing is paid twice and nothing with money that isn't there.
//
// # Decisions
//
//   - Preview and billing are one pure function, and what is written is compared with it:
//     rather no invoice than another one than was shown.
//   - Days, not seconds: the same day is the same price, whatever the hour and whether
//     clocks changed. [TargetSeconds] is there to compare.
//   - Tax is reckoned per rate over a document, rounded once. A period with a new rate in
//     it is split at that day; a later change keeps to the rates of its days. A change never
//     goes both ways: where rounding at a boundary would credit a Rappen while the sum is
//     owed, it is made up at the other rate.
//   - A decrease by a change is credited to the lines of its period at that rate, the last
//     billed first. Credit given for other reasons takes from the same lines, so together
//     they never exceed them; but it changes nothing about what the period costs.
//   - Boundaries are kept as months from the anchor. A switch of interval at the end of a
//     period keeps the anchor, so the 31st isn't lost; at once, it begins a new one.
//   - An incomplete subscription has neither period nor invoice. It begins on the day it
//     is paid for, and nobody pays for the days a transfer took. Money for it is credit
//     until there is enough.
//   - A suspended subscription isn't renewed. What is left of its period goes on after the
//     payment; if none is left, a new anchor begins. The days it stood still cost nothing.
//   - Only invoices of the subscription can suspend it; others are reminded of all the same.
//   - Only a suspension that dunning ordered ends with the payment; one an admin ordered
//     ends when an admin says so. So does that of a subscription with an invoice written
//     off: giving up a debt is no payment. To resume while something is overdue takes a
//     pause of the dunning, or the next look would undo it.
//   - A payment that went back begins the reminders anew: who paid was not warned of this.
//   - Money is booked whatever follows from it. What can't follow yet, as an invoice without
//     an address, is tried again with the due work, and logged.
//   - A credit note first makes up for what was written off of its invoice: nobody paid that,
//     so it is nobody's credit.
//   - Steps of dunning keep their distance from the day the last was really taken, and a
//     warning is always out some days before the suspension: also after an outage.
//   - Nobody has credit and debts at once: whatever comes pays the oldest invoice, a credit
//     note first the one it belongs to.
//   - Numbers are taken last, and noted in a directory beside the document, in the same
//     transaction. So they have no gap whatever crashes, and the series is locked shortly.
//   - A document's snapshot is what is printed, names and words included. Later names,
//     prices, rates or wording don't reach it; the hash of the first print is kept.
//   - Whoever changes a payer's subscription or money locks its row of billing_accounts
//     first. The lease of the due table spares work; correctness is that lock and the keys.
//   - Every change has a key and an audit row; those that follow by themselves are keyed by
//     the version of the subscription they follow on.
//   - Free SMS come month by month, also with a yearly price. Months of an outage that are
//     over by then aren't made up: what they gave would have lapsed. They are given for days
//     of the account, so that a change of interval leaves no gap, and beginning again and
//     again brings nothing twice: what a month has left of its days gives its share.
//   - How many calendars may be picked is asked within the transaction that picks, with an
//     advisory lock per payer: the web's role sees one account, a payer may have several.
//   - How many calendars are connected is kept beside them (connected_calendars, by a
//     trigger): whoever looks at subscriptions has no right to look at calendars.
//   - The service of accounts follows the subscription in transactions of their own
//     (align), tried again at each look: one transaction never crosses accounts.
//   - No EXCLUDE on periods: with text or bigint beside a range it needs an extension that
//     not every PostgreSQL brings. A number unique to the subscription and a trigger that
//     wants each period behind the one before do the same.
//   - Tiers are arrays of their price and no table, so that a price is one row that never
//     changes.
package billing
