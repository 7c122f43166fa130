package standin

import (
	"slices"
	"time"

	"github.com/linxGnu/gosmpp/data"
)

// submit accepts a submit_sm and answers it, unless a fault wants it otherwise. It reports
// whether the connection goes on.
func (c *session) submit(p *submission) bool {
	s := c.smsc
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen++
	defer s.touch()
	if !c.bound {
		c.answer(p.sequence, nil, uint32(data.ESME_RINVBNDSTS))
		return true
	}
	f := s.nextFault(p)
	if f != nil && !f.takes() {
		return c.refuse(p.sequence, f)
	}
	s.lastID++
	var room [40]byte
	id := s.cfg.appendID(room[:0], s.lastID)
	s.ledger.add(p, id, c.user)
	goesOn := true
	if f == nil {
		c.answer(p.sequence, id, 0)
	} else {
		goesOn = c.misbehave(p.sequence, id, f)
	}
	s.planned(p, s.lastID, c.user)
	return goesOn
}

// refuse does what f says with a submit_sm that isn't accepted.
func (c *session) refuse(sequence int32, f *Fault) bool {
	switch f.Action {
	case Refuse:
		c.answer(sequence, nil, f.Status)
	case Nack:
		c.nack(sequence, f.Status)
	case HeaderOnly:
		c.send(beginPDU(nil, data.SUBMIT_SM_RESP, f.Status, sequence))
	case WithholdError:
		status := f.Status
		c.smsc.held = append(c.smsc.held, func() { c.answer(sequence, nil, status) })
	case CutBefore:
		c.close()
		return false
	case Swallow:
	}
	return true
}

// misbehave does what f says with a submit_sm that is accepted as id.
func (c *session) misbehave(sequence int32, id []byte, f *Fault) bool {
	switch f.Action {
	case Withhold:
		id := slices.Clone(id)
		c.smsc.held = append(c.smsc.held, func() { c.answer(sequence, id, 0) })
	case Slow:
		id := slices.Clone(id)
		time.AfterFunc(f.Delay, func() { c.answer(sequence, id, 0) })
	case Twice:
		c.answer(sequence, id, 0)
		c.answer(sequence, id, 0)
	case CutAfter:
		c.close()
		return false
	case CutAnswered:
		c.answer(sequence, id, 0)
		return false
	case CutInside:
		resp := appendSubmitResp(nil, sequence, id, 0)
		c.send(resp[:len(resp)/2])
		return false
	case Garbage:
		c.send([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))
	case GarbageBody:
		c.send(endPDU(append(beginPDU(nil, data.SUBMIT_SM_RESP, 0, sequence), id...)))
	case HeaderOnly:
		c.send(beginPDU(nil, data.SUBMIT_SM_RESP, 0, sequence))
	case Mute:
	}
	return true
}

// answer sends a submit_sm_resp.
func (c *session) answer(sequence int32, id []byte, status uint32) {
	c.omu.Lock()
	defer c.omu.Unlock()
	c.out = appendSubmitResp(c.out, sequence, id, status)
	c.rouse()
}

func appendSubmitResp(dst []byte, sequence int32, id []byte, status uint32) []byte {
	at := len(dst)
	dst = append(append(beginPDU(dst, data.SUBMIT_SM_RESP, status, sequence), id...), 0)
	endPDU(dst[at:])
	return dst
}
