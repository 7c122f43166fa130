package smpp

import (
	"math/big"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"rappel/notify"
)

// ids brings the ids of answers and receipts to one form: that of answers, with
// hexadecimal digits in lower case and without leading zeros.
//
// With the form auto it learns from receipts: of the ids that one may mean, which is that
// of a message to the number it names? Where several are, or were it for all it says, it
// tells nothing: gateways that count from 1 have nearly every id in every form. Once many in
// a row have said the same, it is sure, and remembers answers no more.
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
}

const (
	recentIDs = 8192
	sureVotes = 64
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

// certain reports whether the form is known for good.
func (t *ids) certain() bool { return t.form != IDAuto || t.sure.Load() }

// receipted returns the id that r means, as it was answered. Either form may be empty: tlv
// is receipted_message_id, text is what the receipt's text says after "id:".
//
// puzzle is what it may mean while nobody has told yet in which form the gateway writes; then
// id is only the likeliest of them.
func (t *ids) receipted(tlv, text string, r *notify.Receipt) (id string, puzzle []reading) {
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
	if t.sure.Load() {
		return t.learned.read(text), nil // it changes no more
	}
	all := readings(text)
	if len(all) == 1 {
		return all[0].id, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if as, told := t.tell(all, t.recent, r); told {
		return as.id, nil
	}
	if t.learned != "" {
		return t.learned.read(text), nil
	}
	return all[0].id, all
}

// solve returns which of a puzzle's ids r means, given the recipients of those that are
// known.
func (t *ids) solve(puzzle []reading, known map[string]string, r *notify.Receipt) (id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	as, _ := t.tell(puzzle, known, r)
	return as.id
}

// tell finds the only one of all that is the id of a message r concerns, and learns from it.
// If there is none or more of them, it returns the first. mu is held.
func (t *ids) tell(all []reading, recipients map[string]string, r *notify.Receipt) (as reading, told bool) {
	for _, one := range all {
		recipient, ok := recipients[one.id]
		if !ok || !r.Concerns(recipient) {
			continue
		}
		if told {
			return all[0], false
		}
		as, told = one, true
	}
	if !told {
		return all[0], false
	}
	t.vote(as.form)
	return as, true
}

// vote notes what one receipt said. mu is held.
func (t *ids) vote(form IDForm) {
	if t.sure.Load() {
		return
	}
	if form != t.learned {
		t.learned, t.votes = form, 0
	}
	if t.votes++; t.votes >= sureVotes {
		t.recent, t.order = nil, nil
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
