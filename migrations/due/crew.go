package due

import "sync"

// Crew has up to most goroutines do work, and returns when all have returned from it.
// It begins with one. Whoever finds an account calls more before working on it, which
// sends for the next: so a look at nothing is one question to the database, not one
// for each of the crew, and a pile of work still has everybody at it in no time.
//
// A goroutine beyond most is not started. more may be called any number of times, from
// within work only.
func Crew(most int, work func(more func())) {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		busy int
		more func()
	)
	more = func() {
		mu.Lock()
		defer mu.Unlock()
		if busy >= most {
			return
		}
		busy++
		wg.Go(func() {
			defer func() { mu.Lock(); busy--; mu.Unlock() }()
			work(more)
		})
	}
	more()
	wg.Wait()
}
