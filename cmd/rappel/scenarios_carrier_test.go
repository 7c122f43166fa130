package main

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"rappel/calendars/standin"
	"rappel/notify/carriers/smpp"
	notifystandin "rappel/notify/standin"
	"rappel/reminders"
)

// TestScenarioCarrier: what happens between the calendar and the phone when texts
// can't leave, or nobody knows whether they did.
func TestScenarioCarrier(t *testing.T) {
	// Queued at its time, and then nobody dispatches.
	queued := func(s *stage, title string) standin.Event {
		s.t.Helper()
		e := s.add(title, "Thu 14:30")
		s.walk("Wed 14:29")
		s.at("Wed 14:30")
		s.remind()
		s.wantMessages("NOT_SENT")
		return e
	}
	play(t, "outage: moved while its text waits, and we saw it", func(s *stage) {
		e := queued(s, "Anna "+anna)
		s.at("Wed 14:40")
		s.move(e.ID, "Thu 17:00")
		s.poll()
		s.wantMessages("NOT_SENT withdrawn")
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone, "Thu 17:00")
	})
	play(t, "outage: moved while its text waits, and nobody saw it", func(s *stage) {
		e := queued(s, "Anna "+anna)
		s.at("Wed 14:40")
		s.move(e.ID, "Thu 17:00")
		s.dispatch()
		s.wantTexts(annaPhone)
		s.wantMessages("NOT_SENT stale")
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone, "Thu 17:00")
	})
	play(t, "outage: moved while its text waits to where its time is past, and nobody saw it", func(s *stage) {
		e := queued(s, "Anna "+anna)
		s.at("Wed 14:40")
		s.move(e.ID, "Thu 10:00")
		s.dispatch()
		s.wantTexts(annaPhone)
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone, "Thu 10:00")
	})
	play(t, "outage: cancelled while its text waits, and nobody saw it", func(s *stage) {
		e := queued(s, "Anna "+anna)
		s.at("Wed 14:40")
		s.must(s.world.CancelEvent(e.ID, standin.Delete))
		s.dispatch()
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone)
		s.wantMessages("NOT_SENT stale")
		s.wantReminders("dropped gone Thu 14:30")
	})
	play(t, "outage: moved there and back while its text waits, and nobody saw it", func(s *stage) {
		e := queued(s, "Anna "+anna)
		s.at("Wed 14:40")
		s.move(e.ID, "Thu 17:00")
		s.at("Wed 14:45")
		s.move(e.ID, "Thu 14:30")
		s.dispatch()
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone, "Thu 14:30")
	})
	play(t, "outage: moved there and back while its text waits, and we saw both", func(s *stage) {
		e := queued(s, "Anna "+anna)
		s.at("Wed 14:40")
		s.move(e.ID, "Thu 17:00")
		s.poll()
		s.at("Wed 14:45")
		s.move(e.ID, "Thu 14:30")
		s.poll()
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone, "Thu 14:30")
	})
	play(t, "T49 outage: another number while the text waits, and nobody saw it", func(s *stage) {
		e := queued(s, "Anna "+anna)
		s.at("Wed 14:40")
		s.edit(e.ID, func(e *standin.Event) { e.Title = "Kontrolle Berta " + berta })
		s.dispatch()
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone)
		s.wantTexts(bertaPhone, "Thu 14:30")
	})
	play(t, "outage: over in time, and the calendar can't be read then", func(s *stage) {
		queued(s, "Anna "+anna)
		s.at("Wed 14:40")
		down := s.apiDown()
		s.walk("Wed 14:50")
		s.wantTexts(annaPhone) // never blind
		down.Clear()
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone, "Thu 14:30")
	})
	play(t, "outage: until it was too late", func(s *stage) {
		e := queued(s, "Anna "+anna)
		s.jump("Thu 14:10")
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone)
		s.wantMessages("EXPIRED too_late")
		s.wantVerdict(e.ID, "")
	})
	play(t, "the rule is switched off while the text waits", func(s *stage) {
		queued(s, "Anna "+anna)
		s.at("Wed 14:40")
		s.rule(func(r *reminders.Rule) { r.Enabled = false })
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone)
		s.wantReminders("dropped rules_off Thu 14:30")
	})
	play(t, "STOP ends texts, also those that wait, and START lets them come again", func(s *stage) {
		s.daily("Anna "+anna, "Tue 14:30", 4)
		s.walk("Mon 15:00")
		s.wantTexts(annaPhone, "Tue 14:30")
		s.at("Tue 14:30")
		s.sync()
		s.remind()
		s.replies(annaPhone, "Stop")
		s.walk("Wed 15:00") // another came and went
		s.wantTexts(annaPhone, "Tue 14:30")
		s.wantMessages("DELIVERED", "NOT_ALLOWED opted_out", "NOT_ALLOWED opted_out")
		s.replies(annaPhone, "START")
		s.walk("Sat 12:00")
		s.wantTexts(annaPhone, "Tue 14:30", "Fri 14:30")
	})
	play(t, "STOP to one clinic is not STOP to another", func(s *stage) {
		other := s.open("praxis@clinic-two.example")
		s.must(other.sender("Zahnarzt"))
		s.add("Anna "+anna, "Tue 14:30")
		s.walk("Mon 15:00")
		s.replies(annaPhone, "STOP")
		s.add("Anna "+anna, "Thu 14:30")
		other.add("Anna "+anna, "Thu 16:00")
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone, "Tue 14:30", "Thu 16:00")
	})
	playSMPP(t, "smpp: an ordinary day", func(s *stage, smsc *notifystandin.SMSC) {
		s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 14:31")
		s.wantTexts(annaPhone, "Thu 14:30")
		s.receipts(smsc, "DELIVRD")
		s.walk("Fri 12:00")
		s.wantMessages("DELIVERED")
	})
	playSMPP(t, "smpp: the gateway refuses for half an hour while the appointment moves", func(s *stage, smsc *notifystandin.SMSC) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 14:29")
		smsc.Fault(notifystandin.Fault{Action: notifystandin.Refuse, Status: notifystandin.StatusSystemError, Times: -1})
		s.walk("Wed 14:40")
		s.wantTexts(annaPhone)
		s.move(e.ID, "Thu 17:00") // between two polls
		s.walk("Wed 14:55")
		smsc.ClearFaults()
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone, "Thu 17:00")
	})
	playSMPP(t, "smpp: the gateway is throttling while the appointment is cancelled", func(s *stage, smsc *notifystandin.SMSC) {
		e := s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 14:29")
		smsc.Fault(notifystandin.Fault{Action: notifystandin.Refuse, Status: notifystandin.StatusThrottled, Times: -1})
		s.walk("Wed 14:40")
		s.must(s.world.CancelEvent(e.ID, standin.Delete))
		s.walk("Wed 14:55")
		smsc.ClearFaults()
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone)
	})
	playSMPP(t, "T22 smpp: accepted, and the connection cut before we heard of it", func(s *stage, smsc *notifystandin.SMSC) {
		s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 14:29")
		smsc.Fault(notifystandin.Fault{Action: notifystandin.CutAfter})
		s.walk("Wed 14:31")
		s.wantTexts(annaPhone, "Thu 14:30")
		s.wantMessages("NOT_SENT unanswered")
		s.receipts(smsc, "DELIVRD")
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone, "Thu 14:30")
		s.wantMessages("DELIVERED")
	})
	playSMPP(t, "T23 smpp: the number is refused for good", func(s *stage, smsc *notifystandin.SMSC) {
		s.add("Anna "+anna, "Thu 14:30")
		s.walk("Wed 14:29")
		smsc.Fault(notifystandin.Fault{Action: notifystandin.Refuse, Status: notifystandin.StatusInvalidDestination, Times: -1})
		s.walk("Fri 12:00")
		s.wantTexts(annaPhone)
		s.wantMessages("INVALID_DESTINATION refused")
		if n := smsc.Seen(); n != 1 {
			s.t.Errorf("%d submissions of a number that was refused for good, want 1", n)
		}
	})
}

