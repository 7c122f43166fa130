package accounts

import (
	"slices"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"
)

// Terms is the version of the terms whoever signs up accepts.
const Terms = "2026-11"

// How long links in mails can be followed.
const (
	signUpFor = 48 * time.Hour
	inviteFor = 7 * 24 * time.Hour
	resetFor  = time.Hour
	emailFor  = 24 * time.Hour
)

// SignUp is what somebody tells of themselves to become a customer.
type SignUp struct {
	FirstName    string
	LastName     string
	Organisation string // one of Organisations
	Business     string // the clinic's name
	Phone        string // as typed; kept as E.164
	Email        string
	Password     string
	Language     string // of the pages they saw
	Terms        bool   // accepted
}

// checked returns the sign-up as it is kept; a form with mistakes is an *Invalid.
func (n SignUp) checked() (SignUp, error) {
	var bad Invalid
	wrong := func(field, code string) { bad.Fields = append(bad.Fields, FieldError{field, code}) }
	for _, f := range []struct {
		name  string
		value *string
		most  int
	}{{"first_name", &n.FirstName, 100}, {"last_name", &n.LastName, 100}, {"business", &n.Business, 200}} {
		*f.value = strings.Join(strings.Fields(*f.value), " ")
		if *f.value == "" {
			wrong(f.name, "required")
		} else if len([]rune(*f.value)) > f.most {
			wrong(f.name, "too_long")
		}
	}
	if !slices.Contains(Organisations, n.Organisation) {
		wrong("organisation", "required")
	}
	if p, err := phonenumbers.Parse(n.Phone, "CH"); err != nil || !phonenumbers.IsValidNumber(p) {
		wrong("phone", "invalid")
	} else {
		n.Phone = phonenumbers.Format(p, phonenumbers.E164)
	}
	if n.Email = normalEmail(n.Email); !isEmail(n.Email) {
		wrong("email", "invalid")
	}
	if code := passwordFault(n.Password); code != "" {
		wrong("password", code)
	}
	if !n.Terms {
		wrong("terms", "required")
	}
	if !slices.Contains([]string{"de", "fr", "it", "en"}, n.Language) {
		n.Language = "de"
	}
	if len(bad.Fields) > 0 {
		return n, &bad
	}
	return n, nil
}
