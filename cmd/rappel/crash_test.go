package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the program itself, so that it can be killed.
func TestMain(m *testing.M) {
	if os.Getenv("RAPPEL_TEST_PROGRAM") == "1" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr})
		stop()
		os.Exit(code)
	}
	if orders := os.Getenv(chaosVariable); orders != "" {
		os.Exit(chaosDispatcher(orders))
	}
	os.Exit(m.Run())
}

// victim is a `rappel dev` in a process of its own.
type victim struct {
	t       *testing.T
	cmd     *exec.Cmd
	product string
	outside string
	lines   chan string // its log, line by line; closed when it ends
	http    *http.Client
}

var addresses = regexp.MustCompile(`(the product|stand-in calendars)\s+(http://[^\s/]+)`)

// startVictim runs the program over the data in dir and waits until it is ready.
func startVictim(t *testing.T, dir string) *victim {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &victim{t: t, lines: make(chan string, 100000), http: &http.Client{Jar: jar, Timeout: time.Minute}}
	v.cmd = exec.Command(os.Args[0], "dev", "--data", dir, "--listen", "127.0.0.1:0", "--standin-listen", "127.0.0.1:0",
		"--debounce", "100ms", "--lease", "2s", "--unanswered-wait", "3s", "--log-level", "debug")
	v.cmd.Env = append(os.Environ(), "RAPPEL_TEST_PROGRAM=1")
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	log, err := v.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(v.lines)
		s := bufio.NewScanner(log)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			select {
			case v.lines <- s.Text():
			default: // enough is enough: a full pipe must not stop the program
			}
		}
	}()
	s := bufio.NewScanner(out)
	for s.Scan() {
		for _, m := range addresses.FindAllStringSubmatch(s.Text(), -1) {
			if m[1] == "the product" {
				v.product = m[2]
			} else {
				v.outside = m[2]
			}
		}
		if strings.Contains(s.Text(), "Ctrl-C") {
			go func() { _, _ = io.Copy(io.Discard, out) }() // it ends with the process
			return v
		}
	}
	_ = v.cmd.Wait() // how it ended stands in its log
	t.Fatalf("the program did not get ready; its log:\n%s", v.rest())
	return nil
}

// rest drains the log.
func (v *victim) rest() string {
	var b strings.Builder
	for l := range v.lines {
		b.WriteString(l + "\n")
	}
	return b.String()
}

// kill ends the process as a power cut would.
func (v *victim) kill() {
	v.t.Helper()
	if err := v.cmd.Process.Kill(); err != nil {
		v.t.Fatal(err)
	}
	_ = v.cmd.Wait() // it says "killed", as it was
}

// stop ends the process in order; it must end well.
func (v *victim) stop() {
	v.t.Helper()
	if err := v.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		v.t.Fatal(err)
	}
	rest := v.rest()
	if err := v.cmd.Wait(); err != nil {
		v.t.Errorf("the program stopped with %v; its log ends:\n%s", err, rest[max(0, len(rest)-3000):])
	}
}

// get and post fetch a page and must succeed.
func (v *victim) get(u string) string { v.t.Helper(); return v.read(v.http.Get(u)) }

func (v *victim) post(u string, form url.Values) string {
	v.t.Helper()
	return v.read(v.http.PostForm(u, form))
}

func (v *victim) read(resp *http.Response, err error) string {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		v.t.Fatalf("%s %s: %s\n%.2000s", resp.Request.Method, resp.Request.URL.Path, resp.Status, body)
	}
	return string(body)
}

var (
	hiddenInput = regexp.MustCompile(`<input[^>]*type="(?:hidden|radio|checkbox)"[^>]*>`)
	attribute   = regexp.MustCompile(`(name|value)="([^"]*)"`)
)

// consent follows /connect/<provider> to the consent page and agrees.
func (v *victim) consent(provider string) {
	v.t.Helper()
	resp, err := v.http.Get(v.product + "/connect/" + provider)
	if err != nil {
		v.t.Fatal(err)
	}
	at := resp.Request.URL
	page := v.read(resp, err)
	form := url.Values{}
	for _, in := range hiddenInput.FindAllString(page, -1) {
		var name, value string
		for _, a := range attribute.FindAllStringSubmatch(in, -1) {
			if a[1] == "name" {
				name = a[2]
			} else {
				value = strings.NewReplacer("&amp;", "&", "&#43;", "+", "&#34;", `"`, "&#39;", "'").Replace(a[2])
			}
		}
		if name == "person" && form.Get("person") != "" {
			continue
		}
		form.Add(name, value)
	}
	form.Set("action", "allow")
	if back := v.post(at.String(), form); !strings.Contains(back, "ist verbunden") {
		v.t.Fatalf("consent at %s did not connect:\n%.3000s", provider, back)
	}
}

