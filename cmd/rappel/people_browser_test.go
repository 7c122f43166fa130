package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"
)

// TestSignUp walks a clinic's way in, in a real browser: sign up, follow the mail's link,
// set up the second factor, log in with it, make a passkey and log in with that; then
// invite somebody, make a sub-account, and let support in.
func TestSignUp(t *testing.T) {
	clock := &movable{}
	d := startDev(t, devCmd{now: clock.now})
	b := newBrowser(t)
	base := strings.Replace(d.BaseURL, "127.0.0.1", "localhost", 1) // passkeys are bound to names

	b.open(base + "/register")
	b.shots("register")
	b.click("#signup")
	b.untilText("Bitte geben Sie Ihren Vornamen an")
	b.shots("register-wrong")
	for field, value := range map[string]string{"#first_name": "Anna", "#last_name": "Muster", "#organisation": "practice", "#business": "Praxis am Rigi",
		"#phone": "044 668 18 00", "#email": "anna@rigi.example", "#password": "ein langes Wort"} {
		b.fill(field, value)
	}
	b.click("#terms")
	b.click("#signup")
	b.untilText("Schauen Sie in Ihr Postfach")
	b.shots("sent")
	b.open(base + "/dev/mail")
	b.shots("dev-mails")
	b.click("a[data-mail]")
	b.untilText("Praxis am Rigi")
	b.shots("dev-mail")
	link := eval[string](b, `document.querySelector("#link").getAttribute("href")`)
	b.open(strings.Replace(link, "127.0.0.1", "localhost", 1))
	b.shots("confirm")
	b.fill("#password", "ein langes Wort")
	b.click("#confirm")
	b.untilText("Willkommen bei Rappel")
	b.shots("welcome")
	if body := b.body(); !strings.Contains(body, "Praxis am Rigi") {
		t.Errorf("the first page: %s", body)
	}

	// The second factor.
	b.open(base + "/profile")
	b.shots("profile")
	b.click("#security")
	b.untilText("Wo Sie angemeldet sind")
	b.shots("security")
	b.fill("#start-password", "ein langes Wort")
	b.click("#totp-start")
	b.untilText("Code aus der App")
	b.shots("totp")
	secret := strings.ReplaceAll(eval[string](b, `document.querySelector("#secret").textContent`), " ", "")
	code := func() string {
		t.Helper()
		c, err := totp.GenerateCode(secret, clock.now())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	b.fill("#code", code())
	b.click("#totp-on")
	b.untilText("Sie werden nur jetzt gezeigt")
	b.shots("recovery")
	b.click("#done")
	b.untilText("Eingeschaltet")
	logOut := func() {
		t.Helper()
		b.click(".side form[action='/logout'] button")
		b.until("the log-in page", false, func() bool { return strings.HasSuffix(b.url(), "/login") })
	}
	logOut()
	clock.to(clock.now().Add(31 * time.Second)) // no code is taken twice
	b.fill("#email", "anna@rigi.example")
	b.fill("#password", "ein langes Wort")
	b.click("#login")
	b.untilText("Zweiter Schritt")
	b.shots("code")
	b.fill("#code", "000000")
	b.click("#check")
	b.untilText("stimmt nicht")
	b.fill("#code", code())
	b.click("#check")
	b.untilText("Praxis am Rigi")

	// A passkey, on a device that is always there and always knows its owner.
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		if _, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return err
		}
		_, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal, HasResidentKey: true, HasUserVerification: true,
			IsUserVerified: true, AutomaticPresenceSimulation: true}})
		return err
	}))
	b.open(base + "/profile/security")
	b.fill("#passkey-name", "Empfang")
	b.fill("#passkey-password", "ein langes Wort")
	b.click("#passkey-add")
	b.untilText("Der Passkey ist gespeichert")
	b.shots("passkeys")
	logOut()
	b.click("#passkey-login")
	b.untilText("Praxis am Rigi")
	b.open(base + "/profile/security")
	b.untilText("mit Passkey")
	b.shots("sessions")
	b.click("[data-passkey-id] summary")
	b.fill("[data-passkey-id] input", "ein langes Wort")
	b.shots("passkey-remove")
	b.click("[data-passkey-id] button.danger")
	b.untilText("Der Passkey ist entfernt")

	// People, sub-accounts, support.
	b.open(base + "/users")
	b.fill("#invite-email", "bea@rigi.example")
	b.fill("#invite-name", "Bea Beispiel")
	b.click("#invite")
	b.untilText("Offene Einladungen")
	b.shots("users")
	b.open(base + "/accounts")
	b.shots("accounts-empty")
	b.fill("#business", "Praxis am Berg")
	b.click("#make")
	b.untilText("ist angelegt")
	b.shots("accounts")
	b.click("form[data-enter] button")
	b.untilText("Sie arbeiten im Unterkonto")
	b.shots("below")
	b.click("#leave")
	b.untilText("Unterkonten")
	b.open(base + "/settings/support")
	b.click("#grant")
	b.untilText("Der Support hat jetzt Zugang")
	b.shots("consent")
	b.open(base + "/audit")
	b.untilText("Passkey hinzugefügt")
	b.shots("audit")
	b.open(base + "/tokens")
	b.shots("tokens")
	logOut()

	b.fill("#email", demoOperators[2])
	b.fill("#password", demoPassword)
	b.click("#login")
	b.until("the operator's first page", false, func() bool { return strings.HasSuffix(b.url(), "/admin") })
	b.open(base + "/admin/support")
	b.untilText("Zugang bis")
	b.shots("support")
	b.click("form[data-enter] button")
	b.untilText("Sie sind als Support bei Praxis am Rigi")
	b.shots("acting")
	b.click("#leave")
	b.untilText("Sie haben das Konto verlassen")
	logOut()
	b.fill("#email", demoOperators[1])
	b.fill("#password", demoPassword)
	b.click("#login")
	b.until("the operator's first page", false, func() bool { return strings.HasSuffix(b.url(), "/admin") })
	b.shots("admin")
	b.open(base + "/admin/review")
	b.shots("review")
}
