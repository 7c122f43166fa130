package segment_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rappel/notify/segment"
)

func TestEncodeGSM7(t *testing.T) {
	t.Parallel()
	got, err := segment.EncodeGSM7([]byte{9}, "@a€[Ä\n\f")
	want := []byte{9, 0x00, 0x61, 0x1B, 0x65, 0x1B, 0x3C, 0x5B, 0x0A, 0x1B, 0x0A}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("got % X, %v; want % X", got, err, want)
	}
	for _, bad := range []string{"ç", "a\x1b", "\xff"} {
		if got, err := segment.EncodeGSM7([]byte{9}, bad); !errors.Is(err, segment.ErrNotGSM7) || len(got) != 1 {
			t.Errorf("%q: % X, %v", bad, got, err)
		}
	}
	// The whole alphabet, by its codes.
	b, err := segment.EncodeGSM7(nil, basicChars)
	if err != nil || len(b) != 127 {
		t.Fatalf("%d octets, %v", len(b), err)
	}
	for i, c := range b {
		if want := i; i >= 0x1B && int(c) != want+1 || i < 0x1B && int(c) != want {
			t.Errorf("character %d has code %#x", i, c)
		}
	}
}

func TestDecodeGSM7(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   []byte
		want string
	}{
		{nil, ""},
		{[]byte{0x1B, 0x65, 0x00}, "€@"},
		{[]byte{0x1B, 0x61}, "a"},       // unknown extension: the default alphabet's character
		{[]byte{'x', 0x1B}, "x "},       // nothing follows
		{[]byte{0x1B, 0x1B, 'x'}, " x"}, // reserved for another table
	}
	for _, tt := range tests {
		if got, err := segment.DecodeGSM7(tt.in); err != nil || got != tt.want {
			t.Errorf("% X: %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
	for _, bad := range [][]byte{{0x80}, {0x1B, 0xFF}} {
		if _, err := segment.DecodeGSM7(bad); !errors.Is(err, segment.ErrNotGSM7) {
			t.Errorf("% X: %v", bad, err)
		}
	}
}

func TestUCS2(t *testing.T) {
	t.Parallel()
	if got, want := segment.EncodeUCS2(nil, "é😀\xff"), []byte{0, 0xE9, 0xD8, 0x3D, 0xDE, 0x00, 0xFF, 0xFD}; !cmp.Equal(got, want) {
		t.Errorf("% X, want % X", got, want)
	}
	tests := []struct {
		in   []byte
		want string
	}{
		{[]byte{0xD8, 0x3D}, "\ufffd"},                       // high surrogate at the end
		{[]byte{0xDE, 0x00, 0, 'a'}, "\ufffda"},              // low one first
		{[]byte{0xD8, 0x3D, 0, 'a'}, "\ufffda"},              // partner missing
		{[]byte{0xD8, 0x3D, 0xD8, 0x3D, 0xDE, 0}, "\ufffd😀"}, // then a whole pair
	}
	for _, tt := range tests {
		if got, err := segment.DecodeUCS2(tt.in); err != nil || got != tt.want {
			t.Errorf("% X: %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
	if _, err := segment.DecodeUCS2([]byte{0}); !errors.Is(err, segment.ErrOddLength) {
		t.Errorf("odd length: %v", err)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOf(rapid.RuneFrom([]rune(basicChars+extendedChars))).Draw(t, "gsm")
		b, err := segment.EncodeGSM7(nil, s)
		if err != nil || len(b) != segment.Measure(s).Units {
			t.Fatalf("EncodeGSM7(%q): %d septets, %v", s, len(b), err)
		}
		if back, err := segment.DecodeGSM7(b); err != nil || back != s {
			t.Fatalf("%q came back as %q, %v", s, back, err)
		}
		u := rapid.String().Draw(t, "unicode")
		if back, err := segment.DecodeUCS2(segment.EncodeUCS2(nil, u)); err != nil || back != u {
			t.Fatalf("%q came back as %q, %v", u, back, err)
		}
	})
}

func TestAppendUDH(t *testing.T) {
	t.Parallel()
	if got, want := (segment.Options{}).AppendUDH(nil, 0x1234, 3, 2), []byte{5, 0, 3, 0x34, 3, 2}; !cmp.Equal(got, want) {
		t.Errorf("8 bits: % X", got)
	}
	if got, want := (segment.Options{Reference: segment.Ref16}).AppendUDH(nil, 0x1234, 3, 2), []byte{6, 8, 4, 0x12, 0x34, 3, 2}; !cmp.Equal(got, want) {
		t.Errorf("16 bits: % X", got)
	}
}

// FuzzDecode feeds what a carrier may deliver.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{0x1B, 0x65, 0x80})
	f.Add([]byte{0xD8, 0x3D, 0xDE})
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := segment.DecodeGSM7(b); err == nil {
			if _, err := segment.EncodeGSM7(nil, s); err != nil {
				t.Errorf("% X decodes to %q: %v", b, s, err)
			}
		}
		if s, err := segment.DecodeUCS2(b); err == nil && len(segment.EncodeUCS2(nil, s)) != len(b) {
			t.Errorf("% X decodes to %q", b, s)
		}
	})
}
