package smpp

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// ids brings the ids of answers and receipts to one form: that of answers, with
// hexadecimal digits in lower case and without leading zeros.
//
// With the form auto it learns from receipts. Once many in a row have said the same, it
// is sure, and remembers answers no more.
type ids struct {
	form IDForm
	deaf bool // no receipts are asked for: nothing to learn from
	sure atomic.Bool

	mu      sync.Mutex
	recent  map[string]struct{} // answered lately, to learn from
	order   []string            // of recent, a ring
	oldest  int                 // in order
	learned IDForm              // "" until a receipt has told
	votes   int                 // receipts in a row that said the same
}

const (
	recentIDs = 8192
	sureVotes = 64
)

// answered takes the id of a submit_sm_resp and returns the id to keep.
func (t *ids) answered(id string) string {
	id = canonical(id)
	if t.deaf || t.certain() || !isHex(id) {
		return id
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.recent == nil {
		t.recent = make(map[string]struct{})
	}
	t.recent[id] = struct{}{}
	if len(t.order) < recentIDs {
		t.order = append(t.order, id)
		return id
	}
	delete(t.recent, t.order[t.oldest])
	t.order[t.oldest] = id
	t.oldest = (t.oldest + 1) % recentIDs
	return id
}

// certain reports whether the form is known for good.
func (t *ids) certain() bool { return t.form != IDAuto || t.sure.Load() }

// receipted returns the id a receipt means, as answered had returned it.
// Either form may be empty: tlv is receipted_message_id, text is what the receipt's
// text says after "id:".
func (t *ids) receipted(tlv, text string) string {
	switch {
	case tlv == "" && text == "":
		return ""
	case tlv != "" && canonical(tlv) != canonical(text):
		// Two forms, or no text: the TLV repeats the answer.
		if text != "" && hexOf(text) == canonical(tlv) && !t.certain() {
			t.mu.Lock()
			t.vote(IDHex)
			t.mu.Unlock()
		}
		return canonical(tlv)
	}
	id := text // and tlv is empty or the same
	if t.mode(id) == IDHex {
		return hexOf(id)
	}
	return canonical(id)
}

// puzzle returns the two ids a receipt's text may mean while nobody has told yet which
// form the gateway writes: as answered, or in decimal what was answered in hexadecimal.
func (t *ids) puzzle(tlv, text string) (same, converted string, puzzling bool) {
	same, converted = canonical(text), hexOf(text)
	if t.form != IDAuto || !isDigits(text) || same == converted || tlv != "" && canonical(tlv) != same {
		return "", "", false
	}
	return same, converted, t.mode(text) == ""
}

// solve tells which of a puzzle's ids is known. Both or none tell nothing.
func (t *ids) solve(same, converted string, known []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch s, c := slices.Contains(known, same), slices.Contains(known, converted); {
	case s && !c:
		t.vote(IDDecimal)
	case c && !s:
		t.vote(IDHex)
	}
}

// mode returns the form in which receipts name ids, "" while that isn't known, and learns
// from id if it can.
func (t *ids) mode(id string) IDForm {
	if t.form != IDAuto {
		return t.form
	}
	if t.sure.Load() {
		return t.learned // it changes no more
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	same, converted := canonical(id), hexOf(id)
	if same == converted {
		return t.learned // reads the same either way
	}
	if _, ok := t.recent[same]; ok {
		t.vote(IDDecimal)
	} else if _, ok := t.recent[converted]; ok && isDigits(id) {
		t.vote(IDHex)
	}
	return t.learned
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

func isHex(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if (s[i] < '0' || s[i] > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}
