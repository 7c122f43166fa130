package smpp

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"rappel/notify/notifytest"
	"rappel/notify/standin"
)

// BenchmarkSend submits texts of 120 characters over loopback, the stand-in on the
// same processors; see facts on performance for what other clients reach.
func BenchmarkSend(b *testing.B) {
	for _, n := range []struct{ binds, window int }{{1, 1}, {1, 10}, {1, 100}, {2, 100}, {4, 100}} {
		b.Run(fmt.Sprintf("binds=%d/window=%d", n.binds, n.window), func(b *testing.B) {
			smsc, err := standin.NewSMSC("127.0.0.1:0", standin.SMSCConfig{})
			if err != nil {
				b.Fatal(err)
			}
			cfg, err := ParseURL(smsc.URL(fmt.Sprintf("binds=%d&window=%d", n.binds, n.window)))
			if err != nil {
				b.Fatal(err)
			}
			c, err := New(cfg)
			if err != nil {
				b.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				if err := c.Run(b.Context(), notifytest.NewInbox()); err != nil {
					b.Error(err)
				}
			}()
			if err := smsc.Until(b.Context(), func() bool { return smsc.Bound() == n.binds }); err != nil {
				b.Fatal(err)
			}
			m := message("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567")
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var wg sync.WaitGroup
			for range c.Window() {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := c.Send(b.Context(), m); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submit_sm/s")
			if err := smsc.Close(); err != nil {
				b.Error(err)
			}
		})
	}
}
