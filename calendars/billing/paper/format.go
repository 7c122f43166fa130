package paper

import (
	"fmt"
	"strings"
)

// chf writes Rappen as 1'949.75, with a minus sign where it is less than nothing.
func chf(rappen int64) string {
	sign := ""
	if rappen < 0 {
		sign, rappen = "−", -rappen
	}
	return fmt.Sprintf("%s%s.%02d", sign, thousands(rappen/100), rappen%100)
}

// thousands writes 12500 as 12’500.
func thousands(n int64) string {
	if n < 0 {
		return "−" + thousands(-n)
	}
	s := fmt.Sprint(n)
	var b strings.Builder
	for i, r := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteRune('’')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// percent writes basis points as 8.1 %.
func percent(bp int64) string {
	s := strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%d.%02d", bp/100, bp%100), "0"), ".")
	return s + "\u00a0%"
}

// day writes a day as it is written in the language. The day has been checked.
func day(language string, d Day) string {
	t, err := d.time()
	if err != nil {
		return ""
	}
	if language == "en" {
		return t.Format("2 January 2006")
	}
	return t.Format("02.01.2006")
}

// lastDay is the day before d: periods are half-open in the books, and on paper people
// read the last day.
func lastDay(language string, d Day) string {
	t, err := d.time()
	if err != nil {
		return ""
	}
	return day(language, Day(t.AddDate(0, 0, -1).Format("2006-01-02")))
}

// between writes a half-open period, one day as that day.
func between(language string, from, to Day) string {
	a, b := day(language, from), lastDay(language, to)
	if a == b {
		return a
	}
	return a + " – " + b
}
