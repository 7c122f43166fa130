// Package smsmode is the carrier for smsmode's REST API: messages leave one by one,
// receipts and replies come to addresses each message names.
//
// # Words
//
//   - A channel is smsmode's unit of sending, such as one for SMS; an API key belongs to
//     one.
//   - A messageId is smsmode's id of a message, one for all its segments; a refClient is
//     ours, the message's Reference.
//   - A status callback is smsmode's receipt. Replies come as the same kind of object,
//     with direction MO.
//
// # URL
//
//	smsmode://KEY@rest.smsmode.com
//
// KEY is an API key of an SMS channel. Beside the parameters of every carrier over HTTP
// (see package carriers):
//
//	hook=           end of the callbacks' URL, 16 to 128 letters, digits, - and _. Without
//	                it one is derived from the key, so that callbacks under way are refused
//	                when the key changes
//	listed=20m      how long after a submission its absence from the listing proves that it
//	                never arrived
//
// Nothing has to be set up at smsmode: each message brings the address
// <base URL>/hooks/<name>/<hook> for its receipts and its replies.
//
// # What becomes of a submission
//
//	HTTP 2xx with a messageId             accepted
//	HTTP 2xx without                      unknown
//	HTTP 400, 409, 422 …                  rejected
//	HTTP 401, 402, 403, 404, 405, 3xx     our configuration: key, credits, channel, address
//	HTTP 429                              throttled
//	HTTP 5xx, 408                         unknown
//
// # Decisions
//
//   - Callbacks aren't signed. What proves one is the hook in its path, which only smsmode
//     is told; it is compared in constant time.
//   - What smsmode's words of refusal are isn't published in full, so a 400 is a rejection
//     with its errorCode for people to read, and nothing is guessed from it. Why a text
//     went nowhere comes with the receipt, as status and detail.
//   - Statuses occur that the documentation doesn't list. An unknown one is logged and
//     handed on as SENT, which moves nothing; never taken for a failure.
//   - smsmode repeats a callback that got no 2xx for up to a day, so an outage of ours
//     loses none.
//   - refClient doesn't keep smsmode from taking a message twice. It is how Find knows a
//     message in the listing; where the listing leaves it out, number, sender and text
//     decide.
//   - Reporting lags: right after a 201 the message is neither found by its id nor listed,
//     and for some minutes so. Absence proves nothing before the time of listed has
//     passed; until then Find says that it doesn't know.
//   - Dates name no zone. The listing is asked for three hours around the submission, so
//     that any zone smsmode may mean is in it; receipts' dates are left out.
//   - In replies the documentation has the phone in "from", and smsmode's sister API was
//     seen to have it in "recipient". The one that looks like an international number is
//     the phone; if both do, the documentation is followed.
//   - A reply smsmode itself took for an opt-out (body.stop) is one, whatever its words:
//     words that wouldn't be understood as one are handed on as "STOP". Our own texts
//     leave body.stop alone: the STOP line is notify's business.
//
// Sources: https://dev.smsmode.com/sms/v1/ (messages, callbacks), https://dev.smsmode.com/commons/v1/
// (keys, pages). Seen in public integrations and not confirmed by documentation: the lag of
// reporting, statuses and details beyond the list, the turned replies, the repetitions.
package smsmode
