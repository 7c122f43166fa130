package smpp

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"
)

// header is the beginning of every PDU, without its length.
type header struct {
	id       data.CommandIDType
	status   uint32
	sequence int32
}

const headerSize = data.PDU_HEADER_SIZE

func parseHeader(raw []byte) header {
	return header{
		id:       data.CommandIDType(binary.BigEndian.Uint32(raw[4:])),
		status:   binary.BigEndian.Uint32(raw[8:]),
		sequence: int32(binary.BigEndian.Uint32(raw[12:])),
	}
}

// peekFrame returns the next PDU, which is valid until the reader is used again. Its
// error means that the stream can't be followed any further. r holds the longest PDU.
func peekFrame(r *bufio.Reader) ([]byte, error) {
	head, err := r.Peek(4)
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head)
	if n < headerSize || n > data.MAX_PDU_LEN {
		return nil, errUnreadable
	}
	raw, err := r.Peek(int(n))
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return raw, err
}

// skipFrame passes over what peekFrame returned.
func skipFrame(r *bufio.Reader, raw []byte) {
	// It can't fail: all of it is in the buffer.
	_, _ = r.Discard(len(raw))
}

// marshal codes the PDUs that are few: binds, unbind, enquire_link, generic_nack.
func marshal(p pdu.PDU) []byte {
	b := pdu.NewBuffer(nil)
	p.Marshal(b)
	return b.Bytes()
}

func appendHeader(dst []byte, length uint32, h header) []byte {
	dst = binary.BigEndian.AppendUint32(dst, length)
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.id))
	dst = binary.BigEndian.AppendUint32(dst, h.status)
	return binary.BigEndian.AppendUint32(dst, uint32(h.sequence))
}

// appendDeliverResp appends the answer to j; its message_id is unused. SMPP 3.4 §4.6.2, §4.7.2.
func appendDeliverResp(dst []byte, j job, status uint32) []byte {
	id := data.CommandIDType(data.DELIVER_SM_RESP)
	if j.id == data.DATA_SM {
		id = data.DATA_SM_RESP
	}
	return append(appendHeader(dst, headerSize+1, header{id, status, j.sequence}), 0)
}

func appendCString(dst []byte, s string) []byte { return append(append(dst, s...), 0) }

// appendTLV appends an optional parameter. SMPP 3.4 §5.3.1.
func appendTLV(dst []byte, tag pdu.Tag, value ...byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(tag))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(value)))
	return append(dst, value...)
}

// fields reads the body of a PDU from its front. After a field that isn't there, it is
// broken and gives zeros.
type fields struct {
	rest   []byte
	broken bool
}

func (f *fields) octet() byte {
	if len(f.rest) == 0 {
		f.broken = true
		return 0
	}
	b := f.rest[0]
	f.rest = f.rest[1:]
	return b
}

func (f *fields) octets(n int) []byte {
	if n > len(f.rest) {
		f.broken = true
		return nil
	}
	b := f.rest[:n]
	f.rest = f.rest[n:]
	return b
}

func (f *fields) cstring() []byte {
	end := bytes.IndexByte(f.rest, 0)
	if end < 0 {
		f.broken = true
		return nil
	}
	b := f.rest[:end]
	f.rest = f.rest[end+1:]
	return b
}

// tlv returns the next optional parameter; ok is false at the end, or where the rest
// isn't one.
func (f *fields) tlv() (tag pdu.Tag, value []byte, ok bool) {
	if len(f.rest) < 4 {
		return 0, nil, false
	}
	n := int(binary.BigEndian.Uint16(f.rest[2:]))
	if len(f.rest) < 4+n {
		return 0, nil, false
	}
	tag, value = pdu.Tag(binary.BigEndian.Uint16(f.rest)), f.rest[4:4+n]
	f.rest = f.rest[4+n:]
	return tag, value, true
}

// longestID bounds the message ids of a gateway. SMPP 3.4 has 65 octets for one (5.2.23).
const longestID = 255

// parseSubmitResp returns the message id of a submit_sm_resp that says accepted. A
// header alone has none, which is allowed. An id without its NUL ends with the PDU: the
// header says accepted, so whatever the body is, the text must not go out again.
func parseSubmitResp(raw []byte) (id []byte) {
	id, _, _ = bytes.Cut(raw[headerSize:], []byte{0})
	if len(id) > longestID { // nobody's id, and more than can be looked up
		id = id[:longestID]
	}
	return id
}

// tagInterfaceVersion is sc_interface_version. SMPP 3.4 §5.3.2.25.
const tagInterfaceVersion pdu.Tag = 0x0210

// parseBindResp returns the version of SMPP the gateway says it speaks, 0 if it says
// none.
func parseBindResp(raw []byte) (version byte) {
	f := fields{rest: raw[headerSize:]}
	f.cstring() // the gateway's system_id
	for {
		tag, value, ok := f.tlv()
		if !ok {
			return version
		}
		if tag == tagInterfaceVersion && len(value) == 1 {
			version = value[0]
		}
	}
}
