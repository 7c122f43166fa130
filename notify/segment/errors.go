package segment

import "errors"

var (
	// ErrNotGSM7 says that a text holds a character GSM-7 lacks, or that a byte
	// is no septet.
	ErrNotGSM7 = errors.New("segment: not GSM-7")
	// ErrOddLength says that UCS-2 octets don't come in pairs.
	ErrOddLength = errors.New("segment: UCS-2 of odd length")
)
