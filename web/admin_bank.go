package web

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"rappel/calendars/billing/bank"
	"rappel/calendars/billing/camt"
)

// mostBankFile is how large a file of the bank may be, in bytes.
const mostBankFile = 32 << 20

type deskBankData struct {
	Files   deskTable
	Batches deskTable
	Entries deskTable
	Report  []deskFigure // of the file that is looked at
	Name    string
	Trouble string
}

// bankFile is a file of the bank with what came of it.
type bankFile struct {
	SHA256    []byte     `db:"sha256"`
	Name      string     `db:"name"`
	Kind      string     `db:"kind"`
	Bookings  int64      `db:"bookings"`
	Skipped   int64      `db:"skipped"`
	By        string     `db:"imported_by"`
	At        time.Time  `db:"imported_at"`
	DoneAt    *time.Time `db:"done_at"`
	Matched   int64      `db:"matched"`
	Assigned  int64      `db:"assigned"`
	Suspense  int64      `db:"suspense"`
	Rest      int64      `db:"rest"`
	SumIn     int64      `db:"sum_in"`
	SumUnsure int64      `db:"sum_unsure"`
}

func (s *Server) bankFiles(r *request, sha []byte) (all []bankFile, err error) {
	if err := s.Operator.SelectContext(r.Context(), &all, `SELECT f.sha256, f.name, f.kind, f.bookings, f.skipped, f.imported_by, f.imported_at, f.done_at,
		count(e.id) FILTER (WHERE e.state = 'matched') AS matched, count(e.id) FILTER (WHERE e.state = 'assigned') AS assigned, count(e.id) FILTER (WHERE e.state = 'suspense') AS suspense,
		count(e.id) FILTER (WHERE e.state NOT IN ('matched', 'assigned', 'suspense')) AS rest,
		CAST(COALESCE(sum(e.rappen) FILTER (WHERE e.state IN ('matched', 'assigned') AND e.incoming), 0) AS bigint) AS sum_in,
		CAST(COALESCE(sum(e.rappen) FILTER (WHERE e.state = 'suspense'), 0) AS bigint) AS sum_unsure
		FROM bank_files f LEFT JOIN bank_entries e ON e.file = f.sha256 WHERE CAST($1 AS bytea) = '' OR f.sha256 = CAST($1 AS bytea) GROUP BY f.sha256 ORDER BY f.imported_at DESC LIMIT 60`, sha); err != nil {
		return nil, fmt.Errorf("list bank files: %w", err)
	}
	return all, nil
}

func (s *Server) deskBank(w http.ResponseWriter, r *request) error {
	return s.showBank(w, r, http.StatusOK, "")
}

func (s *Server) showBank(w http.ResponseWriter, r *request, status int, trouble string) error {
	d := deskBankData{Trouble: trouble}
	sha, err := hex.DecodeString(r.FormValue("file"))
	if err != nil {
		sha = nil // nonsense looks at no file
	}
	all, err := s.bankFiles(r, []byte{})
	if err != nil {
		return err
	}
	d.Files = deskTable{Title: r.say("desk.bank.files"), Heads: r.heads("name", "at", "who", "bookings", "matched", "suspense", "state"), Empty: r.say("desk.bank.none")}
	for _, f := range all {
		state := r.say("desk.bank.done")
		if f.DoneAt == nil {
			state = r.say("desk.bank.broken")
		}
		cells := r.cells("name", f.Name, "at", f.At.In(r.Loc).Format("02.01.2006 15:04"), "who", r.actorWords(f.By), "bookings", r.number(f.Bookings), "matched", r.number(f.Matched+f.Assigned), "suspense", r.number(f.Suspense), "state", state)
		cells[0].Href = "/admin/billing/bank?file=" + hex.EncodeToString(f.SHA256)
		d.Files.Rows = append(d.Files.Rows, cells)
	}
	if len(sha) == 32 {
		one, err := s.bankFiles(r, sha)
		if err != nil {
			return err
		}
		for _, f := range one {
			item := hex.EncodeToString(f.SHA256)
			entries := "/admin/billing/entries?item=" + item
			d.Name = f.Name
			d.Report = []deskFigure{{"bookings", r.number(f.Bookings), r.say("desk.bank.bookings"), entries, ""}, {"matched", r.number(f.Matched + f.Assigned), r.say("desk.bank.matched", "Sum", chf(f.SumIn)), entries + "&state=matched", ""},
				{"suspense", r.number(f.Suspense), r.say("desk.bank.suspense", "Sum", chf(f.SumUnsure)), entries + "&state=suspense", map[bool]string{true: "warn"}[f.Suspense > 0]},
				{"rest", r.number(f.Rest), r.say("desk.bank.rest"), entries, ""}, {"skipped", r.number(f.Skipped), r.say("desk.bank.skipped"), entries, ""}}
			if d.Entries, err = s.entriesOf(r, item); err != nil {
				return err
			}
		}
	}
	batches, err := bank.Batches(r.Context(), s.Operator, 50)
	if err != nil {
		return err
	}
	d.Batches = deskTable{Title: r.say("desk.bank.batches"), Heads: r.heads("booked_on", "amount", "open", "what"), Empty: r.say("desk.none")}
	for _, b := range batches {
		d.Batches.Rows = append(d.Batches.Rows, r.cells("booked_on", b.BookedOn.Format("02.01.2006"), "amount", chf(b.Rappen), "open", chf(b.Rappen-b.Counted), "what", b.Info))
	}
	return s.render(w, r, status, "admin_bank.html", "admin-billing", d)
}

