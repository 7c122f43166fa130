package web

import (
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/xuri/excelize/v2"

	"rappel/notify"
)

// sheet is a list on its way to a spreadsheet, row by row. Cells are strings, ints,
// money and times; these are shown in their own zone, so hand them over in the clinic's. A list
// that ends early is abandoned, so that half a file never looks like a whole one.
type sheet interface {
	Row(cells ...any) error
	Close() error // the list is complete
	Abandon()     // it is not; nothing happens after Close
}

const sheetTime = "2006-01-02 15:04:05"

// attachment names the file an answer is saved as.
func attachment(w http.ResponseWriter, contentType, name string) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
}

// csvSheet is RFC 4180 in UTF-8 with a byte order mark, by which spreadsheets know the
// encoding. Rows leave as they come; once some have, a failure breaks the connection.
type csvSheet struct {
	w     http.ResponseWriter
	name  string
	out   *csv.Writer
	done  bool
	cells []string
}

func newCSVSheet(w http.ResponseWriter, name string) *csvSheet { return &csvSheet{w: w, name: name} }

func (s *csvSheet) begin() error {
	attachment(s.w, "text/csv; charset=utf-8", s.name)
	s.out = csv.NewWriter(s.w)
	s.out.UseCRLF = true
	_, err := io.WriteString(s.w, "\ufeff")
	return err
}

func (s *csvSheet) Row(cells ...any) error {
	if s.out == nil {
		if err := s.begin(); err != nil {
			return err
		}
	}
	s.cells = s.cells[:0]
	for _, c := range cells {
		switch c := c.(type) {
		case string:
			s.cells = append(s.cells, formulaSafe(c))
		case time.Time:
			if c.IsZero() {
				s.cells = append(s.cells, "")
			} else {
				s.cells = append(s.cells, c.Format(sheetTime))
			}
		default:
			s.cells = append(s.cells, fmt.Sprint(c))
		}
	}
	return s.out.Write(s.cells)
}

func (s *csvSheet) Close() error {
	s.done = true
	if s.out == nil {
		if err := s.begin(); err != nil {
			return err
		}
	}
	s.out.Flush()
	return s.out.Error()
}

func (s *csvSheet) Abandon() {
	if !s.done && s.out != nil {
		panic(http.ErrAbortHandler)
	}
}

// formulaSafe keeps a spreadsheet from running a text as a formula. Some pass over blanks
// and line ends before it. Numbers such as +41… are ours and stay as they are.
func formulaSafe(s string) string {
	first := strings.TrimLeftFunc(s, unicode.IsSpace)
	formula := first != "" && strings.ContainsRune("=+-@", rune(first[0])) || s != "" && strings.ContainsRune("\t\r\n", rune(s[0]))
	if formula && !notify.ValidNumber(s) {
		return "'" + s
	}
	return s
}

// sheetRows is how many rows one sheet of a workbook takes; Excel shows 1,048,576.
const sheetRows = 1_000_000

// xlsxSheet is an Excel workbook. Its rows go to a temporary file and leave at Close, for
// a workbook begins with what is known last; memory stays flat. Texts are kept as texts,
// so nothing in them runs as a formula.
type xlsxSheet struct {
	w          http.ResponseWriter
	name       string
	file       *excelize.File
	out        *excelize.StreamWriter
	head       []any
	bold, time int // styles
	money      int
	sheets     int
	row        int // of the current sheet
	most       int // rows of one sheet
	done       bool
}

func newXLSXSheet(w http.ResponseWriter, name string) (*xlsxSheet, error) {
	s := &xlsxSheet{w: w, name: name, file: excelize.NewFile(), most: sheetRows}
	var err error
	if s.bold, err = s.file.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}}); err != nil {
		return nil, fmt.Errorf("style: %w", err)
	}
	format := "yyyy-mm-dd hh:mm:ss"
	if s.time, err = s.file.NewStyle(&excelize.Style{CustomNumFmt: &format}); err != nil {
		return nil, fmt.Errorf("style: %w", err)
	}
	francs := "#,##0.00"
	if s.money, err = s.file.NewStyle(&excelize.Style{CustomNumFmt: &francs}); err != nil {
		return nil, fmt.Errorf("style: %w", err)
	}
	return s, nil
}

// next begins a sheet with the head of the list.
func (s *xlsxSheet) next() error {
	if s.out != nil {
		if err := s.out.Flush(); err != nil {
			return fmt.Errorf("sheet %d: %w", s.sheets, err)
		}
	}
	s.sheets++
	name := "Rappel"
	if s.sheets == 1 {
		if err := s.file.SetSheetName("Sheet1", name); err != nil {
			return fmt.Errorf("name sheet: %w", err)
		}
	} else {
		name += " " + strconv.Itoa(s.sheets)
		if _, err := s.file.NewSheet(name); err != nil {
			return fmt.Errorf("sheet %d: %w", s.sheets, err)
		}
	}
	var err error
	if s.out, err = s.file.NewStreamWriter(name); err != nil {
		return fmt.Errorf("sheet %d: %w", s.sheets, err)
	}
	if err := s.out.SetColWidth(1, len(s.head), 18); err != nil {
		return fmt.Errorf("sheet %d: %w", s.sheets, err)
	}
	if err := s.out.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return fmt.Errorf("sheet %d: %w", s.sheets, err)
	}
	head := make([]any, len(s.head))
	for i, c := range s.head {
		head[i] = excelize.Cell{StyleID: s.bold, Value: c}
	}
	s.row = 1
	return s.out.SetRow("A1", head)
}

// Row adds a row; the first is the head of every sheet.
func (s *xlsxSheet) Row(cells ...any) error {
	if s.head == nil {
		s.head = cells
		return s.next()
	}
	if s.row == s.most {
		if err := s.next(); err != nil {
			return err
		}
	}
	s.row++
	row := make([]any, len(cells))
	for i, c := range cells {
		row[i] = c
		if m, ok := c.(rappen); ok { // a spreadsheet knows no other numbers than floating ones
			row[i] = excelize.Cell{StyleID: s.money, Value: float64(m) / 100}
		}
		if at, ok := c.(time.Time); ok {
			row[i] = nil
			if !at.IsZero() {
				row[i] = excelize.Cell{StyleID: s.time, Value: at}
			}
		}
	}
	if err := s.out.SetRow("A"+strconv.Itoa(s.row), row); err != nil {
		return fmt.Errorf("row %d: %w", s.row, err)
	}
	return nil
}

func (s *xlsxSheet) Close() error {
	if s.out != nil {
		if err := s.out.Flush(); err != nil {
			return fmt.Errorf("sheet %d: %w", s.sheets, err)
		}
	}
	attachment(s.w, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", s.name)
	s.done = true
	if _, err := s.file.WriteTo(s.w); err != nil {
		s.remove()
		panic(http.ErrAbortHandler) // some of it may have left
	}
	return s.remove()
}

func (s *xlsxSheet) Abandon() {
	if !s.done {
		_ = s.remove() // the error that led here is told already
	}
}

// remove drops the temporary files.
func (s *xlsxSheet) remove() error { return s.file.Close() }
