package phone

import (
	"html"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Bytes of a plain text that stand for what ASCII has no sign for.
const (
	masked   = 0x1F // belongs to something that is no phone number
	cellEnd  = '\v' // end of a table cell or tab: numbers don't go across, labels do
	currency = '$'  // any currency sign
	other    = 0x01 // any sign or letter without a meaning here
)

// span is a byte range in the original text.
type span struct{ start, end int32 }

// plain is a text reduced to what matters: one ASCII byte for each character,
// letters in lower case without accents, HTML resolved, what can't be seen gone.
type plain struct {
	text  []byte
	pos   []span // of each byte; empty where it is the same as in the original
	links []span // values of tel: links
	hasO  bool   // an o stands beside a digit
	// unclosed says that the end of a comment or of hidden content was looked
	// for in vain, which isn't done twice: it costs the whole text each time.
	unclosed bool
}

// at returns where byte i came from.
func (p *plain) at(i int) span {
	if len(p.pos) == 0 {
		return span{int32(i), int32(i + 1)}
	}
	return p.pos[i]
}

func (p *plain) reset() {
	p.text, p.pos, p.links = p.text[:0], p.pos[:0], p.links[:0]
	p.hasO, p.unclosed = false, false
}

func (p *plain) add(b byte, start, end int) {
	p.text = append(p.text, b)
	p.pos = append(p.pos, span{int32(start), int32(end)})
}

// asciiPlain maps the ASCII bytes; zero means that the text needs the slow way.
var asciiPlain = func() (t [256]byte) {
	for b := range utf8.RuneSelf {
		t[b] = byte(b)
		switch {
		case 'A' <= b && b <= 'Z':
			t[b] += 'a' - 'A'
		case b == '\t':
			t[b] = cellEnd
		case b == '\r', b == '\f', b == '\v':
			t[b] = '\n'
		case b < ' ' && b != '\n':
			t[b] = other
		case b == '`':
			t[b] = '\''
		case b == '<', b == '&':
			t[b] = 0
		}
	}
	return t
}()

// read fills p from text.
func (p *plain) read(text string) {
	p.reset()
	for i := range len(text) {
		b := asciiPlain[text[i]]
		if b == 0 {
			p.readSlowly(text, i)
			break
		}
		p.text = append(p.text, b)
	}
	for i, b := range p.text {
		if b == 'o' && (i > 0 && isDigit(p.text[i-1]) || i+1 < len(p.text) && isDigit(p.text[i+1])) {
			p.hasO = true
			break
		}
	}
}

// readSlowly goes on from byte i with markup and Unicode.
func (p *plain) readSlowly(text string, i int) {
	for k := range i {
		p.pos = append(p.pos, span{int32(k), int32(k + 1)})
	}
	for i < len(text) {
		b := text[i]
		if m := asciiPlain[b]; m != 0 {
			p.add(m, i, i+1)
			i++
			continue
		}
		switch b {
		case '<':
			i = p.tag(text, i)
		case '&':
			i = p.entity(text, i)
		default:
			r, size := utf8.DecodeRuneInString(text[i:])
			p.rune(r, i, i+size)
			i += size
		}
	}
}

// entity resolves the character reference at i and returns where it ends. One
// that was escaped twice (&amp;nbsp;) is resolved too: calendars do that.
func (p *plain) entity(text string, i int) int {
	end := i + 1
	for end < len(text) && end-i < 32 && (isDigit(text[end]) || isLetter(text[end]|0x20) || text[end] == '#') {
		end++
	}
	if end < len(text) && text[end] == ';' {
		end++
	}
	name := text[i:end]
	if strings.EqualFold(name, "&amp;") {
		rest := end
		for rest < len(text) && rest-end < 32 && (isDigit(text[rest]) || isLetter(text[rest]|0x20) || text[rest] == '#') {
			rest++
		}
		if rest < len(text) && text[rest] == ';' && rest > end {
			end = rest + 1
			name = "&" + text[i+len("&amp;"):end]
		}
	}
	decoded := html.UnescapeString(name)
	if decoded == name {
		p.add('&', i, i+1)
		return i + 1
	}
	for _, r := range decoded {
		p.rune(r, i, end)
	}
	return end
}

// tags gives the kind of each tag: a blockTag ends a line, a cellTag a cell, an
// inlineTag vanishes, the content of a hiddenTag isn't shown. Anything else in
// angle brackets is text.
var tags = map[string]byte{}

const (
	blockTag = iota + 1
	cellTag
	inlineTag
	hiddenTag
)

func init() {
	for kind, names := range map[byte]string{
		blockTag: "br p div li ul ol dl dt dd tr table thead tbody tfoot h1 h2 h3 h4 h5 h6 hr blockquote pre center " +
			"section article header footer address form html body title caption figure fieldset nav main aside",
		cellTag:   "td th",
		inlineTag: "a b i u s em strong span font small big sub sup mark code del ins abbr wbr nobr label img input button o:p col colgroup link meta base tt kbd cite q",
		hiddenTag: "script style head",
	} {
		for name := range strings.FieldsSeq(names) {
			tags[name] = kind
		}
	}
}

// tag handles the markup at i and returns where to go on.
func (p *plain) tag(text string, i int) int {
	rest := text[i:]
	if strings.HasPrefix(rest, "<!--") {
		if !p.unclosed {
			if end := strings.Index(rest, "-->"); end >= 0 {
				return i + end + 3
			}
			p.unclosed = true
		}
	}
	k := 1
	closing := k < len(rest) && rest[k] == '/'
	if closing {
		k++
	}
	start := k
	for k < len(rest) && (isLetter(rest[k]|0x20) || isDigit(rest[k]) || rest[k] == ':') && k-start < 12 {
		k++
	}
	name := strings.ToLower(rest[start:k])
	end := tagEnd(rest, k)
	switch {
	case end < 0:
		p.add(other, i, i+1)
		return i + 1
	case !closing && strings.HasPrefix(name, "tel:"): // Outlook's <tel:+41…>
		p.links = append(p.links, span{int32(i + start + len("tel:")), int32(i + end - 1)})
		return i + end
	case strings.HasPrefix(name, "mailto:"), strings.HasPrefix(name, "http:"), strings.HasPrefix(name, "https:"), rest[1] == '!', rest[1] == '?':
		return i + end
	}
	switch tags[name] {
	case blockTag:
		p.add('\n', i, i+end)
	case cellTag:
		p.add(cellEnd, i, i+end)
	case inlineTag:
		if name == "a" && !closing {
			p.link(rest[:end], i)
		}
	case hiddenTag:
		if !closing && !p.unclosed {
			if stop := indexFold(rest[end:], "</"+name); stop >= 0 {
				end += stop
			} else {
				p.unclosed = true
			}
		}
		p.add('\n', i, i+end)
	default:
		p.add(other, i, i+1)
		return i + 1
	}
	return i + end
}

// tagEnd returns the offset after the > that ends a tag, or -1.
func tagEnd(s string, k int) int {
	quote := byte(0)
	for ; k < len(s) && k < 8192; k++ {
		switch c := s[k]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '>':
			return k + 1
		case c == '<':
			return -1
		case (c == '"' || c == '\'') && s[k-1] == '=':
			quote = c
		}
	}
	return -1
}

