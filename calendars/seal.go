package calendars

import (
	"encoding/json"
	"fmt"
)

// Sealer encrypts what must not lie open in the database: tokens, cursors and
// calendar texts. context is authenticated with it, so that a sealed value copied
// into another row does not open. Implementations are safe for concurrent use.
type Sealer interface {
	Seal(plain []byte, context string) ([]byte, error)
	Open(sealed []byte, context string) ([]byte, error)
}

// The contexts. Each names the row and the column it belongs to.

func refreshContext(c ConnectionRef) string {
	return fmt.Sprintf("connections/%d/%d/refresh", c.AccountID, c.ID)
}

func accessContext(c ConnectionRef) string {
	return fmt.Sprintf("connections/%d/%d/access", c.AccountID, c.ID)
}

func cursorContext(c CalendarRef) string {
	return fmt.Sprintf("calendars/%d/%d/cursor", c.AccountID, c.ID)
}

func verifierContext(account int64, provider string, hash []byte) string {
	return fmt.Sprintf("oauth_states/%d/%s/%x", account, provider, hash)
}

// textContext is built from the instance key and not from the row's id, which is
// not known before the row exists.
func textContext(c CalendarRef, key string) string {
	return fmt.Sprintf("events/%d/%d/%s", c.AccountID, c.ID, key)
}

// texts are the parts of an event that are health data.
type texts struct {
	Title       string `json:"t,omitempty"`
	Location    string `json:"l,omitempty"`
	Description string `json:"d,omitempty"`
}

func sealTexts(s Sealer, c CalendarRef, key string, t texts) ([]byte, error) {
	plain, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("encode texts: %w", err)
	}
	sealed, err := s.Seal(plain, textContext(c, key))
	if err != nil {
		return nil, fmt.Errorf("seal texts: %w", err)
	}
	return sealed, nil
}

// openTexts reads what sealTexts wrote. Nothing sealed means purged: no texts.
func openTexts(s Sealer, c CalendarRef, key string, sealed []byte) (texts, error) {
	var t texts
	if len(sealed) == 0 {
		return t, nil
	}
	plain, err := s.Open(sealed, textContext(c, key))
	if err != nil {
		return t, fmt.Errorf("%w: texts of an event: %w", ErrSealed, err)
	}
	if err := json.Unmarshal(plain, &t); err != nil {
		return t, fmt.Errorf("%w: texts of an event: %w", ErrSealed, err)
	}
	return t, nil
}

// openSecret opens a token or cursor; nothing sealed is nothing.
func openSecret(s Sealer, sealed []byte, context string) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, nil
	}
	plain, err := s.Open(sealed, context)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	return plain, nil
}

// sealSecret seals a token or cursor; nothing stays nothing, a NULL.
func sealSecret(s Sealer, plain []byte, context string) ([]byte, error) {
	if len(plain) == 0 {
		return nil, nil
	}
	sealed, err := s.Seal(plain, context)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return sealed, nil
}
