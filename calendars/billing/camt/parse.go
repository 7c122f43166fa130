package camt

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/encoding/charmap"

	"rappel/calendars/billing/qrbill"
)

// MaxSize is how many bytes of a file are read.
const MaxSize = 32 << 20

// Parse reads a whole file. The error is a [ParseError]; then nothing of the file is to
// be used.
func Parse(data []byte) (File, error) {
	switch {
	case len(data) > MaxSize:
		return File{}, refuse(ErrTooLarge, 0, "more than %d MB; ask the bank for shorter periods", MaxSize>>20)
	case bytes.HasPrefix(data, []byte("PK\x03\x04")), bytes.HasPrefix(data, []byte("\x1f\x8b")):
		return File{}, refuse(ErrNotCamt, 0, "it is packed; unpack it first and take the .xml files inside")
	case bytes.HasPrefix(data, []byte("%PDF")):
		return File{}, refuse(ErrNotCamt, 0, "it is a PDF; download the same statement as camt.053 (XML) in e-banking")
	}
	root, err := opening(data)
	if err != nil {
		return File{}, err
	}
	var doc document
	dec := decoder(data)
	if err := dec.Decode(&doc); err != nil {
		return File{}, broken(err)
	}
	if err := ending(dec); err != nil {
		return File{}, err
	}
	f := File{Version: version(root.Name.Space)}
	var reports []report
	switch {
	case len(doc.Interim) > 0:
		return File{}, refuse(ErrNotCamt, 0, "it is a camt.052, whose bookings aren't final; download camt.053 or camt.054")
	case len(doc.Statements) > 0 && len(doc.Notifications) == 0:
		f.Kind, f.Message, reports = Statement, trim(doc.StatementID), doc.Statements
	case len(doc.Notifications) > 0 && len(doc.Statements) == 0:
		f.Kind, f.Message, reports = Notification, trim(doc.NotifyID), doc.Notifications
	default:
		return File{}, refuse(ErrNotCamt, 0, "there is no statement (Stmt) or notification (Ntfctn) in it")
	}
	n, names := 0, newKeys()
	for _, r := range reports {
		account := strings.ToUpper(strings.Join(strings.Fields(r.IBAN+r.Other), ""))
		if account == "" {
			return File{}, refuse(ErrBroken, 0, "a statement doesn't say of which account it is (Acct/Id)")
		}
		for _, e := range r.Entries {
			n++
			if e.foreign() {
				f.Foreign++
				continue
			}
			b, final, err := e.booking(n, account)
			if err != nil {
				return File{}, err
			}
			if !final {
				f.Skipped++
				continue
			}
			if b.Rappen == 0 {
				continue // a remark of the bank's
			}
			names.set(&b, trim(e.Ref))
			f.Bookings = append(f.Bookings, b)
		}
	}
	if f.Foreign > 0 && f.Foreign == n {
		return File{}, refuse(ErrCurrency, 0, "only statements of accounts in CHF can be imported")
	}
	return f, nil
}

// decoder reads XML in UTF-8 and in what some banks still write.
func decoder(data []byte) *xml.Decoder {
	dec := xml.NewDecoder(bytes.NewReader(data))
	dec.CharsetReader = func(charset string, input io.Reader) (io.Reader, error) {
		switch strings.ToLower(charset) {
		case "us-ascii", "iso-8859-1", "latin1", "windows-1252": // each holds the one before
			return charmap.Windows1252.NewDecoder().Reader(input), nil
		case "iso-8859-15":
			return charmap.ISO8859_15.NewDecoder().Reader(input), nil
		}
		return nil, errCharset
	}
	return dec
}

// errCharset is of a file in letters that no bank here writes.
var errCharset = errors.New("camt: unknown character set")

// opening returns the first element, which must be a Document without a DTD before it.
func opening(data []byte) (xml.StartElement, error) {
	dec := decoder(data)
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return xml.StartElement{}, refuse(ErrNotCamt, 0, "it is empty")
		}
		if err != nil {
			return xml.StartElement{}, broken(err)
		}
		switch tok := tok.(type) {
		case xml.Directive:
			return xml.StartElement{}, refuse(ErrNotCamt, 0, "it has a DTD, which no bank sends")
		case xml.CharData:
			if strings.TrimSpace(strings.TrimPrefix(string(tok), "\ufeff")) != "" {
				return xml.StartElement{}, refuse(ErrNotCamt, 0, "it doesn't begin as XML does")
			}
		case xml.StartElement:
			if tok.Name.Local != "Document" {
				return xml.StartElement{}, refuse(ErrNotCamt, 0, "its first element is %q, not Document", tok.Name.Local)
			}
			return tok, nil
		}
	}
}

