package billing

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"
)

// mailbox remembers letters.
type mailbox struct{ got []Letter }

func (m *mailbox) QueueTx(_ context.Context, _ *sqlx.Tx, l Letter) error {
	m.got = append(m.got, l)
	return nil
}

// From the invoice to the end of service, in French, as the clinic reads it.
func TestPost(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a := d.clinic(1)
	d.exec(`UPDATE accounts SET language = 'fr'`)
	d.exec(`INSERT INTO users (account_id, id, email, password_hash, role, created_at) VALUES (1, 1, 'owner@example.ch', 'x', 'owner', now()), (1, 2, 'staff@example.ch', 'x', 'staff', now())`)
	box := &mailbox{}
	post := NewPost(d.service, box)
	for kind := range d.service.Couriers {
		d.service.Couriers[kind] = post
	}
	inv := d.begin(a, Yearly, 1).Documents[0]
	d.until("2027-03-26")
	var subjects []string
	for _, l := range box.got {
		subjects = append(subjects, l.Subject)
		if l.To != "owner@example.ch" || l.Language != "fr" || strings.Contains(l.Subject+l.Text, "{") {
			t.Errorf("%+v", l)
		}
		if l.Kind != "billing_notice" && !bytes.HasPrefix(l.PDF, []byte("%PDF-")) {
			t.Errorf("%s has no document", l.Subject)
		}
	}
	want := []string{"Facture R-2027-000001", "Rappel de paiement de la facture R-2027-000001", "Deuxième rappel de paiement de la facture R-2027-000001",
		"Les rappels de rendez-vous s’arrêtent dès le 26.03.2027", "Les rappels de rendez-vous sont arrêtés"}
	if strings.Join(subjects, "\n") != strings.Join(want, "\n") {
		t.Errorf("letters:\n%s", strings.Join(subjects, "\n"))
	}
	if n := many[int](d, `SELECT count(*) FROM billing_jobs WHERE done_at IS NULL`)[0]; n != 0 {
		t.Errorf("%d jobs are left: %v", n, many[string](d, `SELECT problem FROM billing_jobs`))
	}
	// A reminder that comes to be written after the payment isn't.
	d.pay(a, inv, d.doc(a, inv).Open, "p")
	box.got = nil
	d.ok(post.Deliver(d.ctx, Job{Account: a, Kind: JobDunning, Key: "late", Invoice: &inv, What: "2"}))
	if len(box.got) != 0 {
		t.Errorf("reminded of what is paid: %+v", box.got[0].Subject)
	}
}

// Every language says everything.
func TestWording_complete(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"de", "fr", "it", "en"} {
		l, ok := letterWording[lang]
		all := append([]letterWords{l.invoice, l.paid, l.creditNote, l.notices[NoticeSuspended], l.notices[NoticeEnded]}, l.reminders[:]...)
		for i, w := range all {
			if !ok || w.subject == "" || w.text == "" {
				t.Errorf("%s: letter %d is missing", lang, i)
			}
		}
		for _, line := range []Line{{Kind: LineRecurring, Quantity: 1}, {Kind: LineProration, Quantity: 3, Before: 2}, {Kind: LineProration, Before: 1, Interval: Yearly}} {
			if text, detail := line.text(lang); text == "" || detail == "" || strings.Contains(text, "{") {
				t.Errorf("%s: %q, %q", lang, text, detail)
			}
		}
	}
}

// A job that fails is tried again later and holds up no other; one nobody can do waits.
func TestJobs(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "2027-03-01")
	a, b := d.clinic(1), d.clinic(2)
	d.begin(a, Monthly, 1)
	d.begin(b, Monthly, 1)
	d.jobs.fail = func(j Job) error {
		if j.Account == a && j.Attempts < 2 {
			return context.DeadlineExceeded
		}
		return nil
	}
	d.look()
	if len(d.jobs.done) != 1 || d.jobs.done[0].Account != b {
		t.Fatalf("%+v", d.jobs.done)
	}
	d.until("2027-03-03")
	if len(d.jobs.done) != 2 {
		t.Errorf("not tried again: %v", many[string](d, `SELECT attempts || problem FROM billing_jobs`))
	}
	delete(d.service.Couriers, JobMail)
	d.day("2027-04-01")
	d.look()
	if n := many[int](d, `SELECT count(*) FROM billing_jobs WHERE next_at IS NOT NULL AND attempts = 0 AND problem <> ''`)[0]; n != 2 {
		t.Errorf("%d jobs wait for a courier", n)
	}
}
