package carriers

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"rappel/notify"
)

var (
	// ErrHook is what a Hook's Parse says to what it can't read.
	ErrHook  = errors.New("webhook can't be read")
	errPanic = errors.New("inbox panicked")
)

// maxHook bounds a webhook's body. A text of ten segments is a few kilobytes.
const maxHook = 256 << 10

// News is what one webhook brings: one of the two, or nothing worth keeping.
type News struct {
	Receipt *notify.Receipt
	Inbound *notify.Inbound
}

// keep hands n to in.
func (n News) keep(ctx context.Context, in notify.Inbox) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errPanic // its value could hold a text or a number
		}
	}()
	switch {
	case n.Receipt != nil:
		return in.Receipt(ctx, *n.Receipt)
	case n.Inbound != nil:
		return in.Inbound(ctx, *n.Inbound)
	}
	return nil
}

// Hook answers a gateway's webhooks.
type Hook struct {
	Log *slog.Logger
	// Authentic reports whether the gateway, and nobody else, sent this.
	Authentic func(r *http.Request, body []byte) bool
	// Parse reads an authentic body; its error is an ErrHook.
	Parse func(r *http.Request, body []byte) (News, error)
	// Done answers what was kept; nil means 204 without a body.
	Done func(w http.ResponseWriter, n News)
}

// Serve answers one request: 405 for anything but POST, 413 if too large, 403 if not
// authentic, 400 if unreadable, and 503 when in has not kept it, so that the gateway
// brings it again.
func (h Hook) Serve(w http.ResponseWriter, r *http.Request, in notify.Inbox) {
	ctx := r.Context()
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxHook))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		} else {
			http.Error(w, "torn", http.StatusBadRequest)
		}
		return
	}
	if !h.Authentic(r, body) {
		h.Log.WarnContext(ctx, "webhook is not authentic")
		http.Error(w, "not authentic", http.StatusForbidden)
		return
	}
	news, err := h.Parse(r, body)
	if err != nil {
		h.Log.ErrorContext(ctx, "authentic webhook can't be read", slog.Int("bytes", len(body)))
		http.Error(w, "unknown kind of webhook", http.StatusBadRequest)
		return
	}
	if err := news.keep(ctx, in); err != nil {
		h.Log.ErrorContext(ctx, "webhook not kept", slog.Any("err", err))
		w.Header().Set("Retry-After", "5")
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	if h.Done != nil {
		h.Done(w, news)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// HookPath is what follows /hooks/<name>/ in r's path, such as a token; "" if nothing
// does.
func HookPath(r *http.Request, name string) string {
	rest, ok := strings.CutPrefix(r.URL.Path, "/hooks/"+name+"/")
	if !ok {
		return ""
	}
	return rest
}

// Same compares a secret with what was given in its place, in constant time. The empty
// secret is like nothing.
func Same(given, secret string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(secret))
	return hmac.Equal(a[:], b[:]) && secret != ""
}

// Token derives a hook's token from a secret of the carrier, so that none needs to be
// made up: 32 hexadecimal digits that don't tell the secret.
func Token(secret, name string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("rappel hook " + name))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// IsToken reports whether a hook's token can stand in a path and nobody guesses it: 16 to
// 128 letters, digits, - and _.
func IsToken(s string) bool { return Word(s) && len(s) >= 16 && len(s) <= 128 }

// MadeUpID names a piece of news that its gateway gave no id, by what makes two of them
// the same, so that a repetition has the same name.
func MadeUpID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte{byte(len(p) >> 24), byte(len(p) >> 16), byte(len(p) >> 8), byte(len(p))})
		h.Write([]byte(p))
	}
	return "made-" + hex.EncodeToString(h.Sum(nil)[:16])
}

// Text makes s storable: valid UTF-8 without NUL.
func Text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Instant reads a date that says its zone (RFC 3339); any other is zero, for a guess of
// the zone would be hours off.
func Instant(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t
}