// ending demands that nothing follows the document.
func ending(dec *xml.Decoder) error {
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return broken(err)
		}
		switch tok := tok.(type) {
		case xml.Comment, xml.ProcInst:
		case xml.CharData:
			if len(bytes.TrimSpace(tok)) > 0 {
				return refuse(ErrBroken, 0, "something follows its end; download it again")
			}
		default:
			return refuse(ErrBroken, 0, "something follows its end; download it again")
		}
	}
}

// broken names the line only: the decoder's words may quote the file.
func broken(err error) error {
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		return refuse(ErrBroken, 0, "XML ends or goes wrong in line %d; download it again", syntax.Line)
	}
	return refuse(ErrBroken, 0, "it can't be read as XML in UTF-8 or Latin-1; download it again")
}

var versions = regexp.MustCompile(`camt\.05[34]\.001\.(\d{2})`)

func version(namespace string) int {
	m := versions.FindStringSubmatch(namespace)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return n
}

func trim(s string) string { return strings.TrimSpace(s) }

// booking reads an entry; final is false for one that will come again.
func (e entry) booking(n int, account string) (b Booking, final bool, err error) {
	status := trim(e.Status.Code)
	if status == "" {
		status = trim(e.Status.Text)
	}
	switch status {
	case "BOOK":
	case "PDNG", "INFO", "FUTR":
		return b, false, nil
	default:
		return b, false, refuse(ErrBroken, n, "its status (Sts) is %q, want BOOK", short(status))
	}
	b = Booking{IBAN: account, Ref: meaningful(e.BankRef), Info: trim(e.Info)}
	if b.Credit, err = credit(n, e.Direction); err != nil {
		return b, false, err
	}
	if b.Rappen, err = e.Amount.rappen(n); err != nil {
		return b, false, err
	}
	switch trim(e.Reversal) {
	case "", "false", "0":
	case "true", "1":
		b.Reversal = true
	default:
		return b, false, refuse(ErrBroken, n, "its reversal mark (RvslInd) is %q, want true or false", short(e.Reversal))
	}
	if b.BookedOn, err = e.Booked.day(n, "BookgDt"); err != nil {
		return b, false, err
	}
	if b.ValueOn, err = e.Value.day(n, "ValDt"); err != nil {
		return b, false, err
	}
	if b.BookedOn == "" {
		b.BookedOn = b.ValueOn
	}
	if b.ValueOn == "" {
		b.ValueOn = b.BookedOn
	}
	if b.BookedOn == "" {
		return b, false, refuse(ErrBroken, n, "it has no date (BookgDt, ValDt)")
	}
	for _, part := range e.Parts {
		if c := trim(part.Count); c != "" {
			count, err := strconv.Atoi(c)
			if err != nil || count < 0 || count > 1_000_000 {
				return b, false, refuse(ErrBroken, n, "its number of payments (NbOfTxs) is %q", short(c))
			}
			b.Payments += count
		}
	}
	b.Details, b.Unclear = e.details(b)
	if !b.Credit && !b.Reversal && b.Unclear != "" && !e.returned() {
		b.Unclear = "" // what was paid out, and in which currency, is no matter here
	}
	return b, true, nil
}

// details are the payments of a booking. Where they don't add up to something that can be
// booked, nothing of them is told, and unclear says why: the money came all the same.
func (e entry) details(b Booking) (all []Detail, unclear string) {
	var sum int64
	for _, part := range e.Parts {
		for _, t := range part.Transactions {
			d := t.detail()
			var why string
			if d.Rappen, why = t.rappen(b); why != "" && !e.single() {
				return nil, why
			}
			if e.single() && (why != "" || d.Rappen > b.Rappen) {
				d.Rappen = b.Rappen // as it arrived: exchanged, or with charges taken off
			}
			if sum += d.Rappen; d.Rappen <= 0 || sum > b.Rappen {
				return nil, "its details come to more than the booking"
			}
			all = append(all, d)
		}
	}
	return all, ""
}

// single reports whether the entry tells exactly one payment.
func (e entry) single() bool { return len(e.Parts) == 1 && len(e.Parts[0].Transactions) == 1 }

