package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// patience bounds a wait for something that must come; it is no measure of speed.
const patience = 10 * time.Minute

// browser is a real Chromium with one tab.
type browser struct {
	t   *testing.T
	ctx context.Context
	dir string // where screenshots go
}

// findChromium names the browser; missing is a failure with the remedy.
func findChromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	t.Fatal("no Chromium on this machine; install it: apt-get install chromium (or run `make test`, which does)")
	return ""
}

// artefacts is the folder screenshots are kept in, outside the checkout.
func artefacts(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("RAPPEL_TEST_ARTEFACTS")
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "rappel-artefacts")
	}
	dir = filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "-"))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(findChromium(t)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("lang", "de-CH"), chromedp.Flag("accept-lang", "de-CH,de"), chromedp.WindowSize(1280, 900), chromedp.UserDataDir(t.TempDir()))
	alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, stop := chromedp.NewContext(alloc)
	// The browser starts with a context that has no end of its own: it would close
	// with the first action's.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	t.Cleanup(func() {
		stop()
		stopAlloc()
	})
	b := &browser{t: t, ctx: ctx, dir: artefacts(t)}
	b.do(chromedp.EmulateViewport(1280, 900))
	return b
}

// do runs actions; a failure leaves a screenshot behind.
func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.shot("failed")
		b.t.Fatalf("browser: %v (at %s)", err, b.url())
	}
}

func (b *browser) url() string {
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	u, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil {
		return "?"
	}
	return u
}

func (b *browser) open(url string) { b.t.Helper(); b.do(chromedp.Navigate(url)) }

// eval runs JavaScript and returns its value. A page that is just being replaced has
// no body or drops the question, so it is asked again a few times.
func eval[T any](b *browser, js string) T {
	b.t.Helper()
	var err error
	for range 50 {
		ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
		v, e := chromedp.Run(ctx, chromedp.Evaluate[T](js))
		cancel()
		if err = e; err == nil {
			return v
		}
		time.Sleep(100 * time.Millisecond) // between looks; nothing depends on its length
	}
	b.shot("failed")
	b.t.Fatalf("evaluate %s: %v", js, err)
	panic("unreachable")
}

// quote makes a JavaScript string literal.
func quote(s string) string {
	q, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	return string(q)
}

// click clicks the first element css matches once it is there, and waits for the
// page it may lead to.
func (b *browser) click(css string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(css), chromedp.ScrollIntoView(css), chromedp.Click(css))
}

// fill sets a field's value as typing does.
func (b *browser) fill(css, value string) {
	b.t.Helper()
	b.do(chromedp.WaitReady(css))
	eval[bool](b, fmt.Sprintf(`(() => { const e = document.querySelector(%s); e.value = %s;
		e.dispatchEvent(new Event("input", {bubbles: true})); e.dispatchEvent(new Event("change", {bubbles: true})); return true })()`, quote(css), quote(value)))
}

// body is the text one sees.
func (b *browser) body() string { b.t.Helper(); return eval[string](b, `document.body.innerText`) }

// until waits for cond, reloading the page between looks if reload is set.
func (b *browser) until(what string, reload bool, cond func() bool) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for !cond() {
		if time.Now().After(deadline) {
			b.shot("failed")
			b.t.Fatalf("waited in vain for %s; the page says:\n%s", what, b.body())
		}
		time.Sleep(150 * time.Millisecond) // between looks; nothing depends on its length
		if reload {
			b.do(chromedp.Reload())
		}
	}
}

// untilText waits for the page to show text.
func (b *browser) untilText(text string) {
	b.t.Helper()
	b.until("the text "+quote(text), false, func() bool { return strings.Contains(b.body(), text) })
}

// shot keeps a screenshot of the whole page.
func (b *browser) shot(name string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Logf("screenshot %s: %v", name, err)
		return
	}
	if err := os.WriteFile(filepath.Join(b.dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// shots keeps the page at both widths, light and dark, and fails if it is wider
// than a small phone.
func (b *browser) shots(name string) {
	b.t.Helper()
	for _, look := range []string{"dark", "light"} { // light last: single screenshots are light
		b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
			return err
		}))
		for _, width := range []int64{1280, 360} {
			b.do(chromedp.EmulateViewport(width, 900))
			if over := eval[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
				b.t.Errorf("%s is %d px wider than a screen of %d px", name, over, width)
			}
			b.shot(fmt.Sprintf("%s-%d-%s", name, width, look))
		}
	}
	b.do(chromedp.EmulateViewport(1280, 900))
}

func waitVisible(css string) chromedp.Action[chromedp.Void] { return chromedp.WaitVisible(css) }
