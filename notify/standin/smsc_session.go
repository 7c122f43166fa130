package standin

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"
)

// session is one connection of a client.
type session struct {
	smsc *SMSC
	conn net.Conn
	r    *bufio.Reader

	// Under smsc.mu.
	bound, receives bool
	user            string
	sent            map[int32]*delivery // awaiting deliver_sm_resp
	sequence        int32

	wmu sync.Mutex
	w   *bufio.Writer
}

// close ends the connection; serve then tidies up.
func (c *session) close() {
	// The error says only that it was closed before.
	_ = c.conn.Close()
}

func (c *session) serve() {
	defer c.end()
	for {
		raw, err := readPDU(c.r)
		if err != nil {
			return
		}
		if !c.handle(raw) {
			return
		}
		if c.r.Buffered() == 0 {
			c.flush()
		}
	}
}

// end gives back what the client did not acknowledge.
func (c *session) end() {
	c.close()
	s := c.smsc
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, c)
	c.bound = false
	for _, d := range c.sent {
		s.waiting = append(s.waiting, d)
	}
	c.sent = nil
	s.touch()
}

// readPDU reads one PDU whole. Its error means that the stream can't be followed
// any further.
func readPDU(r *bufio.Reader) ([]byte, error) {
	head, err := r.Peek(4)
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head)
	if n < data.PDU_HEADER_SIZE || n > data.MAX_PDU_LEN {
		return nil, fmt.Errorf("smsc: PDU of %d octets", n)
	}
	raw := make([]byte, n)
	_, err = io.ReadFull(r, raw)
	return raw, err
}

// handle works on one PDU and reports whether the connection goes on.
func (c *session) handle(raw []byte) bool {
	header := pdu.ParseHeader([16]byte(raw[:16]))
	p, err := pdu.CreatePDUFromCmdID(header.CommandID)
	if err != nil {
		c.nack(header.SequenceNumber, data.ESME_RINVCMDID)
		return true
	}
	if err := p.Unmarshal(pdu.NewBuffer(raw)); err != nil && !(errors.Is(err, io.EOF) && header.CommandID < 0) {
		// A response without a body is allowed; anything else is damaged.
		c.nack(header.SequenceNumber, data.ESME_RINVCMDLEN)
		return true
	}
	switch p := p.(type) {
	case *pdu.BindRequest:
		return c.bind(p)
	case *pdu.SubmitSM:
		return c.submit(p)
	case *pdu.DeliverSMResp:
		c.acknowledged(p)
	case *pdu.GenericNack:
		c.nacked(p)
	case *pdu.EnquireLink:
		c.smsc.mu.Lock()
		c.smsc.enquiries++
		deaf := c.smsc.deaf
		c.smsc.touch()
		c.smsc.mu.Unlock()
		if !deaf {
			c.write(p.GetResponse())
		}
	case *pdu.Unbind:
		c.write(p.GetResponse())
		c.flush()
		return false
	case *pdu.UnbindResp:
		return false
	case *pdu.EnquireLinkResp:
	default:
		c.nack(header.SequenceNumber, data.ESME_RINVCMDID)
	}
	return true
}

func (c *session) bind(p *pdu.BindRequest) bool {
	s := c.smsc
	s.mu.Lock()
	status := s.bindStatus
	switch {
	case status != 0:
	case c.bound:
		status = uint32(data.ESME_RALYBND)
	case s.cfg.User != "" && p.SystemID != s.cfg.User:
		status = uint32(data.ESME_RINVSYSID)
	case s.cfg.User != "" && p.Password != s.cfg.Password:
		status = uint32(data.ESME_RINVPASWD)
	}
	s.binds++
	if status == 0 {
		c.bound = true
		c.user = p.SystemID
		c.receives = p.BindingType != pdu.Transmitter
	}
	s.mu.Unlock()

	resp := pdu.NewBindResp(*p)
	resp.SystemID = "standin"
	resp.CommandStatus = data.CommandStatusType(status)
	if status != 0 {
		// As many SMSCs do, a refusal is a header and nothing else.
		c.writeRaw(headerOnly(resp.CommandID, status, resp.SequenceNumber))
		c.flush()
	} else {
		c.write(resp)
		c.flush()
		s.Redeliver()
	}
	s.mu.Lock()
	s.touch() // after the answer, so that Bound means "the client may know"
	s.mu.Unlock()
	return status == 0
}

