package standin

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// Graph ids are long, opaque and case-sensitive and end in '='. Events have
// two: the regular one holds the folder and so changes when the event moves to
// another calendar, the immutable one does not.
const (
	regularPrefix   = "AAMkADk0"
	immutablePrefix = "AAkALgAA"
)

// msEncode is base64url without padding.
func msEncode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// folderTag is the part of a regular id that names the calendar.
func folderTag(calendarID string) string {
	sum := sha256.Sum256([]byte(calendarID))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

// graphID writes the id of an event or instance as the client prefers.
func graphID(c *calendar, key string, immutable bool) string {
	if immutable {
		return immutablePrefix + msEncode(key) + "="
	}
	return regularPrefix + folderTag(c.ID) + msEncode(key) + "="
}

// keyOf undoes graphID for either form; a regular id must name c.
func keyOf(c *calendar, id string) (string, bool) {
	rest, ok := strings.CutSuffix(id, "=")
	if !ok {
		return "", false
	}
	body, ok := strings.CutPrefix(rest, immutablePrefix)
	if !ok {
		if body, ok = strings.CutPrefix(rest, regularPrefix+folderTag(c.ID)); !ok {
			return "", false
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(body)
	return string(raw), err == nil
}

// GraphID is the immutable id under which Graph shows an event or instance, so
// that a test can relate what it reads to what it put in.
func GraphID(eventID string) string { return graphID(nil, eventID, true) }

// prefers reads the Prefer headers: several headers and comma-separated
// values, in any order and case.
func prefers(r *http.Request, name string) (string, bool) {
	for _, header := range r.Header.Values("Prefer") {
		for part := range strings.SplitSeq(header, ",") {
			key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			if strings.EqualFold(strings.TrimSpace(key), name) {
				return strings.Trim(strings.TrimSpace(value), `"`), true
			}
		}
	}
	return "", false
}

func prefersImmutable(r *http.Request) bool {
	v, _ := prefers(r, "IdType")
	return strings.EqualFold(v, "ImmutableId")
}

// selection reads $select; nil means everything.
func selection(text string) []string {
	if text == "" {
		return nil
	}
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		out = append(out, strings.TrimSpace(part))
	}
	return out
}

// cut keeps the selected properties of item; id and the annotations always stay.
func cut(item map[string]any, names []string) map[string]any {
	if names == nil {
		return item
	}
	out := map[string]any{}
	for key, value := range item {
		if key == "id" || strings.HasPrefix(key, "@") ||
			slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, key) }) {
			out[key] = value
		}
	}
	return out
}
