package standin

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/linxGnu/gosmpp/data"
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
	UpperIDs       bool   // hexadecimal digits in answers are capitals
	PadIDs         int    // ids have at least so many digits, with zeros before
	FirstID        uint64 // number of the first message; 0: one whose hexadecimal form needs letters
	Receipts       ReceiptForm
	LongDates      bool          // receipts say seconds too: YYMMDDhhmmss
	Auto           string        // stat of a receipt sent right after each answer, such as "DELIVRD"; "" = none. See also Plan
	Latin1         bool          // the default alphabet (data_coding 0) is Latin-1 and not GSM-7
	Version        byte          // interface version told at the bind, such as 0x33; 0 = not told
	Window         int           // deliver_sm outstanding per bind; 0 = 1000
	Retry          time.Duration // after which a deliver_sm refused for now comes again, in real time; 0 = with the next, or by Redeliver
	Memory         Memory        // what is kept of what was accepted
	Seed           uint64        // of everything at random
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
	changed    chan struct{} // closed and replaced when something changes, if watched
	watched    bool
	sessions   map[*session]struct{}
	open       map[*session]struct{} // those whose writer goes on, too
	receivers  []*session            // those bound that may receive
	rng        *rand.Rand
	firstID    uint64 // the number before that of the first message
	lastID     uint64
	ledger     ledger
	seen       int
	binds      int
	enquiries  int
	faults     []*Fault
	limit      limit
	throttled  int
	bindStatus uint32
	deaf       bool
	thaw       chan struct{} // not nil while frozen
	held       []func()
	outbox     outbox
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
	if cfg.Window <= 0 {
		cfg.Window = 1000
	}
	// Unless told, ids start where the hexadecimal form needs letters, so that a client
	// which mixes the two forms up can't be right by luck.
	first := uint64(firstID)
	if cfg.FirstID > 0 {
		first = cfg.FirstID - 1
	}
	s := &SMSC{
		cfg: cfg, ln: ln, firstID: first, lastID: first, sessions: map[*session]struct{}{}, open: map[*session]struct{}{}, changed: make(chan struct{}),
		rng: rand.New(rand.NewPCG(cfg.Seed, 1)), ledger: newLedger(cfg.Memory, cfg.Latin1),
		outbox: outbox{plan: ReceiptPlan{Stat: cfg.Auto, Code: "000"}, queues: map[string]*queue{}, acks: map[uint32]int{}},
	}
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
	s.Freeze(false)
	s.mu.Lock()
	s.closed = true
	s.held = nil
	s.outbox.stopTimers()
	for c := range s.open {
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
		c := &session{smsc: s, conn: conn, r: bufio.NewReaderSize(conn, data.MAX_PDU_LEN), wake: make(chan struct{}, 1), sent: newOutstanding(s.cfg.Window)}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			c.close()
			return
		}
		s.sessions[c], s.open[c] = struct{}{}, struct{}{}
		s.mu.Unlock()
		s.wg.Go(c.serve)
		s.wg.Go(c.write)
	}
}

// touch tells those in Until that something changed. s.mu is held.
func (s *SMSC) touch() {
	if s.watched {
		close(s.changed)
		s.changed, s.watched = make(chan struct{}), false
	}
}

// Until returns nil once done is true. It asks again whenever something
// happened here, and gives up with ctx.
func (s *SMSC) Until(ctx context.Context, done func() bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.watched = true
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
