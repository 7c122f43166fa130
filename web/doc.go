// Package web is what people and gateways see of Rappel: pages, incoming webhooks,
// sessions.
//
// Pages are rendered on the server from html/template, one set per language, and
// work without script; static/app.js adds fragments that refresh themselves and
// the preview beside the editor. A page is: a route in routes.go, a handler that
// fills a data struct, a file in pages/ that defines "main", and words in i18n/.
//
// # Decisions
//
//   - Every request that belongs to somebody runs in one transaction bound to the
//     account, as a role that row-level security binds (migrations.InAccount). The
//     directory (which account does this address log in to?) is read by accounts.Store.
//   - Writes go through the package that owns the table. Reads that join several
//     rooms for one page live here, beside the page that shows them.
//   - The list of routes is data: tests walk it, so a new route can't be forgotten.
//   - Each route names the roles it is for (roles.go); links are drawn only to pages one may
//     open. A test walks every route as every role, as nobody and as another clinic's owner.
//   - The operator's pages, below /admin, work as a database role that has no right on
//     anything of patients. The reviewer's texts come through ReviewDesk, recipients masked.
//   - The billing admin's lists are data (admin_lists.go): page, search, filter, CSV and
//     workbook of one are the same statement, and a figure that counts or adds up rows is
//     reckoned from it as well (admin_figures.go). What an admin can order is data, too
//     (admin_actions_*.go): all of it goes through one form, one preview and one record.
//   - What a billing admin confirms is compared with what it would do now, by a digest of
//     the preview; the rooms do it once by the form's key. Above a limit, counted over a day
//     per admin and clinic, a second admin confirms; the database refuses the same one.
//   - An owner in a sub-account, and support in a clinic that let it in, are the same log-in
//     with another account at work; a banner says so on every page.
//   - The terms are pages of ours until the operator names its own; /terms and /privacy lead
//     there then, so links in pages and letters stay as they are.
//   - Letters are worded here like pages (postman.go); package mail sends them.
//   - Only errors.go turns errors into status codes and wording.
//   - Cross-site requests are refused by net/http's CrossOriginProtection (fetch
//     metadata), cookies are SameSite=Lax, and the content security policy allows
//     nothing but our own files: no inline script, no inline style.
//   - German first: language of the user, else what the browser asks for, else de.
//   - Starting a connection is a GET, since a form's redirect to the provider would
//     need its host in form-action; the state it creates is bound to the session.
//   - Paying is a POST, for it makes an order, or a page at the payment service. That
//     service's origin stands in form-action, else the browser wouldn't follow.
//   - A change of the plan is confirmed by the digest of the quote that was shown, the version
//     of the subscription, and a key of the form. Where any of it is another one by now the
//     change is shown again and nothing is billed; a second click of the first finds it done.
//   - Who comes for the first time has a trial; who comes back begins on invoice, as long as
//     nothing is owed.
//   - The balance stands on every page of an account that pays for texts: two looks at a few
//     rows. What must be paid is told to everybody there, and leads to whoever may see to it.
//   - Titles lie sealed, so a search opens them piece by piece and stops after some
//     thousands; the next page goes on. Nothing of a title is kept in the clear for it.
//   - An appointment that vanished stays in the list for a day, struck out, and for good
//     where somebody got a text: whoever deleted it sees that it was noticed.
//   - The log shows the last 30 days unless asked for more, and what is about one person
//     or one appointment whole. Filters, counts, pages and exports read one and the same
//     query string, so they can't disagree.
//   - Exports are CSV by the letter of RFC 4180 for programs and XLSX for people: a CSV that
//     opens well in one country's Excel doesn't in another's. A CSV leaves as it is read; a
//     workbook is written to a temporary file first. 992,000 messages took 9 MB of heap as
//     CSV and 48 MB as XLSX (72 MB of file).
//   - A status says what happened, a reason why, and both what the reader can do; a test
//     walks all of them in all languages, so a new one can't go unworded.
//   - axe-core looks at every page in a real browser, light and dark, wide and narrow. It
//     comes from npm into .cache, pinned by its hash, and is never part of the product.
//   - A number on a page leads to the rows it counts; a test follows each of them.
//   - A look at an unsubscribe link changes nothing, since programs look at the links in
//     texts before people do; the button opts out. The page is the same for everybody,
//     shows no whole number, and tells nobody its address.
package web
