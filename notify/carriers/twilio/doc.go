// Package twilio is the carrier for Twilio's messaging resource: messages leave
// by REST, receipts and replies come as signed webhooks.
//
// # Words
//
//   - A sid is Twilio's id of a message, such as SM…; one for all its segments.
//   - A status callback is Twilio's receipt; an incoming message webhook is an MO.
//     Both arrive at /hooks/<name> and are told apart by their fields.
//
// # URL
//
//	twilio://SID:TOKEN@api.twilio.com?messaging_service=MG…
//
//	twilio://SK…:SECRET@api.twilio.com?account=AC…&token=TOKEN
//
// The credentials are the account's SID and auth token, or an API key, its secret, and the
// account's SID beside them. Webhooks are verified by the auth token in either case: with a
// key and without token= no receipts and no replies are taken. Beside the parameters of every carrier over
// HTTP (see package carriers):
//
//	messaging_service=    sends from this service in place of the message's sender, which
//	                      may not be in the service's pool
//
// In Twilio's console the number's "A message comes in" is set to
// <base URL>/hooks/twilio, best with the fragment #rc=5&rp=all, which makes
// Twilio repeat a request that failed.
//
// # Decisions
//
//   - Plain REST and not twilio-go: one form post, one listing and one signature
//     are a page of code, against a client for some dozens of products; and that
//     client hides what this carrier must know, namely whether the request had
//     begun to leave when it failed.
//   - Find lists by recipient alone. Twilio's filter by date sent leaves out what
//     is still queued, which is just what may be looked for. Pages come newest
//     first, so it stops at the first message older than asked.
//   - Twilio gives up on a webhook after 15 seconds of attempts, so an outage of
//     ours loses receipts, never messages; those texts end as EXPIRED.
//   - The signature is tried with and without the port and the fragment: Twilio's own
//     libraries do the former, and on the latter its documentation is silent.
//   - A message somebody canceled in Twilio's console is REJECTED with the code canceled.
//     It had been accepted, and what was SENT is never NOT_SENT again.
//   - The URL signed is the public one, base URL and the path Twilio called, whatever
//     host a proxy in between asks us by.
//   - Without a StatusCallback of ours none is asked for, nor towards Twilio
//     itself with a loopback one: it refuses such URLs, and the message with it.
package twilio
