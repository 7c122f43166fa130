package web

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/calendars"
	"rappel/notify"
	"rappel/reminders"
)

// appointmentCursor is where a page of appointments ends: they are ordered by start,
// then id.
type appointmentCursor struct {
	Start time.Time
	ID    int64
}

// appointmentQuery chooses appointments. Texts lie sealed, so searching them happens
// in appointmentScan, not in SQL.
type appointmentQuery struct {
	Calendar int64     // 0 = every watched calendar
	From, To time.Time // half-open; what of it is told by BySend
	BySend   bool      // the window is that of sending, not of the appointment
	Show     string    // all, planned, problems, number, none
	After    appointmentCursor
	Now      time.Time
}

func codes(statuses []notify.Status) any {
	out := make([]int64, len(statuses))
	for i, s := range statuses {
		out[i] = int64(s)
	}
	return pq.Array(out)
}

func reasonCodes(reasons []reminders.Reason) any {
	out := make([]string, len(reasons))
	for i, r := range reasons {
		out[i] = string(r)
	}
	return pq.Array(out)
}

// where builds the condition; $1 is the account.
func (q appointmentQuery) where(account int64) (string, []any) {
	args := []any{account}
	conds := []string{"e.account_id = $1", "c.account_id = $1"}
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	if q.Calendar != 0 {
		conds = append(conds, "e.calendar_id = "+arg(q.Calendar))
	} else {
		conds = append(conds, "c.watched")
	}
	if q.BySend {
		conds = append(conds, "e.id = ANY(ARRAY(SELECT r.event_id FROM reminders r WHERE r.account_id = $1 AND r.status = 'planned' AND "+q.due(arg)+"))")
	} else {
		conds = append(conds, "e.starts_at >= "+arg(q.From), "e.starts_at < "+arg(q.To))
	}
	const some = "EXISTS (SELECT 1 FROM reminders r WHERE r.account_id = $1 AND r.event_id = e.id AND "
	switch q.Show {
	case "planned":
		conds = append(conds, "e.gone_at IS NULL", some+"r.status = 'planned')")
	case "number":
		conds = append(conds, "e.gone_at IS NULL", "v.reason = ANY("+arg(reasonCodes(numberReasons))+")")
	case "problems":
		conds = append(conds, "e.gone_at IS NULL", "(v.reason = ANY("+arg(reasonCodes(numberReasons))+") OR "+
			some+"r.status IN ('planned', 'skipped') AND r.reason = ANY("+arg(reasonCodes(lineProblems))+")) OR "+
			`EXISTS (SELECT 1 FROM reminders r JOIN sent s ON s.account_id = r.account_id AND s.message_id = r.message_id
				WHERE r.account_id = $1 AND s.account_id = $1 AND r.event_id = e.id AND r.status = 'queued' AND s.status = ANY(CAST(`+arg(codes(failedStatuses()))+` AS smallint[]))))`)
	case "none":
		conds = append(conds, "e.gone_at IS NULL", "NOT "+some+"r.status IN ('planned', 'queued'))")
	default:
		// Those that vanished stay for a day, and longer where somebody got a text.
		conds = append(conds, "(e.gone_at IS NULL OR e.gone_at > "+arg(q.Now.Add(-24*time.Hour))+" OR "+some+"r.message_id IS NOT NULL))")
	}
	return strings.Join(conds, " AND "), args
}

// due is the condition that a reminder r goes out in the window. What should have gone
// already goes now, so it belongs to today.
func (q appointmentQuery) due(arg func(any) string) string {
	due := "r.not_before < " + arg(q.To)
	if q.From.After(q.Now) {
		due += " AND r.not_before >= " + arg(q.From)
	}
	return due
}

const appointmentTables = ` FROM events e
	JOIN calendars c ON c.account_id = e.account_id AND c.id = e.calendar_id
	LEFT JOIN verdicts v ON v.account_id = e.account_id AND v.event_id = e.id AND v.account_id = $1 `

