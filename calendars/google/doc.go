// Package google reads Google calendars: the authorization code flow against
// Google's OAuth endpoints and, through the official client, Calendar API v3.
//
// Words: the *bell* is events.list with a sync token, asked only whether
// anything came back; the *snapshot* is events.list with singleEvents=true over
// a window, which is the truth. A *tombstone* is an item with status cancelled
// and hardly any other field.
//
// # Decisions
//
//   - Two read-only scopes, calendar.events.readonly and
//     calendar.calendarlist.readonly. People can untick either, so the granted
//     scopes are compared before a connection exists. A partial grant is not
//     revoked: at Google a revocation ends every grant of the same person to our
//     client, also a healthy one.
//   - No openid: the id of the primary calendar is the account's address, and
//     calendarList tells it with the scopes we hold anyway. An authority that sends
//     an id token unasked is believed instead.
//   - The bell rings with singleEvents=false. With true, one touched weekly
//     series delivers several hundred instances into the 2040s.
//   - The cursor holds the sync token only. Time bounds are given when the bell
//     is armed and never again: they are forbidden beside a sync token.
//   - A server that ends a list without a sync token has no bell; Changed then
//     says true without a cursor, and the snapshot decides.
//   - A 400 to a sync token means the token is malformed, so it counts as lost
//     like a 410. Otherwise a damaged cursor would block a calendar for ever.
//   - A 404 that is not in Google's error shape comes from something in between
//     (a proxy, a wrong URL). It is "no answer", not "the calendar is gone",
//     because the latter stops a clinic's reminders.
//   - A time without offset is refused instead of read in the calendar's zone:
//     in the repeated hour of autumn that would be a guess.
//   - Redirects are not followed and no request leaves the host of the API,
//     because the client adds the access token to whatever it sends.
//   - Error texts carry no URL and no reply body: both contain addresses.
package google
