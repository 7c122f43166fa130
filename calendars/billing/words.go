package billing

import (
	"fmt"
	"strings"
)

// words are what documents say in one language. {n} and {m} are quantities.
type words struct {
	recurring, changed, ended map[bool]string // by: one calendar or several
	monthly, yearly           string
	credit, paid              string
}

// wording has the languages of accounts.
var wording = map[string]words{
	"de": {
		recurring: either("Abonnement für {n} Kalender", "Abonnement für {n} Kalender"),
		changed:   either("Neu {n} statt {m} Kalender", "Neu {n} statt {m} Kalender"),
		ended:     either("Ende des Abonnements für {m} Kalender", "Ende des Abonnements für {m} Kalender"),
		monthly:   "monatlich", yearly: "jährlich", credit: "Ihr Guthaben", paid: "Bereits bezahlt",
	},
	"fr": {
		recurring: either("Abonnement pour {n} agenda", "Abonnement pour {n} agendas"),
		changed:   either("Désormais {n} agenda au lieu de {m}", "Désormais {n} agendas au lieu de {m}"),
		ended:     either("Fin de l’abonnement ({m} agenda)", "Fin de l’abonnement ({m} agendas)"),
		monthly:   "mensuel", yearly: "annuel", credit: "Votre avoir", paid: "Déjà payé",
	},
	"it": {
		recurring: either("Abbonamento per {n} agenda", "Abbonamento per {n} agende"),
		changed:   either("Ora {n} agenda invece di {m}", "Ora {n} agende invece di {m}"),
		ended:     either("Fine dell’abbonamento ({m} agenda)", "Fine dell’abbonamento ({m} agende)"),
		monthly:   "mensile", yearly: "annuale", credit: "Il suo credito", paid: "Già pagato",
	},
	"en": {
		recurring: either("Subscription for {n} calendar", "Subscription for {n} calendars"),
		changed:   either("Now {n} calendar instead of {m}", "Now {n} calendars instead of {m}"),
		ended:     either("End of the subscription ({m} calendar)", "End of the subscription ({m} calendars)"),
		monthly:   "monthly", yearly: "yearly", credit: "Your credit", paid: "Already paid",
	},
}

func either(one, several string) map[bool]string { return map[bool]string{true: one, false: several} }

func wordsOf(language string) words {
	if w, ok := wording[language]; ok {
		return w
	}
	return wording["de"]
}

// text words a line for a document in language.
func (l Line) text(language string) (text, detail string) {
	w := wordsOf(language)
	if l.Text != "" {
		return l.Text, ""
	}
	form, count := w.recurring, l.Quantity
	if l.Kind == LineProration {
		form = w.changed
		if l.Quantity == 0 {
			form, count = w.ended, l.Before
		}
	}
	detail = w.monthly
	if l.Interval == Yearly {
		detail = w.yearly
	}
	return strings.NewReplacer("{n}", fmt.Sprint(l.Quantity), "{m}", fmt.Sprint(l.Before)).Replace(form[count == 1]), detail
}
