package phone

import "bytes"

// mask blanks what contains digits and is no phone number: links, mail
// addresses, IBANs, dates, times, prices. What it blanks ends every run of
// digits. It returns the spans worth telling about.
func (s *scan) mask() {
	t := s.text
	for i := 0; i < len(t); i++ {
		switch c := t[i]; {
		case isDigit(c):
			if end := s.decoy(i); end > i {
				blank(t[i:end])
				i = end - 1
				continue
			}
			for i+1 < len(t) && isDigit(t[i+1]) {
				i++
			}
		case c == ':' && bytes.HasPrefix(t[i:], []byte("://")),
			c == '@' && i > 0 && i+1 < len(t) && isWordByte(t[i-1]) && isWordByte(t[i+1]),
			c == 'w' && bytes.HasPrefix(t[i:], []byte("www.")),
			c == '/' && endsInHost(t[:i]):
			i = blankWord(t, i) - 1
		}
	}
}

func blank(b []byte) {
	for i := range b {
		b[i] = masked
	}
}

// blankWord blanks the word around i, up to spaces, and returns its end.
func blankWord(t []byte, i int) int {
	start, end := i, i
	for start > 0 && i-start < 256 && !isWordEnd(t[start-1]) {
		start--
	}
	for end < len(t) && !isWordEnd(t[end]) {
		end++
	}
	blank(t[start:end])
	return end
}

func isWordByte(b byte) bool { return isLetter(b) || isDigit(b) }

func isWordEnd(b byte) bool {
	return b <= ' ' && b != masked || b == '"' || b == '<' || b == '>' || b == '(' || b == ','
}

// endsInHost reports whether t ends in a host name such as praxis.ch.
func endsInHost(t []byte) bool {
	i := len(t)
	for i > 0 && isLetter(t[i-1]) {
		i--
	}
	return len(t)-i >= 2 && i > 1 && t[i-1] == '.' && isWordByte(t[i-2])
}

// decoy returns the end of a date, time, price or IBAN whose digits begin at i,
// or i where there is none.
func (s *scan) decoy(i int) int {
	t := s.text
	if end := iban(t, i); end > i {
		s.reject(i-2, end, Reference)
		return end
	}
	if end := date(t, i); end > i {
		return end
	}
	if end := clock(t, i); end > i {
		return end
	}
	return price(t, i)
}

// number reads at most max digits at i. It returns how many and their value.
func number(t []byte, i, most int) (n, value int) {
	for i+n < len(t) && isDigit(t[i+n]) {
		if n == most {
			return 0, 0
		}
		value = value*10 + int(t[i+n]-'0')
		n++
	}
	return n, value
}

// date recognises 1.6.2026, 01/06/26, 2026-06-01 and 1.6. as a date. Pairs that
// go on, as in 06.12.34.56.78, are none.
func date(t []byte, i int) int {
	attached := byte(0) // the sign that joins it to digits before
	if i > 1 && isDateSign(t[i-1]) && isDigit(t[i-2]) {
		attached = t[i-1]
	}
	n1, v1 := number(t, i, 4)
	k := i + n1
	if n1 == 0 || n1 == 3 || k >= len(t) || !isDateSign(t[k]) {
		return i
	}
	sign := t[k]
	k = afterSign(t, k)
	n2, v2 := number(t, k, 2)
	if n2 == 0 {
		return i
	}
	k += n2
	if k >= len(t) || t[k] != sign {
		return i
	}
	dotted := k + 1
	k = afterSign(t, k)
	n3, v3 := number(t, k, 4)
	if n3 == 0 || k > dotted && n3 != 4 {
		// The form without a year; after other digits it may be the end of a number.
		if attached == 0 && sign == '.' && n1 <= 2 && v1 >= 1 && v1 <= 31 && v2 >= 1 && v2 <= 12 && !afterDigit(t, i) && (dotted == len(t) || t[dotted] == ' ' || t[dotted] == '\n') {
			return dotted
		}
		return i
	}
	k += n3
	if k < len(t) && t[k] == sign {
		if next := afterSign(t, k); next < len(t) && isDigit(t[next]) {
			return i
		}
	}
	switch {
	case attached == sign || attached != 0 && n3 != 4:
		return i
	case n1 == 4:
		if v1 < 1900 || v1 > 2100 || v2 < 1 || v2 > 12 || n3 > 2 || v3 < 1 || v3 > 31 {
			return i
		}
	case n3 != 2 && (n3 != 4 || v3 < 1900 || v3 > 2100):
		return i
	case v1 < 1 || v2 < 1 || (v1 > 31 || v2 > 12) && (v1 > 12 || v2 > 31 || sign != '/'):
		return i
	}
	return k
}

func isDateSign(b byte) bool { return b == '.' || b == '/' || b == '-' }

