// Package smsup is the carrier for SMSup, and for its French sister SMSFactor, whose API
// is the same: messages leave as campaigns of one recipient, receipts and replies come as
// webhooks.
//
// # Words
//
//   - A gsmsmsid is an id the sender chooses for one recipient of a campaign; receipts
//     name it. Ours is the message's Reference, so a receipt tells which message it is
//     for even when the answer to its submission was lost.
//   - A ticket is SMSup's id of a campaign; nothing but its history goes by it.
//   - The funnel is what SMSup filters out before sending: its answer counts, for a
//     campaign of one, why that one didn't go (blacklisted, npai, invalid, not_allowed,
//     flood, country_limit, duplicated).
//   - Moderation (status -8) is a person at SMSup who reads a text before it leaves.
//
// # URL
//
//	smsup://TOKEN@api.smsup.ch?hook=…
//	smsup://TOKEN@api.smsfactor.com?hook=…
//
// TOKEN is an API token of the account. Beside the parameters of every carrier over HTTP
// (see package carriers):
//
//	hook=           a secret of our own making, 16 to 128 letters, digits, - and _: the end
//	                of the webhooks' URL. Without it, one is derived from TOKEN; doctor tells it.
//	signature=      the secret given to the webhooks as their signature, if there is one.
//	                Without hook= it proves them by itself, without a token in their URL.
//	listed=10m      how long after a submission its absence from the history proves that
//	                it never arrived
//
// In SMSup's console, or with POST /webhook, these webhooks are made:
//
//	DLR and MO      <base URL>/hooks/<name>/<hook>
//	STOP            <base URL>/hooks/<name>/<hook>/stop
//
// # What becomes of a submission
//
//	HTTP 2xx, status 1, sent 1            accepted
//	          status -8                   accepted: a person decides, SMSup tells by receipt
//	          status 1, sent 0            by the funnel: opted out, invalid destination,
//	                                      not allowed, no route, temporary, rejected
//	          status -1, -2, -3, -4,      our configuration: token, format, credits
//	                 -5, -6
//	          status -7                   rejected
//	          status -99, unknown, none   unknown
//	HTTP 429                              throttled
//	HTTP 401, 402, 403, 404, 3xx          our configuration
//	HTTP 5xx, 408                         unknown
//
// # Decisions
//
//   - "No need to retry" says SMSup's documentation of -8: the text will leave as soon as
//     somebody has read it. So it counts as accepted; one that is turned down never gets a
//     receipt and ends as EXPIRED.
//   - The anti-flood filter looks at one phone, so flood is ErrTemporary, tried again
//     later: ErrThrottled would stop everybody's texts for one person's.
//   - A number under "blacklisted" has replied STOP to this account; it is suppressed here
//     too. "npai" is one operators have said doesn't exist.
//   - unicode is set only for texts that need it: with it a segment holds 70 characters,
//     and without it SMSup drops what GSM-7 lacks.
//   - The token in the hook's path is what proves a webhook, or its signature, and where
//     both are set, both do. SMSFactor's documentation
//     says of X-SMSFactor-Signature only that requests are "signed with that secret", not
//     how, and integrations in use compare it with the secret as it is. So with signature=
//     the header must be there too, either as the secret itself or as the HMAC-SHA-256 of
//     the body, in hexadecimal or base64; nobody without the secret can make any of them.
//   - A receipt that names no gsmsmsid, or none of ours, belongs to a text somebody sent
//     in SMSup's console or by another program. One without is acknowledged and left; one
//     with another's is handed on without its number, so that it is evidence for nothing.
//     Two installations must not share an account: their references look alike.
//   - The history has no gsmsmsid, so Find goes by number, sender, text and time, and says how
//     many such texts there are; which of ours have arrived anyway says whether one of
//     them is the one in question. The text may have grown SMSup's own STOP line at its end. Its dates name no zone. They are
//     taken for Europe/Paris, which the API's other dates must be in, or for UTC, whichever
//     lets the message be found: believing that one is missing would send it twice.
//   - The history isn't promised to be complete at once, so absence proves nothing before
//     the time of listed has passed; until then Find says that it doesn't know.
//   - Replies have no id. Ours is made of what SMSup says of them, so a repetition is
//     recognised; two equal texts of one person within a second count as one.
//   - What a STOP webhook brings is an opt-out whatever its words: words that wouldn't be
//     understood as one are handed on as "STOP".
//
// Sources: https://doc.smsup.ch/en, https://dev.smsfactor.com/en (API of SMS: send, webhooks,
// campaigns, account), their incident page p7lggm6yvfm1 for the funnel.
package smsup
