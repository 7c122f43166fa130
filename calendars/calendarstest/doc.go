// Package calendarstest is the conformance suite of calendar adapters: what
// calendars.Provider promises, tried against the stand-in servers over real HTTP.
// An adapter's test is one call of Run.
//
// The names of the subtests carry the numbers of the test cases they cover.
//
// # Decisions
//
//   - The suite sets the clock of both sides, so no test waits.
//   - What a provider can't do by nature (unticking a scope at Microsoft, marking
//     an event as cancelled at Google) is told apart here by the Side, in one
//     place, instead of by options of each adapter.
//   - A snapshot is compared with the stand-in's own expansion of its series, also
//     after random edits.
package calendarstest
