package reminders

import (
	"fmt"
	"time"

	"github.com/go-playground/locales"
	"github.com/go-playground/locales/de_CH"
	"github.com/go-playground/locales/en_GB"
	"github.com/go-playground/locales/fr_CH"
	"github.com/go-playground/locales/it_CH"
)

var translators = map[string]locales.Translator{
	"de": de_CH.New(), "fr": fr_CH.New(), "it": it_CH.New(), "en": en_GB.New(),
}

// When words an instant for a text message in language, in zone.
//
//	language  weekday  date   time
//	de        Mo       1.6.   14:30
//	fr        lun.     1.6.   14:30
//	it        lun      1.6.   14:30
//	en        Mon      1 Jun  14:30
//
// Names of weekdays come from CLDR. The date is our own: CLDR's short forms all
// carry the year, which a reminder a day ahead does not need, and French month names
// (août, févr.) would cost UCS-2. English alone names the month, since readers of
// it disagree on which number comes first. Time is 24 hours everywhere.
//
// Unknown languages are worded as de.
func When(at time.Time, zone *time.Location, language string) (weekday, date, clock string) {
	at = at.In(zone)
	weekday, date = dayWords(at, language)
	return weekday, date, fmt.Sprintf("%02d:%02d", at.Hour(), at.Minute())
}

// Day is When for the floating date of an all-day appointment, 2006-01-02. It
// belongs to no zone, so it is never shifted (T08).
func Day(date, language string) (weekday, day string, err error) {
	d, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return "", "", fmt.Errorf("floating date: %w", err)
	}
	weekday, day = dayWords(d, language)
	return weekday, day, nil
}

func dayWords(d time.Time, language string) (weekday, date string) {
	tr, ok := translators[language]
	if !ok {
		tr, language = translators["de"], "de"
	}
	if language == "de" {
		// Abbreviated would be "Mo.", whose dot nobody writes in a text message.
		weekday = tr.WeekdayShort(d.Weekday())
	} else {
		weekday = tr.WeekdayAbbreviated(d.Weekday())
	}
	if language == "en" {
		return weekday, fmt.Sprintf("%d %s", d.Day(), tr.MonthAbbreviated(d.Month()))
	}
	return weekday, fmt.Sprintf("%d.%d.", d.Day(), int(d.Month()))
}
