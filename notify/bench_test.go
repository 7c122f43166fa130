package notify_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/dbtest"
	"rappel/notify"
)

// nullCarrier takes everything at once.
type nullCarrier struct{ n atomic.Int64 }

func (c *nullCarrier) Name() string { return "null" }
func (c *nullCarrier) Window() int  { return 4000 }
func (c *nullCarrier) Send(context.Context, notify.Message) (notify.Submission, error) {
	return notify.Submission{IDs: []string{"null-" + strconv.FormatInt(c.n.Add(1), 36)}}, nil
}

// BenchmarkDispatch measures claim, submission to a carrier that does nothing, and record:
// messages a second through the store. Accounts decide how large batches get.
func BenchmarkDispatch(b *testing.B) {
	for _, accounts := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("accounts=%d", accounts), func(b *testing.B) {
			dsn, err := notify.DispatchDSN(dbtest.NewDSN(b))
			if err != nil {
				b.Fatal(err)
			}
			db := dbtest.Open(b, dsn)
			for _, q := range []string{
				`INSERT INTO accounts (account_id, business, created_at) SELECT i, 'x', now() FROM generate_series(1, $2) i WHERE $1 > 0`,
				`WITH m AS (INSERT INTO messages (account_id, kind, reference, origin, recipient, sender, body, encoding, segments, units, send_at, expires_at, created_at)
				 SELECT 1 + i % $2, 1, 'r' || i, 'bench', '+41' || (790000000 + i), 'Praxis', rpad('x', 120, 'y'), 0, 1, 120, now(), now() + interval '1 day', now()
				 FROM generate_series(1, $1) i RETURNING account_id, id, send_at)
				 INSERT INTO queue (account_id, message_id, priority, send_at) SELECT account_id, id, 1, send_at FROM m`,
				`INSERT INTO due (account_id, kind, due_at) SELECT i, 'dispatch', now() FROM generate_series(1, $2) i WHERE $1 > 0`,
			} {
				if _, err := db.Exec(q, b.N, accounts); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := db.Exec(`ANALYZE`); err != nil {
				b.Fatal(err)
			}
			c := &nullCarrier{}
			d, err := notify.NewDispatcher(notify.Config{DB: db, Carriers: []notify.Carrier{c}, Batch: 2000, Workers: 4})
			if err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			start := time.Now()
			for int(c.n.Load()) < b.N {
				if _, err := d.Tick(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "msg/s")
		})
	}
}

// BenchmarkEnqueue measures the outbox alone: five thousand messages a transaction, as
// campaigns are queued.
func BenchmarkEnqueue(b *testing.B) {
	const batch, accounts = 5000, 10
	dsn := dbtest.NewDSN(b)
	db := dbtest.Open(b, dsn)
	if _, err := db.Exec(`INSERT INTO accounts (account_id, business, created_at) SELECT i, 'x', now() FROM generate_series(1, $1) i`, accounts); err != nil {
		b.Fatal(err)
	}
	outbox := notify.NewOutbox(nil)
	all := make([]notify.NewMessage, batch)
	b.ReportAllocs()
	b.ResetTimer()
	start := time.Now()
	for n := range b.N {
		for i := range all {
			all[i] = notify.NewMessage{AccountID: int64(1 + i%accounts), Kind: notify.Notification, Reference: fmt.Sprintf("%d-%d", n, i), Origin: notify.OriginAPI,
				Recipient: fmt.Sprintf("+41%09d", 790000000+i), Sender: "Praxis", Body: strings.Repeat("y", 120), Expires: start.Add(24 * time.Hour)}
		}
		err := migrations.InTx(context.Background(), db, func(tx *sqlx.Tx) error {
			_, err := outbox.EnqueueAllTx(context.Background(), tx, all)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*batch)/time.Since(start).Seconds(), "msg/s")
}

// BenchmarkIntake measures single messages that are durable when their caller hears so.
// The databases of tests don't wait for the disk; rappel bench dispatch --parts intake
// measures one that does.
func BenchmarkIntake(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			db := dbtest.New(b)
			if _, err := db.Exec(`INSERT INTO accounts (account_id, business, created_at) SELECT i, 'x', now() FROM generate_series(1, 10) i`); err != nil {
				b.Fatal(err)
			}
			intake, err := notify.NewIntake(notify.IntakeConfig{DB: db, Outbox: notify.NewOutbox(nil)})
			if err != nil {
				b.Fatal(err)
			}
			expires := time.Now().Add(24 * time.Hour)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			start := time.Now()
			for range callers {
				wg.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						if _, err := intake.Enqueue(context.Background(), notify.NewMessage{AccountID: 1 + n%10, Kind: notify.Notification,
							Reference: strconv.FormatInt(n, 10), Origin: notify.OriginAPI, Recipient: "+41" + strconv.FormatInt(790_000_000+n, 10),
							Sender: "Praxis", Body: "Guten Tag, wir erwarten Sie am Dienstag um 14:30.", Expires: expires}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "msg/s")
		})
	}
}
