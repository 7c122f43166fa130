package notify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

// confirmFor is how long a confirmation is worth sending.
const confirmFor = 24 * time.Hour

// confirmation is what somebody reads who wants no more texts, and how to get them again
// if they can write to us. {business} is the account's name.
var confirmation = map[string]struct{ text, again string }{
	"de": {"{business}: Sie erhalten keine SMS mehr von uns.", " Wieder anmelden: START"},
	"fr": {"{business}: vous ne recevrez plus de SMS de notre part.", " Pour en recevoir à nouveau: START"},
	"it": {"{business}: non riceverà più SMS da parte nostra.", " Per riceverne di nuovo: START"},
	"en": {"{business}: you will get no more texts from us.", " To get them again: START"},
}

// longestName is how much of a business's name fits into a confirmation of one segment.
const longestName = 40

// confirmTx queues the text that confirms an opt-out just made, if the person's country
// wants one. Nothing is confirmed to those who didn't tell us themselves, and to carriers,
// which confirm what they are told on their own.
func (o *Outbox) confirmTx(ctx context.Context, tx *sqlx.Tx, out OptOut, now time.Time) error {
	if o.policy == nil || (out.Source != SourceReply && out.Source != SourcePage) || !ValidNumber(out.Recipient) {
		return nil
	}
	v, err := o.policy.view(ctx, tx, out.AccountID)
	if err != nil {
		return fmt.Errorf("confirm an opt-out: %w", err)
	}
	if !v.rulesFor(Country(out.Recipient), now).ConfirmOptOut {
		return nil
	}
	a := v.accounts[out.AccountID]
	m := NewMessage{AccountID: out.AccountID, Kind: Notification, Origin: OriginOptOut, Recipient: out.Recipient, Sender: a.sender,
		// The opt-out is the first since the last was lifted, so its instant tells it from others.
		Reference: fmt.Sprintf("optout:%s:%d", out.Recipient, now.UnixMicro()),
		Body:      a.confirmation(out.Source == SourceReply), Smart: true, Expires: now.Add(confirmFor)}
	if ValidSender(out.To) {
		m.Sender = out.To
	}
	if _, err := o.enqueueAllTx(ctx, tx, []NewMessage{m}); err != nil {
		return fmt.Errorf("confirm an opt-out: %w", err)
	}
	return nil
}

// confirmation is the text in the account's language. answers says that START reaches us.
func (a *accountPolicy) confirmation(answers bool) string {
	words, ok := confirmation[a.language]
	if !ok {
		words = confirmation["de"]
	}
	name := []rune(a.business)
	if len(name) > longestName {
		name = name[:longestName]
	}
	text := strings.Replace(words.text, "{business}", strings.TrimSpace(string(name)), 1)
	if answers {
		text += words.again
	}
	return text
}
