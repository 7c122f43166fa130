package reminders

import (
	"errors"
	"fmt"
	"strings"
)

// Kinds of failure, matched with errors.Is. None of them is healed by trying again.
var (
	ErrNotFound = errors.New("reminders: not found in this account")
	ErrInUse    = errors.New("reminders: still used by a rule")
	ErrInvalid  = errors.New("reminders: input is not valid") // errors.As *Invalid tells where
)

// Codes of a [FieldError]. The web words them.
const (
	CodeRequired           = "required"
	CodeTooLong            = "too_long"            // Params: max
	CodeTaken              = "taken"               // another one has that name
	CodeUnknown            = "unknown"             // not one of the values there are
	CodeOutOfRange         = "out_of_range"        // Params: min, max
	CodeNotAClockTime      = "not_a_clock_time"    // want HH:MM
	CodeUnknownZone        = "unknown_zone"        // not an IANA zone name
	CodeUnknownRegion      = "unknown_region"      // not a country with a numbering plan
	CodeNotANumber         = "not_a_number"        // not a telephone number of that region
	CodeSenderForm         = "sender_form"         // neither 1-11 letters and digits nor E.164
	CodeSenderGeneric      = "sender_generic"      // INFO, SMS…: carriers refuse it
	CodeNoTextInLanguage   = "no_text_in_language" // Params: language
	CodeUnclosedBrace      = "unclosed_brace"
	CodeStrayBrace         = "stray_brace"         // } without {
	CodeEmptyPlaceholder   = "empty_placeholder"   // {}
	CodeUnknownPlaceholder = "unknown_placeholder" // Params: name, suggestion ("" when none comes near)
	CodePrivatePlaceholder = "private_placeholder" // Params: name; appointment texts are health data
)

// FieldError is one thing wrong with one field of a form.
type FieldError struct {
	Field  string         // as in the form, such as "at_time" or "texts.de"
	Code   string         // one of the Code constants
	Params map[string]any // what the wording needs; nil when nothing
	// Where in a template text; zero elsewhere.
	Offset int // bytes from its beginning
	Line   int // from 1
	Column int // in runes from the line's beginning, from 1
}

func (e FieldError) Error() string {
	s := e.Field + ": " + e.Code
	if e.Line > 0 {
		s += fmt.Sprintf(" at line %d, column %d", e.Line, e.Column)
	}
	if n, ok := e.Params["name"]; ok {
		s += fmt.Sprintf(" {%v}", n)
	}
	if n, ok := e.Params["suggestion"]; ok && n != "" {
		s += fmt.Sprintf(", perhaps {%v}", n)
	}
	return s
}

// Invalid is everything wrong with one form. It matches [ErrInvalid].
type Invalid struct{ Fields []FieldError }

func (e *Invalid) Error() string {
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		parts[i] = f.Error()
	}
	return ErrInvalid.Error() + ": " + strings.Join(parts, "; ")
}

// Unwrap makes errors.Is(err, ErrInvalid) true.
func (e *Invalid) Unwrap() error { return ErrInvalid }

// invalid is nil for no field errors, so that it can end a validation.
func invalid(fields []FieldError) error {
	if len(fields) == 0 {
		return nil
	}
	return &Invalid{Fields: fields}
}
