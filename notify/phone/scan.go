package phone

// scan is one reading of one text.
type scan struct {
	plain
	f        *Finder
	src      string
	groups   []group // digit groups of the current run
	tiles    []tile  // of the current run, see there
	numbers  []Number
	rejected []Rejection
	original []byte // in the second reading: the text before o became 0
}

// group is digits in a row; a run is groups with separators between.
type group struct {
	start, end int  // in plain.text
	plus       int  // where a + stands before it, or -1
	gap        gap  // what separates it from the group before
	strong     bool // that may separate two numbers
	used       bool
}

// gap is the set of the signs between two groups.
type gap uint8

const (
	gapSpace gap = 1 << iota
	gapDash
	gapDot
	gapSlash
	gapOpen // an opening bracket
)

func (g *group) len() int { return g.end - g.start }

func (s *scan) begin(f *Finder, text string) {
	s.f, s.src = f, text
	s.numbers, s.rejected, s.original = s.numbers[:0], s.rejected[:0], nil
	s.read(text)
}

// end gives s back, without keeping anybody's number alive.
func (s *scan) end() {
	clear(s.numbers)
	clear(s.rejected)
	clear(s.tiles)
	s.f, s.src = nil, ""
	scans.Put(s)
}

// place turns offsets in the plain text into those of the original.
func (s *scan) place(start, end int) (int, int) {
	return int(s.at(start).start), int(s.at(end - 1).end)
}

func (s *scan) reject(start, end int, why Why) {
	if s.original != nil {
		return
	}
	from, to := s.place(start, end)
	s.rejected = append(s.rejected, Rejection{Text: s.src[from:to], Why: why, Start: from, End: to})
}

// maxGap is how many separators may stand between two groups of one number.
const maxGap = 5

func isSeparator(b byte) bool {
	switch b {
	case ' ', '-', '.', '/', '(', ')', '[', ']', '~', '\'', '+':
		return true
	}
	return false
}

// runs cuts the text into runs of digit groups and reads each.
func (s *scan) runs() {
	t := s.text
	for i := 0; i < len(t); {
		if !isDigit(t[i]) {
			i++
			continue
		}
		s.groups = s.groups[:0]
		g := group{plus: plusBefore(t, i)}
		digits := 0
		for {
			g.start = i
			for i < len(t) && isDigit(t[i]) {
				i++
			}
			g.end = i
			digits += g.len()
			s.groups = append(s.groups, g)
			g = group{plus: -1}
			k := i
			for k < len(t) && k-i <= maxGap && isSeparator(t[k]) {
				if t[k] == '+' {
					g.plus = k
				}
				k++
			}
			if k == i || k-i > maxGap || k >= len(t) || !isDigit(t[k]) {
				break
			}
			g.gap, g.strong = readGap(t[i:k])
			g.strong = g.strong || g.plus >= 0
			i = k
		}
		if digits >= fewestDigits {
			s.run()
		}
	}
}

// readGap tells which signs are in a gap, and whether they may separate two
// numbers: a stroke or dash with a space, or several spaces.
func readGap(t []byte) (signs gap, strong bool) {
	for i, b := range t {
		switch b {
		case ' ':
			strong = strong || i > 0 && t[i-1] == ' '
			signs |= gapSpace
		case '-', '~':
			signs |= gapDash
		case '.':
			signs |= gapDot
		case '/':
			signs |= gapSlash
		case '(', '[':
			signs |= gapOpen
		}
	}
	spacedDash := signs&gapDash != 0 && t[0] == ' '
	return signs, strong || spacedDash || signs&gapSlash != 0 && signs&gapSpace != 0
}

// parts reports whether the gap before group k ends or begins a number that is
// made of groups i to j: because it is a strong one, or holds a sign that the
// gaps within don't, as in "(650)253-0000 (206)402-1393".
func (s *scan) parts(k, i, j int) bool {
	g := &s.groups[k]
	if g.strong || g.gap&gapOpen != 0 {
		return true
	}
	var within gap
	for n := i + 1; n <= j; n++ {
		within |= s.groups[n].gap
	}
	return i < j && g.gap&^within&(gapSpace|gapSlash) != 0
}

// plusBefore finds the + that belongs to the digits at i: +41, (+41, +(41, + 41.
func plusBefore(t []byte, i int) int {
	for k := i - 1; k >= 0 && i-k <= 3; k-- {
		switch t[k] {
		case '+':
			return k
		case ' ', '(', '[':
		default:
			return -1
		}
	}
	return -1
}

// digits collects those of groups i to j into buf; nil where there are too many.
func (s *scan) digits(buf []byte, i, j int) []byte {
	for k := i; k <= j; k++ {
		g := &s.groups[k]
		if len(buf)+g.len() > 20 {
			return nil
		}
		buf = append(buf, s.text[g.start:g.end]...)
	}
	return buf
}
