package reminders

import (
	"strings"

	"rappel/notify"
)

// genericSenders are names that Swiss and German operators refuse, since they say
// nothing about who writes.
var genericSenders = map[string]bool{
	"INFO": true, "SMS": true, "NOTICE": true, "SYSTEM": true, "TEST": true, "ALERT": true, "MESSAGE": true,
	"NOTIFY": true, "VERIFY": true, "SERVICE": true,
}

// checkSender accepts what notify.ValidSender does, but no generic name.
func checkSender(field, s string) []FieldError {
	switch {
	case !notify.ValidSender(s):
		return []FieldError{{Field: field, Code: CodeSenderForm}}
	case genericSenders[strings.ToUpper(strings.TrimSpace(s))]:
		return []FieldError{{Field: field, Code: CodeSenderGeneric}}
	}
	return nil
}
