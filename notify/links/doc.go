// Package links makes the unsubscribe links at the end of marketing texts and finds whose
// texts one refuses.
//
// # Words
//
//   - A token stands for one recipient of one account. A link is the link base and a
//     token, such as rpl.ch/u/8QzT0aBc4k.
//
// # Decisions
//
//   - A token is a keyed hash of account and recipient, so the same person gets the same
//     link in every campaign and nothing is looked up to write it. It is stored all the
//     same: account and number don't fit into so few characters any other way, and a link
//     must work after the key was changed.
//   - Suffix and separator are to be 26 characters, which leaves 19 for the link. The token
//     fills what the base leaves, but never has fewer than ten characters: 59 bits, so
//     that among ten million tokens it takes some 2^36 guesses to hit anybody's. With a
//     base of more than nine characters the suffix is longer, and is shown so.
//   - Letters and digits only: they cost one septet each, and no phone ends a link at
//     them. No https:// in front: phones make links of bare names, and seven characters
//     are seven characters. The host must answer both.
//   - Some phones take the hyphen behind the link for a part of it, so it is ignored.
package links
