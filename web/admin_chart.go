package web

import (
	"fmt"
	"strings"

	"rappel/calendars/billing"
)

// lineChart is lines over twelve months, in its drawing's units.
type lineChart struct {
	Title  string
	Lines  []chartLine
	Months []chartMonth
	Most   string // what the upper edge stands for, "" where all is zero
}

// chartLine is what one of its lines goes through.
type chartLine struct {
	Name, Words, Points string
	Dots                []chartDot
}

// chartDot is a month's value with where its rows are.
type chartDot struct {
	X, Y        int
	Words, Href string
}

type chartMonth struct {
	X     int
	Words string
}

// The charts' drawing.
const (
	linesTop   = 24
	linesFloor = 150
	linesLeft  = 30
	linesStep  = 58
)

// chartSeries is what a line is drawn of: a value.
type chartSeries struct {
	name  string
	value func(m billing.RevenueMonth) int64
	href  func(month billing.Date) string
}

// chart draws series over months, the oldest first. Zero is the floor.
func (r *request) chart(title string, months []billing.RevenueMonth, write func(int64) string, all ...chartSeries) (c lineChart, err error) {
	c.Title = title
	most := int64(1)
	for _, m := range months {
		for _, s := range all {
			most = max(most, s.value(m))
		}
	}
	if most > 1 { // else there is nothing but zeros
		c.Most = write(most)
	}
	for i, m := range months {
		c.Months = append(c.Months, chartMonth{linesLeft + i*linesStep, m.Month[5:] + "." + m.Month[2:4]})
	}
	for _, s := range all {
		line := chartLine{Name: s.name, Words: r.say("desk.chart." + s.name)}
		var points []string
		for i, m := range months {
			begin, err := billing.ParseDate(m.Month + "-01")
			if err != nil {
				return c, err
			}
			x, y := linesLeft+i*linesStep, linesFloor-int(billing.MulDiv(max(s.value(m), 0), linesFloor-linesTop, most))
			points = append(points, fmt.Sprintf("%d,%d", x, y))
			line.Dots = append(line.Dots, chartDot{x, y, r.monthName(begin) + ", " + line.Words + ": " + write(s.value(m)), s.href(begin)})
		}
		line.Points = strings.Join(points, " ")
		c.Lines = append(c.Lines, line)
	}
	return c, nil
}

// charts are the revenue, and what was lost of it and of the clinics, over the months.
func (r *request) charts(months []billing.RevenueMonth) ([]lineChart, error) {
	revenue, err := r.chart(r.say("desk.chart.revenue"), months, chf,
		chartSeries{"mrr", func(m billing.RevenueMonth) int64 { return m.End }, func(b billing.Date) string { return movesTo(billing.AddMonths(b, 1) - 1) }})
	if err != nil {
		return nil, err
	}
	churn, err := r.chart(r.say("desk.chart.churn"), months, percent,
		chartSeries{"clinics", func(m billing.RevenueMonth) int64 { return m.Churned }, func(b billing.Date) string { return moves(b, "gone") }},
		chartSeries{"lost", func(m billing.RevenueMonth) int64 { return m.LostRate }, func(b billing.Date) string { return moves(b, "lost") }})
	return []lineChart{revenue, churn}, err
}
