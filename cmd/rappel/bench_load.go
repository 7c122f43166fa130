package main

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"
)

// benchBody is the text of the i-th message: 120 characters of GSM-7, as long as the texts
// others were measured with, and each other than the one before, as those of reminders.
func benchBody(i int) string {
	hour, minute := strconv.Itoa(10+i%10), strconv.Itoa(10+i/10%50)
	return "Guten Tag, wir erwarten Sie am Dienstag um " + hour + ":" + minute + " in der Praxis am See. Bitte melden Sie sich, falls Sie verhindert sind."
}

// benchRecipient is the number the i-th message goes to; none repeats within ten million.
func benchRecipient(i int) string { return "+41" + strconv.Itoa(790_000_000+i%10_000_000) }

// benchAccount is the account of the i-th of n messages. Those of an account follow each
// other, as a calendar's reminders and a campaign's texts do.
func benchAccount(i, n, accounts int) int64 { return 1 + int64(i)*int64(accounts)/int64(n) }

const carrierIDLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// benchCarrierID is a carrier id as gateways give them, 20 random characters: the index
// on them isn't written in order.
func benchCarrierID() string {
	var b [20]byte
	hi, lo := rand.Uint64(), rand.Uint64()
	for i := range b {
		if i < 10 {
			b[i], hi = carrierIDLetters[hi&31], hi>>5
		} else {
			b[i], lo = carrierIDLetters[lo&31], lo>>5
		}
	}
	return string(b[:])
}

// shuffleInWindows puts all out of order as receipts come: those of messages sent at
// about the same time in any order.
func shuffleInWindows[T any](all []T) {
	for w := range slices.Chunk(all, benchShuffle) {
		rand.Shuffle(len(w), func(i, j int) { w[i], w[j] = w[j], w[i] })
	}
}

// benchChunk is the messages [from, to).
type benchChunk struct{ from, to int }

func benchChunks(n, size int) (all []benchChunk) {
	for from := 0; from < n; from += size {
		all = append(all, benchChunk{from, min(from+size, n)})
	}
	return all
}

// inParallel has workers do the jobs in order, as many at once as there are workers, and
// begins none after the first error, which it returns with those of the others.
func inParallel[T any](workers int, jobs []T, do func(T) error) error {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		next int
		errs []error
	)
	for range workers {
		wg.Go(func() {
			for {
				mu.Lock()
				if next == len(jobs) || len(errs) > 0 {
					mu.Unlock()
					return
				}
				job := jobs[next]
				next++
				mu.Unlock()
				if err := do(job); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// perSecond is how many of n things a second f did.
func perSecond(n int, f func() error) (float64, error) {
	began := time.Now()
	err := f()
	return float64(n) / time.Since(began).Seconds(), err
}
