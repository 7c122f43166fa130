package smpp

import (
	"math/big"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rappel/notify"
)

// ids brings the ids of answers and receipts to one form: that of answers, with
// hexadecimal digits in lower case and without leading zeros.
//
// With the form auto it learns from receipts: of the ids that one may mean, which is that
// of a message to the number it names? Where several are, or were it for all it says, it
// tells nothing: gateways that count from 1 have nearly every id in every form. Once many in
// a row have said the same, it is sure, and remembers answers no more. From then on it looks
// now and then whether the messages it finds are known; many in a row that are known in
// another form only make the question open again.
type ids struct {
	form IDForm
	deaf bool // no receipts are asked for: nothing to learn from
	sure atomic.Bool

	mu      sync.Mutex
	recent  map[string]string // recipients of what was answered lately, by id, to learn from
	order   []string          // of recent, a ring
	oldest  int               // in order
	learned IDForm            // "" until a receipt has told
	votes   int               // receipts in a row that said the same
	doubts  int               // receipts in a row that said another than it is sure of
	unasked int               // receipts since it was last looked whether the form still holds
	asked   time.Time         // when that was
}

const (
	recentIDs = 8192
	sureVotes = 64

	// One receipt in askEvery looks whether the form still holds, or the next after askPause;
	// after a doubt each does.
	askEvery     = 16
	askPause     = time.Second
	doubtsEnough = 16
)

// reading is what an id in a receipt means if the gateway writes ids in form.
type reading struct {
	form IDForm
	id   string // as answered
}

// readings are what an id may mean, first what it says as it stands. One alone means the
// same in every form.
func readings(id string) []reading {
	all := []reading{{IDDecimal, canonical(id)}}
	for _, form := range []IDForm{IDHex, IDHexReceipt} {
		if other := form.read(id); other != all[0].id {
			all = append(all, reading{form, other})
		}
	}
	return all
}

// read is what id means in form.
func (form IDForm) read(id string) string {
	switch form {
	case IDHex:
		return hexOf(id)
	case IDHexReceipt:
		return decimalOf(id)
	}
	return canonical(id)
}

// learns reports whether answered should hear of the answer with id.
func (t *ids) learns(id string) bool { return !t.deaf && !t.certain() && isHex(id) }

// answered notes the id of a submit_sm_resp, in canonical form.
func (t *ids) answered(id, recipient string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sure.Load() {
		return
	}
	if t.recent == nil {
		t.recent = make(map[string]string)
	}
	_, again := t.recent[id]
	t.recent[id] = recipient
	switch {
	case again: // the gateway counts anew
	case len(t.order) < recentIDs:
		t.order = append(t.order, id)
	default:
		delete(t.recent, t.order[t.oldest])
		t.order[t.oldest] = id
		t.oldest = (t.oldest + 1) % recentIDs
	}
}

// certain reports whether there is nothing to learn from answers: the form is known, or as
// good as known.
func (t *ids) certain() bool { return t.form != IDAuto || t.sure.Load() }

