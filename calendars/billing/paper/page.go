package paper

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"codeberg.org/go-pdf/fpdf"
	"github.com/go-fonts/liberation/liberationsansbold"
	"github.com/go-fonts/liberation/liberationsansregular"

	"rappel/calendars/billing/qrbill"
)

const (
	family = "Liberation Sans"
	left   = 22.0
	right  = 188.0
	width  = right - left
	bottom = 272.0 // where text ends above the footer
	pages  = "{pages}"
)

// Colours of the house.
var (
	brand = [3]int{0x0b, 0x65, 0x5f}
	ink   = [3]int{0x1e, 0x24, 0x22}
	soft  = [3]int{0x57, 0x60, 0x5c}
	line  = [3]int{0xde, 0xda, 0xd2}
	tint  = [3]int{0xf2, 0xf6, 0xf5}
)

// sheet is a document in the making.
type sheet struct {
	*fpdf.Fpdf
	lang   string
	words  words
	title  string
	seller Party
	y      float64
	noFoot bool // on the page with the slip, the foot is the slip's
}

// newSheet begins a document with its first page. The day is that of the document and
// becomes the file's date.
func newSheet(language, title string, on Day, seller Party) (*sheet, error) {
	at, err := on.time()
	if err != nil {
		return nil, err
	}
	if _, ok := wording[language]; !ok {
		language = "de"
	}
	p := fpdf.New("P", "mm", "A4", "")
	s := &sheet{Fpdf: p, lang: language, words: wordsOf(language), title: title, seller: seller}
	p.SetCatalogSort(true)
	p.SetCreationDate(at)
	p.SetModificationDate(at)
	p.SetProducer("Rappel", true)
	p.SetCreator("Rappel", true)
	p.SetTitle(title, true)
	p.SetAuthor(writable(seller.Name), true)
	p.SetLang(language + "-CH")
	p.AddUTF8FontFromBytes(family, "", liberationsansregular.TTF)
	p.AddUTF8FontFromBytes(family, "B", liberationsansbold.TTF)
	p.SetMargins(left, 20, 210-right)
	p.SetAutoPageBreak(false, 0)
	p.SetCellMargin(0)
	p.AliasNbPages(pages)
	p.SetFooterFunc(s.footer)
	p.AddPage()
	return s, nil
}

func (s *sheet) ink(c [3]int) { s.SetTextColor(c[0], c[1], c[2]) }

// put writes one line whose upper edge is at y, aligned L, C or R within w.
func (s *sheet) put(x, y, w, size float64, style string, c [3]int, align, text string) {
	s.SetFont(family, style, size)
	s.ink(c)
	s.SetXY(x, y)
	s.CellFormat(w, size*0.45, writable(text), "", 0, align, false, 0, "")
}

// writable puts a mark in place of what fpdf can't write: its fonts end with U+FFFF, and a
// pictogram in somebody's name must not end in a panic.
func writable(text string) string {
	return strings.Map(func(r rune) rune {
		if r > 0xffff {
			return utf8.RuneError
		}
		return r
	}, text)
}

// SplitText breaks text into lines of at most w mm in the font that is set.
func (s *sheet) SplitText(text string, w float64) []string {
	return s.Fpdf.SplitText(writable(text), w)
}

// para writes a paragraph at s.y and moves s.y below it.
func (s *sheet) para(size float64, style string, c [3]int, text string) {
	s.SetFont(family, style, size)
	for _, l := range s.SplitText(text, width) {
		s.room(size * 0.5)
		s.put(left, s.y, width, size, style, c, "L", l)
		s.y += size * 0.5
	}
}

// rule draws a thin line across at y.
func (s *sheet) rule(x, y, w, thick float64, c [3]int) {
	s.SetDrawColor(c[0], c[1], c[2])
	s.SetLineWidth(thick)
	s.Line(x, y, x+w, y)
}

// room begins a new page unless h mm are left on this one.
func (s *sheet) room(h float64) bool {
	if s.y+h <= bottom {
		return false
	}
	s.next()
	return true
}

func (s *sheet) next() {
	s.AddPage()
	s.put(left, 14, width/2, 9, "B", brand, "L", s.seller.Name)
	s.put(right-width/2, 14, width/2, 9, "", soft, "R", s.title)
	s.rule(left, 19.5, width, 0.2, line)
	s.y = 26
}

