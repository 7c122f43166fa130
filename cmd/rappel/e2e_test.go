package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"rappel/calendars/standin"
)

// movable is a clock a test moves ahead; it runs on at its own pace otherwise.
type movable struct {
	mu     sync.Mutex
	offset time.Duration
}

func (m *movable) now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Add(m.offset)
}

// to sets the clock to at, which must not lie behind.
func (m *movable) to(at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d := time.Until(at); d > m.offset {
		m.offset = d
	}
}

// startDev runs `rappel dev` in this process until the test ends.
func startDev(t *testing.T, c devCmd) *devRun {
	t.Helper()
	if c.Data == "" {
		c.Data = t.TempDir()
	}
	c.Listen, c.StandinListen = "127.0.0.1:0", "127.0.0.1:0"
	if c.Carriers == "" {
		c.Carriers = "sandbox://"
	}
	c.Debounce, c.Lease, c.Unanswered, c.LogLevel = time.Second, 5*time.Second, 10*time.Second, "info"
	ctx, cancel := context.WithCancel(context.Background())
	up, down := make(chan *devRun, 1), make(chan error, 1)
	c.up = func(d *devRun) { up <- d }
	var log lockedBuffer
	go func() { down <- c.Run(ctx, stdio{strings.NewReader(""), io.Discard, &log}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-down; err != nil {
			t.Errorf("rappel dev ended with: %v", err)
		}
		if t.Failed() {
			t.Logf("log of rappel dev:\n%s", log.String())
		}
	})
	select {
	case d := <-up:
		return d
	case err := <-down:
		down <- nil
		t.Fatalf("rappel dev did not start: %v\n%s", err, log.String())
	}
	return nil
}

