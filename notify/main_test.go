package notify_test

import (
	"flag"
	"os"
	"testing"
)

// Each check of the rules here runs on PostgreSQL, so there are fewer unless asked for:
// go test ./notify -rapid.checks=5000
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	flag.Parse()
	os.Exit(m.Run())
}
