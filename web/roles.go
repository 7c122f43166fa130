package web

import (
	"net/http"
	"strings"

	"rappel/web/accounts"
)

// access is a set of roles. A route names those it is for; the zero set is for nobody,
// and a test refuses it.
type access uint16

const (
	roleOwner        access = 1 << iota // everything of a clinic
	roleStaff                           // templates, appointments, messages, calendars; no money, no people
	roleBilling                         // money and the own profile
	roleActing                          // support at work for a clinic that let it in, see consent.go
	roleBillingAdmin                    // the operator's business; nothing of patients
	roleReviewer                        // the operator's look at first messages and senders
	roleSupport                         // the operator's help desk
	roleBare                            // an operator who has yet to set up the second factor

	anybody access = 1 << 15 // no log-in needed
)

// Sets that routes share.
const (
	daily     = roleOwner | roleStaff | roleActing            // a clinic's everyday work
	managers  = roleOwner | roleActing                        // how a clinic works: calendars, rules, settings
	owners    = roleOwner                                     // who works here, what it may do
	money     = roleOwner | roleBilling                       // what a clinic pays
	members   = roleOwner | roleStaff | roleBilling           // one's own profile
	operators = roleBillingAdmin | roleReviewer | roleSupport // what all of the operator's people share
	everybody = members | operators                           // whoever has a log-in of their own
)

// userRoles are the roles of a clinic's people by their names in the database.
var userRoles = map[string]access{"owner": roleOwner, "staff": roleStaff, "billing": roleBilling}

// operatorRoles are those of the operator's people.
var operatorRoles = map[string]access{
	accounts.BillingAdmin: roleBillingAdmin, accounts.Reviewer: roleReviewer, accounts.Support: roleSupport,
}

// may reports whether somebody with one of the roles who gets through to the path by GET.
func (s *Server) may(who access, path string) bool {
	return s.entrance[path]&who != 0
}

// entrances collects the pages of all routes by path, to know which of them somebody may
// open before a link to it is drawn.
func (s *Server) entrances() map[string]access {
	all := map[string]access{}
	for _, rt := range s.routes() {
		if method, path, _ := strings.Cut(rt.pattern, " "); method == http.MethodGet {
			all[strings.TrimSuffix(path, "{$}")] = rt.access
		}
	}
	return all
}

// landings are the first pages, best first: of those one may open, the first is where
// one lands after log-in.
var landings = []string{"/", "/billing", "/admin", "/profile", "/profile/security"}

// landing is the page somebody with the role begins at.
func (r *request) landing() string {
	for _, path := range landings {
		if r.s.may(r.role, path) {
			return path
		}
	}
	return "/"
}
