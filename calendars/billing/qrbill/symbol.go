package qrbill

import (
	"fmt"

	qrcode "github.com/skip2/go-qrcode"
)

// maxVersion bounds the modules to 117 a side, so that one is at least 0.39 mm.
const maxVersion = 25

// Symbol returns the modules of a bill's code, rows from the top, true = black,
// without a quiet zone. Error correction is M: the cross in the middle, which covers
// what it likes, counts on it.
//
// It fails with a [FieldError] when the bill isn't right or its text, many letters
// of which take two bytes, has no room.
func Symbol(b Bill) ([][]bool, error) {
	payload, err := Payload(b)
	if err != nil {
		return nil, err
	}
	q, err := qrcode.New(payload, qrcode.Medium)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", fail(ErrTooLong, "payload", "no room in the code"), err)
	}
	if q.VersionNumber > maxVersion {
		return nil, fail(ErrTooLong, "payload", "no room in a code of version %d", maxVersion)
	}
	q.DisableBorder = true
	return q.Bitmap(), nil
}
