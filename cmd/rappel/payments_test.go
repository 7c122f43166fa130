package main

import (
	"context"
	"net/http"
	"net/url"
	"testing"
	"time"

	"rappel/calendars/billing/payments"
	"rappel/calendars/billing/stripe"
)

// The running product: a package is ordered, paid by a click on the stand-in's page, and
// handed over once Stripe's word of it has come to the hook; a card that was left there
// is known.
func TestDev_paysByCard(t *testing.T) {
	t.Parallel()
	d := startDev(t, devCmd{now: time.Now})
	ctx := context.Background()
	var account int64
	if err := d.App.pools.owner.Get(&account, `SELECT account_id FROM logins WHERE email = $1`, demoEmail); err != nil {
		t.Fatal(err)
	}
	o, err := d.App.money.desk.Offer(ctx, payments.Wish{Account: account, Key: "k", Package: 1, Method: payments.Stripe, By: "user:1"})
	if err != nil {
		t.Fatal(err)
	}
	back := stripe.Back{Done: "/healthz", Cancel: "/healthz"}
	page, err := d.App.money.stripe.PayOrder(ctx, o.Ref(), back)
	if err != nil {
		t.Fatal(err)
	}
	store, err := d.App.money.stripe.StoreMethod(ctx, account, "k", back)
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{page, store} {
		res, err := http.PostForm(address, url.Values{"with": {"card:succeeds"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("the page leads to %d, %v", res.StatusCode, err)
		}
	}
	for done := false; !done; time.Sleep(50 * time.Millisecond) { // between looks; nothing depends on its length
		got, err := payments.ByRef(ctx, d.App.pools.owner, o.Ref())
		if err != nil {
			t.Fatal(err)
		}
		cards, err := stripe.Methods(ctx, d.App.pools.owner, account)
		if err != nil {
			t.Fatal(err)
		}
		done = got.Status == payments.Fulfilled && len(cards) == 1 && cards[0].Standard
	}
}
