package phone

import "bytes"

// lead returns where the writing of a number that begins with group i begins:
// at its plus or opening bracket.
func (s *scan) lead(i int) int {
	g := &s.groups[i]
	start := g.start
	if g.plus >= 0 {
		start = g.plus
	}
	if start > 0 && (s.text[start-1] == '(' || s.text[start-1] == '[') {
		start--
	}
	return start
}

// note writes down groups i to j as what they were found to be, and uses them.
func (s *scan) note(i, j int, found finding, abroad bool) {
	for k := i; k <= j; k++ {
		s.groups[k].used = true
	}
	start, end := s.groups[i].start, s.groups[j].end
	if g := &s.groups[i]; g.plus >= 0 {
		start = g.plus
	}
	if start > 0 && s.text[start-1] == '(' && bytes.IndexByte(s.text[start:end], ')') >= 0 {
		start--
	}
	why := found.kind
	switch context := s.context(i, j); {
	case context != "":
		why = context
	case why == Landline && !abroad && s.frenchMobile(i, j):
		why = Ambiguous
	case !abroad && labelBefore(s.text, s.lead(i)) == idLabel:
		why = IDLabel
	case found.kind == "" && s.dialIn(end, found.either):
		why = DialIn
	case s.f.ignored[found.e164]:
		why = Ignored
	}
	if why != "" {
		s.reject(start, end, why)
		return
	}
	if s.original != nil {
		if bytes.IndexByte(s.original[start:end], 'o') >= 0 {
			from, to := s.place(start, end)
			s.rejected = append(s.rejected, Rejection{Text: s.src[from:to], Why: LetterO, Start: from, End: to})
		}
		return
	}
	from, to := s.place(start, end)
	s.numbers = append(s.numbers, Number{E164: found.e164, Region: found.region, Start: from, End: to, Raw: s.src[from:to]})
}

// context looks at the characters right beside groups i to j. Between groups
// there are only separators, so only the ends of a run matter.
func (s *scan) context(i, j int) Why {
	t := s.text
	if start := s.groups[i].start; i == 0 && s.lead(i) == start && start > 0 {
		switch b := t[start-1]; {
		case isLetter(b):
			word := wordBefore(t, start)
			alone := len(word) == start || !isDigit(t[start-len(word)-1])
			if !alone || kind(word) != phoneWord {
				return IDLabel
			}
		case b == '#' || b == '_' || b == '%' || b == currency || b == '\\':
			return IDLabel
		}
	}
	if end := s.groups[j].end; j == len(s.groups)-1 && end < len(t) {
		switch b := t[end]; {
		case b == '#' && s.groups[i].plus >= 0: // a code ends in #, but has no +
		case isLetter(b), b == '#':
			if !extension(t, end) {
				return IDLabel
			}
		case b == '_', b == '%', b == currency:
			return IDLabel
		}
	}
	return ""
}

// frenchMobile reports whether groups i to j are five pairs and a French mobile.
func (s *scan) frenchMobile(i, j int) bool {
	if j-i != 4 {
		return false
	}
	for k := i; k <= j; k++ {
		if s.groups[k].len() != 2 {
			return false
		}
	}
	var buf [20]byte
	digits := s.digits(buf[:0], i, j)
	return digits[0] == '0' && significant(33, digits[1:]).kind == ""
}

// dialIn reports whether what follows a number at end is a conference's code;
// for numbers that may be landlines, also whether such words stand around.
func (s *scan) dialIn(end int, either bool) bool {
	t := s.text
	k := end
	for k < len(t) && (t[k] == ' ' || t[k] == ',' || t[k] == ';') {
		k++
	}
	if k > end && bytes.IndexByte(t[end:k], ',') >= 0 {
		n := 0
		for k+n < len(t) && isDigit(t[k+n]) {
			n++
		}
		if n >= 4 && k+n < len(t) && t[k+n] == '#' {
			return true
		}
	}
	if !either {
		return false
	}
	for k < len(t) && !isWordByte(t[k]) && k-end < 6 {
		k++
	}
	if string(wordAfter(t, k)) == "pin" {
		return true
	}
	around := t[max(0, end-dialInReach):end]
	for _, mark := range dialInMarks {
		if bytes.Contains(around, mark) {
			return true
		}
	}
	return false
}

// dialInReach is how far before a number the words of an invitation are looked
// for, in bytes; the lists of dial-in numbers are long.
const dialInReach = 2000

var dialInMarks = [][]byte{
	[]byte("dial by your location"), []byte("one tap mobile"), []byte("join by phone"), []byte("dial in"), []byte("dial-in"),
	[]byte("einwahl"), []byte("per telefon teilnehmen"), []byte("meeting id"), []byte("meeting-id"), []byte("conference id"),
	[]byte("konferenz-id"), []byte("call in (audio only)"), []byte("participer par telephone"),
}

// reference recognises runs with a format of their own and notes them: AHV
// numbers, insurance and credit cards, payment references.
func (s *scan) reference() bool {
	g := s.groups
	total := 0
	for i := range g {
		total += g[i].len()
	}
	begins := func(i int, prefix string) bool { return bytes.HasPrefix(s.text[g[i].start:g[i].end], []byte(prefix)) }
	shape := func(i int, lengths ...int) bool {
		if i+len(lengths) > len(g) {
			return false
		}
		for k, n := range lengths {
			if g[i+k].len() != n {
				return false
			}
		}
		return true
	}
	use := func(i, n int) {
		for k := i; k < i+n; k++ {
			g[k].used = true
		}
		s.reject(g[i].start, g[i+n-1].end, Reference)
	}
	fives := 0
	for i := range g {
		if g[i].len() == 5 {
			fives++
		}
	}
	if total >= 24 && fives >= len(g)-2 && fives >= 4 {
		use(0, len(g))
		return true
	}
	for i := range g {
		switch {
		case g[i].used:
		case begins(i, "756") && shape(i, 3, 4, 4, 2):
			use(i, 4)
		case begins(i, "756") && shape(i, 13):
			use(i, 1)
		case begins(i, "80756") && g[i].len() == 20:
			use(i, 1)
		case begins(i, "80756") && i == 0 && total == 20:
			use(0, len(g))
		case shape(i, 4, 4, 4, 4) && (i == 0 || g[i].strong) && !begins(i, "0"):
			use(i, 4)
		}
	}
	return false
}
