package smpp

import "testing"

// Gateways built on one wide-spread library announce GSM-7 as IA5. As such an escape
// can't be meant, and a euro sign shows as the letter after it.
func TestDelivery_text_ia5(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ octets, want string }{
		{"STOP", "STOP"},
		{"ja ~ 14:30\r\n", "ja ~ 14:30\r\n"},
		{"10 \x1be {x}", "10 € äxñ"},
		{"a\x00b.ch", "a@b.ch"},
		{"STOP\x00", "STOP"},
		{"\xfcber", "über"},
	} {
		if got := (delivery{coding: ia5Coding, octets: []byte(tt.octets)}).text(GSM); got != tt.want {
			t.Errorf("%q reads %q, want %q", tt.octets, got, tt.want)
		}
	}
}
