package notify

import (
	"slices"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/aa"
	"github.com/rickar/cal/v2/us"
)

// What the library of holidays doesn't have.

// with is holidays and some more.
func with(holidays []*cal.Holiday, more ...*cal.Holiday) []*cal.Holiday {
	return append(slices.Clip(holidays), more...)
}

// on is a holiday each year on a date.
func on(month time.Month, day int, observed ...cal.AltDay) *cal.Holiday {
	return &cal.Holiday{Month: month, Day: day, Observed: observed, Func: cal.CalcDayOfMonth}
}

// nth is a holiday on the n-th weekday of a month.
func nth(n int, weekday time.Weekday, month time.Month) *cal.Holiday {
	return &cal.Holiday{Month: month, Weekday: weekday, Offset: n, Func: cal.CalcWeekdayOffset}
}

// after is a holiday so many days after the n-th weekday of a month.
func after(days, n int, weekday time.Weekday, month time.Month) *cal.Holiday {
	return &cal.Holiday{Month: month, Weekday: weekday, Offset: n, Func: func(h *cal.Holiday, year int) time.Time {
		return cal.CalcWeekdayOffset(h, year).AddDate(0, 0, days)
	}}
}

// Of cantons. Sources: Geneva's Loi sur les jours fériés (J 1 45), Ticino's Legge sui giorni
// festivi ufficiali, Vaud's Loi sur l'emploi (art. 47), Neuchâtel's Loi sur le dimanche et
// les jours fériés.
var (
	jeuneGenevois       = after(4, 1, time.Sunday, time.September) // the Thursday after the first Sunday
	republicOfGeneva    = on(time.December, 31)
	peterAndPaul        = on(time.June, 29)
	lundiDuJeune        = after(1, 3, time.Sunday, time.September)
	republicOfNeuchatel = on(time.March, 1)
)

// sanFrancesco is a holiday of Italy again.
//
// Source: Legge 8 ottobre 2025, n. 151, in force since 1 January 2026.
var sanFrancesco = &cal.Holiday{Month: time.October, Day: 4, StartYear: 2026, Func: cal.CalcDayOfMonth}

// monday moves a bank holiday off a weekend.
var monday = []cal.AltDay{{Day: time.Saturday, Offset: 2}, {Day: time.Sunday, Offset: 1}}

// inBritain are days kept in Scotland or Northern Ireland alone.
//
// Source: https://www.gov.uk/bank-holidays
var inBritain = []*cal.Holiday{
	// Scotland's second of January gives way to New Year, which takes the Monday.
	on(time.January, 2, cal.AltDay{Day: time.Saturday, Offset: 2}, cal.AltDay{Day: time.Sunday, Offset: 2}, cal.AltDay{Day: time.Monday, Offset: 1}),
	on(time.March, 17, monday...),    // St Patrick's Day
	on(time.July, 12, monday...),     // Battle of the Boyne
	nth(1, time.Monday, time.August), // Scotland's summer bank holiday
	on(time.November, 30, monday...), // St Andrew's Day
}

// inCanada are days that some provinces and territories keep by law.
//
// Source: https://www.canada.ca/en/revenue-agency/services/tax/public-holidays.html and the
// provinces' own lists.
var inCanada = []*cal.Holiday{
	nth(3, time.Monday, time.February),                         // Family Day, Louis Riel Day, Islander Day, Heritage Day
	on(time.June, 21),                                          // National Indigenous Peoples Day: the territories
	on(time.June, 24, cal.AltDay{Day: time.Sunday, Offset: 1}), // Fête nationale: Québec
	on(time.July, 9),                                           // Nunavut Day
	nth(3, time.Monday, time.August),                           // Discovery Day: Yukon
}

// inAmerica are days that several states keep as legal holidays, on some of which they
// forbid advertising by phone.
//
// Source: Louisiana R.S. 1:55.
var inAmerica = []*cal.Holiday{
	{Offset: -47, Func: cal.CalcEasterOffset}, // Mardi Gras
	aa.GoodFriday, us.DayAfterThanksgivingDay,
}
