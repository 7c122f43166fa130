package smpp

import (
	"testing"

	"pgregory.net/rapid"

	"rappel/notify/segment"
)

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

// What gateways make of an alphabet: the other byte order, an octet too many, UTF-8.
func TestDelivery_text_oddEncodings(t *testing.T) {
	t.Parallel()
	big := func(s string) string { return string(segment.EncodeUCS2(nil, s)) }
	little := func(s string) string {
		b := segment.EncodeUCS2(nil, s)
		for i := 0; i < len(b); i += 2 {
			b[i], b[i+1] = b[i+1], b[i]
		}
		return string(b)
	}
	for _, tt := range []struct {
		name         string
		coding       byte
		octets, want string
	}{
		{"big-endian, marked", 8, "\xFE\xFF" + big("STOP"), "STOP"},
		{"little-endian, marked", 8, "\xFF\xFE" + little("STOP, Ж"), "STOP, Ж"},
		{"little-endian", 8, little("STOP"), "STOP"},
		{"little-endian, accents", 8, little("Désabonner – “ça va” 1’450 € 😀"), "Désabonner – “ça va” 1’450 € 😀"},
		{"little-endian, NUL", 8, little("STOP\x00"), "STOP"},
		{"little-endian, flash", 0x18, little("Stop"), "Stop"},
		{"an octet too many", 8, big("STOP") + "\x00", "STOP"},
		{"little-endian, an octet too many", 8, little("STOP") + "\x00", "STOP"},
		{"NUL", 8, big("STOP\x00"), "STOP"},
		{"one octet", 8, "S", "S"},
		{"ASCII called UCS-2", 8, "STOPP", "STOPP"},
		{"ASCII called UCS-2, a line", 8, "STOP\n", "STOP\n"},
		{"Chinese", 8, big("一刀两断"), "一刀两断"},
		{"one Chinese character", 8, big("一"), "一"},
		{"Cyrillic", 8, big("Да, ЁЖ 10"), "Да, ЁЖ 10"},
		{"Arabic", 8, big("نعم ف"), "نعم ف"},
		{"Georgian, Ethiopic", 8, big("კ ሀ一"), "კ ሀ一"},
		{"one letter", 8, big("J"), "J"},
		{"UTF-8 as GSM-7", 0, "ARRÊT", "ARRÊT"},
		{"UTF-8 as GSM-7 of a class", 0xF0, "ARRÊT", "ARRÊT"},
		{"UTF-8 as Latin-1", 3, "ARRÊT", "ARRÊT"},
		{"UTF-8 as octets", 4, "Désabonner\x00", "Désabonner"},
		{"Latin-1 as GSM-7", 0, "ARR\xCAT", "ARRÊT"},
		{"Latin-1", 3, "ARR\xCAT \xA3", "ARRÊT £"},
		{"GSM-7", 0, "D\x05sabonner", "Désabonner"},
	} {
		d := delivery{coding: tt.coding, octets: []byte(tt.octets)}
		if got := d.text(GSM); got != tt.want {
			t.Errorf("%s: reads %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := (delivery{octets: []byte("ARRÊT")}).text(Latin1); got != "ARRÊT" {
		t.Errorf("UTF-8 where 0 is Latin-1: reads %q", got)
	}
}

// Text in UCS-2 is read as it is written, whatever it is.
func TestDelivery_text_bigEndian(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("aZ5 .ÄéžđĂ\nжЁДשלنעمف七中文あ한კሀ€–“😀"))).Draw(t, "text")
		if got := (delivery{coding: 8, octets: segment.EncodeUCS2(nil, text)}).text(GSM); got != text {
			t.Fatalf("%q reads %q", text, got)
		}
	})
}
