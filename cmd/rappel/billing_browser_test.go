package main

import (
	"strings"
	"testing"
)

// TestFirstInvoice walks a clinic's way to its first paid invoice, in a real browser: sign
// up, choose a plan, order it, pay the invoice on the payment service's page; leave a card
// there, buy credit, and order some by form.
func TestFirstInvoice(t *testing.T) {
	d := startDev(t, devCmd{})
	// Without a trial, so that the first invoice comes at once.
	if _, err := d.App.pools.owner.Exec(`UPDATE seller SET trial_days = 0`); err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t)

	b.open(d.BaseURL + "/register")
	for field, value := range map[string]string{"#first_name": "Anna", "#last_name": "Muster", "#organisation": "practice", "#business": "Praxis am Rigi",
		"#phone": "044 668 18 00", "#email": "anna@rigi.example", "#password": "ein langes Wort"} {
		b.fill(field, value)
	}
	b.click("#terms")
	b.click("#signup")
	b.untilText("Schauen Sie in Ihr Postfach")
	b.open(d.BaseURL + "/dev/mail")
	b.click("a[data-mail]")
	b.untilText("Praxis am Rigi")
	b.open(eval[string](b, `document.querySelector("#link").getAttribute("href")`))
	b.fill("#password", "ein langes Wort")
	b.click("#confirm")
	b.untilText("Willkommen bei Rappel")
	b.until("the gift of ten texts", true, func() bool {
		return eval[string](b, `document.querySelector(".side .purse .num")?.innerText ?? ""`) == "10"
	})

	// The price follows the number while one types; before anything begins there is an address.
	b.open(d.BaseURL + "/billing")
	b.shots("billing-empty")
	b.click("main .empty a.btn")
	b.untilText("Was das bedeutet")
	b.fill("#quantity", "4")
	b.until("the price of four calendars", false, func() bool { return strings.Contains(b.body(), "CHF\u00a057.00") })
	b.shots("plan")
	b.click("#address")
	b.click("#save")
	b.untilText("Der Ort gehört auf jede Rechnung")
	b.fill("#street", "Seestrasse")
	b.fill("#zip", "6353")
	b.fill("#town", "Weggis")
	b.click("#save")
	b.until("the plan again, as it was", false, func() bool { return eval[string](b, `document.querySelector("#quantity")?.value ?? ""`) == "4" })
	b.untilText("Verbindlich bestellen für CHF\u00a061.62") // 57.00 and 8.1 %
	b.click("#confirm")
	b.untilText("Das Abo hat begonnen")
	b.untilText("Zu bezahlen")
	b.shots("first-invoice")
	b.click("#pay")
	b.do(waitVisible("button[value='card:declines']"))
	b.click("button[value='card:declines']")
	b.untilText("Abgelehnt")
	b.click("button[value='card:succeeds']")
	b.until("the invoice again", false, func() bool { return strings.HasPrefix(b.url(), d.BaseURL+"/billing/invoices/") })
	b.until("the payment", true, func() bool { return eval[bool](b, `!!document.querySelector("[data-state=paid]")`) })
	b.shots("paid")

	// A card is left, and invoices are charged to it from now on.
	b.open(d.BaseURL + "/billing/methods")
	b.click("#add")
	b.click("button[value='card:succeeds']")
	b.until("the list again", false, func() bool { return strings.HasPrefix(b.url(), d.BaseURL+"/billing/methods") })
	b.until("the card", true, func() bool { return eval[bool](b, `!!document.querySelector("[data-method]")`) })
	b.click("#auto")
	b.click("#auto-save")
	b.untilText("werden automatisch belastet")
	b.untilText("CHF\u00a061.62")
	b.shots("methods")

	// Credit, paid online: the page follows by itself until it is there.
	b.open(d.BaseURL + "/billing/credits")
	b.click("tr[data-package] button[value=stripe]")
	b.do(waitVisible("button[value='card:succeeds']"))
	b.click("button[value='card:succeeds']")
	b.untilText("das Guthaben ist da")
	b.shots("order-paid")
	b.open(d.BaseURL + "/billing/credits")
	b.untilText("Gekauftes Paket")
	b.shots("credits")
	b.open(d.BaseURL + "/billing/credits/history")
	b.shots("history")

	// And by form.
	b.open(d.BaseURL + "/billing/credits")
	b.click("tr[data-package] button[value=bank]")
	b.untilText("Die Bestellung liegt bereit")
	b.shots("order-form")
}
