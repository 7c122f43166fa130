package web

import (
	"net/http"
	"time"

	"rappel/notify"
)

// messageColumns are the columns of an exported log, by their words.
var messageColumns = []string{"id", "created", "recipient", "sender", "text", "kind", "origin", "encoding", "segments", "units",
	"status", "status_words", "reason", "carrier", "code", "attempts", "accepted", "status_at"}

// messageCSV streams the filtered log as it is read.
func (s *Server) messageCSV(w http.ResponseWriter, r *request) error {
	return s.messageExport(r, newCSVSheet(w, r.fileName("messages", "csv")))
}

// messageXLSX is the filtered log as an Excel workbook.
func (s *Server) messageXLSX(w http.ResponseWriter, r *request) error {
	out, err := newXLSXSheet(w, r.fileName("messages", "xlsx"))
	if err != nil {
		return err
	}
	return s.messageExport(r, out)
}

// fileName is what an export is saved as: which list, and when.
func (r *request) fileName(list, ending string) string {
	return "rappel-" + list + "-" + r.now().Format("2006-01-02-1504") + "." + ending
}

// messageExport writes exactly what the filter shows, on all its pages.
func (s *Server) messageExport(r *request, out sheet) error {
	defer out.Abandon()
	_, n, err := r.readFilter()
	if err != nil {
		return err
	}
	n.After = notify.Cursor{}
	head := make([]any, len(messageColumns))
	for i, c := range messageColumns {
		head[i] = r.say("messages.column." + c)
	}
	words := map[string]string{} // the same few, a million times
	say := func(key string) string {
		if words[key] == "" {
			words[key] = r.say(key)
		}
		return words[key]
	}
	began := false // a failure before anything left still becomes a proper answer
	for e, err := range s.Messages.Export(r.Context(), r.Account.ID, n) {
		if err != nil {
			return err
		}
		if !began {
			if err := out.Row(head...); err != nil {
				return err
			}
			began = true
		}
		reason := ""
		if e.Reason != notify.ReasonNone {
			reason = say("reason." + string(e.Reason))
		}
		var accepted time.Time
		if e.AcceptedAt != nil {
			accepted = e.AcceptedAt.In(r.Loc)
		}
		if err := out.Row(e.ID, e.CreatedAt.In(r.Loc), e.Recipient, e.Sender, e.Body, say("kind."+e.Kind.String()), say("origin."+string(e.Origin)),
			e.Encoding.String(), e.Segments, e.Units, e.Status.String(), say("status."+e.Status.String()), reason, e.Carrier, e.Code,
			e.Attempts, accepted, e.StatusAt.In(r.Loc)); err != nil {
			return err
		}
	}
	if !began {
		if err := out.Row(head...); err != nil {
			return err
		}
	}
	return out.Close()
}
