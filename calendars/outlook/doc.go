// Package outlook reads Outlook calendars: the authorization code flow against
// the Microsoft identity platform and, through the official SDK, Microsoft
// Graph v1.0. It is the only package that imports that SDK.
//
// Words: the *bell* is calendarView/delta, asked only whether anything came
// back; the *snapshot* is calendarView, which is the truth. A delta link covers
// a *range* fixed when it was made; to *anchor* is to start over with a range
// around today.
//
// # Decisions
//
// About consent:
//
//   - Scopes: Calendars.Read and offline_access, with openid, email and profile
//     to name the account (oid and preferred_username need profile). Personal,
//     work and school accounts alike: the tenant is "common".
//   - The id token comes straight from the token endpoint over TLS, so its
//     signature is not checked (OpenID Connect Core §3.1.3.7, 6); its audience is.
//   - Refresh tokens rotate: Refresh returns a new one nearly every time, and
//     the caller must keep it before it uses the access token.
//   - Revoke does nothing. Microsoft has no endpoint by which a client with our
//     delegated scopes could end a grant; the person does it at
//     https://myapps.microsoft.com, and forgetting the tokens ends it for us.
//
// About reading:
//
//   - The delta is no more than a bell: its occurrences are stubs, it may hide a
//     deleted occurrence and it reports what lies outside of its range as removed.
//   - The range of a delta link never slides, so the bell is anchored anew every
//     week, and when the horizon outgrew it. Anchoring says "changed".
//   - A calendar that refuses a first delta (400, 405, 501, or a 404 that is not
//     in Graph's shape) has no bell: Changed then says true without a cursor, and
//     the snapshot decides.
//   - Ids are immutable ones, asked for on every request; the ordinary ones
//     change when an item moves to another folder.
//   - We never send outlook.timezone, so times come in UTC. A time labelled with
//     a zone that is not in the IANA table is refused instead of guessed.
//   - An all-day event is a floating date labelled UTC. Its date is taken as it
//     stands; the window is widened by a day on both sides when asking, and cut
//     to size afterwards in the calendar's zone.
//   - bodyPreview ends after 255 characters. Where one looks cut, the body is
//     fetched as text: one by one, or with a second calendarView where there are
//     many. Bodies are kept by etag in a bounded memory, so a quiet calendar
//     costs nothing more.
//   - showAs is not asked for: "out of office" is a legitimate state of a home
//     visit, so every kind of Outlook event is an appointment.
//
// About the SDK:
//
//   - Its retry middleware sleeps for as long as the server says inside the call;
//     it is left out. Of the middlewares only the two that repair URLs remain.
//   - Its typed errors panic when a server leaves out a message, and an error in
//     HTML loses its status. So an answer that is not 2xx becomes a
//     *calendars.Error in the transport, before the SDK sees it.
//   - Making a GraphServiceClient writes package-level variables of the SDK
//     without a lock, so one is made once, and each operation has a request
//     adapter of its own.
//   - Odd JSON can make its getters panic; every operation recovers, and reports
//     that the provider did not answer properly.
//   - What parses foreign text (moment, claims, cursor, errors) uses nothing of the
//     SDK. Fuzzing this package compiles the SDK anew with coverage, which takes
//     long; copied into a package of their own, those files fuzz at once.
//   - No request leaves the host of Graph, whatever a link says, because the
//     client adds the access token to whatever it sends.
package outlook
