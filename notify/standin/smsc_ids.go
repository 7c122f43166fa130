package standin

import "strconv"

// firstID is the number before that of the first message, unless FirstID says otherwise.
const firstID = 0xA0B0C0

// appendID appends a message id in the form of answers.
func (c *SMSCConfig) appendID(dst []byte, n uint64) []byte {
	if !c.HexIDs {
		return c.appendDecimal(dst, n)
	}
	start := len(dst)
	dst = strconv.AppendUint(c.pad(dst, n, 16), n, 16)
	if c.UpperIDs {
		for i := start; i < len(dst); i++ {
			if dst[i] >= 'a' {
				dst[i] -= 'a' - 'A'
			}
		}
	}
	return dst
}

// appendDecimal appends a message id in the form of receipt texts.
func (c *SMSCConfig) appendDecimal(dst []byte, n uint64) []byte {
	return strconv.AppendUint(c.pad(dst, n, 10), n, 10)
}

// pad appends the zeros before n.
func (c *SMSCConfig) pad(dst []byte, n, base uint64) []byte {
	digits := 1
	for rest := n / base; rest > 0; rest /= base {
		digits++
	}
	for ; digits < c.PadIDs; digits++ {
		dst = append(dst, '0')
	}
	return dst
}

// number returns the message an id as answered, or as clients keep it, stands for.
func (c *SMSCConfig) number(id string) (n uint64, ok bool) {
	base := 10
	if c.HexIDs {
		base = 16
	}
	n, err := strconv.ParseUint(id, base, 64)
	return n, err == nil
}
