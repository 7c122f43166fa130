package qrbill

import (
	"fmt"
	"math"

	"codeberg.org/go-pdf/fpdf"
)

// SlipHeight is how much of the page's foot the slip takes, in mm.
const SlipHeight = 105

const (
	receiptWidth = 62.0
	margin       = 5.0
	codeSize     = 46.0
	crossSize    = 7.0
	point        = 25.4 / 72 // mm
)

// Style says how a slip is drawn.
type Style struct {
	Family   string // a font added to the document, regular and "B", with Latin Extended-A
	Language string // de, fr, it, en; anything else is German
}

// Draw draws the slip of a bill over the bottom 105 mm of the current page, which must
// be A4 and measured in mm. It changes font, colours and line style of the document.
//
// It fails with a [FieldError] when the bill isn't right, or with the document's own
// error, such as a font it doesn't know.
func Draw(pdf *fpdf.Fpdf, b Bill, st Style) error {
	modules, err := Symbol(b)
	if err != nil {
		return err
	}
	w, ok := wording[st.Language]
	if !ok {
		w = wording["de"]
	}
	pageWidth, pageHeight := pdf.GetPageSize()
	s := slip{pdf: pdf, bill: b, words: w, family: st.Family, top: pageHeight - SlipHeight, width: pageWidth}
	auto, below := pdf.GetAutoPageBreak()
	pdf.SetAutoPageBreak(false, 0)
	defer pdf.SetAutoPageBreak(auto, below)
	pdf.SetTextColor(0, 0, 0)
	pdf.SetDrawColor(0, 0, 0)
	pdf.SetFillColor(0, 0, 0)
	s.cuts()
	s.receipt()
	s.payment()
	s.code(modules, receiptWidth+margin, s.top+17)
	if err := pdf.Error(); err != nil {
		return fmt.Errorf("qrbill: draw: %w", err)
	}
	return nil
}

type slip struct {
	pdf        *fpdf.Fpdf
	bill       Bill
	words      words
	family     string
	top, width float64
}

// cuts draws where paper is parted.
func (s slip) cuts() {
	p := s.pdf
	p.SetLineWidth(0.2)
	p.SetDashPattern([]float64{1, 1}, 0)
	p.Line(0, s.top, s.width, s.top)
	p.Line(receiptWidth, s.top, receiptWidth, s.top+SlipHeight)
	p.SetDashPattern([]float64{}, 0)
	p.TransformBegin()
	p.TransformTranslate(8, s.top)
	s.scissors()
	p.TransformEnd()
	p.TransformBegin()
	p.TransformTranslate(receiptWidth, s.top+10)
	p.TransformRotate(-90, 0, 0)
	s.scissors()
	p.TransformEnd()
}

// scissors draws a pair of scissors around the origin that cut to the right.
func (s slip) scissors() {
	p := s.pdf
	p.SetFillColor(255, 255, 255)
	p.Rect(-2.6, -0.3, 5.6, 0.6, "F") // the line isn't seen between the blades
	p.SetLineWidth(0.25)
	p.Circle(-1.7, -0.9, 0.65, "D")
	p.Circle(-1.7, 0.9, 0.65, "D")
	p.SetFillColor(0, 0, 0)
	p.Polygon([]fpdf.PointType{{X: -1.2, Y: -0.62}, {X: 2.6, Y: 0.62}, {X: 2.1, Y: 0.85}, {X: -1.3, Y: -0.4}}, "F")
	p.Polygon([]fpdf.PointType{{X: -1.2, Y: 0.62}, {X: 2.6, Y: -0.62}, {X: 2.1, Y: -0.85}, {X: -1.3, Y: 0.4}}, "F")
	p.SetLineWidth(0.2)
}

func (s slip) receipt() {
	const width = receiptWidth - 2*margin
	s.text(margin, s.top+margin, 11, "B", s.words.receipt, width, "L")
	s.block(margin, s.top+12, width, 56, 6, 8, 9, false)
	s.amount(margin, s.top+68, 6, 8, 9, 20)
	s.text(margin, s.top+82, 6, "B", s.words.acceptance, width, "R")
}

func (s slip) payment() {
	x := receiptWidth + margin
	s.text(x, s.top+margin, 11, "B", s.words.payment, 51, "L")
	s.amount(x, s.top+68, 8, 10, 11, 22)
	s.block(receiptWidth+56, s.top+margin, 87, 85, 8, 10, 11, true)
	for i, scheme := range s.bill.Schemes {
		s.text(x, s.top+90+float64(i)*8*point, 7, "", scheme, 138, "L")
	}
}

// part is one heading with what stands below it.
type part struct {
	heading string
	lines   []string
	blank   [2]float64 // width and height of a field to fill in, mm
}

