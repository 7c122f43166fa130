package google_test

import (
	"testing"

	"rappel/calendars"
	"rappel/calendars/calendarstest"
	"rappel/calendars/google"
	"rappel/calendars/standin"
)

func TestProvider(t *testing.T) {
	calendarstest.Run(t, calendarstest.Harness{Side: standin.Google, New: func(s calendarstest.Server) calendars.Provider {
		return google.New(google.Config{
			ClientID: s.ClientID, ClientSecret: s.ClientSecret,
			AuthURL: s.URL + "/o/oauth2/v2/auth", TokenURL: s.URL + "/token", APIURL: s.URL, Now: s.Now,
		})
	}})
}
