package notify_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/notify"
)

// campaign is n texts of a campaign, to people in several countries.
func (w *policied) campaign(n, from int) []notify.NewMessage {
	ms := make([]notify.NewMessage, n)
	for i := range ms {
		k := from + i
		to := fmt.Sprintf("+4179%07d", k%9_999_999)
		switch k % 10 {
		case 7:
			to = fmt.Sprintf("+336%08d", 12_000_000+k)
		case 8:
			to = fmt.Sprintf("+4915%09d", 112_000_000+k)
		case 9:
			to = fmt.Sprintf("+43664%07d", 1_000_000+k)
		}
		ms[i] = notify.NewMessage{AccountID: 1, Kind: notify.Marketing, Reference: fmt.Sprint("campaign:1:", k), Origin: notify.OriginCampaign, OriginID: 1,
			Recipient: to, Sender: "Praxis", Body: "Unsere Aktion: Zahnreinigung im März zum halben Preis. Melden Sie sich jetzt an!",
			Smart: true, Expires: w.clock.Now().Add(48 * time.Hour)}
	}
	return ms
}

// BenchmarkDecide is what the rules cost for each text of a campaign: country, sender,
// suffix, hours, and the text measured. It must stay above 50,000 a second on one core.
func BenchmarkDecide(b *testing.B) {
	w := newPolicied(b, nil)
	ms := w.campaign(5000, 0)
	ctx := context.Background()
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		m := &ms[i%len(ms)]
		i++
		p, err := w.policy.Preview(ctx, notify.Draft{AccountID: 1, Kind: m.Kind, Recipient: m.Recipient, Sender: m.Sender, Body: m.Body, Smart: true})
		if err != nil || p.Segments != 1 || p.Suffix == "" {
			b.Fatal(p, err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkCampaign is a campaign into the queue, 5000 texts a transaction: without rules,
// with them, and with links that are known from a campaign before.
func BenchmarkCampaign(b *testing.B) {
	for _, mode := range []string{"no rules", "rules", "rules, known people"} {
		b.Run(mode, func(b *testing.B) {
			w := newPolicied(b, nil)
			outbox := w.outbox
			if mode == "no rules" {
				outbox = notify.NewOutbox(w.clock.Now)
			}
			ctx, from := context.Background(), 0
			add := func(n int, prefix string) {
				ms := w.campaign(n, from)
				for i := range ms {
					ms[i].Reference = prefix + ms[i].Reference
				}
				if err := migrations.InAccount(ctx, w.db, 1, func(tx *sqlx.Tx) error {
					_, err := outbox.EnqueueAllTx(ctx, tx, ms)
					return err
				}); err != nil {
					b.Fatal(err)
				}
				from += n
			}
			const batch = 5000
			if mode == "rules, known people" {
				for from < b.N {
					add(batch, "before:")
				}
				from = 0
			}
			b.ResetTimer()
			for from < b.N {
				add(min(batch, b.N-from), "now:")
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
