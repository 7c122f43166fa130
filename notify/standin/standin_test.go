package standin

import (
	"bufio"
	"net"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReassemble(t *testing.T) {
	part := func(id string, ref uint16, total, seq uint8, text string) Part {
		return Part{ID: id, From: "A", To: "1", Ref: ref, Total: total, Seq: seq, Text: text}
	}
	for _, tt := range []struct {
		name  string
		parts []Part
		want  []Text
	}{
		{"one", []Part{part("a", 0, 1, 1, "x")}, []Text{{[]string{"a"}, "A", "1", "x", true}}},
		{"out of order", []Part{part("a", 1, 2, 2, "y"), part("b", 1, 2, 1, "x")}, []Text{{[]string{"b", "a"}, "A", "1", "xy", true}}},
		{"lacks one", []Part{part("a", 1, 2, 2, "y")}, []Text{{[]string{"a"}, "A", "1", "y", false}}},
		{"a double shows", []Part{part("a", 1, 2, 1, "x"), part("b", 1, 2, 1, "x"), part("c", 1, 2, 2, "y")},
			[]Text{{[]string{"a"}, "A", "1", "x", false}, {[]string{"b", "c"}, "A", "1", "xy", true}}},
		{"the reference comes round", []Part{part("a", 1, 2, 1, "x"), part("b", 1, 2, 2, "y"), part("c", 1, 2, 1, "u"), part("d", 1, 2, 2, "v")},
			[]Text{{[]string{"a", "b"}, "A", "1", "xy", true}, {[]string{"c", "d"}, "A", "1", "uv", true}}},
	} {
		if diff := cmp.Diff(tt.want, Reassemble(tt.parts)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// What is no SMPP gets no answer but the end of the connection.
func TestSMSC_garbage(t *testing.T) {
	s, err := NewSMSC("127.0.0.1:0", SMSCConfig{})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if b, err := bufio.NewReader(conn).ReadByte(); err == nil {
		t.Errorf("answered 0x%02X", b)
	}
	for range 2 { // closing twice does no harm
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The vectors of Twilio's security documentation.
func TestTwilioSignature(t *testing.T) {
	for from, want := range map[string]string{
		"+12349013030": "0/KCTR6DLpKmkAf8muzZqo1nDgQ=",
		"+14158675309": "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
	} {
		form := url.Values{"CallSid": {"CA1234567890ABCDE"}, "From": {from}, "Caller": {from}, "To": {"+18005551212"}, "Digits": {"1234"}}
		if got := TwilioSignature("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", form); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
