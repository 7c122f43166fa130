package notifytest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rappel/notify"
)

var replies = map[string]string{
	"short":      "JA",
	"umlauts":    "Grüße, ich komme später à bientôt ñ",
	"extension":  "Kosten: 5 €? [ja]",
	"emoji":      "👍🏽 passt",
	"UCS-2":      "Ça m’arrange, à mercredi",
	"long":       strings.Repeat("Ich kann leider nicht kommen. ", 12),
	"long UCS-2": strings.Repeat("Désolé, je ne peux pas « venir ». ", 8),
}

func (h Harness) replies(t *testing.T) {
	for name, body := range replies {
		t.Run(name, func(t *testing.T) {
			in := NewInbox()
			g := h.Open(t, in)
			g.Reply(t, Reply{From: somebody, To: "+41790000100", Body: body})
			got := in.AwaitInbounds(t, 1)[0]
			want := notify.Inbound{Carrier: g.Carrier.Name(), From: somebody, To: "+41790000100", Body: body}
			if h.NoReplyTo {
				want.To = ""
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(notify.Inbound{}, "CarrierID", "At")); diff != "" {
				t.Errorf("reply (-want +got):\n%s", diff)
			}
			if got.CarrierID == "" || got.At.IsZero() {
				t.Errorf("id %q at %v: want both", got.CarrierID, got.At)
			}
			g.Settled(t)
		})
	}
}

func (h Harness) replyAgain(t *testing.T) {
	in := NewInbox()
	g := h.Open(t, in)
	in.Fail(1)
	g.Reply(t, Reply{From: somebody, To: "+41790000100", Body: "STOP"})
	g.Refused(t, 1)
	g.Redeliver(t)
	in.AwaitInbounds(t, 1)
	g.Settled(t)
	if got := in.Inbounds(); len(got) != 1 {
		t.Errorf("kept %d times", len(got))
	}
}

func (h Harness) sameWords(t *testing.T) {
	in := NewInbox()
	g := h.Open(t, in)
	for i := range 2 {
		g.Reply(t, Reply{From: somebody, To: "+41790000100", Body: "1"})
		in.AwaitInbounds(t, i+1)
		g.Settled(t)
	}
	if got := in.Inbounds(); got[0].CarrierID == got[1].CarrierID {
		t.Errorf("both have id %q: one would be taken for a replay", got[0].CarrierID)
	}
}
