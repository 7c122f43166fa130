// Package notifytest is the suite every carrier passes: what package notify
// promises the dispatcher, tried over the wire against the gateway's stand-in.
//
//	func TestConformance(t *testing.T) {
//		notifytest.Run(t, notifytest.Harness{Open: …, Cases: …, Lacks: …})
//	}
//
// # Words
//
//   - A Case is a way for a Send to end. The Harness says for each what the
//     dispatcher must hear, or why the carrier can't end that way; leaving one out
//     fails the suite.
//   - A Gateway is the far side of one carrier under test, with the handles a
//     test needs.
//
// # Decisions
//
//   - A Want says also whether the gateway has the message although the Send
//     failed. That is the point of ErrUnknown, and a Finder is held to it,
//     and to telling two messages alike apart, or saying that it can't.
//   - Receipts are tried late, early (before the answer to their submission), twice and
//     backwards. Putting them in order is notify's business; a carrier hands on each, as
//     it comes, and acknowledges it only when it was kept.
//   - Nothing waits for time to pass. A slow gateway is one that holds its answer
//     until told; a Send gives up when its context ends.
package notifytest
