package reminders

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"rappel/notify/phone"
)

// line is what `rappel extract` reads.
type line struct {
	Location    string   `json:"location"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Region      string   `json:"region"`       // "" = CH
	MoreRegions []string `json:"more_regions"` // optional
	Order       []string `json:"order"`        // optional
	OwnNumbers  []string `json:"own_numbers"`  // optional
}

type answer struct {
	Numbers  []Number   `json:"numbers"`
	Rejected []Rejected `json:"rejected"`
}

// ExtractLine answers one line of `rappel extract`: a JSON object with location,
// title, description and region, each optional, gives one with numbers and rejected.
//
// numbers are all distinct mobile numbers of the first field that has one, in order:
// those a clinic may text, whatever it chose about several. rejected is from every
// field. An error comes with the answer {"error":"…"} to print; it names no content.
func ExtractLine(in []byte) ([]byte, error) {
	out, err := extractLine(in)
	if err != nil {
		msg, e := json.Marshal(map[string]string{"error": err.Error()})
		return msg, errors.Join(err, e)
	}
	return out, nil
}

func extractLine(in []byte) ([]byte, error) {
	if in = bytes.TrimSpace(in); len(in) == 0 || in[0] != '{' {
		return nil, errors.New("not a JSON object")
	}
	var l line
	dec := json.NewDecoder(bytes.NewReader(in))
	if err := dec.Decode(&l); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return nil, fmt.Errorf("%s must be %s", wrong.Field, article(wrong.Type.Kind().String()))
		}
		return nil, errors.New("not a JSON object") // the decoder's words could quote the line
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	for _, field := range l.Order {
		if !slices.Contains(FieldNames(), field) {
			return nil, errors.New("order must name location, title or description")
		}
	}
	for _, region := range append([]string{l.Region}, l.MoreRegions...) {
		if region == "" {
			continue
		}
		if _, err := phone.New(region); err != nil {
			return nil, errors.New("region must be two capital letters of ISO 3166-1 such as CH")
		}
	}
	x := Extract(Fields{Location: l.Location, Title: l.Title, Description: l.Description},
		ExtractConfig{Region: l.Region, MoreRegions: l.MoreRegions, Order: l.Order, Several: SeveralAll, OwnNumbers: l.OwnNumbers})
	a := answer{Numbers: x.Numbers, Rejected: x.Rejected}
	if a.Numbers == nil {
		a.Numbers = []Number{}
	}
	if a.Rejected == nil {
		a.Rejected = []Rejected{}
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // rejected texts may be markup; they are to be read by people
	if err := enc.Encode(a); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), nil
}

func article(kind string) string {
	if kind == "slice" {
		return "a list"
	}
	return "a " + kind
}
