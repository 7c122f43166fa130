package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/migrations/ledger"
	"rappel/notify"
	"rappel/notify/credits"
)

// chaosEnd is what the tables say of a message at the end.
type chaosEnd struct {
	Number  int
	Status  notify.Status
	Reason  notify.Reason
	Changes []notify.Status // as the observer heard of them
	Was     []notify.Status
	Events  []string
	After   []notify.Status // the statuses in the events
	Credits map[string]int  // how often each booking was made
	Parts   []string        // carrier/id known to be its
}

var chaosStatuses = map[string]notify.Status{"DELIVRD": notify.Delivered, "UNDELIV": notify.NotDelivered, "REJECTD": notify.Rejected, "EXPIRED": notify.Expired}

// verify compares what became of each message with what the gateways have. lost, which may
// be nil, says whose receipts may be lost for good: then policy resends a notification that
// may have arrived, once, and a message may be given up that did.
func (w *chaosWorld) verify(lost func(number int) bool) {
	w.t.Helper()
	ends := w.ends()
	copies := chaosCopies(w.t, w.gateways)
	texts, verdicts := map[string]string{}, map[string]string{}
	for _, g := range w.gateways {
		for _, p := range g.parts {
			texts[g.name+"/"+p.ID] = p.Text
		}
		for id, stat := range g.verdicts {
			verdicts[g.name+"/"+id] = stat
		}
	}
	wrong := 0
	for n, m := range w.clinic.messages {
		e := ends[n]
		if e == nil {
			w.t.Errorf("message %d is lost without a trace", n)
			continue
		}
		for _, complaint := range w.judge(m, e, copies[n], texts, verdicts, lost != nil && lost(n)) {
			if wrong++; wrong <= 25 {
				w.t.Errorf("message %d (%v, %d segments, account %d): %s\n  %v %q; heard %v; history %v; credits %v; refs %v\n  gateways have %v",
					n, m.Kind, m.Segments, m.AccountID, complaint, e.Status, e.Reason, e.Changes, e.Events, e.Credits, e.Parts, copies[n])
			}
		}
	}
	if wrong > 25 {
		w.t.Errorf("and %d more", wrong-25)
	}
	for n := range copies {
		if n >= len(w.clinic.messages) {
			w.t.Errorf("a gateway has message %d, which nobody asked for", n)
		}
	}
	w.verifyTables()
	w.verifyCredits()
}

// verifyCredits compares the books with what was counted message by message.
func (w *chaosWorld) verifyCredits() {
	w.t.Helper()
	for account := int64(1); account <= int64(len(chaosAccounts)); account++ {
		var got, want int64
		err := w.insist("book credits", func() error {
			return migrations.InAccount(w.ctx, w.db, account, func(tx *sqlx.Tx) (err error) {
				for more := true; more && err == nil; {
					more, err = w.clinic.credits.BookTx(w.ctx, tx, account, w.clinic.now())
				}
				if err != nil {
					return err
				}
				if err := credits.CheckTx(w.ctx, tx, account); err != nil {
					return err
				}
				if got, err = ledger.TotalTx(w.ctx, tx, account, ledger.SMS, "consumed"); err != nil {
					return err
				}
				return tx.GetContext(w.ctx, &want, `SELECT COALESCE(sum(credits), 0) FROM chaos_credits WHERE account_id = $1 AND what = 'capture'`, account)
			})
		})
		if err != nil {
			w.t.Fatal(err)
		}
		b, err := credits.BalanceTx(w.ctx, w.db, account)
		if err != nil {
			w.t.Fatal(err)
		}
		if got != want || b.Held != 0 || b.Available != chaosGranted-want {
			w.t.Errorf("account %d: %d credits consumed, want %d; balance %+v", account, got, want, b)
		}
	}
}