// entriesOf are the entries a file told of first.
func (s *Server) entriesOf(r *request, file string) (t deskTable, err error) {
	for i := range deskLists {
		l := &deskLists[i]
		if l.name != "entries" {
			continue
		}
		rows, links, total, err := l.read(r.Context(), s.Operator, deskFilter{Item: file}, r.today(), deskRows)
		if err != nil {
			return t, err
		}
		t = deskTable{Title: r.say("desk.bank.entries"), Empty: r.say("desk.none")}
		if total > len(rows) {
			t.All = "/admin/billing/entries?item=" + file
		}
		for _, c := range l.columns {
			t.Heads = append(t.Heads, deskCell{Text: r.say("desk.column." + c.name), Right: c.kind == asMoney})
		}
		for i, row := range rows {
			var cells []deskCell
			for j, c := range l.columns {
				cell := r.cell(c, row[j])
				cell.Href = links[i][j]
				cells = append(cells, cell)
			}
			t.Rows = append(t.Rows, cells)
		}
	}
	return t, nil
}

// deskImport takes a file of the bank and shows what it brought.
func (s *Server) deskImport(w http.ResponseWriter, r *request) error {
	if s.Books == nil {
		return errNoPage
	}
	file, head, err := r.FormFile("file")
	if errors.Is(err, http.ErrMissingFile) || errors.Is(err, http.ErrNotMultipart) {
		return s.showBank(w, r, http.StatusUnprocessableEntity, r.say("desk.bank.choose"))
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return s.showBank(w, r, http.StatusRequestEntityTooLarge, r.say("desk.bank.large"))
	case err != nil:
		return &problem{http.StatusBadRequest, "bad_form", err}
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	if err != nil {
		return fmt.Errorf("read the bank's file: %w", err)
	}
	if len(content) == 0 {
		return s.showBank(w, r, http.StatusUnprocessableEntity, r.say("desk.bank.choose"))
	}
	result, err := s.Books.Bank.Import(r.Context(), bank.File{Name: shortName(head.Filename), Content: content, By: fmt.Sprintf("operator:%d", r.User.ID)})
	page := "/admin/billing/bank?file=" + shaOf(content)
	var unreadable *camt.ParseError
	switch {
	case errors.Is(err, bank.ErrImported):
		r.flash("warn", "desk.bank.again")
		http.Redirect(w, r.Request, page, http.StatusSeeOther)
		return nil
	case errors.As(err, &unreadable):
		return s.showBank(w, r, http.StatusUnprocessableEntity, r.say("desk.bank.unreadable", "Why", unreadable.Error()))
	case err != nil:
		return err
	}
	return r.see(w, page, "desk.bank.imported", "Count", result.Bookings, "Matched", result.Matched, "Suspense", result.Suspense, "Undone", result.Undone, "Known", result.Known, "Batches", result.Batches, "Foreign", result.Foreign)
}

// shortName is a file's name as it is shown.
func shortName(name string) string {
	if runes := []rune(name); len(runes) > 100 {
		return string(runes[:100])
	}
	if name == "" {
		return "camt.xml"
	}
	return name
}

func (s *Server) deskEntry(w http.ResponseWriter, r *request) error {
	ids, err := r.deskIDs(ofEntry)
	if err != nil {
		return err
	}
	e, err := s.entryOf(r, ids.Entry)
	if err != nil {
		return err
	}
	base := fmt.Sprintf("/admin/billing/entries/%d", e.ID)
	amount := e.Rappen
	if !e.Incoming {
		amount = -amount
	}
	d := deskThingData{Title: chf(amount), Lead: joined(" · ", e.BookedOn.Format("02.01.2006"), e.Payer), Pill: r.word("entries", e.State), Mood: deskMoods[e.State], Crumb: "/admin/billing/entries?state=suspense", CrumbWords: r.say("desk.list.entries"),
		FactsTitle: r.say("desk.entry")}
	for _, f := range []struct{ name, value string }{{"payer", e.Payer}, {"payer_iban", e.PayerIBAN}, {"reference", e.Reference}, {"note", e.Note}, {"iban", e.IBAN}, {"why", r.word("why", e.Why)}, {"who", r.actorWords(e.DecidedBy)}, {"reason", e.Reason}} {
		if f.value != "" {
			d.Facts = append(d.Facts, deskLine{Label: r.say("desk.column." + f.name), Is: f.value})
		}
	}
	if e.Account != nil {
		c, err := s.clinicOf(r, *e.Account)
		if err != nil {
			return err
		}
		d.Downloads = append(d.Downloads, deskButton{Words: c.Business, Href: c.page()})
		if e.Invoice != nil {
			d.Downloads = append(d.Downloads, deskButton{Words: r.say("desk.document"), Href: fmt.Sprintf("%s/invoices/%d", c.page(), *e.Invoice)})
		}
	}
	if e.State == "suspense" {
		d.Buttons = append(d.Buttons, r.button(base, map[bool]string{true: "assign", false: "assign-return"}[e.Incoming]))
		d.Buttons = append(d.Buttons, r.button(base, "dismiss"))
	}
	return r.page(w, "admin_thing.html", "admin-billing", d)
}
