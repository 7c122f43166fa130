package stripe_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rappel/calendars/billing/standin"
)

// A card that is left stands in the clinic's log, once however often Stripe tells of it.
func TestMethods_log(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.leave(1, standin.TakesTime)
	w.deliver(0)
	var got []string
	w.OK(w.DB.Select(&got, `SELECT concat_ws(' ', actor_kind, actor, action, after ->> 'label', after ->> 'standard') FROM audit WHERE account_id = 1 ORDER BY id`))
	if diff := cmp.Diff([]string{"system Stripe payment_methods.insert Visa •••• 0077 false", "system Stripe payment_methods.update true"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