// appointmentIDs returns up to limit ids behind q.After, in order, with the cursor
// of the last.
func appointmentIDs(ctx context.Context, tx *sqlx.Tx, account int64, q appointmentQuery, limit int) ([]int64, appointmentCursor, error) {
	where, args := q.where(account)
	if q.After.ID != 0 {
		args = append(args, q.After.Start, q.After.ID)
		where += fmt.Sprintf(" AND (e.starts_at, e.id) > ($%d, $%d)", len(args)-1, len(args))
	}
	args = append(args, limit)
	var rows []struct {
		ID    int64     `db:"id"`
		Start time.Time `db:"starts_at"`
	}
	if err := tx.SelectContext(ctx, &rows, "SELECT e.id, e.starts_at"+appointmentTables+"WHERE "+where+
		fmt.Sprintf(" ORDER BY e.starts_at, e.id LIMIT $%d", len(args)), args...); err != nil {
		return nil, appointmentCursor{}, fmt.Errorf("choose appointments: %w", err)
	}
	ids := make([]int64, len(rows))
	last := q.After
	for i, row := range rows {
		ids[i], last = row.ID, appointmentCursor{row.Start, row.ID}
	}
	return ids, last, nil
}

// countAppointments returns how many appointments q chooses.
func countAppointments(ctx context.Context, tx *sqlx.Tx, account int64, q appointmentQuery) (n int, err error) {
	where, args := q.where(account)
	if err := tx.GetContext(ctx, &n, "SELECT count(*)"+appointmentTables+"WHERE "+where, args...); err != nil {
		return 0, fmt.Errorf("count appointments: %w", err)
	}
	return n, nil
}

// countSending returns how many reminders of the appointments q chooses go out in its
// window: one appointment may have several.
func countSending(ctx context.Context, tx *sqlx.Tx, account int64, q appointmentQuery) (n int, err error) {
	where, args := q.where(account)
	due := q.due(func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	})
	if err := tx.GetContext(ctx, &n, `SELECT count(*) FROM reminders r WHERE r.account_id = $1 AND r.status = 'planned' AND `+due+
		" AND r.event_id = ANY(ARRAY(SELECT e.id"+appointmentTables+"WHERE "+where+"))", args...); err != nil {
		return 0, fmt.Errorf("count reminders: %w", err)
	}
	return n, nil
}

// messageState is what became of a message, as far as a list shows it.
type messageState struct {
	ID        int64         `db:"id"`
	Origin    int64         `db:"origin_id"`
	Recipient string        `db:"recipient"`
	Sender    string        `db:"sender"`
	Body      string        `db:"body"`
	CreatedAt time.Time     `db:"created_at"`
	Status    notify.Status `db:"status"`
	Reason    notify.Reason `db:"reason"`
	StatusAt  time.Time     `db:"status_at"`
}

const messageStates = `SELECT m.id, m.origin_id, m.recipient, m.sender, m.body, m.created_at, COALESCE(s.status, 0) AS status,
	COALESCE(s.reason, '') AS reason, COALESCE(s.status_at, m.created_at) AS status_at
	FROM messages m LEFT JOIN sent s ON s.account_id = m.account_id AND s.message_id = m.id AND s.account_id = $1 `

// statesOf reads messages by id.
func statesOf(ctx context.Context, tx *sqlx.Tx, account int64, ids []int64) (map[int64]messageState, error) {
	out := map[int64]messageState{}
	if len(ids) == 0 {
		return out, nil
	}
	var rows []messageState
	if err := tx.SelectContext(ctx, &rows, messageStates+`WHERE m.account_id = $1 AND m.id = ANY($2)`, account, pq.Array(ids)); err != nil {
		return nil, fmt.Errorf("read message states: %w", err)
	}
	for _, m := range rows {
		out[m.ID] = m
	}
	return out, nil
}