// footer is drawn on every page but that with the slip.
func (s *sheet) footer() {
	if s.noFoot {
		return
	}
	p := s.seller
	text := p.Name
	for _, l := range p.lines()[1:] {
		text += " · " + l
	}
	contact := ""
	for _, c := range []string{prefixed(s.words.uid+" ", p.UID), p.Phone, p.Email, p.Web} {
		if c != "" {
			if contact != "" {
				contact += " · "
			}
			contact += c
		}
	}
	s.rule(left, 278, width, 0.2, line)
	s.put(left, 280, width-30, 7.5, "", soft, "L", text)
	s.put(left, 284, width-30, 7.5, "", soft, "L", contact)
	// Not aligned to the right: the number of pages isn't known yet, only its place is.
	s.put(right-18, 280, 18, 7.5, "", soft, "L", s.words.page+" "+strconv.Itoa(s.PageNo())+" "+s.words.of+" "+pages)
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// head writes the seller, the buyer where the window of an envelope is, and the title.
func (s *sheet) head(title string, buyer Party) {
	s.SetFillColor(brand[0], brand[1], brand[2])
	s.Rect(0, 0, 210, 3, "F")
	s.put(left, 13, 90, 17, "B", brand, "L", s.seller.Name)
	y := 13.0
	details := s.seller.lines()[1:]
	for _, l := range append(details, s.seller.Phone, s.seller.Email, s.seller.Web, prefixed(s.words.uid+" ", s.seller.UID)) {
		if l != "" {
			s.put(right-70, y, 70, 8.5, "", soft, "R", l)
			y += 4.1
		}
	}
	s.put(left, 41, 85, 6.5, "", soft, "L", s.sender())
	s.rule(left, 44.5, 80, 0.15, line)
	y = 47
	for _, l := range buyer.lines() {
		s.SetFont(family, "", 10.5)
		for _, piece := range s.SplitText(l, 82) {
			s.put(left, y, 85, 10.5, "", ink, "L", piece)
			y += 5
		}
	}
	s.y = max(74, y+4)
	s.put(left, s.y, width, 18, "B", ink, "L", title)
	s.y += 11.5
}

// sender is the line above the window.
func (s *sheet) sender() string {
	text := ""
	for _, l := range s.seller.lines() {
		if text != "" {
			text += ", "
		}
		text += l
	}
	return text
}

// facts writes pairs of label and value side by side.
func (s *sheet) facts(pairs [][2]string) {
	var shown [][2]string
	for _, p := range pairs {
		if p[1] != "" {
			shown = append(shown, p)
		}
	}
	widths, rest := make([]float64, len(shown)), width
	for i, p := range shown {
		s.SetFont(family, "", 7.5)
		widths[i] = s.GetStringWidth(p[0])
		s.SetFont(family, "B", 10)
		widths[i] = max(widths[i], s.GetStringWidth(p[1]))
		rest -= widths[i]
	}
	x := left
	for i, p := range shown {
		s.put(x, s.y, widths[i], 7.5, "", soft, "L", p[0])
		s.put(x, s.y+3.8, widths[i], 10, "B", ink, "L", p[1])
		x += widths[i] + min(rest/float64(len(shown)), 18)
	}
	s.y += 13.5
}

// columns of a table: x of the left edge, width, alignment.
type column struct {
	x, w  float64
	align string
}

var columns = [4]column{{left, 92, "L"}, {left + 92, 18, "R"}, {left + 112, 24, "R"}, {left + 138, width - 138, "R"}}

func (s *sheet) tableHead() {
	for i, label := range []string{s.words.what, s.words.quantity, s.words.price, s.words.amount} {
		s.put(columns[i].x, s.y, columns[i].w, 8, "", soft, columns[i].align, label)
	}
	s.y += 5
	s.rule(left, s.y, width, 0.4, brand)
	s.y += 2.5
}

// table writes the lines; a page that ends within goes on with the heading.
func (s *sheet) table(lines []Line, spanOfAll [2]Day) {
	s.tableHead()
	for _, l := range lines {
		s.SetFont(family, "", 10)
		texts := s.SplitText(l.Text, columns[0].w)
		s.SetFont(family, "", 8.5)
		var small []string
		if l.From != "" && spanOfAll != [2]Day{l.From, l.To} {
			small = append(small, between(s.lang, l.From, l.To))
		}
		if l.Detail != "" {
			small = append(small, s.SplitText(l.Detail, columns[0].w)...)
		}
		h := float64(len(texts))*4.8 + float64(len(small))*4 + 3.2
		if s.room(h) {
			s.tableHead()
		}
		for i, t := range texts {
			s.put(columns[0].x, s.y+float64(i)*4.8, columns[0].w, 10, "", ink, "L", t)
		}
		for i, t := range small {
			s.put(columns[0].x, s.y+float64(len(texts))*4.8+float64(i)*4, columns[0].w, 8.5, "", soft, "L", t)
		}
		if l.Quantity != 0 {
			s.put(columns[1].x, s.y, columns[1].w, 10, "", ink, "R", thousands(l.Quantity))
		}
		if l.Unit != 0 {
			s.put(columns[2].x, s.y, columns[2].w, 10, "", ink, "R", chf(l.Unit))
		}
		s.put(columns[3].x, s.y, columns[3].w, 10, "", ink, "R", chf(l.Net))
		s.y += h
		s.rule(left, s.y-1.6, width, 0.15, line)
	}
	s.y += 1.5
}

// sumLine writes a label and an amount below the table.
func (s *sheet) sumLine(label, amount string, strong bool) {
	style, c := "", soft
	if strong {
		style, c = "B", ink
	}
	s.room(6)
	s.put(left+70, s.y, 64, 10, style, c, "L", label)
	s.put(columns[3].x, s.y, columns[3].w, 10, style, ink, "R", amount)
	s.y += 5.6
}

// sumBox writes what it all comes to.
func (s *sheet) sumBox(label, amount string) {
	s.room(12)
	s.SetFillColor(tint[0], tint[1], tint[2])
	s.RoundedRect(left+66, s.y+0.5, right-left-66, 10, 1.6, "1234", "F")
	s.put(left+70, s.y+3.2, 64, 11.5, "B", brand, "L", label)
	s.put(columns[3].x, s.y+3.2, columns[3].w-4, 11.5, "B", brand, "R", amount)
	s.y += 15
}

// slip draws the QR-bill at the foot, on a page of its own where the text leaves no room.
func (s *sheet) slip(b *qrbill.Bill) error {
	if b == nil {
		return nil
	}
	if s.y > 297-qrbill.SlipHeight-4 {
		s.next()
	}
	s.noFoot = true
	// The page's own foot would lie on the slip; who we are stands above it already.
	return qrbill.Draw(s.Fpdf, *b, qrbill.Style{Family: family, Language: s.lang})
}

// bytes ends the document.
func (s *sheet) bytes() ([]byte, error) {
	var b bytes.Buffer
	if err := s.Output(&b); err != nil {
		return nil, fmt.Errorf("paper: write PDF: %w", err)
	}
	return b.Bytes(), nil
}
