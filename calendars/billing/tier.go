package billing

import "fmt"

// Tier prices the units up to and including UpTo that the tiers before it don't.
type Tier struct {
	UpTo int64 `db:"up_to"`       // 0 = all further units
	Unit int64 `db:"unit_rappen"` // Rappen per unit and period
}

// Tiers are the graduated tiers of one price, in rising order, the last open: each
// unit pays the price of the tier it lies in. So one calendar more never makes the sum
// fall, as it can where all units pay the reached tier.
type Tiers []Tier

// Total is the price of quantity units for one whole period in Rappen.
func (t Tiers) Total(quantity int64) int64 {
	var sum, below int64
	for _, tier := range t {
		if quantity <= below {
			break
		}
		upper := quantity
		if tier.UpTo > 0 {
			upper = min(upper, tier.UpTo)
		}
		sum += (upper - below) * tier.Unit
		below = upper
	}
	return sum
}

// Check answers ErrCatalogue unless the tiers rise, end open and cost nothing below 0.
func (t Tiers) Check() error {
	if len(t) == 0 {
		return fmt.Errorf("%w: a price needs at least one tier", ErrCatalogue)
	}
	var below int64
	for i, tier := range t {
		last := i == len(t)-1
		switch {
		case tier.Unit < 0:
			return fmt.Errorf("%w: tier %d costs less than nothing", ErrCatalogue, i+1)
		case last && tier.UpTo != 0:
			return fmt.Errorf("%w: the last tier must be open", ErrCatalogue)
		case !last && tier.UpTo <= below:
			return fmt.Errorf("%w: tier %d does not rise above %d", ErrCatalogue, i+1, below)
		}
		below = tier.UpTo
	}
	return nil
}
