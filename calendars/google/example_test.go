package google_test

import (
	"fmt"
	"net/url"

	"rappel/calendars/google"
)

// A browser is sent to Google with the challenge of a verifier that stays here.
func ExampleNew() {
	p := google.New(google.Config{ClientID: "1234.apps.googleusercontent.com", ClientSecret: "secret"})
	to, err := url.Parse(p.Authority.AuthCodeURL("state", "verifier", "https://rappel.example/connect/google/callback", ""))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Name, to.Host, to.Query().Get("access_type"), to.Query().Get("code_challenge_method"))
	// Output: google accounts.google.com offline S256
}