// receipted returns the id that r means, as it was answered. Either form may be empty: tlv
// is receipted_message_id, text is what the receipt's text says after "id:".
//
// puzzle is what it may mean while nobody has told yet in which form the gateway writes, or
// when it is time to look whether that holds; then id is only the likeliest of them, and solve
// should be asked.
func (t *ids) receipted(tlv, text string, r *notify.Receipt, now time.Time) (id string, puzzle []reading) {
	switch {
	case tlv == "" && text == "":
		return "", nil
	case tlv != "" && canonical(tlv) != canonical(text):
		// Two forms, or no text: the TLV repeats the answer.
		if text != "" && !t.certain() {
			for _, as := range readings(text)[1:] {
				if as.id == canonical(tlv) {
					t.mu.Lock()
					t.vote(as.form)
					t.mu.Unlock()
				}
			}
		}
		return canonical(tlv), nil
	}
	// tlv is empty or the same
	if t.form != IDAuto {
		return t.form.read(text), nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sure.Load() {
		if t.due(now) {
			if all := readings(text); len(all) > 1 {
				puzzle = all
			}
		}
		return t.learned.read(text), puzzle
	}
	all := readings(text)
	if len(all) == 1 {
		return all[0].id, nil
	}
	if as, n := concerned(all, t.recent, r); n == 1 {
		t.vote(as.form)
		return as.id, nil
	}
	if t.learned == "" {
		t.unasked, t.asked = 0, now
		return all[0].id, all
	}
	if namesNumber(r) && t.due(now) {
		return t.learned.read(text), all
	}
	return t.learned.read(text), nil
}

// due reports whether it is time to look whether the form still holds. mu is held.
func (t *ids) due(now time.Time) bool {
	t.unasked++
	if t.doubts == 0 && t.unasked < askEvery && now.Sub(t.asked) < askPause {
		return false
	}
	t.unasked, t.asked = 0, now
	return true
}

// solve returns which of a puzzle's ids r means, given the recipients of those that are
// known. early says that nothing tells: no form is known, and no message r concerns.
func (t *ids) solve(puzzle []reading, known map[string]string, r *notify.Receipt) (id string, early bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	likely := puzzle[0]
	for _, one := range puzzle {
		if one.form == t.learned {
			likely = one
		}
	}
	as, n := concerned(puzzle, known, r)
	switch recipient, ok := known[likely.id]; {
	case n == 0:
		return likely.id, t.learned == ""
	case n > 1:
		if ok && r.Concerns(recipient) {
			t.doubts = 0
		}
		return likely.id, false
	}
	sure := t.sure.Load()
	t.vote(as.form)
	if sure && !namesNumber(r) {
		return likely.id, false // the other may be somebody else's
	}
	return as.id, false
}

// concerned returns the last of all that is the id of a message r concerns, and how many are.
func concerned(all []reading, recipients map[string]string, r *notify.Receipt) (as reading, n int) {
	for _, one := range all {
		if recipient, ok := recipients[one.id]; ok && r.Concerns(recipient) {
			as = one
			n++
		}
	}
	return as, n
}

// namesNumber reports whether r names a number, and so doesn't concern just any message.
func namesNumber(r *notify.Receipt) bool { return !r.Concerns("nobody") }

// vote notes what one receipt said. mu is held.
func (t *ids) vote(form IDForm) {
	if t.sure.Load() {
		if form == t.learned {
			t.doubts = 0
			return
		}
		if t.doubts++; t.doubts < doubtsEnough {
			return
		}
		t.doubts = 0
		t.sure.Store(false)
	}
	if form != t.learned {
		t.learned, t.votes = form, 0
	}
	if t.votes++; t.votes >= sureVotes {
		t.recent, t.order, t.oldest = nil, nil, 0
		t.sure.Store(true)
	}
}

// canonical leaves an id that is no number as it is: some gateways use UUIDs.
func canonical(id string) string {
	if !isHex(id) {
		return id
	}
	if short := strings.TrimLeft(strings.ToLower(id), "0"); short != "" {
		return short
	}
	return "0"
}

// hexOf converts a decimal id; anything else it returns in canonical form.
func hexOf(id string) string {
	if !isDigits(id) {
		return canonical(id)
	}
	if n, err := strconv.ParseUint(id, 10, 64); err == nil {
		return strconv.FormatUint(n, 16)
	}
	n, ok := new(big.Int).SetString(id, 10)
	if !ok {
		return canonical(id)
	}
	return n.Text(16)
}

// decimalOf converts a hexadecimal id; anything else it returns as it is.
func decimalOf(id string) string {
	if !isHex(id) {
		return id
	}
	n, ok := new(big.Int).SetString(id, 16)
	if !ok {
		return canonical(id)
	}
	return n.String()
}

func isHex(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if (s[i] < '0' || s[i] > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}
