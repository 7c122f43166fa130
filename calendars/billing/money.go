package billing

import (
	"fmt"
	"math/bits"
)

// Amounts are int64 Rappen throughout, rates basis points (8.1 % = 810).

// MulDiv is a·b/den rounded to the nearest whole, halves away from zero, so that the
// result for −a is minus the result for a. It is the only place where this package
// rounds. The product may take 128 bits; den must be positive, and a result beyond
// int64 panics, as no sum of money is that large.
func MulDiv(a, b, den int64) int64 {
	if den <= 0 {
		panic(fmt.Sprintf("billing: division by %d", den))
	}
	negative := (a < 0) != (b < 0)
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	lo, carry := bits.Add64(lo, uint64(den)/2, 0)
	hi += carry
	if hi >= uint64(den) {
		panic("billing: amount beyond int64")
	}
	// Adding half of the divisor before dividing down rounds halves up, in magnitude.
	// An odd divisor has no halves, so its half may be cut.
	q, _ := bits.Div64(hi, lo, uint64(den))
	if q > 1<<63-1 {
		panic("billing: amount beyond int64")
	}
	if negative {
		return -int64(q)
	}
	return int64(q)
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

const wholeRate = 10_000 // basis points of the whole

// Tax is the tax on net at a rate in basis points.
func Tax(net, rate int64) int64 { return MulDiv(net, rate, wholeRate) }

// TaxIncluded is the tax contained in gross at a rate in basis points.
func TaxIncluded(gross, rate int64) int64 { return MulDiv(gross, rate, wholeRate+rate) }

// FiveRappen is what must be added to total to make it a multiple of 5 Rappen: −2 to 2.
func FiveRappen(total int64) int64 { return 5*MulDiv(total, 1, 5) - total }

// CHF writes an amount as francs: 1234 → "12.34", without a currency sign.
func CHF(rappen int64) string {
	sign := ""
	if rappen < 0 {
		sign = "-"
	}
	m := magnitude(rappen)
	return fmt.Sprintf("%s%d.%02d", sign, m/100, m%100)
}
