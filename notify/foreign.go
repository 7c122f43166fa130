package notify

import "strings"

// digits are what a phone number ends in, without "+" and leading zeros: some gateways
// write numbers of receipts in their national form. Empty says nothing.
type digits string

// digitsOf reads a number as receipts name it. What is shorter than a number is, or a name,
// or cut or masked by the gateway, says nothing.
func digitsOf(s string) digits {
	s = strings.TrimLeft(strings.TrimPrefix(s, "+"), "0")
	if len(s) < 6 || len(s) > 15 {
		return ""
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return ""
		}
	}
	return digits(s)
}

// Concerns reports whether r can be for a message to recipient. Gateways begin to count
// their ids anew, and an id may be written in more than one way: a receipt that names
// another number is for another message, whatever its id. One that names none may be for any.
//
// Some gateways name the recipient where others have the sender, so either counts.
func (r *Receipt) Concerns(recipient string) bool {
	named := digitsOf(r.Recipient)
	return named == "" || recipient == "" || strings.HasSuffix(recipient, string(named)) || r.Sender == recipient
}

// earlyConcerns is [Receipt.Concerns] in SQL, over the receipt e and its message m.
const earlyConcerns = `(m.recipient IS NULL OR e.recipient !~ '^\+?0*[1-9][0-9]{5,14}$' OR e.sender = m.recipient
    OR right(m.recipient, length(ltrim(e.recipient, '+0'))) = ltrim(e.recipient, '+0'))`

// earlyMessage joins the message of k, the carrier's id for it, as m; NULL if it was purged.
// OFFSET 0: see lookUpRef.
const earlyMessage = `
    LEFT JOIN LATERAL (SELECT m.recipient FROM messages m WHERE m.account_id = k.account_id AND m.id = k.message_id OFFSET 0) AS m ON true`
