package smpp_test

import (
	"fmt"
	"net/url"

	"rappel/notify/carriers/smpp"
)

// A slip of the pen is an error and not the default.
func ExampleParseURL() {
	for _, s := range []string{
		"smpp://clinic:secret@smsc.example:2775?window=50&rate=200&binds=2",
		"smpp://clinic:secret@smsc.example?windw=50",
	} {
		u, err := url.Parse(s)
		if err != nil {
			panic(err)
		}
		cfg, err := smpp.ParseURL(u)
		fmt.Println(cfg.Window, cfg.Binds, err)
	}
	// Output:
	// 50 2 <nil>
	// 0 0 smpp: configuration: windw: no such parameter
}
