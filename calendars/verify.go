package calendars

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

const verifyTries = 3 // reads that were overtaken by another's

// Verify makes sure that the events stored of a calendar are the provider's, as of
// at most maxAge ago: it returns nil when a read begun then or later succeeded and its
// outcome is committed. If there is none yet it reads; of those who ask at the same
// time one reads for all, and a read of another process counts.
//
// ErrNotSynced means the calendar isn't being read (unwatched, paused, not connected);
// ErrThrottled that the provider wants to be left alone until Error.RetryAt. Any
// failure means: do not send on what is stored.
func (s *Syncer) Verify(ctx context.Context, ref CalendarRef, maxAge time.Duration) error {
	since := s.Now().Add(-maxAge)
	for range verifyTries {
		t, err := s.load(ctx, ref)
		if err != nil {
			return err
		}
		if !s.knownAt(t).Before(since) {
			return nil
		}
		if t.ConnRetryAt != nil && t.ConnRetryAt.After(s.Now()) {
			return &Error{Provider: t.Provider, Op: "verify", Kind: ErrThrottled, RetryAt: *t.ConnRetryAt}
		}
		// The flight outlives a caller who goes away, for the sake of the others. One that
		// took off too early to satisfy this caller shows in the next round.
		key := strconv.FormatInt(ref.AccountID, 10) + "/" + strconv.FormatInt(ref.ID, 10)
		flight := s.flights.DoChan(key, func() (any, error) {
			work, done := context.WithTimeout(context.WithoutCancel(ctx), s.Patience)
			defer done()
			_, err := s.poll(work, ref, t.Connection(), true, since)
			return nil, err
		})
		select {
		case <-ctx.Done():
			return ctx.Err()
		case landed := <-flight:
			if landed.Err != nil {
				return fmt.Errorf("verify calendar %d: %w", ref.ID, landed.Err)
			}
		}
	}
	return &Error{Op: "verify", Kind: ErrUnavailable, Code: "overtaken"}
}