// messagesOf reads every message ever made for reminders, the oldest first.
func messagesOf(ctx context.Context, tx *sqlx.Tx, account int64, rs []reminders.Reminder) (rows []messageState, err error) {
	var ids []int64
	var numbers []string
	for _, r := range rs {
		ids, numbers = append(ids, r.ID), append(numbers, r.Recipient)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	// By number, which has an index; then by reminder.
	if err := tx.SelectContext(ctx, &rows, messageStates+`WHERE m.account_id = $1 AND m.recipient = ANY($2) AND m.origin = $3 AND m.origin_id = ANY($4)
		ORDER BY m.created_at, m.id`, account, pq.Array(numbers), notify.OriginReminder, pq.Array(ids)); err != nil {
		return nil, fmt.Errorf("read messages of reminders: %w", err)
	}
	return rows, nil
}

// promisedMessage is the message that already announced this start to this number,
// 0 for none.
func promisedMessage(ctx context.Context, tx *sqlx.Tx, account int64, recipient string, start time.Time) (id int64, err error) {
	if err := tx.GetContext(ctx, &id, `SELECT COALESCE(max(message_id), 0) FROM sent_ledger WHERE account_id = $1 AND recipient = $2 AND starts_at = $3`,
		account, recipient, start); err != nil {
		return 0, fmt.Errorf("look into ledger: %w", err)
	}
	return id, nil
}

// appointmentRow is one appointment with everything a page says about it.
type appointmentRow struct {
	Event     calendars.Event
	Calendar  calendars.Calendar
	Known     bool // it was judged; else that happens in a moment
	Why       reminders.Explanation
	Lines     []reminderLine
	Reminders []reminders.Reminder
	DecidedAt time.Time
}

// Off reports whether the appointment no longer takes place as far as we know.
func (a appointmentRow) Off() bool { return !a.Event.Stands() }

// reminderLine is the story of one reminder.
type reminderLine struct {
	reminders.Line
	Rule    *reminders.Rule // nil when it was deleted
	Message *messageState   // nil when there is none
	Moved   bool            // it announced another start than the appointment has now
}

// explained puts together what is known about events.
func (s *Server) explained(r *request, events []calendars.Event) ([]appointmentRow, error) {
	ctx, account := r.Context(), r.Account.ID
	ids := make([]int64, len(events))
	for i, e := range events {
		ids[i] = e.ID
	}
	verdicts, err := s.Planned.Verdicts(ctx, account, ids)
	if err != nil {
		return nil, err
	}
	planned, err := s.Planned.Reminders(ctx, account, ids)
	if err != nil {
		return nil, err
	}
	rules, err := s.Rules.All(ctx, account)
	if err != nil {
		return nil, err
	}
	cals, err := s.Calendars.Calendars(ctx, account)
	if err != nil {
		return nil, err
	}
	byID := map[int64]calendars.Calendar{}
	for _, c := range cals {
		byID[c.ID] = c
	}
	var messages []int64
	for _, rs := range planned {
		for _, rem := range rs {
			if rem.MessageID != nil {
				messages = append(messages, *rem.MessageID)
			}
		}
	}
	var states map[int64]messageState
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		states, err = statesOf(ctx, tx, account, messages)
		return err
	}); err != nil {
		return nil, err
	}
	rows := make([]appointmentRow, len(events))
	for i, e := range events {
		v, known := verdicts[e.ID]
		if !known && e.Gone != nil { // it vanished before anybody looked at it
			v.Reason, known = reminders.Gone, true
		}
		row := appointmentRow{Event: e, Calendar: byID[e.CalendarID], Known: known, Reminders: planned[e.ID], DecidedAt: v.DecidedAt,
			Why: reminders.Explain(v, planned[e.ID], rules, s.Now())}
		start := reminders.StartOf(e, r.Loc)
		for _, l := range row.Why.Lines {
			line := reminderLine{Line: l, Moved: !l.StartsAt.Equal(start)}
			for j := range rules {
				if rules[j].ID == l.RuleID {
					line.Rule = &rules[j]
				}
			}
			if m, ok := states[l.MessageID]; ok {
				line.Message = &m
			}
			row.Lines = append(row.Lines, line)
		}
		rows[i] = row
	}
	return rows, nil
}
