package standin

import "errors"

// Kinds of failure of the Go API, matched with errors.Is. The HTTP side answers
// in the provider's own error bodies instead.
var (
	ErrNotFound = errors.New("standin: no such person, calendar or event")
	ErrInvalid  = errors.New("standin: invalid change")
	ErrState    = errors.New("standin: state file unusable")
)
