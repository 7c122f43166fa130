package standin_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"golang.org/x/oauth2"
	"google.golang.org/api/calendar/v3"
	"google.golang.org/api/option"

	"rappel/calendars/standin"
)

// The official client lists a weekly series of which one appointment was moved.
func Example() {
	w, err := standin.New(standin.Options{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/google/", http.StripPrefix("/google", w.Google()))
	server := httptest.NewServer(mux)
	defer server.Close()
	w.SetBases(server.URL+"/google", "")

	anna, err := w.AddPerson(standin.Google, "anna@example.com", "Anna")
	if err != nil {
		log.Fatal(err)
	}
	first := time.Date(2026, 3, 24, 8, 0, 0, 0, time.UTC)
	series, err := w.AddSeries(anna.Email, standin.Event{Title: "Dentalhygiene", Start: first, End: first.Add(time.Hour)}, standin.Weekly(3))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := w.MoveInstance(series.ID, first, first.Add(2*time.Hour)); err != nil {
		log.Fatal(err)
	}
	token, err := w.Token(anna.ID)
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	client, err := calendar.NewService(ctx, option.WithEndpoint(server.URL+"/google/calendar/v3/"),
		option.WithHTTPClient(oauth2.NewClient(ctx, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token}))))
	if err != nil {
		log.Fatal(err)
	}
	events, err := client.Events.List("primary").SingleEvents(true).Do()
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range events.Items {
		fmt.Println(e.Summary, e.Start.DateTime)
	}
	// Output:
	// Dentalhygiene 2026-03-24T11:00:00+01:00
	// Dentalhygiene 2026-03-31T09:00:00+02:00
	// Dentalhygiene 2026-04-07T09:00:00+02:00
}
