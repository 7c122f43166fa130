package web

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"rappel/notify"
)

// TestMessages_EveryMeaning: each of the eleven statuses with each reason, in every
// language, is worded: what happened, why, and what to do; on the page of the message, in
// the list, and among the meanings.
func TestMessages_EveryMeaning(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	id := d.waiting(notify.ReasonNone)
	reasons := []notify.Reason{notify.ReasonNone}
	for _, c := range constants(t, "../notify/reason.go", "Reason") {
		reasons = append(reasons, notify.Reason(c))
	}
	for _, lang := range []string{"de", "fr", "it", "en"} {
		d.exec(`UPDATE users SET language = $2 WHERE account_id = $1`, d.ID, lang)
		words := allWords(t, lang)
		meanings := html.UnescapeString(d.page("/messages/statuses"))
		for _, status := range notify.Statuses() {
			for _, reason := range reasons {
				a := adviceOn(status, reason)
				for _, key := range []string{a.Is, a.Why, a.Do} {
					if key != "" && words[key] == "" {
						t.Errorf("%s: %s with reason %q lacks words for %s", lang, status, reason, key)
					}
				}
			}
			d.exec(`UPDATE sent SET status = $3, reason = '' WHERE account_id = $1 AND message_id = $2`, d.ID, id, status)
			for where, page := range map[string]string{"the message": d.page(fmt.Sprintf("/messages/%d", id)), "the list": d.page("/messages"), "the meanings": meanings} {
				for _, key := range []string{"status." + status.String(), "status." + status.String() + ".is"} {
					if !strings.Contains(html.UnescapeString(page), words[key]) {
						t.Errorf("%s: %s does not say %s", lang, where, key)
					}
				}
			}
			if !strings.Contains(meanings, words["status."+status.String()+".do"]) {
				t.Errorf("%s: the meanings don't say what to do about %s", lang, status)
			}
		}
		for _, reason := range reasons[1:] {
			d.exec(`UPDATE sent SET status = 0, reason = $3 WHERE account_id = $1 AND message_id = $2`, d.ID, id, reason)
			key := "reason." + string(reason)
			for where, page := range map[string]string{"the message": d.page(fmt.Sprintf("/messages/%d", id)), "the list": d.page("/messages?recipient=%2B41791112277"), "the meanings": meanings} {
				page = html.UnescapeString(page)
				if reason != notify.ReasonReceipt && !strings.Contains(page, words[key]) {
					t.Errorf("%s: %s does not say %s", lang, where, key)
				}
				if where == "the meanings" && !strings.Contains(page, words[key+".do"]) {
					t.Errorf("%s: the meanings don't say what to do about %s", lang, reason)
				}
			}
		}
	}
}

