package web

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/nyaruka/phonenumbers"

	"rappel/notify"
)

// sendingRoutes are what a clinic decides within the rules of the countries it texts to.
//
// Ids for browser tests: region, fallback, two_way, #save.
func (s *Server) sendingRoutes() []route {
	return []route{
		{"GET /settings/sending", managers, s.sendingPage},
		{"POST /settings/sending", managers, s.sendingSave},
	}
}

// holidayRegion is a choice of whose holidays count.
type holidayRegion struct{ Code, Name string }

type sendingForm struct {
	Region, Fallback, TwoWay string // as typed
	Regions                  []holidayRegion
	Errors                   map[string]string
}

// regionNames are what people there call their cantons and states.
var regionNames = map[string]string{
	"CH-AG": "Aargau", "CH-AI": "Appenzell Innerrhoden", "CH-AR": "Appenzell Ausserrhoden", "CH-BE": "Bern / Berne", "CH-BL": "Basel-Landschaft",
	"CH-BS": "Basel-Stadt", "CH-FR": "Fribourg / Freiburg", "CH-GE": "Genève", "CH-GL": "Glarus", "CH-GR": "Graubünden / Grigioni", "CH-JU": "Jura",
	"CH-LU": "Luzern", "CH-NE": "Neuchâtel", "CH-NW": "Nidwalden", "CH-OW": "Obwalden", "CH-SG": "St. Gallen", "CH-SH": "Schaffhausen", "CH-SO": "Solothurn",
	"CH-SZ": "Schwyz", "CH-TG": "Thurgau", "CH-TI": "Ticino", "CH-UR": "Uri", "CH-VD": "Vaud", "CH-VS": "Valais / Wallis", "CH-ZG": "Zug", "CH-ZH": "Zürich",
	"DE-BB": "Brandenburg", "DE-BE": "Berlin", "DE-BW": "Baden-Württemberg", "DE-BY": "Bayern", "DE-HB": "Bremen", "DE-HE": "Hessen", "DE-HH": "Hamburg",
	"DE-MV": "Mecklenburg-Vorpommern", "DE-NI": "Niedersachsen", "DE-NW": "Nordrhein-Westfalen", "DE-RP": "Rheinland-Pfalz", "DE-SH": "Schleswig-Holstein",
	"DE-SL": "Saarland", "DE-SN": "Sachsen", "DE-ST": "Sachsen-Anhalt", "DE-TH": "Thüringen", "FR-6AE": "Alsace",
}

func (s *Server) sendingPage(w http.ResponseWriter, r *request) error {
	var now notify.Sending
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) (err error) {
		now, err = notify.SendingTx(ctx, tx, r.Account.ID)
		return err
	}); err != nil {
		return err
	}
	two := make([]string, len(now.TwoWay))
	for i, n := range now.TwoWay {
		two[i] = displayPhone(n)
	}
	return s.sendingForm(w, r, http.StatusOK, sendingForm{Region: now.Region, Fallback: displayPhone(now.Fallback), TwoWay: strings.Join(two, "\n")})
}

func (s *Server) sendingForm(w http.ResponseWriter, r *request, status int, f sendingForm) error {
	codes := notify.HolidayRegions(r.Account.Region)
	if f.Region != "" && !slices.Contains(codes, f.Region) {
		codes = append(codes, f.Region) // chosen when the practice was elsewhere
	}
	for _, code := range codes {
		name := regionNames[code]
		if name == "" {
			name = code
		}
		f.Regions = append(f.Regions, holidayRegion{code, name})
	}
	slices.SortFunc(f.Regions, func(a, b holidayRegion) int { return strings.Compare(a.Name, b.Name) })
	if f.Errors == nil {
		f.Errors = map[string]string{}
	}
	return s.render(w, r, status, "sending.html", "settings", f)
}

func (s *Server) sendingSave(w http.ResponseWriter, r *request) error {
	f := sendingForm{Region: r.PostFormValue("region"), Fallback: strings.TrimSpace(r.PostFormValue("fallback")), TwoWay: r.PostFormValue("two_way")}
	next := notify.Sending{Region: f.Region, Fallback: r.e164(f.Fallback)}
	for _, line := range strings.FieldsFunc(f.TwoWay, func(c rune) bool { return strings.ContainsRune("\n\r,;", c) }) {
		if n := r.e164(strings.TrimSpace(line)); n != "" && !slices.Contains(next.TwoWay, n) {
			next.TwoWay = append(next.TwoWay, n)
		}
	}
	if wrong := next.Wrong(); len(wrong) > 0 {
		f.Errors = map[string]string{}
		for _, field := range wrong {
			f.Errors[field] = r.say("sending.wrong." + field)
		}
		return s.sendingForm(w, r, http.StatusUnprocessableEntity, f)
	}
	if err := r.tx(func(ctx context.Context, tx *sqlx.Tx) error {
		return notify.SaveSendingTx(ctx, tx, r.Account.ID, next)
	}); err != nil {
		return err
	}
	return r.see(w, "/settings/sending", "sending.saved")
}

// e164 reads a number as people write it in the clinic's country. What is none is
// returned as it is, to be answered beside its field.
func (r *request) e164(typed string) string {
	n, err := phonenumbers.Parse(strings.ReplaceAll(typed, "\u00a0", " "), r.Account.Region)
	if typed == "" || err != nil || !phonenumbers.IsPossibleNumber(n) {
		return typed
	}
	return phonenumbers.Format(n, phonenumbers.E164)
}