// link notes the href of an <a> that is a tel: link.
func (p *plain) link(tag string, offset int) {
	h := indexFold(tag, "href")
	if h < 0 {
		return
	}
	h += len("href")
	for h < len(tag) && (tag[h] == ' ' || tag[h] == '=' || tag[h] == '"' || tag[h] == '\'') {
		h++
	}
	if len(tag) < h+4 || !strings.EqualFold(tag[h:h+4], "tel:") {
		return
	}
	start := h + 4
	end := start
	for end < len(tag) && !strings.ContainsRune("\"'> ", rune(tag[end])) {
		end++
	}
	p.links = append(p.links, span{int32(offset + start), int32(offset + end)})
}

// linkText decodes the value of a tel: link; its parameters are dropped.
func linkText(value string) string {
	value = html.UnescapeString(value)
	if decoded, err := url.PathUnescape(value); err == nil {
		value = decoded
	}
	value, _, _ = strings.Cut(value, ";")
	return value
}

func indexFold(s, sub string) int {
	for i := 0; i+len(sub) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(sub)], sub) {
			return i
		}
	}
	return -1
}

// rune adds the plain form of r.
func (p *plain) rune(r rune, start, end int) {
	if r < utf8.RuneSelf {
		if b := asciiPlain[r]; b != 0 {
			p.add(b, start, end)
		} else {
			p.add(byte(r), start, end) // a < or & that was written as an entity
		}
		return
	}
	if r >= 0xFF01 && r <= 0xFF5E { // full-width ASCII
		p.rune(r-0xFF01+'!', start, end)
		return
	}
	if b, ok := signs[r]; ok {
		p.add(b, start, end)
		return
	}
	switch {
	case unicode.In(r, unicode.Cf, unicode.Mn, unicode.Me): // invisible or a mark on the letter before
	case unicode.Is(unicode.Nd, r):
		p.add('0'+byte(digitValue(r)), start, end)
	case unicode.Is(unicode.Zs, r):
		p.add(' ', start, end)
	case unicode.Is(unicode.Pd, r):
		p.add('-', start, end)
	case unicode.Is(unicode.Sc, r):
		p.add(currency, start, end)
	case unicode.Is(unicode.Latin, r):
		p.add(foldLatin(r), start, end)
	default:
		p.add(other, start, end)
	}
}

// digitValue uses that Unicode keeps every script's ten digits together.
func digitValue(r rune) int {
	v := 0
	for v < 9 && unicode.Is(unicode.Nd, r-rune(v)-1) {
		v++
	}
	return v % 10
}

// foldLatin returns the letter under the accents, or z where there is none.
func foldLatin(r rune) byte {
	d := norm.NFKD.String(string(unicode.ToLower(r)))
	if b := d[0]; isLetter(b) {
		return b
	}
	return 'z'
}

// signs are non-ASCII signs with an ASCII twin in phone numbers.
var signs = map[rune]byte{
	'\u2212': '-', '\u30FC': '-', '\u00AF': '-', '\u2043': '-',
	'\u2044': '/', '\u2215': '/',
	'\u00B7': '.', '\u2022': '.', '\u2027': '.', '\u2024': '.', '\u30FB': '.', '\u00B0': '.', '\u00BA': '.',
	'\u2019': '\'', '\u2018': '\'', '\u00B4': '\'', '\u2032': '\'', '\u02BC': '\'', '\u201B': '\'', '\u201A': '\'',
	'\u2053': '~', '\u223C': '~',
	'\u0085': '\n', '\u2028': '\n', '\u2029': '\n',
	'\u2116': 'n', '\uFE62': '+', '\u207A': '+', '\u2795': '+',
	'\u3010': '(', '\u3011': ')', '\u3014': '(', '\u3015': ')',
}

func isDigit(b byte) bool  { return b-'0' < 10 }
func isLetter(b byte) bool { return b-'a' < 26 }
