package main

import (
	"rappel/calendars"
	"rappel/calendars/google"
	"rappel/calendars/outlook"
)

// providers lists the calendar services that have a client id.
func (a *app) providers() []calendars.Provider {
	var all []calendars.Provider
	c := a.cfg
	if c.GoogleClientID != "" {
		all = append(all, google.New(google.Config{ClientID: c.GoogleClientID, ClientSecret: c.GoogleClientSecret,
			AuthURL: c.GoogleAuthURL, TokenURL: c.GoogleTokenURL, APIURL: c.GoogleAPIURL, Now: a.now}))
	}
	if c.MicrosoftClientID != "" {
		all = append(all, outlook.New(outlook.Config{ClientID: c.MicrosoftClientID, ClientSecret: c.MicrosoftClientSecret,
			AuthorityURL: c.MicrosoftAuthorityURL, GraphURL: c.MicrosoftGraphURL, Now: a.now}))
	}
	return all
}

func providerNames(all []calendars.Provider) []string {
	var names []string
	for _, p := range all {
		names = append(names, p.Name)
	}
	return names
}
