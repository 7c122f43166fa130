package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
)

// command runs the program in-process and returns its exit status and output.
func command(t *testing.T, stdin string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(context.Background(), args, stdio{strings.NewReader(stdin), &o, &e})
	return code, o.String(), e.String()
}

func TestSegmentCommand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in, out string
		code          int
	}{
		{"contract example", `{"text":"Grüezi €","smart":false}`, `{"encoding":"GSM-7","segments":1,"units":9}`, 0},
		{"smart", `{"text":"„Ja“ – gut","smart":true}`, `{"encoding":"GSM-7","segments":1,"units":10,"text":"\"Ja\" - gut"}`, 0},
		{"smart that can't help keeps the text", `{"text":"😀","smart":true}`, `{"encoding":"UCS-2","segments":1,"units":2,"text":"😀"}`, 0},
		{"empty text is one segment", `{"text":""}`, `{"encoding":"GSM-7","segments":1,"units":0}`, 0},
		{"unknown fields do no harm", `{"text":"a","id":7}`, `{"encoding":"GSM-7","segments":1,"units":1}`, 0},
		{"no text", `{"smart":true}`, `{"error":"field \"text\" is missing"}`, 1},
		{"wrong type", `{"text":5}`, `{"error":"field \"text\" must be a string"}`, 1},
		{"no object", `["a"]`, `{"error":"not a JSON object"}`, 1},
		{"blank line", ` `, `{"error":"not a JSON object"}`, 1},
		{"a last line may lack its end, and an error does not stop the rest", "{\n{\"text\":\"b\"}", "{\"error\":\"not a JSON object: unexpected end of JSON input\"}\n{\"encoding\":\"GSM-7\",\"segments\":1,\"units\":1}", 1},
	} {
		code, out, errOut := command(t, c.in, "segment")
		if code != c.code || strings.TrimSpace(out) != c.out || errOut != "" {
			t.Errorf("%s: exit %d\n%s%swant exit %d\n%s", c.name, code, out, errOut, c.code, c.out)
		}
	}
}

func TestSegmentCommandKeepsOrder(t *testing.T) {
	t.Parallel()
	var in strings.Builder
	const n = 5000
	for i := range n {
		b, err := json.Marshal(map[string]any{"text": strings.Repeat("x", i%500)})
		if err != nil {
			t.Fatal(err)
		}
		in.Write(b)
		in.WriteByte('\n')
	}
	code, out, _ := command(t, in.String(), "segment")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(lines) != n {
		t.Fatalf("exit %d, %d lines", code, len(lines))
	}
	for i, l := range lines {
		var a segmentAnswer
		if err := json.Unmarshal([]byte(l), &a); err != nil || a.Units != i%500 {
			t.Fatalf("line %d: %s", i, l)
		}
	}
}

func TestLongLineIsAnsweredAndPassedOver(t *testing.T) {
	t.Parallel()
	in := `{"text":"` + strings.Repeat("x", maxLine) + "\"}\n{\"text\":\"b\"}\n"
	code, out, _ := command(t, in, "segment")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 1 || len(lines) != 2 || !strings.Contains(lines[0], "longer than") || !strings.Contains(lines[1], `"units":1`) {
		t.Errorf("exit %d, out %.200s", code, out)
	}
}

func TestExtractCommand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, out string }{
		{`{"location":"079 123 45 67","title":"","description":"","region":"CH"}`, `{"numbers":[{"e164":"+41791234567","field":"location"}],"rejected":[]}`},
		{`{"location":"044 765 43 21","title":"Meier 079 123 45 67","description":"","region":"CH"}`, `{"numbers":[{"e164":"+41791234567","field":"title"}],"rejected":[{"text":"044 765 43 21","why":"landline"}]}`},
	} {
		code, out, errOut := command(t, c.in, "extract")
		if code != 0 || strings.TrimSpace(out) != c.out {
			t.Errorf("extract %s\n got %s%swant %s", c.in, out, errOut, c.out)
		}
	}
	if code, out, _ := command(t, "nonsense\n{\"title\":\"079 123 45 67\",\"region\":\"CH\"}", "extract"); code != 1 ||
		!strings.HasPrefix(out, `{"error":`) || !strings.Contains(out, "+41791234567") {
		t.Errorf("exit %d, %s", code, out)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	code, out, _ := command(t, "", "--help")
	for _, sub := range []string{"dev", "serve", "migrate", "sync", "segment", "extract", "doctor", "user", "bench"} {
		if !strings.Contains(out, sub) {
			t.Errorf("--help does not name %s", sub)
		}
	}
	if code != 0 {
		t.Errorf("--help exits with %d", code)
	}
	if code, _, errOut := command(t, "", "frobnicate"); code != 2 || !strings.Contains(errOut, "frobnicate") {
		t.Errorf("unknown subcommand: exit %d, %q", code, errOut)
	}
	if code, _, errOut := command(t, "", "serve", "--roles", "cook"); code != 1 || !strings.Contains(errOut, "unknown role") {
		t.Errorf("unknown role: exit %d, %q", code, errOut)
	}
	for _, name := range []string{"DATABASE_URL", "KEYSET", "CARRIERS", "GOOGLE_CLIENT_ID", "MICROSOFT_GRAPH_URL", "BASE_URL"} {
		if _, out, _ := command(t, "", "serve", "--help"); !strings.Contains(out, "RAPPEL_"+name) {
			t.Errorf("serve --help does not name RAPPEL_%s", name)
		}
	}
}
