package notify

// Reason says why a message has its status, in more detail than the eleven
// statuses do. The set is closed; the web words it.
type Reason string

// The reasons. In brackets the statuses they come with.
const (
	ReasonNone Reason = "" // the status says it all

	ReasonTooLate   Reason = "too_late"   // [EXPIRED] not submitted: it would have been worthless
	ReasonNoReceipt Reason = "no_receipt" // [EXPIRED] accepted, but no receipt came in time
	ReasonOptedOut  Reason = "opted_out"  // [NOT_ALLOWED] the recipient wants no texts from this account
	ReasonWithdrawn Reason = "withdrawn"  // [NOT_SENT] taken back by whoever asked for it; final
	ReasonStale     Reason = "stale"      // [NOT_SENT] its occasion no longer stands, found on asking the Gate; final

	ReasonInvalidNumber Reason = "invalid_number" // [INVALID_DESTINATION] a carrier said a while ago that nobody has the number
	ReasonNoRoute       Reason = "no_route"       // [ROUTE_NOT_AVAILABLE] no carrier of ours serves the destination

	ReasonReview         Reason = "review"          // [NOT_SENT] held: somebody looks at an account's first marketing
	ReasonRegistration   Reason = "registration"    // [NOT_SENT] held: the sender's registration in the country is under way
	ReasonCredit         Reason = "credit"          // [NOT_SENT] held: there is no credit left
	ReasonTurnedDown     Reason = "rejected"        // [NOT_ALLOWED] the review turned it down
	ReasonNoHours        Reason = "no_hours"        // [EXPIRED, NOT_ALLOWED] there is no hour before it expires, or none at all, at which marketing may go there
	ReasonSenderBarred   Reason = "sender_barred"   // [INVALID_SENDER] the name says nothing about who writes
	ReasonSenderName     Reason = "sender_name"     // [INVALID_SENDER] no names are delivered there
	ReasonSenderForeign  Reason = "sender_foreign"  // [INVALID_SENDER] the number isn't delivered there
	ReasonUnregistered   Reason = "unregistered"    // [INVALID_SENDER] the sender must be registered there and isn't
	ReasonSenderRejected Reason = "sender_rejected" // [INVALID_SENDER] the sender's registration there was rejected

	ReasonRefused       Reason = "refused"       // [several] the carrier turned it down; the code says more
	ReasonReceipt       Reason = "receipt"       // [several] the carrier's receipt says so
	ReasonExhausted     Reason = "exhausted"     // [NETWORK_ERROR] the carrier could not take it until it was too late
	ReasonMisconfigured Reason = "misconfigured" // [ROUTE_NOT_AVAILABLE] no carrier takes our configuration; the operator must act
	ReasonUnanswered    Reason = "unanswered"    // [NOT_SENT while awaited, NETWORK_ERROR once given up] may have been sent, nobody knows
	ReasonPartial       Reason = "partial"       // [NETWORK_ERROR] only some of its segments were accepted

	ReasonThrottled   Reason = "throttled"    // [NOT_SENT] waits: the carrier wants it slower
	ReasonTemporary   Reason = "temporary"    // [NOT_SENT] waits: the carrier couldn't take it just now
	ReasonUnchecked   Reason = "unchecked"    // [NOT_SENT] waits: the Gate could not answer yet
	ReasonInterrupted Reason = "interrupted"  // [NOT_SENT] waits: we were stopped or paused before it was submitted
	ReasonOutOfHours  Reason = "out_of_hours" // [NOT_SENT] waits: marketing may not go at this hour
	ReasonResending   Reason = "resending"    // [NOT_SENT] waits: unanswered once, goes out a second time
	ReasonWithdrawing Reason = "withdrawing"  // [NOT_SENT] withdrawn too late: in the carrier's hands, but won't be tried again
)

// What names an entry in a message's history. The set is closed.
type What string

// The entries.
const (
	WhatQueued     What = "queued"     // asked for
	WhatHeld       What = "held"       // kept out of the queue, for the reason given as code
	WhatReleased   What = "released"   // let go as far as the reason given as code goes
	WhatRejected   What = "rejected"   // ended by who was asked about it
	WhatAccepted   What = "accepted"   // the carrier took it
	WhatReceipt    What = "receipt"    // a receipt moved the status
	WhatFailed     What = "failed"     // final without a receipt
	WhatRetry      What = "retry"      // not taken, back in the queue
	WhatFailover   What = "failover"   // not taken, on to the next carrier
	WhatUnanswered What = "unanswered" // submitted, outcome unknown; evidence is awaited
	WhatPartial    What = "partial"    // some segments taken, others not
	WhatResolved   What = "resolved"   // evidence said it was accepted
	WhatNotFound   What = "not_found"  // the carrier says it never had it; back in the queue
	WhatResent     What = "resent"     // nothing heard: goes out a second and last time
	WhatGaveUp     What = "gave_up"    // nothing heard: left at that
	WhatWithdrawn  What = "withdrawn"  // taken back
	WhatExpired    What = "expired"    // too late, or no receipt came
)