// sender changes the name the clinic's texts come from.
func (c *clinic) sender(name string) error {
	_, err := c.stage.app.pools.owner.ExecContext(c.stage.t.Context(), `UPDATE accounts SET sender = $2 WHERE account_id = $1`, c.account, name)
	return err
}

// playSMPP runs a scenario with a message centre of its own in place of the sandbox.
func playSMPP(t *testing.T, name string, run func(s *stage, smsc *notifystandin.SMSC)) {
	t.Helper()
	var mu sync.Mutex
	centres := map[*testing.T]*notifystandin.SMSC{}
	play(t, name, func(s *stage) {
		mu.Lock()
		smsc := centres[s.t]
		mu.Unlock()
		carrier := s.app.carriers[0].(*smpp.Carrier)
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- carrier.Run(ctx, s.app.desk) }()
		s.t.Cleanup(func() {
			stop()
			s.must(<-done)
		})
		run(s, smsc)
	}, func(sc *scene) {
		smsc, err := notifystandin.NewSMSC("127.0.0.1:0", notifystandin.SMSCConfig{})
		if err != nil {
			sc.t.Fatal(err)
		}
		sc.t.Cleanup(func() {
			if err := smsc.Close(); err != nil {
				sc.t.Error(err)
			}
		})
		mu.Lock()
		centres[sc.t] = smsc
		mu.Unlock()
		sc.carriers = smsc.URL("timeout=60s").String()
		sc.receive = func(phone string) []string {
			got := []string{}
			for _, text := range smsc.Texts() {
				if "+"+strings.TrimPrefix(text.To, "+") == phone {
					got = append(got, text.Body)
				}
			}
			return got
		}
	})
}

// receipts has the centre confirm everything it accepted, and waits until we took it.
func (s *stage) receipts(smsc *notifystandin.SMSC, stat string) {
	s.t.Helper()
	for _, part := range smsc.Parts() {
		smsc.Receipt(part.ID, stat, "000")
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	s.must(smsc.Until(ctx, func() bool { return smsc.Undelivered() == 0 }))
	s.clock.set(s.now().Add(time.Second))
	s.settle()
}
