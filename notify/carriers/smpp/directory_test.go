package smpp

import (
	"context"
	"errors"
	"testing"
	"time"

	"rappel/notify"
	"rappel/notify/notifytest"
)

// directory is an Inbox that knows some ids.
type directory struct {
	*notifytest.Inbox
	ids   map[string]string // recipients
	err   error
	asked int
}

func (d *directory) Known(_ context.Context, _ string, ids []string) (map[string]string, error) {
	d.asked++
	known := map[string]string{}
	for _, id := range ids {
		if recipient, ok := d.ids[id]; ok {
			known[id] = recipient
		}
	}
	return known, d.err
}

// The gateway answers in hexadecimal and writes decimal receipts, and the answer went
// to another process, or to this one before it was started again.
func TestCarrier_identify(t *testing.T) {
	t.Parallel()
	const second = "id:10531010 stat:DELIVRD" // a0b0c2, after the first has told or not
	for _, tt := range []struct {
		name, text  string
		ids         map[string]string
		first, then string
		learned     bool
	}{
		{"hex known", "id:0010531009 stat:DELIVRD", map[string]string{"a0b0c1": ""}, "a0b0c1", "a0b0c2", true},
		{"decimal known", "id:0010531009 stat:DELIVRD", map[string]string{"10531009": ""}, "10531009", "10531010", true},
		{"both known", "id:10531009 stat:DELIVRD", map[string]string{"a0b0c1": "", "10531009": ""}, "10531009", "10531010", false},
		{"both known, one of somebody else", "id:10531009 stat:DELIVRD", map[string]string{"a0b0c1": "+41791234567", "10531009": "+41790000000"}, "a0b0c1", "a0b0c2", true},
		{"known of somebody else", "id:10531009 stat:DELIVRD", map[string]string{"a0b0c1": "+41790000000"}, "10531009", "10531010", false},
		{"none known", "id:10531009 stat:DELIVRD", nil, "10531009", "10531010", false},
		{"no number", "id:7f-x stat:DELIVRD", nil, "7f-x", "10531010", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := DefaultConfig()
			cfg.Address = "127.0.0.1:2775"
			c, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			in := &directory{Inbox: notifytest.NewInbox(), ids: tt.ids}
			read := func(text string) string {
				d := delivery{total: 1, octets: []byte(text), from: address{1, 1, "41791234567"}}
				says := d.receiptText(time.UTC)
				r := c.receipt(d, says)
				if _, err := c.identify(t.Context(), d, says, &r, in); err != nil || r.Status != notify.Delivered {
					t.Fatalf("%q read as %+v, %v", text, r, err)
				}
				return r.CarrierID
			}
			if got := read(tt.text); got != tt.first {
				t.Errorf("id %q, want %q", got, tt.first)
			}
			asked := in.asked
			if got := read(second); got != tt.then {
				t.Errorf("then id %q, want %q", got, tt.then)
			}
			if tt.learned && in.asked != asked {
				t.Error("asked again for what it had learned")
			}
		})
	}
}

// While the directory can't answer, the receipt is to come again.
func TestCarrier_identify_trouble(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Address = "127.0.0.1:2775"
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	in := &directory{Inbox: notifytest.NewInbox(), err: notifytest.ErrInbox}
	d := delivery{octets: []byte("id:10531009 stat:DELIVRD")}
	text := d.receiptText(time.UTC)
	r := c.receipt(d, text)
	if _, err := c.identify(t.Context(), d, text, &r, in); !errors.Is(err, notifytest.ErrInbox) {
		t.Errorf("error %v", err)
	}
}
