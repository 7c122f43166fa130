package notify

import "time"

// traffic is what is leased, claimed and given its part of the window by itself.
type traffic struct {
	kind     string // of due work
	priority int16  // in the queue
	bulk     bool
	rest     time.Duration // pause between looks, in units of Config.Poll
}

var (
	urgentTraffic = &traffic{kind: dueKind, priority: priorityNotification, rest: 1}
	bulkTraffic   = &traffic{kind: bulkKind, priority: priorityMarketing, bulk: true, rest: 4}
)

// bulkKind is the kind of due work that is marketing.
const bulkKind = "campaign"

// dueKindOf is the kind of due work a message of kind k is.
func dueKindOf(k Kind) string {
	if k == Marketing {
		return bulkKind
	}
	return dueKind
}