// judge returns what is wrong with message m.
func (w *chaosWorld) judge(m *chaosMessage, e *chaosEnd, copies []chaosCopy, texts, verdicts map[string]string, lost bool) (complaints []string) {
	bad := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	whole, stats, certain := 0, map[notify.Status]bool{}, true
	for _, c := range copies {
		n := c.whole()
		whole += n
		if n == 0 {
			continue
		}
		body := ""
		for seq := 1; seq <= c.total; seq++ {
			body += texts[c.ids[seq][0]]
			certain = certain && len(c.ids[seq]) == 1
			for _, id := range c.ids[seq] {
				stats[chaosStatuses[verdicts[id]]] = true
			}
		}
		if body != m.Body {
			bad("arrived as %q", body)
		}
	}
	resent, gaveUp := 0, false
	for _, what := range e.Events {
		if what == string(notify.WhatResent) {
			resent++
		}
		gaveUp = what == string(notify.WhatGaveUp)
	}
	taken := whole > 0

	// Once, or not at all.
	switch {
	case whole > 1 && (!lost || whole > 2 || resent != 1):
		bad("arrived %d times", whole)
	case resent > 1:
		bad("was resent %d times", resent)
	case resent > 0 && m.Kind == notify.Marketing:
		bad("an advertisement was resent")
	case gaveUp && taken && !lost:
		bad("was given up, and arrived")
	}

	// The state is true.
	known := e.Status == notify.Sent || len(e.Was) > 0 && hasStatus(e.Changes, notify.Sent)
	switch {
	case !known && taken && !lost:
		bad("arrived, and nobody knows")
	case known && !taken:
		bad("counts as sent and never arrived")
	case e.Status == notify.Sent && !lost:
		bad("its receipts came, and it is still SENT")
	case known && !lost && certain:
		// Delivered is what every part must be; one that fails makes the message fail.
		if len(stats) == 1 || e.Status == notify.Delivered {
			if len(stats) != 1 || !stats[e.Status] {
				bad("is %v, its parts are %v", e.Status, stats)
			}
		} else if !stats[e.Status] {
			bad("is %v, its parts are %v", e.Status, stats)
		}
	case !known:
		if why := w.unsent(m, e); why != "" {
			bad("%s", why)
		}
	}

	// Credits.
	want := "release"
	if known {
		want = "capture"
	}
	for _, what := range []string{"hold", "capture", "release"} {
		n := 0
		if what == "hold" || what == want {
			n = 1
		}
		if e.Credits[what] != n {
			bad("%s was booked %d times, want %d", what, e.Credits[what], n)
		}
	}

	// Nothing moved backwards, and everybody tells the same.
	at := notify.NotSent
	for i, s := range e.Changes {
		if e.Was[i] != at || s != at && !at.After(s) {
			bad("the observer heard of %v to %v when it was %v", e.Was[i], s, at)
		}
		at = s
	}
	if at != e.Status {
		bad("the observer heard last of %v", at)
	}
	at = notify.NotSent
	for _, s := range e.After {
		if s != at && !at.After(s) {
			bad("the history goes from %v to %v", at, s)
		}
		at = s
	}
	return complaints
}

// unsent says what is wrong with the reason of a message no gateway has; "" if nothing is.
func (w *chaosWorld) unsent(m *chaosMessage, e *chaosEnd) string {
	switch e.Status {
	case notify.NotSent:
		if e.Reason != notify.ReasonWithdrawn || !m.Asked {
			return "was not sent, for no reason"
		}
	case notify.NotAllowed:
		if e.Reason != notify.ReasonOptedOut || !m.Stopped {
			return "counts as opted out, and nobody had asked for it"
		}
	case notify.Expired:
		if e.Reason != notify.ReasonTooLate || time.Until(m.Expires) > 24*time.Hour {
			return "expired too soon"
		}
	case notify.NetworkError:
		if e.Reason != notify.ReasonUnanswered && e.Reason != notify.ReasonPartial && e.Reason != notify.ReasonExhausted {
			return "failed for no reason"
		}
	case notify.Rejected, notify.InvalidDestination:
		if e.Reason != notify.ReasonRefused {
			return "was refused by nobody"
		}
	default:
		return "ended in a state nothing here leads to"
	}
	if m.Withdrawn && (e.Status != notify.NotSent || e.Reason != notify.ReasonWithdrawn) {
		return "was withdrawn in time, and doesn't say so"
	}
	return ""
}

func hasStatus(all []notify.Status, s notify.Status) bool {
	for _, x := range all {
		if x == s {
			return true
		}
	}
	return false
}