// lockedBuffer collects a log written from many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// TestWholePath walks the way of a stranger in a real browser: log in, connect both
// providers, pick calendars, write a template, make rules, move an appointment and
// cancel another on the stand-in, and watch the phone.
func TestWholePath(t *testing.T) {
	clock := &movable{}
	zone, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	// Nine in the morning of the next working day, so that all happens within one day.
	morning := time.Now().In(zone).AddDate(0, 0, 1)
	for morning.Weekday() == time.Saturday || morning.Weekday() == time.Sunday {
		morning = morning.AddDate(0, 0, 1)
	}
	morning = time.Date(morning.Year(), morning.Month(), morning.Day(), 9, 0, 0, 0, zone)
	clock.to(morning)
	d := startDev(t, devCmd{now: clock.now})
	b := newBrowser(t)

	// Log in, with a wrong password first.
	b.open(d.BaseURL + "/appointments")
	b.shots("login")
	b.fill("#email", demoEmail)
	b.fill("#password", "falsch")
	b.click("#login")
	b.untilText("stimmt nicht")
	b.fill("#password", demoPassword)
	b.click("#login")
	b.until("the page asked for before", false, func() bool { return strings.HasSuffix(b.url(), "/appointments") })
	b.open(d.BaseURL + "/")
	b.shots("dashboard-fresh")

	// Connect both providers through their consent pages.
	b.open(d.BaseURL + "/calendars")
	b.shots("calendars-empty")
	for provider, label := range map[string]string{"google": standin.DemoGoogle, "microsoft": standin.DemoMicrosoft} {
		b.click("#connect-" + provider)
		b.do(waitVisible("#allow"))
		b.shots("consent-" + provider)
		b.click("#allow")
		b.untilText(label + " ist verbunden")
	}

	// A connection somebody refuses changes nothing and is said in plain words.
	b.click("#connect-google")
	b.click("#deny")
	b.untilText("abgebrochen")

	// A number as sender, so that patients can answer; wrong input is answered beside its field.
	b.open(d.BaseURL + "/settings")
	b.fill("#sender", "Praxis am Zürichsee")
	b.click("#save")
	b.until("the words beside the sender", false, func() bool { return eval[bool](b, `!!document.querySelector("#sender[aria-invalid]")`) })
	b.fill("#sender", "+41795550000")
	b.click("#save")
	b.untilText("Einstellungen sind gespeichert")

	// Write a template; the phone beside it follows the typing.
	b.open(d.BaseURL + "/templates/new")
	b.fill("#template-name", "Eine Stunde vorher")
	b.fill("#text-de", "Ihr Termin: {weekday} {date} um {tme}")
	b.until("the advice about the unknown placeholder", false, func() bool { return strings.Contains(b.body(), "Meinten Sie {time}") })
	b.click("#save")
	b.until("the words beside the field", false, func() bool { return eval[bool](b, `!!document.querySelector("#text-de[aria-invalid]")`) })
	b.shots("template-wrong")
	b.fill("#text-de", "Ihr Termin: {weekday} {date} um {time}. {business}")
	b.until("the phone to show the text", false, func() bool {
		return eval[bool](b, `(document.querySelector("#preview .bubble")?.innerText || "").includes("Praxis Seefeld")`)
	})
	b.shots("template")
	b.click("#save")
	b.untilText("«Eine Stunde vorher» ist gespeichert")
	b.shots("templates")

	// Watch all calendars, and give each a rule: one hour before.
	b.open(d.BaseURL + "/calendars")
	for range 2 {
		b.do(waitVisible("form[id^=pick-] input:not(:checked):not([disabled])"))
		eval[bool](b, `(() => { const f = document.querySelector("form[id^=pick-]:has(input:not(:checked))");
			f.querySelectorAll("input[name=watch]").forEach(i => i.checked = true); f.querySelector(".pick-save").click(); return true })()`)
		b.untilText("Auswahl ist gespeichert")
	}
	b.shots("calendars")
	for _, href := range eval[[]string](b, `[...document.querySelectorAll("a[data-calendar]")].map(a => a.href)`) {
		b.open(href)
		b.fill("#kind-new", "hours_before")
		b.fill("#amount-new", "0")
		b.click("#rule-new .rule-save")
		b.until("the words beside the amount", false, func() bool { return eval[bool](b, `!!document.querySelector("#amount-new[aria-invalid]")`) })
		b.fill("#amount-new", "1")
		eval[bool](b, `(() => { const s = document.querySelector("#template-new"); s.value = [...s.options].find(o => o.text === "Eine Stunde vorher").value; return true })()`)
		b.click("#rule-new .rule-save")
		b.untilText("Die Regel ist gespeichert")
		b.shots("calendar")
	}

	// On the stand-in: one appointment per provider that will move, one that will be cancelled.
	type person struct{ number, name string }
	movedTo := morning.Add(4 * time.Hour)
	calendarsOf := map[string]string{}
	for _, p := range d.World.People() {
		for _, c := range d.World.Calendars(p.ID) {
			if calendarsOf[string(p.Provider)] == "" {
				calendarsOf[string(p.Provider)] = c.ID
			}
		}
	}
	if len(calendarsOf) != 2 {
		t.Fatalf("the stand-in has calendars at %d providers, want 2", len(calendarsOf))
	}
	moving := map[string]person{"google": {"079 611 22 33", "Meier"}, "microsoft": {"079 622 33 44", "Huber"}}
	cancelled := map[string]person{"google": {"079 633 44 55", "Keller"}, "microsoft": {"079 644 55 66", "Frei"}}
	add := func(calendar string, p person) string {
		b.open(d.StandinURL + "/?from=" + morning.Format("2006-01-02"))
		form := "#add-" + calendar
		eval[bool](b, fmt.Sprintf(`(document.querySelector(%s).closest("details").open = true)`, quote(cssID(form))))
		form = cssID(form)
		b.fill(form+" [name=title]", "Kontrolle "+p.name+" "+p.number)
		b.fill(form+" [name=date]", morning.Format("2006-01-02"))
		b.fill(form+" [name=time]", morning.Add(3*time.Hour).Format("15:04"))
		b.click(form + " button")
		b.untilText("Kontrolle " + p.name)
		return eval[string](b, fmt.Sprintf(`[...document.querySelectorAll("[id^=event-]")].find(e => e.innerText.includes(%s)).id.slice(6)`, quote("Kontrolle "+p.name)))
	}
	ids := map[string]string{}
	for provider, calendar := range calendarsOf {
		ids["moving "+provider] = add(calendar, moving[provider])
		ids["cancelled "+provider] = add(calendar, cancelled[provider])
	}
	b.shots("standin")

	// They show up by themselves, with number, place and reminder.
	b.open(d.BaseURL + "/appointments")
	b.until("all four appointments", true, func() bool {
		text := b.body()
		return strings.Contains(text, "Kontrolle Meier") && strings.Contains(text, "Kontrolle Huber") && strings.Contains(text, "Kontrolle Keller") && strings.Contains(text, "Kontrolle Frei")
	})
	b.shots("appointments")
	b.open(d.BaseURL + "/")
	b.shots("dashboard")

	// Move two and cancel two, shortly before they are due; nobody polls in between.
	clock.to(morning.Add(1*time.Hour + 55*time.Minute))
	for provider := range calendarsOf {
		b.open(d.StandinURL + "/?from=" + morning.Format("2006-01-02"))
		form := cssID("#move-" + ids["moving "+provider])
		eval[bool](b, fmt.Sprintf(`(document.querySelector(%s).closest("details").open = true)`, quote(form)))
		b.fill(form+" [name=time]", movedTo.Format("15:04"))
		b.click(form + " button")
		event := fmt.Sprintf(`document.querySelector(%s).innerText`, quote(cssID("#event-"+ids["moving "+provider])))
		b.until("the stand-in to show the new time", false, func() bool { return strings.Contains(eval[string](b, event), movedTo.Format("15:04")) })
		b.open(d.StandinURL + "/?from=" + morning.Format("2006-01-02"))
		form = cssID("#cancel-" + ids["cancelled "+provider])
		eval[bool](b, fmt.Sprintf(`(document.querySelector(%s).closest("details").open = true)`, quote(form)))
		b.click(form + " button")
		b.untilText("abgesagt")
	}
	// The old time comes and goes.
	clock.to(morning.Add(2*time.Hour + 5*time.Minute))
	b.open(d.BaseURL + "/appointments")
	b.until("the new time", true, func() bool { return strings.Contains(b.body(), movedTo.Format("15:04")) })
	// The new one comes.
	clock.to(morning.Add(3*time.Hour + 1*time.Second))
	for provider, p := range moving {
		b.open(d.StandinURL + "/phone/?phone=" + e164(p.number))
		b.until("the text on the phone of "+provider, true, func() bool { return eval[int](b, `document.querySelectorAll("#texts .bubble").length`) > 0 })
		b.shots("phone-" + provider)
		text := eval[string](b, `document.querySelector("#texts").innerText`)
		if !strings.Contains(text, "um "+movedTo.Format("15:04")) {
			t.Errorf("%s: the phone shows %q, want the new time %s", provider, text, movedTo.Format("15:04"))
		}
		if old := morning.Add(3 * time.Hour).Format("15:04"); strings.Contains(text, "um "+old) {
			t.Errorf("%s: the phone shows the old time %s: %q", provider, old, text)
		}
		if n := eval[int](b, `document.querySelectorAll("#texts .bubble").length`); n != 1 {
			t.Errorf("%s: %d texts on the phone, want 1", provider, n)
		}
	}
	for provider, p := range cancelled {
		b.open(d.StandinURL + "/phone/?phone=" + e164(p.number))
		if n := eval[int](b, `document.querySelectorAll("#texts .bubble").length`); n != 0 {
			t.Errorf("%s: the cancelled appointment was texted", provider)
		}
	}

	// The log has both, delivered; and the pages say why the cancelled got none.
	b.open(d.BaseURL + "/messages")
	b.until("both delivered", true, func() bool {
		return eval[int](b, `document.querySelectorAll('tr[data-message] .pill[title=DELIVERED]').length`) >= 2
	})
	b.shots("messages")
	b.click("tr[data-message] a")
	b.do(waitVisible("#history"))
	b.shots("message")
	b.open(d.BaseURL + "/settings")
	b.shots("settings")

	// Replying STOP takes effect.
	b.open(d.StandinURL + "/phone/?phone=" + e164(moving["google"].number))
	b.fill("#reply [name=body]", "STOP")
	b.click("#reply button")
	b.do(waitVisible("#texts .bubble.own"))
	b.open(d.BaseURL + "/messages/replies")
	b.until("the reply", true, func() bool { return strings.Contains(b.body(), "Abgemeldet") })
	b.shots("replies")
}

// cssID escapes what an id may have and a selector may not.
func cssID(sel string) string {
	return "[id=" + quote(strings.TrimPrefix(sel, "#")) + "]"
}

// e164 writes a Swiss number in the form a query takes.
func e164(national string) string {
	return "%2B41" + strings.TrimPrefix(strings.ReplaceAll(national, " ", ""), "0")
}
