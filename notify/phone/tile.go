package phone

import "bytes"

// run reads the groups of one run. People write postcodes, rooms and second
// numbers beside a number, so any sequence of groups may be one.
func (s *scan) run() {
	if s.reference() {
		return
	}
	h := &s.f.home
	if h.needsTrunk {
		s.tile(h)
	} else {
		s.window(h, 0, len(s.groups)-1, anything)
		s.segments(func(i, j int) { s.window(h, i, j, anything) })
		s.windows(h, mobile)
		s.windows(h, anything)
	}
	for k := range s.f.further {
		s.windows(&s.f.further[k], anything)
	}
	s.segments(s.hint)
}

// tile covers the run with numbers of any kind so that as few digits as possible
// are left over. Looking for mobiles alone would find one in the middle of
// 01 42 34 06 78 06 12 34 56 78, a stranger's.
func (s *scan) tile(h *home) {
	n := len(s.groups)
	s.tiles = append(s.tiles[:0], make([]tile, n+1)...)
	for i := n - 1; i >= 0; i-- {
		best := tile{next: i + 1, score: s.tiles[i+1].score}
		digits, crossed := 0, 0
		for j := i; j < n && !s.groups[j].used; j++ {
			g := &s.groups[j]
			if j > i && g.plus >= 0 {
				break
			}
			if j > i && g.strong {
				crossed++
			}
			if digits += g.len(); digits > 19 {
				break
			}
			if digits < fewestDigits {
				continue
			}
			found, abroad := s.look(h, i, j)
			if found.kind == Invalid {
				continue
			}
			// A digit more counts most, then a mobile, then not to join what a
			// strong separator parts.
			score := 8*digits - 2*crossed
			if found.kind == "" {
				score++
			}
			switch {
			case s.context(i, j) != "":
				score = 1 // only if there is no other reading
			case s.tooLong(h, i, j):
				score -= 8 * 5
			}
			if score += s.tiles[j+1].score; score > best.score {
				best = tile{next: j + 1, score: score, found: found, abroad: abroad, taken: true}
			}
		}
		s.tiles[i] = best
	}
	for i := 0; i < n; i = s.tiles[i].next {
		if t := &s.tiles[i]; t.taken {
			s.note(i, t.next-1, t.found, t.abroad)
		}
	}
}

// tile is the best reading of the groups from one on.
type tile struct {
	next   int // the group after this one's
	score  int // of all groups from here
	taken  bool
	abroad bool
	found  finding
}

// segments calls f for the pieces between strong separators that are unused.
func (s *scan) segments(f func(i, j int)) {
	for i := 0; i < len(s.groups); {
		j := i
		for j+1 < len(s.groups) && !s.groups[j+1].strong && !s.groups[j+1].used && !s.groups[j].used {
			j++
		}
		if !s.groups[i].used {
			f(i, j)
		}
		i = j + 1
	}
}

// want tells which readings a pass over the windows takes.
type want uint8

const (
	mobile want = iota
	anything
)

// windows tries all sequences of unused groups, the longest first from each
// start: first those within segments, then those across.
func (s *scan) windows(h *home, w want) {
	for _, across := range []bool{false, true} {
		if across && !s.anyStrong() {
			return
		}
		for i := range s.groups {
			if s.groups[i].used {
				continue
			}
			j, digits := i, s.groups[i].len()
			for j+1 < len(s.groups) {
				next := &s.groups[j+1]
				if next.used || next.plus >= 0 || next.strong && !across || digits+next.len() > 19 {
					break
				}
				j++
				digits += next.len()
			}
			for ; j >= i && digits >= fewestDigits; j-- {
				if s.window(h, i, j, w) {
					break
				}
				digits -= s.groups[j].len()
			}
		}
	}
}

func (s *scan) anyStrong() bool {
	for i := range s.groups {
		if s.groups[i].strong {
			return true
		}
	}
	return false
}

// look reads groups i to j as one number, of h or with a country code. Its kind
// is Invalid where they are none.
func (s *scan) look(h *home, i, j int) (found finding, abroad bool) {
	var buf [20]byte
	digits := s.digits(buf[:0], i, j)
	if len(digits) < fewestDigits {
		return nothing, false
	}
	first := &s.groups[i]
	rest, abroad := h.abroad(digits, first.plus >= 0)
	if abroad {
		if h != &s.f.home {
			return nothing, true // read before
		}
		found = international(rest)
		apart := first.plus >= 0 && first.start-first.plus > 1
		if found.kind != Invalid || !apart {
			return found, true
		}
		// The plus is an "and": 660 282 851 + 660 042 164.
	}
	if !s.mayBegin(h, digits, i, j) {
		return nothing, false
	}
	return h.national(digits), false
}

