package main

import (
	"context"
	"errors"

	"rappel/notify/segment"
)

type segmentCmd struct{}

type segmentQuestion struct {
	Text  *string `json:"text"`
	Smart bool    `json:"smart"`
}

type segmentAnswer struct {
	Encoding string  `json:"encoding"`
	Segments int     `json:"segments"`
	Units    int     `json:"units"`
	Text     *string `json:"text,omitempty"` // with smart: what would be sent
}

// Run answers {"text":"…","smart":false} with encoding, segments and units.
func (segmentCmd) Run(ctx context.Context, std stdio) error {
	return eachLine(ctx, std, func(line []byte) (any, error) {
		var q segmentQuestion
		if err := parseObject(line, &q); err != nil {
			return nil, err
		}
		if q.Text == nil {
			return nil, errors.New(`field "text" is missing`)
		}
		var a segmentAnswer
		text := *q.Text
		if q.Smart {
			text, _ = segment.Smart(text, segment.Typographic)
			a.Text = &text
		}
		r := segment.Measure(text)
		a.Encoding, a.Segments, a.Units = r.Encoding.String(), r.Segments, r.Units
		return a, nil
	})
}