func (c *session) submit(p *pdu.SubmitSM) bool {
	s := c.smsc
	s.mu.Lock()
	s.seen++
	if !c.bound {
		s.touch()
		s.mu.Unlock()
		c.answer(p, "", uint32(data.ESME_RINVBNDSTS))
		return true
	}
	f := s.nextFault()
	if f == nil {
		f = &Fault{Action: -1}
	}
	id := ""
	refused := f.Action == Refuse || f.Action == Nack || f.Action == CutBefore || f.Action == WithholdError ||
		f.Action == HeaderOnly && f.Status != 0
	if !refused {
		id = s.nextID()
		part := newPart(p, s.cfg.Latin1)
		part.ID, part.User = id, c.user
		s.byID[id] = len(s.parts)
		s.parts = append(s.parts, part)
	}
	switch f.Action {
	case Withhold:
		s.held = append(s.held, func() { c.answer(p, id, 0); c.flush() })
	case WithholdError:
		s.held = append(s.held, func() { c.answer(p, "", f.Status); c.flush() })
	}
	s.touch()
	auto := s.cfg.Auto
	s.mu.Unlock()

	switch f.Action {
	case Withhold, WithholdError, Mute:
		return true
	case CutBefore, CutAfter:
		return false
	case Garbage:
		c.writeRaw([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))
		c.flush()
		return true
	case GarbageBody:
		raw := headerOnly(data.SUBMIT_SM_RESP, 0, p.SequenceNumber)
		raw = append(raw, "no end of this id"...) // without its NUL
		binary.BigEndian.PutUint32(raw, uint32(len(raw)))
		c.writeRaw(raw)
		return true
	case HeaderOnly:
		c.writeRaw(headerOnly(data.SUBMIT_SM_RESP, f.Status, p.SequenceNumber))
		return true
	case Nack:
		c.nack(p.SequenceNumber, data.CommandStatusType(f.Status))
		return true
	case Refuse:
		c.answer(p, "", f.Status)
		return true
	}
	c.answer(p, id, 0)
	if auto != "" {
		s.Receipt(id, auto, "000")
	}
	return true
}

func (c *session) answer(p *pdu.SubmitSM, id string, status uint32) {
	resp := pdu.NewSubmitSMRespFromReq(p).(*pdu.SubmitSMResp)
	resp.MessageID = id
	resp.CommandStatus = data.CommandStatusType(status)
	c.write(resp)
}

func (c *session) nack(sequence int32, status data.CommandStatusType) {
	c.writeRaw(headerOnly(data.GENERIC_NACK, uint32(status), sequence))
}

// requestUnbind sends an unbind. smsc.mu is held.
func (c *session) requestUnbind() {
	c.sequence++
	p := pdu.NewUnbind()
	p.SetSequenceNumber(c.sequence)
	c.write(p)
	c.flush()
}

func headerOnly(id data.CommandIDType, status uint32, sequence int32) []byte {
	raw := make([]byte, 0, 64)
	raw = binary.BigEndian.AppendUint32(raw, 16)
	raw = binary.BigEndian.AppendUint32(raw, uint32(id))
	raw = binary.BigEndian.AppendUint32(raw, status)
	return binary.BigEndian.AppendUint32(raw, uint32(sequence))
}

func (c *session) write(p pdu.PDU) {
	b := pdu.NewBuffer(nil)
	p.Marshal(b)
	c.writeRaw(b.Bytes())
}

// writeRaw buffers; a connection that is gone shows in the reader, so write
// errors say nothing new.
func (c *session) writeRaw(raw []byte) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	_, _ = c.w.Write(raw)
}

func (c *session) flush() {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	_ = c.w.Flush() // see writeRaw
}
