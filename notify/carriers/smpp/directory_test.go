package smpp

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"rappel/notify"
	"rappel/notify/notifytest"
)

// directory is an Inbox that knows some ids.
type directory struct {
	*notifytest.Inbox
	ids   []string
	err   error
	asked int
}

func (d *directory) Known(_ context.Context, _ string, ids []string) (known []string, err error) {
	d.asked++
	for _, id := range ids {
		if slices.Contains(d.ids, id) {
			known = append(known, id)
		}
	}
	return known, d.err
}

// The gateway answers in hexadecimal and writes decimal receipts, and the answer went
// to another process, or to this one before it was started again.
func TestCarrier_settleForm(t *testing.T) {
	t.Parallel()
	const second = "id:10531010 stat:DELIVRD" // a0b0c2, after the first has told or not
	for _, tt := range []struct {
		name, text  string
		ids         []string
		first, then string
	}{
		{"hex known", "id:0010531009 stat:DELIVRD", []string{"a0b0c1"}, "a0b0c1", "a0b0c2"},
		{"decimal known", "id:0010531009 stat:DELIVRD", []string{"10531009"}, "10531009", "10531010"},
		{"both known", "id:10531009 stat:DELIVRD", []string{"a0b0c1", "10531009"}, "10531009", "10531010"},
		{"none known", "id:10531009 stat:DELIVRD", nil, "10531009", "10531010"},
		{"no number", "id:7f-x stat:DELIVRD", nil, "7f-x", "10531010"},
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
				d := delivery{total: 1, octets: []byte(text)}
				says := d.receiptText(time.UTC)
				if err := c.settleForm(t.Context(), d, says, in); err != nil {
					t.Fatal(err)
				}
				r, ok := c.receipt(d, says)
				if !ok || r.Status != notify.Delivered {
					t.Fatalf("%q read as %+v, %v", text, r, ok)
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
			if len(tt.ids) == 1 && in.asked != asked {
				t.Error("asked again for what it had learned")
			}
		})
	}
}

// While the directory can't answer, the receipt is to come again.
func TestCarrier_settleForm_trouble(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Address = "127.0.0.1:2775"
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	in := &directory{Inbox: notifytest.NewInbox(), err: notifytest.ErrInbox}
	d := delivery{octets: []byte("id:10531009 stat:DELIVRD")}
	if err := c.settleForm(t.Context(), d, d.receiptText(time.UTC), in); !errors.Is(err, notifytest.ErrInbox) {
		t.Errorf("error %v", err)
	}
}
