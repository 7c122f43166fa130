package web

import (
	"strconv"
	"strings"
	"time"

	"rappel/calendars/billing"
)

// rappen is a cell of a list that holds money.
type rappen int64

// String is the amount for files: francs with a point, nothing between the digits.
func (m rappen) String() string { return billing.CHF(int64(m)) }

// chf writes an amount for people, as Switzerland does: 1’234.50.
func chf(amount int64) string {
	s := billing.CHF(amount)
	end := len(s) - 3
	for i := end - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "’" + s[i:]
	}
	return strings.Replace(s, "-", "−", 1)
}

// mostRappen is the largest amount a form takes: a hundred million francs.
const mostRappen = 100_000_000_00

// readCHF reads an amount as people write it, in Rappen: 500, 12.5, 1'234.50, 49.–. ok is
// false for what is no amount, is below zero or has fractions of a Rappen.
func readCHF(s string) (amount int64, ok bool) {
	s = strings.TrimSpace(s)
	s = strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(s, "CHF"), "Fr."))
	s = strings.NewReplacer("'", "", "’", "", " ", "", "\u00a0", "", "\u202f", "").Replace(s)
	for _, end := range []string{".–", ".-", ".—"} {
		s = strings.TrimSuffix(s, end)
	}
	whole, part, point := strings.Cut(s, ".")
	if whole == "" || len(whole) > 9 || point && (part == "" || len(part) > 2) || strings.Trim(whole+part, "0123456789") != "" {
		return 0, false
	}
	francs, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return 0, false
	}
	var cents int64
	if part != "" {
		if cents, err = strconv.ParseInt((part + "0")[:2], 10, 64); err != nil {
			return 0, false
		}
	}
	amount = francs*100 + cents
	return amount, amount <= mostRappen
}

// civil writes a day as Switzerland does in all its languages; "" for none.
func civil(d billing.Date) string {
	if d == 0 {
		return ""
	}
	y, m, day := d.Civil()
	return time.Date(y, m, day, 0, 0, 0, 0, time.UTC).Format("02.01.2006")
}

// percent writes basis points: 810 is 8.1 %.
func percent(bp int64) string {
	s := strings.TrimRight(strings.TrimRight(billing.CHF(bp), "0"), ".")
	return s + "\u00a0%"
}
