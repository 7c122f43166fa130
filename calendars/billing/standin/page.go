package standin

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
)

//go:embed pages/*.html
var pageFiles embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"chf": func(rappen int64) string { return fmt.Sprintf("%d.%02d", rappen/100, rappen%100) },
}).ParseFS(pageFiles, "pages/*.html"))

func (w *World) render(rw http.ResponseWriter, name string, data any) {
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	rw.Header().Set("Cache-Control", "no-store")
	if err := pages.ExecuteTemplate(rw, name, data); err != nil {
		w.o.Log.Error("page of the stand-in", slog.Any("err", err))
	}
}

type pageView struct {
	Session  session
	Code     string // of the last attempt, "" = none
	Choices  []choice
	Customer string
}

type choice struct{ Value, Label, Hint string }

func (w *World) showPage(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	s := w.s.Sessions[r.PathValue("id")]
	if s == nil {
		w.mu.Unlock()
		http.NotFound(rw, r)
		return
	}
	v := pageView{Session: *s}
	if c := w.s.Customers[s.Customer]; c != nil {
		v.Customer = c.Name
	}
	if i := w.s.Intents[s.Intent]; i != nil {
		v.Code = i.Code
	}
	w.mu.Unlock()
	labels := map[string]string{"card": "Visa •••• 4242", "paypal": "PayPal", "twint": "TWINT"}
	for _, m := range v.Session.Methods {
		v.Choices = append(v.Choices, choice{m + ":succeeds", labels[m], "geht durch"})
		if m != "card" {
			continue
		}
		if v.Session.Mode == "payment" {
			v.Choices = append(v.Choices, choice{"card:declines", "Visa •••• 0341", "wird abgelehnt"}, choice{"card:takes_time", "Visa •••• 0077", "braucht Zeit"})
		} else {
			v.Choices = append(v.Choices, choice{"card:declines", "Visa •••• 0341", "wird bei jeder Belastung abgelehnt"}, choice{"card:wants_owner", "Visa •••• 3184", "verlangt bei jeder Belastung eine Bestätigung"})
		}
	}
	w.render(rw, "pay.html", v)
}

func (w *World) usePage(rw http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	w.mu.Lock()
	s := w.s.Sessions[id]
	var success, cancel string
	if s != nil {
		success, cancel = s.Success, s.Cancel
	}
	w.mu.Unlock()
	if s == nil {
		http.NotFound(rw, r)
		return
	}
	if r.PostFormValue("with") == "cancel" {
		http.Redirect(rw, r, cancel, http.StatusSeeOther)
		return
	}
	for value, way := range map[string]struct {
		kind string
		b    Behaviour
	}{
		"card:succeeds": {"card", Succeeds}, "card:declines": {"card", Declines}, "card:takes_time": {"card", TakesTime}, "card:wants_owner": {"card", WantsOwner},
		"paypal:succeeds": {"paypal", Succeeds}, "twint:succeeds": {"twint", Succeeds},
	} {
		if value != r.PostFormValue("with") {
			continue
		}
		if err := w.Pay(id, way.kind, way.b); err != nil && !errors.Is(err, ErrNothing) {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return
		}
		w.mu.Lock()
		open := w.s.Sessions[id].Status == "open"
		w.mu.Unlock()
		if open { // declined: once more
			http.Redirect(rw, r, w.o.Base+"/pay/"+url.PathEscape(id), http.StatusSeeOther)
			return
		}
		http.Redirect(rw, r, success, http.StatusSeeOther)
		return
	}
	http.Error(rw, "400 choose one of the buttons", http.StatusBadRequest)
}

type portalView struct {
	Customer, Name, Return string
	Methods                []method
}

func (w *World) showPortal(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	c := w.s.Customers[r.PathValue("customer")]
	if c == nil {
		w.mu.Unlock()
		http.NotFound(rw, r)
		return
	}
	v := portalView{Customer: c.ID, Name: c.Name, Return: r.URL.Query().Get("return")}
	for _, m := range w.methodsOf(c.ID) {
		v.Methods = append(v.Methods, *m)
	}
	w.mu.Unlock()
	w.render(rw, "portal.html", v)
}

func (w *World) usePortal(rw http.ResponseWriter, r *http.Request) {
	back := r.PostFormValue("return")
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.s.Customers[r.PathValue("customer")]
	if c == nil {
		http.NotFound(rw, r)
		return
	}
	defer w.save()
	if m := w.s.Methods[r.PostFormValue("remove")]; m != nil && m.Customer == c.ID {
		m.Customer = ""
		w.emit("payment_method.detached", w.methodJSON(m))
	} else if r.PostFormValue("add") != "" {
		m := &method{ID: w.id("pm"), Kind: "card", Customer: c.ID, Last4: "4242", Behaviour: Succeeds, Created: w.o.Now().Unix()}
		w.s.Methods[m.ID] = m
		w.emit("payment_method.attached", w.methodJSON(m))
	}
	http.Redirect(rw, r, w.o.Base+"/portal/"+c.ID+"?return="+url.QueryEscape(back), http.StatusSeeOther)
}
