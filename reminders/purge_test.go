package reminders_test

import (
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"rappel/migrations"
	"rappel/notify"
	"rappel/reminders"
)

// purge clears what is over before the instant, as the Purger does, in small batches, and
// returns how many rows and messages went.
func (h *house) purge(before time.Time) (rows, messages int) {
	h.t.Helper()
	for {
		n := 0
		err := migrations.InAccount(h.ctx(), h.db, h.account, func(tx *sqlx.Tx) (err error) {
			n, err = reminders.Archive{}.PurgeTx(h.ctx(), tx, h.account, before, 2)
			return err
		})
		if err != nil {
			h.t.Fatal(err)
		}
		if rows += n; n < 2 {
			break
		}
	}
	for after, first := (notify.Cursor{}), true; first || after != (notify.Cursor{}); first = false {
		n, next, err := notify.NewStore(h.db).Purge(h.ctx(), h.account, before, after, 2, reminders.Archive{})
		if err != nil {
			h.t.Fatal(err)
		}
		messages, after = messages+n, next
	}
	return rows, messages
}

// delivered says that every queued message arrived.
func (h *house) delivered() {
	h.t.Helper()
	h.exec(`INSERT INTO sent (account_id, message_id, status, status_at, accepted_at) SELECT account_id, message_id, 3, $2, $2 FROM queue WHERE account_id = $1`, h.account, h.now())
	h.exec(`DELETE FROM queue WHERE account_id = $1`, h.account)
}

// A purge never opens the way to a second text: as long as an appointment is ahead, its
// promise and its message stay, however old they are, and a move can still take it back.
func TestArchive_keepsPromises(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	e := h.sync(h.cal, h.appointment("a"))[0] // 2 June, 14:00
	h.at("06-01 14:00")
	h.tick()
	h.wantTexts("sent", annasText)
	h.delivered()
	h.at("06-02 13:00")
	if rows, messages := h.purge(at(t, "06-02 12:59")); rows != 0 || messages != 0 {
		t.Fatalf("%d rows and %d messages went before the appointment", rows, messages)
	}
	h.sync(h.cal, h.appointment("copy of a")) // the provider gave it a new id
	h.tick()
	h.wantTexts("nothing a second time")
	moved := e
	moved.Start, moved.End, moved.Changed = at(t, "06-05 10:00"), at(t, "06-05 11:00"), h.now()
	h.sync(h.cal, moved)
	h.want("its message is still known", "anna planned", "anna skipped already_sent")
}

// What is over goes whole: reminders, promises, numbers found, messages; and nothing is
// sent for it however often the calendar names it again.
func TestArchive_purges(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	other := newHouseOn(t, h.db)
	other.sync(other.cal, other.appointment("theirs"))
	b := h.appointment("b")
	b.Title = "Berta 078 765 43 21"
	b.Start, b.End = at(t, "06-09 10:00"), at(t, "06-09 11:00")
	e := h.sync(h.cal, h.appointment("a"), b)[0]
	h.at("06-01 14:00")
	h.tick()
	h.delivered()
	h.at("06-06 12:00")
	rows, messages := h.purge(at(t, "06-03 00:00"))
	if rows != 3 || messages != 1 {
		t.Errorf("%d rows and %d messages went, want a reminder, a promise, a number, and the message", rows, messages)
	}
	if rows, messages := h.purge(at(t, "06-03 00:00")); rows != 0 || messages != 0 {
		t.Errorf("%d rows and %d messages went once more", rows, messages)
	}
	h.want("what is ahead stays", "berta planned")
	if n := h.count(`SELECT count(*) FROM verdicts WHERE account_id = $1 AND recipient <> ''`); n != 1 {
		t.Errorf("%d numbers found are left, want that of what is ahead", n)
	}
	h.sync(h.cal, e)
	h.sync(h.cal, h.appointment("copy of a"))
	h.tick()
	h.wantTexts("nothing for what is over")
	other.want("another account's stays", "anna queued")
}
