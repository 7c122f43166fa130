package standin

import "net/http"

// Page is the page on which one edits appointments.
func (w *World) Page() http.Handler { return http.NotFoundHandler() }
