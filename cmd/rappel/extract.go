package main

import (
	"context"
	"encoding/json"

	"rappel/reminders"
)

type extractCmd struct{}

// Run answers an object with location, title, description and region with the
// mobile numbers found, or why there are none.
func (extractCmd) Run(ctx context.Context, std stdio) error {
	return eachLine(ctx, std, func(line []byte) (any, error) {
		answer, err := reminders.ExtractLine(line)
		return json.RawMessage(answer), err
	})
}
