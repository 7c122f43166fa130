package outlook_test

import (
	"testing"

	"rappel/calendars"
	"rappel/calendars/calendarstest"
	"rappel/calendars/outlook"
	"rappel/calendars/standin"
)

func TestProvider(t *testing.T) {
	calendarstest.Run(t, calendarstest.Harness{Side: standin.Microsoft, New: func(s calendarstest.Server) calendars.Provider {
		return outlook.New(outlook.Config{
			ClientID: s.ClientID, ClientSecret: s.ClientSecret, AuthorityURL: s.URL + "/common", GraphURL: s.URL, Now: s.Now,
		})
	}})
}
