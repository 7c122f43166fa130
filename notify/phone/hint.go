package phone

import "bytes"

// hint notes unused groups i to j that nearly are a mobile number, or look like
// one and are nothing.
func (s *scan) hint(i, j int) {
	for i <= j && s.groups[i].used {
		i++
	}
	var buf [20]byte
	h := &s.f.home
	start := i
	digits := s.digits(buf[:0], start, j)
	for start < j && (digits == nil || digits[0] != '0' && s.groups[start].plus < 0 && len(digits) > 13) {
		start++
		digits = s.digits(buf[:0], start, j)
	}
	// A number may begin behind a postcode or a time.
	for k := start; k <= j; k++ {
		if s.groups[k].plus >= 0 || s.text[s.groups[k].start] == '0' && (h.needsTrunk || k == 0) {
			start, digits = k, s.digits(buf[:0], k, j)
			break
		}
	}
	if len(digits) < fewestDigits || s.context(start, j) != "" {
		return
	}
	from, to := s.lead(start), s.groups[j].end
	plus := s.groups[start].plus >= 0
	labelled := !plus && labelBefore(s.text, from) == idLabel
	_, abroad := h.abroad(digits, plus)
	if !abroad && digits[0] != '0' {
		if h.needsTrunk && len(digits) <= 13 && s.wouldBeMobile(h, digits) {
			if labelled {
				s.reject(from, to, IDLabel)
				return
			}
			s.reject(from, to, NoPrefix)
		}
		return
	}
	why := h.oneDigitOff(digits, plus)
	switch {
	case labelled && why != "":
		why = IDLabel
	case why == "" && len(digits) >= 9 && !labelled:
		why = Invalid
	}
	if why != "" {
		s.reject(from, to, why)
	}
}

// wouldBeMobile reports whether digits lack only a 0 or a + to be a mobile
// number of h.
func (s *scan) wouldBeMobile(h *home, digits []byte) bool {
	if found := significant(h.code, digits); found.kind == "" && !found.either {
		return true
	}
	code, nsn := splitCode(digits)
	return code == h.code && significant(code, nsn).kind == ""
}

// readOs reads the text again with the letter O as a zero where it stands among
// digits, and notes the numbers this gives: people who mean to type one do so.
func (s *scan) readOs() {
	s.original = bytes.Clone(s.text)
	for i, b := range s.text {
		if b != 'o' {
			continue
		}
		before, after := byte(' '), byte(' ')
		if i > 0 {
			before = s.text[i-1]
		}
		if i+1 < len(s.text) {
			after = s.text[i+1]
		}
		if (isDigit(before) || isDigit(after)) && !isLetter(before) && !isLetter(after) {
			s.text[i] = '0'
		}
	}
	s.runs()
	s.original = nil
}
