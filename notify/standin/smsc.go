package standin

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// ReceiptForm says where a receipt carries its figures.
type ReceiptForm int

// The forms of receipt.
const (
	ReceiptBoth ReceiptForm = iota // text and TLVs
	ReceiptText                    // the text of short_message alone
	ReceiptTLV                     // TLVs alone, short_message is empty
)

// SMSCConfig describes an SMSC. Its zero value lets anybody bind.
type SMSCConfig struct {
	User, Password string // empty User: anybody may bind
	HexIDs         bool   // ids are hexadecimal in answers and decimal in receipt texts
	Receipts       ReceiptForm
	LongDates      bool   // receipts say seconds too: YYMMDDhhmmss
	Auto           string // stat of a receipt sent right after each answer, such as "DELIVRD"; "" = none
	Latin1         bool   // the default alphabet (data_coding 0) is Latin-1 and not GSM-7
	TLS            *tls.Config
	Now            func() time.Time // dates of receipts; nil means time.Now
}

// SMSC is a message centre on a loopback port. All methods may be called at any
// time from any goroutine.
type SMSC struct {
	cfg SMSCConfig
	ln  net.Listener
	wg  sync.WaitGroup

	mu         sync.Mutex
	changed    chan struct{} // closed and replaced whenever something changes
	sessions   map[*session]struct{}
	lastID     uint64
	parts      []Part
	byID       map[string]int // index in parts
	seen       int
	binds      int
	enquiries  int
	faults     []*Fault
	bindStatus uint32
	deaf       bool
	held       []func()
	waiting    []*delivery
	acks       []Ack
	closed     bool
}

// NewSMSC listens on address, such as "127.0.0.1:0", and serves until Close.
func NewSMSC(address string, cfg SMSCConfig) (*SMSC, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("smsc: %w", err)
	}
	if cfg.TLS != nil {
		ln = tls.NewListener(ln, cfg.TLS)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	// Ids start where the hexadecimal form needs letters, so that a client which
	// mixes the two forms up can't be right by luck.
	s := &SMSC{cfg: cfg, ln: ln, lastID: 0xA0B0C0, sessions: map[*session]struct{}{}, byID: map[string]int{}, changed: make(chan struct{})}
	s.wg.Go(s.accept)
	return s, nil
}

// Address returns host:port.
func (s *SMSC) Address() string { return s.ln.Addr().String() }

// URL returns the address as RAPPEL_CARRIERS takes it, with the query given.
func (s *SMSC) URL(query string) *url.URL {
	u := &url.URL{Scheme: "smpp", Host: s.Address(), RawQuery: query, User: url.UserPassword("user", "secret")}
	if s.cfg.User != "" {
		u.User = url.UserPassword(s.cfg.User, s.cfg.Password)
	}
	if s.cfg.TLS != nil {
		u.Scheme = "smpps"
	}
	return u
}

// Close ends all connections and returns when their goroutines have ended.
func (s *SMSC) Close() error {
	s.mu.Lock()
	s.closed = true
	s.held = nil
	for c := range s.sessions {
		c.close()
	}
	s.mu.Unlock()
	err := s.ln.Close()
	s.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil // closed twice
	}
	return err
}

func (s *SMSC) accept() {
	for {
		conn, err := s.ln.Accept()
		if err != nil {
			return // closed
		}
		c := &session{smsc: s, conn: conn, r: bufio.NewReaderSize(conn, 64<<10), w: bufio.NewWriterSize(conn, 64<<10), sent: map[int32]*delivery{}}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			c.close()
			return
		}
		s.sessions[c] = struct{}{}
		s.mu.Unlock()
		s.wg.Go(c.serve)
	}
}

// touch tells those in Until that something changed. s.mu is held.
func (s *SMSC) touch() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Until returns nil once done is true. It asks again whenever something
// happened here, and gives up with ctx.
func (s *SMSC) Until(ctx context.Context, done func() bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if done() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Parts returns every accepted submit_sm in the order of acceptance.
func (s *SMSC) Parts() []Part {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.parts)
}

// PartsFrom is Parts without the first n, for a reader that follows along.
func (s *SMSC) PartsFrom(n int) []Part {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.parts[min(n, len(s.parts)):])
}

// Accepted returns how many submit_sm were accepted.
func (s *SMSC) Accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.parts)
}

// Texts returns what handsets would show, from the parts accepted so far.
func (s *SMSC) Texts() []Text { return Reassemble(s.Parts()) }

// Seen returns how many submit_sm arrived, whatever became of them.
func (s *SMSC) Seen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// Bound returns how many clients are bound now.
func (s *SMSC) Bound() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		if c.bound {
			n++
		}
	}
	return n
}

// Binds returns how many binds were answered, refused ones included.
func (s *SMSC) Binds() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.binds
}

// Enquiries returns how many enquire_link arrived.
func (s *SMSC) Enquiries() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.enquiries
}

// Held returns how many answers are withheld.
func (s *SMSC) Held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.held)
}

// nextID hands out a message id in the form of answers. s.mu is held.
func (s *SMSC) nextID() string {
	s.lastID++
	if s.cfg.HexIDs {
		return strconv.FormatUint(s.lastID, 16)
	}
	return strconv.FormatUint(s.lastID, 10)
}

// receiptID turns an id as answered into the form receipt texts use.
func (s *SMSC) receiptID(id string) string {
	if s.cfg.HexIDs {
		if n, err := strconv.ParseUint(id, 16, 64); err == nil {
			return strconv.FormatUint(n, 10)
		}
	}
	return id
}
