// Package optout knows the words by which people refuse texts, want them again, or ask
// for help, in all languages Rappel writes in.
//
// # Decisions
//
//   - A whole reply must equal a word, after [Normalize]. People write "please stop by
//     later"; losing their reminders over that is worse than a second STOP.
//   - All languages count at once: somebody who gets German texts may answer ARRET.
//   - CANCEL isn't among them: it is what patients write to cancel an appointment.
//     Gateways that take it for an opt-out say so when we next submit.
//   - What the words lead to (the list of numbers, the queue) is package notify's.
package optout
