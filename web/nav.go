package web

// navEntry is a link of the main navigation.
type navEntry struct{ Name, Href, Icon string }

// The navigation of a clinic's people and of the operator's. An entry shows to those who
// may open its page, if there is one.
var (
	clinicNav = []navEntry{
		{"home", "/", "home"}, {"appointments", "/appointments", "clock"}, {"templates", "/templates", "pen"}, {"calendars", "/calendars", "calendar"}, {"messages", "/messages", "message"},
		{"billing", "/billing", "wallet"},
	}
	operatorNav = []navEntry{
		{"admin", "/admin", "home"}, {"admin-billing", "/admin/billing", "wallet"}, {"admin-review", "/admin/review", "check"}, {"admin-support", "/admin/support", "people"}, {"admin-mails", "/admin/mails", "mail"}, {"admin-audit", "/admin/audit", "clock"},
	}
)

// Entries are the links of the main navigation for whoever looks.
func (v *view) Entries() (all []navEntry) {
	list := clinicNav
	if v.role&(operators|roleBare) != 0 && v.role&roleActing == 0 {
		list = operatorNav
	}
	for _, e := range list {
		if v.s.may(v.role, e.Href) {
			all = append(all, e)
		}
	}
	return all
}

// May reports whether whoever looks may open the page at path.
func (v *view) May(path string) bool { return v.s.may(v.role, path) }

// Home is where whoever looks begins.
func (v *view) Home() string { return v.home }

// Manages reports whether whoever looks may change how the clinic works.
func (v *view) Manages() bool { return v.role&managers != 0 }

// Acting reports whether this is support at work in a clinic.
func (v *view) Acting() bool { return v.role&roleActing != 0 }

// Below reports whether an owner is in a sub-account of theirs.
func (v *view) Below() bool {
	return v.role&roleOwner != 0 && v.User.AccountID != 0 && v.User.AccountID != v.Account.ID
}
