package web

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"
)

// billingCountries are where invoices go to.
var billingCountries = []string{"CH", "LI", "DE", "AT", "FR", "IT"}

// addressForm is what stands on a clinic's invoices.
type addressForm struct {
	Name    string `db:"name"` // "" = the clinic's own
	Extra   string `db:"extra"`
	Street  string `db:"street"`
	HouseNo string `db:"house_no"`
	Zip     string `db:"zip"`
	Town    string `db:"town"`
	Country string `db:"country"`
	UID     string `db:"vat_uid"`
	Email   string `db:"email"` // "" = owners and billing contacts

	Next      string            `db:"-"` // where it leads on to
	Countries []string          `db:"-"`
	Errors    map[string]string `db:"-"`
}

// Fields are the form's text inputs.
func (f addressForm) Fields() []addressField {
	return []addressField{{"name", f.Name, 70, "organization"}, {"extra", f.Extra, 70, "off"}, {"street", f.Street, 70, "address-line1"}, {"house_no", f.HouseNo, 16, "off"},
		{"zip", f.Zip, 16, "postal-code"}, {"town", f.Town, 35, "address-level2"}, {"vat_uid", f.UID, 20, "off"}, {"email", f.Email, 254, "email"}}
}

type addressField struct {
	Name, Value string
	Most        int // characters; of addresses those of a QR-bill
	Complete    string
}

func addressTx(ctx context.Context, tx *sqlx.Tx, account int64) (f addressForm, err error) {
	err = tx.GetContext(ctx, &f, `SELECT name, extra, street, house_no, zip, town, country, vat_uid, email FROM billing_accounts WHERE account_id = $1`, account)
	if errors.Is(err, sql.ErrNoRows) {
		return addressForm{Country: "CH"}, nil
	}
	if err != nil {
		return f, fmt.Errorf("read the billing address: %w", err)
	}
	return f, nil
}

func (s *Server) addressPage(w http.ResponseWriter, r *request) error {
	if _, ok, err := r.paying(w); !ok {
		return err
	}
	var f addressForm
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		f, err = addressTx(ctx, tx, r.Account.ID)
		return err
	}); err != nil {
		return err
	}
	f.Next = r.URL.Query().Get("next")
	return s.address(w, r, http.StatusOK, f)
}

func (s *Server) address(w http.ResponseWriter, r *request, status int, f addressForm) error {
	f.Countries = billingCountries
	if f.Errors == nil {
		f.Errors = map[string]string{}
	}
	return s.render(w, r, status, "address.html", "billing", f)
}

// uid is a Swiss UID, with or without the words for VAT.
//
// Source: Federal Statistical Office, UID register.
var uid = regexp.MustCompile(`^CHE-?[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}( (MWST|TVA|IVA))?$`)

// addressSave keeps where invoices go. Those there are stay as they were.
func (s *Server) addressSave(w http.ResponseWriter, r *request) error {
	if _, ok, err := r.paying(w); !ok {
		return err
	}
	field := func(name string) string { return strings.Join(strings.Fields(r.PostFormValue(name)), " ") }
	f := addressForm{Name: field("name"), Extra: field("extra"), Street: field("street"), HouseNo: field("house_no"), Zip: field("zip"), Town: field("town"),
		Country: field("country"), UID: strings.ToUpper(field("vat_uid")), Email: field("email"), Next: r.PostFormValue("next"), Errors: map[string]string{}}
	for _, in := range f.Fields() {
		switch {
		case utf8.RuneCountInString(in.Value) > in.Most:
			f.Errors[in.Name] = r.say("billing.address.long", "Most", in.Most)
		case in.Value == "" && (in.Name == "zip" || in.Name == "town"):
			f.Errors[in.Name] = r.say("billing.address." + in.Name + ".missing")
		}
	}
	if !slices.Contains(billingCountries, f.Country) {
		f.Errors["country"] = r.say("field.unknown")
	}
	if f.UID != "" && !uid.MatchString(f.UID) {
		f.Errors["vat_uid"] = r.say("billing.address.vat_uid.wrong")
	}
	if f.Email != "" && f.Errors["email"] == "" {
		if a, err := mail.ParseAddress(f.Email); err != nil || a.Address != f.Email {
			f.Errors["email"] = r.say("billing.address.email.wrong")
		}
	}
	if len(f.Errors) > 0 {
		return s.address(w, r, http.StatusUnprocessableEntity, f)
	}
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO billing_accounts AS b (account_id, name, extra, street, house_no, zip, town, country, vat_uid, email) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			ON CONFLICT (account_id) DO UPDATE SET name = EXCLUDED.name, extra = EXCLUDED.extra, street = EXCLUDED.street, house_no = EXCLUDED.house_no, zip = EXCLUDED.zip,
			town = EXCLUDED.town, country = EXCLUDED.country, vat_uid = EXCLUDED.vat_uid, email = EXCLUDED.email`,
			r.Account.ID, f.Name, f.Extra, f.Street, f.HouseNo, f.Zip, f.Town, f.Country, f.UID, f.Email)
		if err != nil {
			return fmt.Errorf("keep the billing address: %w", err)
		}
		return nil
	}); err != nil {
		return err
	}
	to := "/billing"
	if f.Next != "" {
		to = local(f.Next)
	}
	return r.see(w, to, "billing.address.saved")
}