// afterSign steps over the sign at k and one space behind a full stop.
func afterSign(t []byte, k int) int {
	k++
	if t[k-1] == '.' && k < len(t) && t[k] == ' ' {
		k++
	}
	return k
}

func afterDigit(t []byte, i int) bool {
	for i > 0 && t[i-1] == ' ' {
		i--
	}
	return i > 0 && isDigit(t[i-1])
}

// clock recognises 14:30, 14:30:00, 14h30, and 14.30 where Uhr or h follows.
func clock(t []byte, i int) int {
	n, h := number(t, i, 2)
	k := i + n
	if n == 0 || h > 24 || k+1 >= len(t) || i > 0 && isWordByte(t[i-1]) {
		return i
	}
	sign := t[k]
	m, v := number(t, k+1, 2)
	if m != 2 || v > 59 || sign != ':' && sign != 'h' && sign != '.' {
		return i
	}
	k += 3
	if sign == '.' {
		rest := bytes.TrimLeft(t[k:min(len(t), k+5)], " ")
		if !bytes.HasPrefix(rest, []byte("uhr")) && !(len(rest) > 0 && rest[0] == 'h' && (len(rest) == 1 || !isLetter(rest[1]))) {
			return i
		}
	}
	if sign == ':' && k < len(t) && t[k] == ':' {
		if m, _ := number(t, k+1, 2); m == 2 {
			k += 3
		}
	}
	return k
}

// price recognises an amount beside a currency. Long digits that begin with 0
// are none.
func price(t []byte, i int) int {
	if t[i] == '0' || i > 1 && isDigit(t[i-2]) && !isLetter(t[i-1]) && t[i-1] != ' ' {
		return i
	}
	k, digits := i, 0
	for k < len(t) {
		if isDigit(t[k]) {
			digits++
		} else if !(t[k] == '\'' || t[k] == '.' || t[k] == ',') || k+1 >= len(t) || !isDigit(t[k+1]) {
			break
		}
		k++
	}
	if digits > 9 {
		return i
	}
	before := i
	for before > 0 && (t[before-1] == ' ' || t[before-1] == '.') && i-before < 3 {
		before--
	}
	if before > 0 && t[before-1] == currency || isCurrency(wordBefore(t, before)) {
		return k
	}
	if afterDigit(t, i) {
		return i // perhaps the end of a number, and the currency belongs to what follows
	}
	after := k
	if after < len(t) && t[after] == ' ' {
		after++
	}
	switch {
	case after < len(t) && t[after] == currency, isCurrency(wordAfter(t, after)):
		return k
	case bytes.HasPrefix(t[k:], []byte(".-")) || bytes.HasPrefix(t[k:], []byte(".--")):
		return k
	}
	return i
}

func isCurrency(word []byte) bool {
	switch string(word) {
	case "chf", "sfr", "fr", "eur", "euro", "euros", "usd", "gbp", "franken", "francs", "franchi":
		return true
	}
	return false
}

func wordBefore(t []byte, end int) []byte {
	start := end
	for start > 0 && isLetter(t[start-1]) {
		start--
	}
	return t[start:end]
}

func wordAfter(t []byte, start int) []byte {
	end := start
	for end < len(t) && isLetter(t[end]) {
		end++
	}
	return t[start:end]
}

// ibanLengths are those of the countries whose IBANs clinics here meet.
//
// Source: SWIFT IBAN Registry.
var ibanLengths = map[string]int{
	"ad": 24, "at": 20, "be": 16, "bg": 22, "ch": 21, "cz": 24, "de": 22, "dk": 18, "ee": 20, "es": 24, "fi": 18,
	"fr": 27, "gb": 22, "gr": 27, "hr": 21, "hu": 28, "ie": 22, "it": 27, "li": 21, "lt": 20, "lu": 20, "lv": 21,
	"mc": 27, "mt": 31, "nl": 18, "no": 15, "pl": 28, "pt": 25, "ro": 24, "se": 24, "si": 19, "sk": 24, "sm": 27, "tr": 26,
}

// iban recognises an IBAN whose check digits stand at i, right after the
// country. One with a typing error counts too; one too short doesn't.
func iban(t []byte, i int) int {
	if i < 2 || !isLetter(t[i-1]) || !isLetter(t[i-2]) || i > 2 && isWordByte(t[i-3]) {
		return i
	}
	want, ok := ibanLengths[string(t[i-2:i])]
	if !ok {
		return i
	}
	n, k := 2, i
	for k < len(t) && n < want {
		if isWordByte(t[k]) {
			n++
		} else if t[k] != ' ' || n%4 != 0 {
			break
		}
		k++
	}
	if n < 12 || n < want-2 {
		return i
	}
	return k
}