// TestKilledAtAnyMoment kills `rappel dev` again and again at random moments while
// appointments come in and reminders go out, and starts it again over the same data.
// In the end every appointment has been texted, and none twice.
func TestKilledAtAnyMoment(t *testing.T) {
	const (
		kills   = 22
		perLife = 3
	)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()

	v := startVictim(t, dir)
	v.http.Jar = mustJar(t)
	login := func() {
		t.Helper()
		if page := v.post(v.product+"/login", url.Values{"email": {demoEmail}, "password": {demoPassword}}); !strings.Contains(page, "Praxis Seefeld") {
			t.Fatalf("log-in failed:\n%.2000s", page)
		}
	}
	login()
	v.consent("google")
	v.consent("microsoft")
	page := v.get(v.product + "/calendars")
	for _, pick := range regexp.MustCompile(`(?s)<form method="post" action="/connections/(\d+)/pick".*?</form>`).FindAllStringSubmatch(page, -1) {
		form := url.Values{}
		for _, m := range regexp.MustCompile(`name="watch" value="(\d+)"`).FindAllStringSubmatch(pick[0], -1) {
			form.Add("watch", m[1])
		}
		v.post(v.product+"/connections/"+pick[1]+"/pick", form)
	}
	template := regexp.MustCompile(`data-template="(\d+)"`).FindStringSubmatch(v.get(v.product + "/templates"))
	for _, m := range regexp.MustCompile(`data-calendar="(\d+)"`).FindAllStringSubmatch(v.get(v.product+"/calendars"), -1) {
		v.post(v.product+"/calendars/"+m[1]+"/rules", url.Values{"kind": {"hours_before"}, "amount": {"3"}, "template": {template[1]},
			"late": {"send"}, "late_hours": {"0.5"}, "enabled": {"1"}})
	}
	calendars := regexp.MustCompile(`<form id="add-([^"]+)"`).FindAllStringSubmatch(v.get(v.outside+"/"), -1)
	if len(calendars) < 4 {
		t.Fatalf("%d calendars on the stand-in", len(calendars))
	}

	zone, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	var numbers []string
	add := func() {
		t.Helper()
		for range perLife {
			number := fmt.Sprintf("+4179%07d", 3000500+len(numbers)*1000+random.IntN(100)) // not the endings the sandbox fails on
			numbers = append(numbers, number)
			start := time.Now().In(zone).Add(2*time.Hour + time.Duration(random.IntN(30))*time.Minute)
			v.post(v.outside+"/add", url.Values{"calendar": {unescape(calendars[random.IntN(len(calendars))][1])}, "title": {"Kontrolle " + number},
				"date": {start.Format("2006-01-02")}, "time": {start.Format("15:04")}, "minutes": {"30"}, "weeks": {"1"}, "location": {""}, "description": {""}})
		}
	}
	for i := range kills {
		if i > 0 {
			v = startVictim(t, dir)
		}
		// The moment is a number of looks at the phone: no clock, and any place in the
		// work, which goes on meanwhile.
		add()
		for range random.IntN(150) {
			v.get(v.outside + "/phone/")
		}
		v.kill()
		v.rest()
	}

	// The last life goes on until everything has arrived, and is stopped in order.
	v = startVictim(t, dir)
	deadline := time.Now().Add(patience)
	bubble := regexp.MustCompile(`class="bubble[^"]*"`)
	for i, number := range numbers {
		for {
			n := len(bubble.FindAllString(v.get(v.outside+"/phone/?phone="+url.QueryEscape(number)), -1))
			if n > 1 {
				t.Errorf("a number got %d texts", n)
			}
			if n > 0 {
				break
			}
			if time.Now().After(deadline) {
				login()
				t.Errorf("a reminder is lost: no text for appointment %d of %d; its story:\n%s", i, len(numbers),
					plainText(v.get(v.product+"/appointments?show=all&q="+url.QueryEscape(number))))
				break
			}
			time.Sleep(100 * time.Millisecond) // between looks; nothing depends on its length
		}
	}
	// Look once more after the waiting times for evidence have passed, for doubles.
	for _, number := range numbers {
		if n := len(bubble.FindAllString(v.get(v.outside+"/phone/?phone="+url.QueryEscape(number)), -1)); n != 1 {
			t.Errorf("a number got %d texts, want 1", n)
		}
	}
	t.Logf("%d appointments, %d kills: each texted once", len(numbers), kills)
	v.stop()
}

// plainText is what a page says, without its tags.
func plainText(page string) string {
	_, page, _ = strings.Cut(page, "<main")
	page = regexp.MustCompile(`(?s)<(script|style).*?</(script|style)>|<[^>]*>`).ReplaceAllString(page, " ")
	return strings.Join(strings.Fields(page), " ")
}

func mustJar(t *testing.T) http.CookieJar {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return jar
}

func unescape(s string) string { return strings.ReplaceAll(s, "&#43;", "+") }
