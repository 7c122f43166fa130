package notify

import (
	"strings"
	"time"
)

// RegistrationState is how far a sender's registration in a country is. "" means that
// nobody asked for one.
type RegistrationState string

// The states.
const (
	RegistrationNone     RegistrationState = ""
	RegistrationPending  RegistrationState = "pending"  // messages are held until it is decided
	RegistrationApproved RegistrationState = "approved" // messages go
	RegistrationRejected RegistrationState = "rejected" // messages are refused
)

// registrationKey names a registration of an account. Networks don't tell capitals from
// small letters, so sender is folded.
type registrationKey struct{ country, sender string }

func registrationOf(country, sender string) registrationKey {
	return registrationKey{country, strings.ToLower(sender)}
}

// accountPolicy is an account's part of the rules.
type accountPolicy struct {
	region        string // whose holidays count besides the country's, ISO 3166-2
	language      string
	business      string
	sender        string // the account's default
	fallback      string // number shown where a sender isn't delivered, "" = none
	twoWay        map[string]bool
	review        Review
	registrations map[registrationKey]RegistrationState
	loaded        time.Time
}

// originator is the sender a message goes out with.
type originator struct {
	sender  string
	kind    senderKind
	why     Reason // why it isn't the one asked for; "" if it is
	refused bool   // nothing fits: why says it
	pending bool   // its registration is under way
}

// originator decides the sender for country. What isn't delivered there is replaced by the
// account's number, if it has one that is.
func (a *accountPolicy) originator(asked, country string, rules *CountryRules) originator {
	why, pending := a.usable(asked, country, rules)
	if why == ReasonNone {
		return originator{sender: asked, kind: a.kindOf(asked), pending: pending}
	}
	if a.fallback != "" && a.fallback != asked {
		if not, pending := a.usable(a.fallback, country, rules); not == ReasonNone {
			return originator{sender: a.fallback, kind: a.kindOf(a.fallback), why: why, pending: pending}
		}
	}
	return originator{sender: asked, kind: a.kindOf(asked), why: why, refused: true}
}

// usable says why sender can't be used in country, ReasonNone if it can; pending, whether
// that waits for a registration.
//
// A registration that was asked for decides, also where none is needed: somebody knows
// more than the rules.
func (a *accountPolicy) usable(sender, country string, rules *CountryRules) (why Reason, pending bool) {
	home, number := numberCountry(sender)
	if isShortCode(sender) { // of whichever country it is sent in
		home, number = country, true
	}
	state := a.registrations[registrationOf(country, sender)]
	needed := rules.RegistrationNeeded
	switch {
	case !number && rules.barred(sender):
		return ReasonSenderBarred, false
	case !number && rules.SenderMode == SenderNone:
		return ReasonSenderName, false
	case !number && rules.SenderMode == SenderRegistered:
		needed = true
	case number && home == country && !rules.NumericSender, number && home != country && !rules.ForeignNumeric:
		return ReasonSenderForeign, false
	}
	switch state {
	case RegistrationPending:
		return ReasonNone, true
	case RegistrationRejected:
		return ReasonSenderRejected, false
	case RegistrationApproved:
		return ReasonNone, false
	}
	if needed {
		return ReasonUnregistered, false
	}
	return ReasonNone, false
}

func (a *accountPolicy) kindOf(sender string) senderKind {
	switch {
	case !strings.HasPrefix(sender, "+") && !isShortCode(sender):
		return senderName
	case a.twoWay[sender]:
		return senderTwoWay
	}
	return senderOneWay
}