// window notes groups i to j if they are a number that w wants. It reports
// whether they are used up.
func (s *scan) window(h *home, i, j int, w want) bool {
	for k := i; k <= j; k++ {
		if s.groups[k].used || k > i && s.groups[k].plus >= 0 {
			return false
		}
	}
	found, abroad := s.look(h, i, j)
	if found.kind == Invalid || w == mobile && found.kind != "" || s.swallows(h, i, j) {
		return false
	}
	if i < j && s.context(i, j) != "" && (s.valid(h, i, j-1) || s.valid(h, i+1, j)) {
		return false // the last group is 120m2, or the first one 14h30
	}
	s.note(i, j, found, abroad)
	return true
}

// swallows reports whether groups i to j, a valid number, are rather two, or one
// and something else: where lengths vary, as in Austria, 0669 595361 0663 is a
// number as well as the beginning of two.
func (s *scan) swallows(h *home, i, j int) bool {
	for k := i + 1; k <= j; k++ {
		if s.groups[k].len() == 1 || s.text[s.groups[k].start] != '0' && !s.parts(k, i, k-1) {
			continue
		}
		if s.valid(h, i, k-1) && s.validFrom(h, k) {
			return true
		}
	}
	return i < j && s.tooLong(h, i, j) && s.valid(h, i, j-1)
}

// tooLong reports whether groups i to j are an Austrian number with more digits
// than any in use: the plan allows 13, subscribers have up to 11, and what
// follows is a room or a postcode.
func (s *scan) tooLong(h *home, i, j int) bool {
	var buf [20]byte
	digits := s.digits(buf[:0], i, j)
	rest, abroad := h.abroad(digits, s.groups[i].plus >= 0)
	if !abroad {
		return h.code == 43 && len(digits)-1 > 11
	}
	code, nsn := splitCode(rest)
	return code == 43 && len(bytes.TrimLeft(nsn, "0")) > 11
}

// validFrom reports whether a number of any kind begins at group k.
func (s *scan) validFrom(h *home, k int) bool {
	digits := 0
	for m := k; m < len(s.groups) && digits < 16; m++ {
		if digits += s.groups[m].len(); digits >= 9 && s.valid(h, k, m) {
			return true
		}
	}
	return false
}

// valid reports whether groups i to j are a number of any kind.
func (s *scan) valid(h *home, i, j int) bool {
	found, _ := s.look(h, i, j)
	return found.kind != Invalid
}

// mayBegin reports whether groups i to j, which have neither + nor 00, are
// written as a national number of h.
func (s *scan) mayBegin(h *home, digits []byte, i, j int) bool {
	hasTrunk := h.trunk != "" && bytes.HasPrefix(digits, []byte(h.trunk))
	if h.needsTrunk {
		return hasTrunk
	}
	// Without a required prefix any digits could be a number, so what stands
	// around must not look like more of the same: the groups are all there is,
	// or follow a postcode, or are one long group.
	single := i == j && len(digits) >= 9
	begins := i == 0 || s.groups[i-1].used || s.parts(i, i, j)
	ends := j == len(s.groups)-1 || s.groups[j+1].used || s.parts(j+1, i, j)
	if !begins {
		before := &s.groups[i-1]
		begins = before.len() >= 4 && before.len() <= 5 && s.text[before.start] != '0' && (i == 1 || before.strong)
	}
	if i > 0 && !s.groups[i-1].used && s.groups[i-1].len() <= 4 && s.text[s.groups[i-1].start] == '0' {
		return single // behind another country's area code
	}
	if h != &s.f.home && i == j && labelBefore(s.text, s.lead(i)) != phoneLabel {
		return false
	}
	if h.code == 1 && !s.americanShape(i, j) {
		return false
	}
	return single || begins && ends
}

// americanShape accepts 650-253-0000, 650 2530000 and 6502530000, each also with
// a 1 before it.
func (s *scan) americanShape(i, j int) bool {
	if i < j && s.groups[i].len() == 1 && s.text[s.groups[i].start] == '1' {
		i++
	}
	switch j - i {
	case 0:
		return true
	case 1:
		return s.groups[i].len() != 2
	case 2:
		return (s.groups[i].len() == 3 || s.groups[i].len() == 4) && s.groups[i+1].len() == 3
	}
	return false
}
