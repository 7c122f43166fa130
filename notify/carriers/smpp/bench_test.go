package smpp

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"rappel/notify"
	"rappel/notify/standin"
)

// counter is an Inbox that keeps a number.
type counter struct {
	receipts atomic.Int64
	want     int64
	done     chan struct{}
}

func (c *counter) Receipt(context.Context, notify.Receipt) error {
	if c.receipts.Add(1) == c.want {
		close(c.done)
	}
	return nil
}

func (c *counter) Inbound(context.Context, notify.Inbound) error { return nil }

// BenchmarkSend submits texts of 120 characters over loopback, the stand-in on the
// same processors; see facts on performance for what other clients reach. With receipts,
// it ends when the last is acknowledged.
func BenchmarkSend(b *testing.B) {
	for _, n := range []struct {
		binds, window int
		receipts      bool
	}{{1, 1, false}, {1, 10, false}, {1, 100, false}, {2, 100, false}, {4, 100, false}, {2, 100, true}, {2, 1000, true}} {
		name := fmt.Sprintf("binds=%d/window=%d", n.binds, n.window)
		cfg := standin.SMSCConfig{Memory: standin.KeepNothing}
		if n.receipts {
			name += "/receipts"
			cfg.Auto = "DELIVRD"
		}
		b.Run(name, func(b *testing.B) {
			benchmark(b, cfg, fmt.Sprintf("binds=%d&window=%d", n.binds, n.window), strings.Repeat("0123456789", 12))
		})
	}
}

func benchmark(b *testing.B, gateway standin.SMSCConfig, query, text string) {
	smsc, err := standin.NewSMSC("127.0.0.1:0", gateway)
	if err != nil {
		b.Fatal(err)
	}
	cfg, err := ParseURL(smsc.URL(query))
	if err != nil {
		b.Fatal(err)
	}
	c, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	in := &counter{want: int64(b.N), done: make(chan struct{})}
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(b.Context())
	go func() { ended <- c.Run(ctx, in) }()
	if err := smsc.Until(b.Context(), func() bool { return smsc.Bound() == cfg.Binds }); err != nil {
		b.Fatal(err)
	}
	m := message(text)
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	before := cpu(b)
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
	if gateway.Auto != "" {
		<-in.done
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submit_sm/s")
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
	cancel()
	if err := <-ended; err != nil {
		b.Error(err)
	}
	if err := smsc.Close(); err != nil {
		b.Error(err)
	}
}

// cpu returns the processor time of this process: what counts where others work, too.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