// TestMessage_Waits: a message that has not left says what it waits for and until when.
func TestMessage_Waits(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	for _, c := range []struct {
		name   string
		reason notify.Reason
		change string // of its place in the queue
		want   string
	}{
		{"scheduled", notify.ReasonNone, "", "Vorgesehen ist sie für Mo., 1. Juni, 09:05. Nach Di., 2. Juni, 08:50 geht sie nicht mehr hinaus."},
		{"its turn", notify.ReasonNone, `UPDATE queue SET send_at = '2026-06-01T06:55:00Z' WHERE account_id = $1 AND message_id = $2`, "Sie ist seit Mo., 1. Juni, 08:55 an der Reihe und geht in Kürze hinaus. Nach Di., 2. Juni, 08:50 geht sie nicht mehr hinaus."},
		{"again", notify.ReasonThrottled, "", "Nächster Versuch: Mo., 1. Juni, 09:05. Nach Di., 2. Juni, 08:50 geht sie nicht mehr hinaus."},
		{"unanswered", notify.ReasonUnanswered, "", "Bis Mo., 1. Juni, 09:20 warten wir auf ein Zeichen des Netzes. Kommt keines, wird sie ein zweites und letztes Mal gesendet, wenn die Zeit noch reicht. Nach Di., 2. Juni, 08:50 geht sie nicht mehr hinaus."},
		{"unanswered marketing", notify.ReasonUnanswered, `UPDATE messages SET kind = 2 WHERE account_id = $1 AND id = $2`, "Bis Mo., 1. Juni, 09:20 warten wir auf ein Zeichen des Netzes. Kommt keines, bleibt es dabei: Werbung wird nie zweimal gesendet. Nach Di., 2. Juni, 08:50 geht sie nicht mehr hinaus."},
		{"held", notify.ReasonReview, "", "Zurückgehalten seit Mo., 1. Juni, 08:50, bis entschieden ist. Nach Di., 2. Juni, 08:50 geht sie nicht mehr hinaus."},
		{"withdrawn", notify.ReasonWithdrawn, "", ""},
		{"leaving", notify.ReasonInterrupted, `DELETE FROM queue WHERE account_id = $1 AND message_id = $2`, "Sie wird gerade dem Netz übergeben (seit Mo., 1. Juni, 08:50)."},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &demo{clinic: newSite(t).clinic("Praxis")}
			id := d.waiting(c.reason)
			if c.change != "" {
				d.exec(c.change, d.ID, id)
			}
			got := ""
			if _, list, ok := strings.Cut(d.page(fmt.Sprintf("/messages/%d", id)), `id="waits">`); ok {
				list, _, _ = strings.Cut(list, "</ul>")
				got = strings.Join(strings.Fields(tags.ReplaceAllString(strings.ReplaceAll(list, "</li>", " "), "")), " ")
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	if page := d.page("/messages/1"); strings.Contains(page, `id="waits"`) {
		t.Error("a delivered message waits for something")
	}
}

// TestMessage_Appointment: a reminder's message leads to its appointment and back.
func TestMessage_Appointment(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	there := fmt.Sprintf("/appointments/%d", d.Sun)
	if page := d.page("/messages/1"); !strings.Contains(page, `id="about"><a href="`+there+`">Sommer Eva 079 444 55 66</a>`) {
		t.Errorf("no way to the appointment:\n%s", page)
	}
	back := fmt.Sprintf("/messages?appointment=%d", d.Sun)
	if page := d.page(there); !strings.Contains(page, `id="messages" href="`+back+`"`) {
		t.Error("no way from the appointment to its messages")
	}
	if got := listed(d.page(back)); !slices.Equal(got, []string{"1"}) {
		t.Errorf("messages of the appointment: %v", got)
	}
	if page := d.page(back); !strings.Contains(page, there) || !strings.Contains(page, `name="appointment" value="`) {
		t.Error("the list does not say whose messages it shows")
	}
	if page := d.page(fmt.Sprintf("/appointments/%d", d.Huber)); strings.Contains(page, "/messages?appointment=") {
		t.Error("an appointment without messages leads to an empty list")
	}
	if got := listed(d.page("/messages?appointment=99999")); got != nil {
		t.Errorf("messages of no appointment: %v", got)
	}
	d.exec(`DELETE FROM events WHERE account_id = $1 AND id = $2`, d.ID, d.Sun)
	if page := d.page("/messages/1"); strings.Contains(page, `id="about"`) {
		t.Error("leads to an appointment that is gone")
	}
}

var (
	messageRow = regexp.MustCompile(`data-message="(\d+)"`)
	countLink  = regexp.MustCompile(`<a href="([^"]+)"( aria-current="true")? data-status="([A-Z_]*)">[^<]*<b class="num">(\d+)</b>`)
)

func listed(page string) (ids []string) {
	for _, m := range messageRow.FindAllStringSubmatch(page, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

// TestMessages_Filters: each filter alone and together; the counts lead to their rows, and
// the exports hold what the list shows.
func TestMessages_Filters(t *testing.T) {
	t.Parallel()
	d := newDemo(t) // messages 1 to 5
	campaign := d.message(0, "+41791112233", "Prophylaxe: Jetzt Termin vereinbaren", at(-20, 10, 0), notify.Delivered, "receipt")
	d.exec(`UPDATE messages SET kind = 2, origin = 'campaign' WHERE account_id = $1 AND id = $2`, d.ID, campaign)
	d.message(0, "+41790009999", "Uralt", at(-60, 10, 0), notify.Expired, notify.ReasonNoReceipt)
	var reminder int64
	if err := d.owner.Get(&reminder, `SELECT origin_id FROM messages WHERE account_id = $1 AND id = 1`, d.ID); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ query, want string }{
		{"", "5 4 1 3 2 6"},
		{"period=30", "5 4 1 3 2 6"},
		{"period=7", "5 4 1 3 2"},
		{"period=today", "5"},
		{"period=all", "5 4 1 3 2 6 7"},
		{"period=range&from=2026-05-28&to=2026-05-31", "4 1 3 2"},
		{"from=2026-05-31&to=2026-05-31", "4 1"},
		{"from=2026-06-01", "5"},
		{"to=2026-04-30", "7"},
		{"period=today&from=2026-05-01", "5"},
		{"status=DELIVERED", "1 3 2 6"},
		{"status=DELIVERED&status=SENT", "5 1 3 2 6"},
		{"status=FAILED", "4"},
		{"status=FAILED&period=all", "4 7"},
		{"kind=marketing", "6"},
		{"kind=notification&status=DELIVERED&period=7", "1 3 2"},
		{"origin=campaign", "6"},
		{"origin=campaign&status=SENT", ""},
		{"recipient=079+111+22+33", "2 6"},
		{"recipient=%2B41791112233&kind=marketing", "6"},
		{"recipient=0790009999", "7"},
		{"recipient=0790009999&period=7", ""},
		{"q=prophylaxe", "6"},
		{"q=079+111+22", "5 4 3 2 6"},
		{"q=%25", ""},
		{fmt.Sprintf("reminder=%d", reminder), "1"},
		{fmt.Sprintf("reminder=%d&status=SENT", reminder), ""},
	} {
		page := d.page("/messages?" + c.query)
		if got := strings.Join(listed(page), " "); got != c.want {
			t.Errorf("%s: lists %q, want %q", c.query, got, c.want)
			continue
		}
		total := len(listed(page))
		counts := countLink.FindAllStringSubmatch(page, -1)
		if len(counts) == 0 {
			t.Fatalf("%s: no counts", c.query)
		}
		for _, m := range counts {
			if got := fmt.Sprint(len(listed(d.page(html.UnescapeString(m[1]))))); got != m[4] {
				t.Errorf("%s: count of %q says %s, its link shows %s", c.query, m[3], m[4], got)
			}
		}
		rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(d.page("/messages/export.csv?"+c.query), "\ufeff"))).ReadAll()
		if err != nil || len(rows) != total+1 {
			t.Fatalf("%s: %d rows as CSV, want %d: %v", c.query, len(rows), total+1, err)
		}
		book, err := excelize.OpenReader(strings.NewReader(d.page("/messages/export.xlsx?" + c.query)))
		if err != nil {
			t.Fatal(err)
		}
		cells, err := book.GetRows("Rappel")
		if err != nil {
			t.Fatal(err)
		}
		for i := range cells { // trailing empty cells are not kept
			cells[i] = append(cells[i], make([]string, len(rows[0])-len(cells[i]))...)
		}
		if diff := cmp.Diff(rows, cells); diff != "" {
			t.Errorf("%s: CSV and Excel differ (-csv +xlsx):\n%s", c.query, diff)
		}
		if err := book.Close(); err != nil {
			t.Error(err)
		}
		for i, id := range listed(page) {
			if rows[i+1][0] != id {
				t.Errorf("%s: row %d is message %s, want %s", c.query, i, rows[i+1][0], id)
			}
		}
		if strings.Contains(page, `id="csv"`) != (total > 0) || total > 0 && !strings.Contains(page, fmt.Sprintf("%d Zeile", total)) {
			t.Errorf("%s: nothing says that the export has %d rows", c.query, total)
		}
	}
}

func TestMessages_WrongFilters(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	for query, field := range map[string]string{
		"period=range&from=gestern": "from", "period=range&to=2026-13-01": "to", "from=2026-06-05&to=2026-06-01": "to", "period=immer": "period",
		"status=GUT": "status", "kind=x": "kind", "origin=x": "origin", "recipient=12": "recipient",
	} {
		page := d.page("/messages?" + query)
		if !strings.Contains(page, `id="`+field+`-error"`) {
			t.Errorf("%s: nothing beside %s", query, field)
		}
		if !regexp.MustCompile(`id="` + field + `"[^>]*aria-invalid="true" aria-describedby="` + field + `-error"`).MatchString(page) {
			t.Errorf("%s: %s is not marked", query, field)
		}
	}
	for _, query := range []string{"after=x", "after=1.2.3", "after=-1.-1", "reminder=x", "appointment=-1", "appointment=9223372036854775808", "q=%27%3B--"} {
		if a := d.get("/messages?" + query); a.status != http.StatusOK {
			t.Errorf("%s: %d", query, a.status)
		}
	}
}

// TestMessages_Pages walks the log page by page, with the filter kept.
func TestMessages_Pages(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.exec(`INSERT INTO messages (account_id, kind, reference, origin, recipient, sender, body, encoding, segments, units, send_at, expires_at, created_at)
		SELECT $1, 1, 'many' || n, 'reminder', '+41790000000', 'PraxisSee', 'Viele ' || n, 0, 1, 8, $2, $2, $2 FROM generate_series(1, 130) AS n`, d.ID, monday)
	next := regexp.MustCompile(`id="next" href="([^"]+)"`)
	seen := map[string]bool{}
	path := "/messages?q=viele&status=NOT_SENT"
	for pages := 0; path != "" && pages < 5; pages++ {
		page := d.page(path)
		for _, id := range listed(page) {
			if seen[id] {
				t.Errorf("message %s is on two pages", id)
			}
			seen[id] = true
		}
		if !strings.Contains(page, "130 Zeilen") {
			t.Errorf("page %d: the total is not said", pages)
		}
		path = ""
		if m := next.FindStringSubmatch(page); m != nil {
			path = html.UnescapeString(m[1])
		}
	}
	if len(seen) != 130 {
		t.Errorf("%d messages on all pages", len(seen))
	}
}

// TestMessages_Export: the columns, in the clinic's zone, under a name that says what and
// when.
func TestMessages_Export(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.message(0, "+41790000001", "=1+1", monday, notify.Delivered, "receipt")
	a := d.get("/messages/export.csv?q=%3D1")
	if want := `attachment; filename="rappel-messages-2026-06-01-0900.csv"`; a.header.Get("Content-Disposition") != want {
		t.Errorf("name %s, want %s", a.header.Get("Content-Disposition"), want)
	}
	wantRows := "\ufeffLaufnummer,Erstellt,Empfänger,Absender,Text,Art,Anlass,Zeichensatz,SMS-Teile,Zeichen,Status,Bedeutung,Grund,Netzzugang,Kennzahl,Versuche,Angenommen,Status seit\r\n" +
		"6,2026-06-01 09:00:00,+41790000001,PraxisSee,'=1+1,Benachrichtigung,Terminerinnerung,GSM-7,1,4,DELIVERED,Zugestellt,So meldet es das Netz.,sandbox,,1,2026-06-01 09:00:01,2026-06-01 09:00:05\r\n"
	if diff := cmp.Diff(wantRows, a.body); diff != "" {
		t.Errorf("CSV (-want +got):\n%s", diff)
	}
	x := d.get("/messages/export.xlsx?q=%3D1")
	if x.header.Get("Content-Type") != "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" || !strings.Contains(x.header.Get("Content-Disposition"), `rappel-messages-2026-06-01-0900.xlsx"`) {
		t.Errorf("headers %v", x.header)
	}
	book, err := excelize.OpenReader(strings.NewReader(x.body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = book.Close() }() // nothing of it is on disk
	if v, err := book.GetCellValue("Rappel", "E2"); v != "=1+1" || err != nil {
		t.Errorf("text %q, %v", v, err)
	}
	if f, err := book.GetCellFormula("Rappel", "E2"); f != "" || err != nil {
		t.Errorf("a text became the formula %q, %v", f, err)
	}
	if kind, err := book.GetCellType("Rappel", "B2"); kind == excelize.CellTypeInlineString || err != nil {
		t.Errorf("a time is kept as text: %v, %v", kind, err)
	}
}

// TestSheets_FlatMemory writes a long list both ways and looks at the heap meanwhile.
func TestSheets_FlatMemory(t *testing.T) {
	const rows, most = 100_000, 48 << 20 // as XML they are about 80 MB
	for _, kind := range []string{"csv", "xlsx"} {
		w := &discard{header: http.Header{}}
		var out sheet = newCSVSheet(w, "x.csv")
		if kind == "xlsx" {
			x, err := newXLSXSheet(w, "x.xlsx")
			if err != nil {
				t.Fatal(err)
			}
			out = x
		}
		heap := func() uint64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := heap()
		for i := range rows + 1 {
			if err := out.Row(i, monday, "+41791234567", "PraxisSee", strings.Repeat("Terminerinnerung ", 8), "x", "y", 1, 2, 3, "DELIVERED", time.Time{}); err != nil {
				t.Fatal(err)
			}
			if i%20_000 == 19_999 {
				if now := heap(); now > before+most {
					t.Errorf("%s: after %d rows the heap is %d MB larger", kind, i, (now-before)>>20)
				}
			}
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
		if w.n == 0 {
			t.Errorf("%s: nothing was written", kind)
		}
	}
}

// discard counts what is written to it.
type discard struct {
	header http.Header
	n      int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { d.n += len(b); return len(b), nil }

// TestXLSX_ManySheets: a list longer than a sheet goes on in the next, with its head.
func TestXLSX_ManySheets(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	x, err := newXLSXSheet(w, "x.xlsx")
	if err != nil {
		t.Fatal(err)
	}
	x.most = 4 // a head and three rows
	for i := range 8 {
		if err := x.Row(fmt.Sprintf("r%d", i), "\x01<&>", i); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = book.Close() }() // nothing of it is on disk
	var got []string
	for _, name := range book.GetSheetList() {
		rows, err := book.GetRows(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			got = append(got, name+":"+r[0])
		}
	}
	wantRows := []string{"Rappel:r0", "Rappel:r1", "Rappel:r2", "Rappel:r3", "Rappel 2:r0", "Rappel 2:r4", "Rappel 2:r5", "Rappel 2:r6", "Rappel 3:r0", "Rappel 3:r7"}
	if diff := cmp.Diff(wantRows, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzCSVSheet: whatever a text holds, a reader gets it back, and no cell begins a formula.
func FuzzCSVSheet(f *testing.F) {
	for _, seed := range []string{"", "=1+1", "+41791234567", "a,b", "a\"b", "a\r\nb", "\ufeff", "\tx", "@x", "-", "\n=1+1", " \r\n@x", "\u00a0=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w := httptest.NewRecorder()
		s := newCSVSheet(w, "x.csv")
		if err := s.Row("head", "second"); err != nil {
			t.Fatal(err)
		}
		if err := s.Row(text, 7); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(w.Result().Body)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff")))).ReadAll()
		if err != nil || len(rows) != 2 {
			t.Fatalf("%q: %d rows, %v", text, len(rows), err)
		}
		// The reader makes one line end of both kinds.
		lines := strings.NewReplacer("\r\n", "\n")
		if got := lines.Replace(rows[1][0]); got != lines.Replace(formulaSafe(text)) {
			t.Errorf("%q came back as %q", text, got)
		}
		cell := rows[1][0]
		if first := strings.TrimSpace(cell); first != "" && strings.ContainsRune("=+-@", rune(first[0])) && !notify.ValidNumber(cell) ||
			cell != "" && strings.ContainsRune("\t\r\n", rune(cell[0])) {
			t.Errorf("%q begins a formula", cell)
		}
	})
}

func TestMessageFilter_Links(t *testing.T) {
	t.Parallel()
	f := messageFilter{query: url.Values{"q": {"a b"}, "status": {"SENT", "EXPIRED"}}}
	for _, c := range []struct{ got, want string }{
		{f.href("/m"), "/m?q=a+b&status=SENT&status=EXPIRED"},
		{f.href("/m", "status", "SENT"), "/m?q=a+b&status=SENT"},
		{f.href("/m", "status", "", "q", ""), "/m"},
	} {
		if c.got != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
}