// returned reports whether the bank says of any payment in it that it comes back.
func (e entry) returned() bool {
	for _, part := range e.Parts {
		for _, t := range part.Transactions {
			if len(t.Returned) > 0 {
				return true
			}
		}
	}
	return false
}

// foreign reports whether the entry is of an account in another currency.
func (e entry) foreign() bool {
	c := trim(e.Amount.Currency)
	return len(c) == 3 && c != "CHF" && strings.ToUpper(c) == c
}

// rappen is what a detail of b is about; why says what keeps that from being read.
func (t transaction) rappen(b Booking) (n int64, why string) {
	if word := trim(t.Direction); word != "" {
		if c, err := credit(0, word); err != nil || c != b.Credit {
			return 0, "one of its details goes the other way (CdtDbtInd)"
		}
	}
	for _, a := range []amount{t.Amount, t.TxAmount} {
		if trim(a.Currency) == "CHF" {
			if n, ok := parseAmount(trim(a.Value), 1); ok {
				return n, ""
			}
		}
	}
	return 0, "one of its details has no amount in CHF (Amt)"
}

func (t transaction) detail() Detail {
	d := Detail{Ref: meaningful(t.BankRef), EndToEnd: meaningful(t.EndToEnd), IBAN: strings.Join(strings.Fields(t.DebtorIBAN), ""), Returned: len(t.Returned) > 0}
	for _, name := range []string{t.Ultimate, t.UltiNew, t.DebtorNew, t.Debtor} {
		if d.Name = trim(name); d.Name != "" {
			break
		}
	}
	var texts []string
	for _, s := range t.Structured {
		if d.Reference == "" {
			d.Reference = qrbill.NormalReference(trim(s.Reference))
		}
		texts = append(texts, s.Texts...)
	}
	texts = append(texts, t.Texts...)
	d.Text = strings.Join(strings.Fields(strings.Join(texts, " ")), " ")
	return d
}

// meaningful drops the words that stand for no reference.
func meaningful(ref string) string {
	ref = trim(ref)
	if strings.EqualFold(ref, "NOTPROVIDED") || strings.EqualFold(ref, "NOREF") || strings.EqualFold(ref, "NONREF") {
		return ""
	}
	return ref
}

func credit(n int, word string) (bool, error) {
	switch trim(word) {
	case "CRDT":
		return true, nil
	case "DBIT":
		return false, nil
	}
	return false, refuse(ErrBroken, n, "its direction (CdtDbtInd) is %q, want CRDT or DBIT", short(word))
}

func (a amount) rappen(n int) (int64, error) {
	if c := trim(a.Currency); c != "CHF" {
		return 0, refuse(ErrCurrency, n, "%q; only statements of accounts in CHF can be imported", short(c))
	}
	r, ok := parseAmount(trim(a.Value), 0)
	if !ok {
		return 0, refuse(ErrBroken, n, "its amount is %q, want francs such as 1949.75", short(a.Value))
	}
	return r, nil
}

// parseAmount reads a decimal of least Rappen or more, with up to two places that count.
func parseAmount(s string, least int64) (int64, bool) {
	whole, cents, dotted := strings.Cut(s, ".")
	if dotted && cents == "" {
		return 0, false
	}
	cents = strings.TrimRight(cents, "0")
	if len(cents) > 2 || len(whole) > 12 {
		return 0, false
	}
	text := whole + cents + "00"[len(cents):]
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && whole != "" && n >= least
}

// day is the day of a date or an instant as it stands there: banks mean their own day.
func (d date) day(n int, name string) (string, error) {
	s := trim(d.Day)
	if s == "" {
		s = trim(d.Instant)
	}
	if s == "" {
		return "", nil
	}
	if len(s) < 10 {
		return "", refuse(ErrBroken, n, "its date (%s) is %q, want 2027-03-01", name, short(s))
	}
	if t, err := time.Parse(time.DateOnly, s[:10]); err != nil || t.Year() < 1980 {
		return "", refuse(ErrBroken, n, "its date (%s) is %q, want 2027-03-01", name, short(s))
	}
	return s[:10], nil
}

// short keeps an odd value from filling a log.
func short(s string) string {
	if r := []rune(trim(s)); len(r) > 20 {
		return string(r[:20]) + "…"
	}
	return trim(s)
}
