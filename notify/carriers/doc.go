// Package carriers is what the carriers that reach their gateway over HTTP have in
// common: the parameters of their URLs, one request made with care, and one webhook
// answered with care. Each gateway's own words are in the packages below.
//
// # Words
//
//   - A carrier URL is one entry of RAPPEL_CARRIERS: scheme for the kind of gateway,
//     the secret before the @, the gateway's host, and parameters.
//   - A hook is where a gateway calls us: <base URL>/hooks/<name>, followed by a token
//     where the gateway doesn't sign what it says.
//   - News is what one such call brings: receipts or a reply.
//
// # Parameters of every carrier URL over HTTP
//
//	name=<scheme>   the key stored with every message, and the hook's path: letters,
//	                digits, - and _
//	window=10       requests under way at once, 1 to 1000
//	rate=0          segments per second, 0 = no limit
//	timeout=15s     for one request
//	scheme=https    http is the default for loopback hosts alone
//
// # Decisions
//
//   - Whether a request that failed may be repeated is asked of net/http/httptrace.
//     Nothing written: ErrTemporary. Anything written and no proper answer: ErrUnknown,
//     also for 5xx, since a proxy's 502 says nothing about the message behind it.
//   - rate is kept by the Dispatcher for all processes together (notify.Limited); the
//     limiter here smooths what one process sends at once.
//   - No redirect is followed: it would carry the text elsewhere.
//   - No error quotes a URL, a body or a parameter's value: they hold numbers, texts and
//     tokens.
//   - A hook says 503 when the news was not kept, so that the gateway brings it again,
//     and 2xx only after it was. A panic while keeping counts as not kept; its value
//     could hold a number, so it is dropped.
//   - A token in a hook's path is compared in constant time, and over digests, so that
//     not even its length can be measured.
//   - This is a package of its own and not a part of notify, which knows carriers by
//     their interfaces alone; and not copied into each adapter, since what it does wrong
//     sends texts twice.
package carriers
