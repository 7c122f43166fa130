package smpp

import (
	"math/big"
	"slices"
	"strings"
	"sync"
)

// ids brings the ids of answers and receipts to one form: that of answers, with
// hexadecimal digits in lower case and without leading zeros.
type ids struct {
	form IDForm

	mu      sync.Mutex
	recent  map[string]struct{} // answered lately, to learn from
	order   []string
	learned IDForm // "" until a receipt has told
}

const recentIDs = 8192

// answered takes the id of a submit_sm_resp and returns the id to keep.
func (t *ids) answered(id string) string {
	id = canonical(id)
	if t.form != IDAuto || id == "" {
		return id
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.recent == nil {
		t.recent = make(map[string]struct{}, recentIDs)
	}
	t.recent[id] = struct{}{}
	t.order = append(t.order, id)
	if len(t.order) > recentIDs {
		delete(t.recent, t.order[0])
		t.order = t.order[1:]
	}
	return id
}

// receipted returns the id a receipt means, as answered had returned it.
// Either form may be empty: tlv is receipted_message_id, text is what the receipt's
// text says after "id:".
func (t *ids) receipted(tlv, text string) string {
	switch {
	case tlv == "" && text == "":
		return ""
	case tlv != "" && canonical(tlv) != canonical(text):
		// Two forms, or no text: the TLV repeats the answer.
		if text != "" && hexOf(text) == canonical(tlv) {
			t.learn(IDHex)
		}
		return canonical(tlv)
	}
	id := text // and tlv is empty or the same
	switch t.mode(id) {
	case IDHex:
		return hexOf(id)
	default:
		return canonical(id)
	}
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
	switch s, c := slices.Contains(known, same), slices.Contains(known, converted); {
	case s && !c:
		t.learn(IDDecimal)
	case c && !s:
		t.learn(IDHex)
	}
}

func (t *ids) mode(id string) IDForm {
	if t.form != IDAuto {
		return t.form
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.recent[canonical(id)]; ok {
		t.learned = IDDecimal
	} else if _, ok := t.recent[hexOf(id)]; ok && isDigits(id) {
		t.learned = IDHex
	}
	return t.learned
}

func (t *ids) learn(form IDForm) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.learned = form
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
