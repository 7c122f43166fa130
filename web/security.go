package web

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"image/png"
	"log/slog"
	"net/http"
	"strings"

	"github.com/pquerna/otp"

	"rappel/web/accounts"
)

// securityRoutes are the second factor, passkeys, and where one is logged in.
//
// Ids for browser tests: #start-password, #totp-start; #secret (its text), #code, #totp-on; #recovery
// (the codes), #done; #totp-off with #off-password; #passkey-name, #passkey-password,
// #passkey-add; [data-passkey-id] (its summary, and a form with #passkey-7-password for the
// passkey 7); form[data-session], #end-others.
func (s *Server) securityRoutes() []route {
	return []route{
		{"GET /profile/security", everybody | roleBare, s.securityPage},
		{"POST /profile/totp/start", everybody | roleBare, s.totpStart},
		{"POST /profile/totp", everybody | roleBare, s.totpOn},
		{"POST /profile/totp/off", everybody, s.totpOff},
		{"POST /profile/recovery", everybody, s.recoveryRenew},
		{"POST /profile/passkeys/begin", members, s.passkeyBegin},
		{"POST /profile/passkeys", members, s.passkeyAdd},
		{"POST /profile/passkeys/{id}/remove", members, s.passkeyRemove},
		{"POST /profile/sessions/end", everybody, s.sessionsEnd},
		{"POST /profile/sessions/{id}/end", everybody, s.sessionEnd},
	}
}

type securityData struct {
	Passkeys []accounts.Passkey
	Sessions []accounts.Session
	Current  int64
	Bare     bool // the second factor must be set up before anything else
	Errors   map[string]string
}

func (s *Server) securityPage(w http.ResponseWriter, r *request) error {
	return s.security(w, r, http.StatusOK, nil)
}

func (s *Server) security(w http.ResponseWriter, r *request, status int, words map[string]string) error {
	if words == nil {
		words = map[string]string{}
	}
	d := securityData{Current: r.session, Bare: r.role == roleBare, Errors: words}
	var err error
	if !r.User.Operator() {
		if d.Passkeys, err = s.Accounts.Passkeys(r.Context(), r.User); err != nil {
			return err
		}
	}
	if d.Sessions, err = s.Accounts.Sessions(r.Context(), r.User); err != nil {
		return err
	}
	return s.render(w, r, status, "security.html", "profile", d)
}

type totpData struct {
	Image  template.URL // QR code as a data URL
	Secret string       // for typing, in groups of four
	Errors map[string]string
}

// totpPage shows the secret that lies in the browser's session until a code confirms it.
func (s *Server) totpPage(w http.ResponseWriter, r *request, status int, link string, words map[string]string) error {
	k, err := otp.NewKeyFromURL(link)
	if err != nil {
		return err
	}
	img, err := k.Image(240, 240)
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		return err
	}
	var groups []string
	for rest := k.Secret(); rest != ""; rest = rest[min(4, len(rest)):] {
		groups = append(groups, rest[:min(4, len(rest))])
	}
	if words == nil {
		words = map[string]string{}
	}
	return s.render(w, r, status, "totp.html", "profile", totpData{
		Image: template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(buf.Bytes())), Secret: strings.Join(groups, " "), Errors: words})
}

func (s *Server) totpStart(w http.ResponseWriter, r *request) error {
	if r.User.HasTOTP {
		return r.see(w, "/profile/security", "")
	}
	err := s.Accounts.CheckPassword(r.Context(), r.User, r.PostFormValue("password"), r.client())
	if words, status := r.passwordTrouble(err, "start-password"); words != nil {
		return s.security(w, r, status, words)
	}
	if err != nil {
		return err
	}
	k, err := accounts.NewTOTP(r.User.Email)
	if err != nil {
		return err
	}
	sealed, err := s.Accounts.SealDraft(r.User, k.URL())
	if err != nil {
		return err
	}
	s.sessions.Put(r.Context(), "totp", sealed)
	return s.totpPage(w, r, http.StatusOK, k.URL(), nil)
}

func (s *Server) totpOn(w http.ResponseWriter, r *request) error {
	link, err := s.Accounts.OpenDraft(r.User, s.sessions.GetBytes(r.Context(), "totp"))
	if err != nil || r.User.HasTOTP {
		return r.see(w, "/profile/security", "") // this browser began nothing
	}
	k, err := otp.NewKeyFromURL(link)
	if err != nil {
		return err
	}
	codes, err := s.Accounts.EnableTOTP(r.Context(), r.User, k.Secret(), r.PostFormValue("code"))
	if errors.Is(err, accounts.ErrBadCode) {
		return s.totpPage(w, r, http.StatusUnprocessableEntity, link, map[string]string{"code": r.say("code.wrong")})
	}
	if err != nil {
		return err
	}
	s.sessions.Remove(r.Context(), "totp")
	return s.recovery(w, r, codes)
}

// recovery shows the codes, once: they are kept nowhere. Every other log-in of this user is
// over, and the browser at hand gets a new token.
func (s *Server) recovery(w http.ResponseWriter, r *request, codes []string) error {
	if err := s.sessions.RenewToken(r.Context()); err != nil {
		return err
	}
	if err := s.Accounts.EndOthers(r.Context(), r.User, r.session); err != nil {
		return err
	}
	return r.page(w, "recovery.html", "profile", codes)
}

