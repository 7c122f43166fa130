package web

import (
	"context"
	"fmt"
	"net/http"

	"github.com/jmoiron/sqlx"

	"rappel/calendars"
	"rappel/notify/credits"
	"rappel/reminders"
)

// noticeKinds are the notices the pages have words for. What rooms may open is the
// closed set of their Notice constants; tests compare.
var noticeKinds = []string{calendars.NoticeReconnect, calendars.NoticePaused, calendars.NoticeUnreachable, reminders.NoticeMissed,
	credits.NoticeLow, credits.NoticeOut}

func (s *Server) noticeRoutes() []route {
	return []route{{"POST /notices/{id}/dismiss", daily, s.noticeDismiss}}
}

// Critical are the notices shown on every page: nothing is sent until somebody acts.
func (v *view) Critical() []noticeRow {
	var critical []noticeRow
	for _, n := range v.Notices {
		switch n.Kind {
		case calendars.NoticeReconnect, calendars.NoticePaused, calendars.NoticeUnreachable, credits.NoticeOut:
			critical = append(critical, n)
		}
	}
	return critical
}

// Href is where the cause of a notice is mended.
func (n noticeRow) Href() string {
	switch {
	case n.Subject == credits.NoticeSubject:
		return "/billing/credits"
	case n.Ref() == "":
		return "/"
	case n.Kind == calendars.NoticeReconnect:
		return "/calendars#connection-" + n.Ref()
	case n.Kind == reminders.NoticeMissed:
		return "/appointments?show=problems&calendar=" + n.Ref()
	}
	return "/calendars/" + n.Ref()
}

// Dismissable reports whether a person ends the notice, not the room that opened it.
func (n noticeRow) Dismissable() bool { return n.Kind == reminders.NoticeMissed }

// noticeDismiss marks a notice as seen to. Only those no room resolves by itself can
// be; anything else does not exist here.
func (s *Server) noticeDismiss(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE notices SET resolved_at = $4 WHERE account_id = $1 AND id = $2 AND kind = $3 AND resolved_at IS NULL`,
			r.Account.ID, id, reminders.NoticeMissed, s.Now())
		if err != nil {
			return fmt.Errorf("dismiss notice: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errNoPage
		}
		return nil
	}); err != nil {
		return err
	}
	return r.see(w, "/", "notices.dismissed")
}