// ends reads what the tables say, by message number.
func (w *chaosWorld) ends() map[int]*chaosEnd {
	w.t.Helper()
	type key struct{ account, id int64 }
	ends, byID := map[int]*chaosEnd{}, map[key]*chaosEnd{}
	var rows []struct {
		Account int64         `db:"account_id"`
		ID      int64         `db:"id"`
		Ref     string        `db:"reference"`
		Status  notify.Status `db:"status"`
		Reason  notify.Reason `db:"reason"`
	}
	w.read(&rows, `SELECT m.account_id, m.id, m.reference, COALESCE(s.status, 0) AS status, COALESCE(s.reason, '') AS reason
		FROM messages m LEFT JOIN sent s ON s.account_id = m.account_id AND s.message_id = m.id`)
	for _, r := range rows {
		e := &chaosEnd{Status: r.Status, Reason: r.Reason, Credits: map[string]int{}}
		if _, err := fmt.Sscanf(r.Ref, chaosReference, &e.Number); err != nil {
			w.t.Fatal(err)
		}
		if ends[e.Number] != nil {
			w.t.Errorf("message %d is there twice", e.Number)
		}
		ends[e.Number], byID[key{r.Account, r.ID}] = e, e
	}
	var said []struct {
		Account int64         `db:"account_id"`
		ID      int64         `db:"message_id"`
		Kind    string        `db:"kind"`
		What    string        `db:"what"`
		Was     notify.Status `db:"was"`
		Status  notify.Status `db:"status"`
		N       int           `db:"n"`
	}
	w.read(&said, `
		SELECT account_id, message_id, 'event' AS kind, what, 0 AS was, status, 0 AS n, id AS seq FROM message_events
		UNION ALL SELECT account_id, message_id, 'change', reason, was, is_now, 0, seq FROM chaos_changes
		UNION ALL SELECT account_id, message_id, 'credit', what, 0, 0, heard, 0 FROM chaos_credits
		UNION ALL SELECT account_id, message_id, 'ref', carrier || '/' || carrier_message_id, 0, status, 0, 0 FROM carrier_refs
		ORDER BY kind, seq`)
	for _, s := range said {
		e := byID[key{s.Account, s.ID}]
		switch {
		case e == nil:
			w.t.Errorf("%s %s of message %d, which isn't there", s.Kind, s.What, s.ID)
		case s.Kind == "event":
			e.Events, e.After = append(e.Events, s.What), append(e.After, s.Status)
		case s.Kind == "change":
			e.Was, e.Changes = append(e.Was, s.Was), append(e.Changes, s.Status)
		case s.Kind == "credit":
			e.Credits[s.What] = s.N
		case s.Status >= 0:
			e.Parts = append(e.Parts, fmt.Sprintf("%s=%v", s.What, s.Status))
		default:
			e.Parts = append(e.Parts, "void "+s.What)
		}
	}
	return ends
}

func (w *chaosWorld) read(into any, query string) {
	w.t.Helper()
	if err := w.insist("read", func() error { return w.db.Unsafe().SelectContext(w.ctx, into, query) }); err != nil {
		w.t.Fatal(err)
	}
}

// verifyTables looks for what is left over.
func (w *chaosWorld) verifyTables() {
	w.t.Helper()
	for name, query := range map[string]string{
		"queue rows":             `SELECT count(*) FROM queue`,
		"claims":                 `SELECT count(*) FROM claims`,
		"unanswered rows":        `SELECT count(*) FROM unanswered`,
		"sent rows of nobody":    `SELECT count(*) FROM sent s WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.account_id = s.account_id AND m.id = s.message_id)`,
		"messages without state": `SELECT count(*) FROM messages m WHERE NOT EXISTS (SELECT 1 FROM sent s WHERE m.account_id = s.account_id AND m.id = s.message_id)`,
		"receipts kept although their id is known": `SELECT count(*) FROM early_receipts e JOIN carrier_refs r USING (carrier, carrier_message_id)`,
	} {
		if n := w.count(query); n != 0 {
			w.t.Errorf("%d %s are left", n, name)
		}
	}
	// The log as people see it ends with the state it shows.
	store := notify.NewStore(w.db)
	step := 1 + len(w.clinic.messages)/2000
	for n := 0; n < len(w.clinic.messages); n += step {
		m := w.clinic.messages[n]
		var d notify.Detail
		if err := w.insist("read the log", func() (err error) {
			d, err = store.Get(w.ctx, notify.MessageRef{AccountID: m.AccountID, ID: m.ID})
			return err
		}); err != nil {
			w.t.Fatal(err)
		}
		last, all := d.History[len(d.History)-1], []string{}
		for i, h := range d.History {
			all = append(all, fmt.Sprintf("%s/%v", h.What, h.Status))
			if i > 0 && h.At.Before(d.History[i-1].At) {
				w.t.Errorf("message %d: the history goes back in time", n)
			}
		}
		if last.Status != d.Status {
			w.t.Errorf("message %d is %v %q, its history ends otherwise: %s", n, d.Status, d.Reason, strings.Join(all, " "))
		}
	}
}