func (s *Server) totpOff(w http.ResponseWriter, r *request) error {
	err := s.Accounts.CheckPassword(r.Context(), r.User, r.PostFormValue("password"), r.client())
	if words, status := r.passwordTrouble(err, "off-password"); words != nil {
		return s.security(w, r, status, words)
	}
	if err != nil {
		return err
	}
	if err := s.Accounts.DisableTOTP(r.Context(), r.User); err != nil {
		return err
	}
	if err := s.sessions.RenewToken(r.Context()); err != nil {
		return err
	}
	return r.see(w, "/profile/security", "security.totp.is_off")
}

func (s *Server) recoveryRenew(w http.ResponseWriter, r *request) error {
	err := s.Accounts.CheckPassword(r.Context(), r.User, r.PostFormValue("password"), r.client())
	if words, status := r.passwordTrouble(err, "off-password"); words != nil {
		return s.security(w, r, status, words)
	}
	if err != nil {
		return err
	}
	codes, err := s.Accounts.RenewRecovery(r.Context(), r.User)
	if errors.Is(err, accounts.ErrNotFound) {
		return r.see(w, "/profile/security", "") // there is no second factor to stand in for
	}
	if err != nil {
		return err
	}
	return s.recovery(w, r, codes)
}

// asJSON answers app.js.
func asJSON(w http.ResponseWriter, status int, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(data) // a browser that left needs no answer
	return nil
}

// refusedKey answers app.js that a passkey didn't fit, in words for the page.
func (s *Server) refusedKey(w http.ResponseWriter, r *request, err error) error {
	if !errors.Is(err, accounts.ErrPasskey) {
		return err
	}
	s.Log.InfoContext(r.Context(), "passkey refused", slog.Int64("user_id", r.User.ID))
	return asJSON(w, http.StatusUnprocessableEntity, map[string]string{"problem": r.say("passkey.refused")})
}

// passkeyBegin asks for the password: a passkey outlives every log-in.
func (s *Server) passkeyBegin(w http.ResponseWriter, r *request) error {
	err := s.Accounts.CheckPassword(r.Context(), r.User, r.PostFormValue("password"), r.client())
	if words, status := r.passwordTrouble(err, "problem"); words != nil {
		return asJSON(w, status, words)
	}
	if err != nil {
		return err
	}
	options, state, err := s.Accounts.BeginPasskey(r.Context(), r.User)
	if err != nil {
		return s.refusedKey(w, r, err)
	}
	s.sessions.Put(r.Context(), "passkey", state)
	return asJSON(w, http.StatusOK, options)
}

func (s *Server) passkeyAdd(w http.ResponseWriter, r *request) error {
	name := []rune(strings.Join(strings.Fields(r.URL.Query().Get("name")), " "))
	if len(name) == 0 {
		name = []rune(agentOf(r.UserAgent()))
	}
	if len(name) == 0 {
		name = []rune("Passkey")
	}
	if err := s.Accounts.AddPasskey(r.Context(), r.User, string(name[:min(len(name), 100)]), s.sessions.PopBytes(r.Context(), "passkey"), r.Request); err != nil {
		return s.refusedKey(w, r, err)
	}
	r.flash("good", "passkey.added")
	return asJSON(w, http.StatusOK, map[string]string{"next": "/profile/security"})
}

func (s *Server) passkeyRemove(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	err = s.Accounts.RemovePasskey(r.Context(), r.User, id, r.PostFormValue("password"), r.client())
	if words, status := r.passwordTrouble(err, fmt.Sprintf("passkey-%d-password", id)); words != nil {
		return s.security(w, r, status, words)
	}
	if err != nil {
		return err
	}
	return r.see(w, "/profile/security", "passkey.removed")
}

func (s *Server) passkeyLoginBegin(w http.ResponseWriter, r *request) error {
	options, state, err := s.Accounts.BeginPasskeyLogin(r.Context(), r.client())
	var many *accounts.TooManyAttempts
	if errors.As(err, &many) {
		return asJSON(w, http.StatusTooManyRequests, map[string]string{"problem": r.tooMany(many)})
	}
	if err != nil {
		return s.refusedKey(w, r, err)
	}
	r.brief()
	s.sessions.Put(r.Context(), "passkey", state)
	return asJSON(w, http.StatusOK, options)
}

// passkeyLogin logs in whoever the browser's answer is from. The next page comes to
// app.js as JSON, since it can't follow a redirect for the window.
func (s *Server) passkeyLogin(w http.ResponseWriter, r *request) error {
	u, err := s.Accounts.PasskeyLogin(r.Context(), s.sessions.PopBytes(r.Context(), "passkey"), r.Request, r.client())
	var many *accounts.TooManyAttempts
	if errors.As(err, &many) {
		return asJSON(w, http.StatusTooManyRequests, map[string]string{"problem": r.tooMany(many)})
	}
	if err != nil {
		return s.refusedKey(w, r, err)
	}
	next := local(r.URL.Query().Get("next"))
	if err := s.admit(r, u, "passkey"); err != nil {
		return err
	}
	return asJSON(w, http.StatusOK, map[string]string{"next": next})
}

func (s *Server) sessionEnd(w http.ResponseWriter, r *request) error {
	id, err := r.id("id")
	if err != nil {
		return err
	}
	if err := s.Accounts.End(r.Context(), r.User, id); err != nil {
		return err
	}
	return r.see(w, "/profile/security", "security.session.ended")
}

func (s *Server) sessionsEnd(w http.ResponseWriter, r *request) error {
	if err := s.Accounts.EndOthers(r.Context(), r.User, r.session); err != nil {
		return err
	}
	return r.see(w, "/profile/security", "security.sessions.ended")
}
