package web

import (
	"strconv"
	"time"

	"github.com/go-playground/locales"
	"github.com/go-playground/locales/de"
	"github.com/go-playground/locales/en_GB"
	"github.com/go-playground/locales/fr"
	"github.com/go-playground/locales/it"
)

// translators format dates the way each language writes them; English is British,
// whose dates can't be misread here and whose clock has 24 hours.
var translators = map[string]locales.Translator{"de": de.New(), "fr": fr.New(), "it": it.New(), "en": en_GB.New()}

func (v *view) translator() locales.Translator {
	if t := translators[v.Lang]; t != nil {
		return t
	}
	return translators["de"]
}

// Day is weekday and date in the clinic's zone: "Mo., 1. Juni", with the year when
// it is not the current one.
func (v *view) Day(t time.Time) string {
	t = t.In(v.Loc)
	tr := v.translator()
	weekday, month := tr.WeekdayAbbreviated(t.Weekday()), tr.MonthAbbreviated(t.Month())
	day := t.Format("2")
	if v.Lang == "de" {
		day += "."
	}
	s := weekday + ", " + day + " " + month
	if v.Lang != "de" {
		s = weekday + " " + day + " " + month
	}
	if t.Year() != v.Now.Year() {
		s += t.Format(" 2006")
	}
	return s
}

// LongDay is weekday and date in full: "Montag, 1. Juni 2026".
func (v *view) LongDay(t time.Time) string { return v.translator().FmtDateFull(t.In(v.Loc)) }

// Clock is the time of day in the clinic's zone, 24 hours: "14:30".
func (v *view) Clock(t time.Time) string { return t.In(v.Loc).Format("15:04") }

// DayClock is Day and Clock together.
func (v *view) DayClock(t time.Time) string { return v.Day(t) + ", " + v.Clock(t) }

// Big is Number for counts of credits and the like.
func (v *view) Big(n int64) string { return v.Number(int(n)) }

// Number groups the digits of a number in threes from ten thousand on, by the narrow
// space that all four languages understand.
func (v *view) Number(n int) string {
	s := strconv.Itoa(n)
	if n < 10_000 {
		return s
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// ISO is the machine's form for <time datetime>.
func (v *view) ISO(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Ago words how long ago t was, roughly: "vor 5 Minuten".
func (v *view) Ago(t time.Time) string {
	d := v.Now.Sub(t)
	switch {
	case d < time.Minute:
		return v.s.words.say(v.Lang, "ago.now")
	case d < time.Hour:
		return v.s.words.say(v.Lang, "ago.minutes", "Count", int(d.Minutes()))
	case d < 48*time.Hour:
		return v.s.words.say(v.Lang, "ago.hours", "Count", int(d.Hours()))
	}
	return v.DayClock(t)
}

// Today, Tomorrow report which day t falls on in the clinic's zone.
func (v *view) Today(t time.Time) bool { return sameDay(t.In(v.Loc), v.Now) }

// Tomorrow reports whether t falls on the day after today.
func (v *view) Tomorrow(t time.Time) bool { return sameDay(t.In(v.Loc), v.Now.AddDate(0, 0, 1)) }

func sameDay(a, b time.Time) bool {
	ay, am, ad := a.Date()
	by, bm, bd := b.Date()
	return ay == by && am == bm && ad == bd
}
