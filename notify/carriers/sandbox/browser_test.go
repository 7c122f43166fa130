package sandbox

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"rappel/notify"
	"rappel/notify/notifytest"
)

// In a real browser, under the page's own policy: texts appear by themselves, a
// reply goes out, and nothing is wider than a small phone's screen.
func TestPhone_inBrowser(t *testing.T) {
	c, _ := start(t)
	in := notifytest.NewInbox()
	s := browse(t, c, in)
	send := func(phone, body string) {
		t.Helper()
		if _, err := c.Send(t.Context(), notify.Message{Recipient: phone, Sender: "Seefeld", Body: body}); err != nil {
			t.Fatal(err)
		}
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox) // tests may run as root
	if found, err := exec.LookPath("chromium"); err == nil {
		options = append(options, chromedp.ExecPath(found))
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	step := func(a ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if _, err := chromedp.Run(ctx, chromedp.Steps(a...)); err != nil {
			t.Fatal(err)
		}
	}
	step(chromedp.Navigate("about:blank"))                    // starts the browser, whose life is ctx's
	guarded, release := context.WithTimeout(ctx, time.Minute) // for what never comes true
	defer release()
	ctx = guarded

	step(chromedp.Navigate(s.URL+"/outside/phone/"), chromedp.WaitVisible("#texts .empty"))
	send("+41791234567", "erste")
	step(chromedp.WaitVisible("#reply"), chromedp.WaitVisible("#texts .bubble"))
	send("+41791234567", "zweite")
	send("+41790000042", "für jemand anders")
	step(chromedp.WaitVisible("#texts .bubble:nth-of-type(2)"), chromedp.WaitVisible("#phones li:nth-of-type(2)"))
	step(chromedp.SendKeys("#reply input[name=body]", "JA\r"), chromedp.WaitVisible("#texts .bubble.own"))
	if got := in.AwaitInbounds(t, 1)[0]; got.Body != "JA" || got.From != "+41791234567" || got.To != "Seefeld" {
		t.Errorf("got %+v", got)
	}
	step(chromedp.EmulateViewport(360, 740))
	for script, want := range map[string]int{
		`document.querySelectorAll("#texts .bubble").length`: 3,
		`document.documentElement.scrollWidth`:               360,
	} {
		got, err := chromedp.Run(ctx, chromedp.Evaluate[int](script))
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s = %d, want %d", script, got, want)
		}
	}
}
