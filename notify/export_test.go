package notify

import "time"

// SetRecordPauses shortens the waits between tries to record, and makes them fewer.
func SetRecordPauses(d *Dispatcher, pauses ...time.Duration) { d.recordPauses = pauses }

// Backoff is backoff.
var Backoff = backoff

// MayReplace is the condition that stands for Status.After in SQL.
const MayReplace = mayReplace