// block writes account, reference, message and debtor into a field, smaller where they
// would leave it. Sizes and leading are in points.
func (s slip) block(x, y, width, height, heading, value, leading float64, whole bool) {
	b := s.bill
	parts := []part{{heading: s.words.account, lines: append([]string{FormatIBAN(b.IBAN)}, b.Creditor.Lines()...)}}
	if b.Reference != "" {
		parts = append(parts, part{heading: s.words.reference, lines: []string{FormatReference(b.Reference)}})
	}
	if whole && b.Message+b.Info != "" {
		var lines []string
		for _, l := range []string{b.Message, b.Info} {
			if l != "" {
				lines = append(lines, l)
			}
		}
		parts = append(parts, part{heading: s.words.additional, lines: lines})
	}
	switch {
	case b.Debtor != nil:
		parts = append(parts, part{heading: s.words.payable, lines: b.Debtor.Lines()})
	case whole:
		parts = append(parts, part{heading: s.words.payableBlank, blank: [2]float64{65, 25}})
	default:
		parts = append(parts, part{heading: s.words.payableBlank, blank: [2]float64{52, 20}})
	}
	for ; value > 6 && s.lay(parts, x, y, width, heading, value, leading, false) > height; value, leading = value-0.5, leading-0.5 {
		heading = math.Max(6, heading-0.5)
	}
	s.lay(parts, x, y, width, heading, value, leading, true)
}

// lay writes the parts, or only measures them, and returns the height they take in mm.
func (s slip) lay(parts []part, x, y, width, heading, value, leading float64, write bool) float64 {
	at := 0.0
	for i, pt := range parts {
		if i > 0 {
			at += leading * point
		}
		if write {
			s.text(x, y+at, heading, "B", pt.heading, width, "L")
		}
		at += leading * point
		for _, l := range pt.lines {
			s.pdf.SetFont(s.family, "", value)
			for _, piece := range s.pdf.SplitText(l, width) {
				if write {
					s.text(x, y+at, value, "", piece, width, "L")
				}
				at += leading * point
			}
		}
		if pt.blank[0] > 0 {
			if write {
				s.corners(x, y+at+0.5, pt.blank[0], pt.blank[1])
			}
			at += pt.blank[1] + 0.5
		}
	}
	return at
}

func (s slip) amount(x, y, heading, value, leading, second float64) {
	s.text(x, y, heading, "B", s.words.currency, second, "L")
	s.text(x+second, y, heading, "B", s.words.amount, 30, "L")
	s.text(x, y+leading*point+0.4, value, "", "CHF", second, "L")
	s.text(x+second, y+leading*point+0.4, value, "", FormatAmount(s.bill.Rappen), 40, "L")
}

// text writes one line whose upper edge is at y. The cell's own padding is taken away,
// so that lines stand where the guide says.
func (s slip) text(x, y, size float64, style, txt string, width float64, align string) {
	s.pdf.SetFont(s.family, style, size)
	pad := s.pdf.GetCellMargin()
	s.pdf.SetCellMargin(0)
	s.pdf.SetXY(x, y)
	s.pdf.CellFormat(width, size*point, txt, "", 0, align, false, 0, "")
	s.pdf.SetCellMargin(pad)
}

// corners marks a field somebody fills in by hand.
func (s slip) corners(x, y, w, h float64) {
	const arm = 3.0
	s.pdf.SetLineWidth(0.75 * point)
	for _, c := range [][4]float64{{x, y, 1, 1}, {x + w, y, -1, 1}, {x, y + h, 1, -1}, {x + w, y + h, -1, -1}} {
		s.pdf.Line(c[0], c[1], c[0]+arm*c[2], c[1])
		s.pdf.Line(c[0], c[1], c[0], c[1]+arm*c[3])
	}
}

// code draws the modules, those side by side as one, so that no hairline shows between
// them, and the cross in the middle.
func (s slip) code(modules [][]bool, x, y float64) {
	p := s.pdf
	p.SetFillColor(0, 0, 0)
	m := codeSize / float64(len(modules))
	for row, line := range modules {
		for from := 0; from < len(line); from++ {
			to := from
			for to < len(line) && line[to] {
				to++
			}
			if to > from {
				p.Rect(x+float64(from)*m, y+float64(row)*m, float64(to-from)*m, m, "F")
				from = to
			}
		}
	}
	// The cross: white edge, black field of 6 mm, arms of the federal proportions.
	cx, cy := x+codeSize/2, y+codeSize/2
	square := func(w, h float64, grey int) {
		p.SetFillColor(grey, grey, grey)
		p.Rect(cx-w/2, cy-h/2, w, h, "F")
	}
	square(crossSize, crossSize, 255)
	square(crossSize-1, crossSize-1, 0)
	square(3.9, 1.17, 255)
	square(1.17, 3.9, 255)
	p.SetFillColor(0, 0, 0)
}
