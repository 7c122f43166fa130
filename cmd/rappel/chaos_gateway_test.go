package main

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rappel/notify/segment"
	"rappel/notify/standin"
)

// chaosGateway is an SMSC with a memory: which parts it took, and which receipts it owes.
// It is used by one goroutine.
type chaosGateway struct {
	name   string
	smsc   *standin.SMSC
	random *rand.Rand
	silent func(number int) bool // nil, or says which messages never get a receipt

	parts    []standin.Part
	verdicts map[string]string // by id: the stat of its last receipt
	owed     []chaosReceipt
	receipts int
	unknown  int
}

// chaosReceipt is a receipt not yet sent.
type chaosReceipt struct {
	id, stat string
	last     bool // comes when everything else is over
}

func newChaosGateway(t testing.TB, name string, random *rand.Rand, cfg standin.SMSCConfig) *chaosGateway {
	t.Helper()
	s, err := standin.NewSMSC("127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &chaosGateway{name: name, smsc: s, random: random, verdicts: map[string]string{}}
}

// follow takes note of new parts and makes up what becomes of them: nine in ten are
// delivered; some receipts come twice, some say only that it is under way, some come last.
func (g *chaosGateway) follow() {
	for _, p := range g.smsc.PartsFrom(len(g.parts)) {
		g.parts = append(g.parts, p)
		if g.silent != nil && g.silent(chaosNumber(p.Text)) {
			continue
		}
		stat := "DELIVRD"
		switch n := g.random.IntN(100); {
		case n < 4:
			stat = "UNDELIV"
		case n < 6:
			stat = "REJECTD"
		case n < 8:
			stat = "EXPIRED"
		}
		g.verdicts[p.ID] = stat
		r := chaosReceipt{id: p.ID, stat: stat, last: g.random.IntN(20) == 0}
		g.owed = append(g.owed, r)
		if g.random.IntN(5) == 0 {
			g.owed = append(g.owed, chaosReceipt{id: p.ID, stat: []string{"ENROUTE", "ACCEPTD", "UNKNOWN"}[g.random.IntN(3)]})
		}
		if g.random.IntN(10) == 0 {
			g.owed = append(g.owed, chaosReceipt{id: p.ID, stat: stat, last: g.random.IntN(2) == 0})
		}
		if g.random.IntN(100) == 0 { // for nobody here
			g.unknown++
			g.owed = append(g.owed, chaosReceipt{id: fmt.Sprint(chaosUnknownIDs + g.unknown), stat: "DELIVRD"})
		}
	}
}

// chaosUnknownIDs is below every id the stand-in hands out.
const chaosUnknownIDs = 1_000_000

// deliver sends some of the receipts owed, in any order; all of them if everything is over.
func (g *chaosGateway) deliver(over bool) {
	if g.smsc.Bound() == 0 {
		return
	}
	g.smsc.Redeliver() // what was refused for now
	if g.smsc.Undelivered() > 400 {
		return
	}
	g.random.Shuffle(len(g.owed), func(i, j int) { g.owed[i], g.owed[j] = g.owed[j], g.owed[i] })
	n := 0
	g.owed = slices.DeleteFunc(g.owed, func(r chaosReceipt) bool {
		if n >= 200 || !over && (r.last || g.random.IntN(3) > 0) {
			return false
		}
		n++
		g.receipts++
		g.smsc.Receipt(r.id, r.stat, "000")
		return true
	})
}

// heal ends all misbehaviour.
func (g *chaosGateway) heal() {
	g.smsc.ClearFaults()
	g.smsc.RefuseBinds(0)
	g.smsc.Release()
}

// settled reports whether every receipt was sent and taken.
func (g *chaosGateway) settled() bool { return len(g.owed) == 0 && g.smsc.Undelivered() == 0 }

// fault is one misbehaviour towards the next submissions.
func (g *chaosGateway) fault() {
	f := standin.Fault{Skip: g.random.IntN(15), Times: 1 + g.random.IntN(4)}
	switch g.random.IntN(16) {
	case 0, 1:
		f.Action, f.Status, f.Times = standin.Refuse, standin.StatusThrottled, 1+g.random.IntN(30)
	case 2:
		f.Action, f.Status, f.Times = standin.Refuse, standin.StatusQueueFull, 1+g.random.IntN(10)
	case 3:
		f.Action, f.Status = standin.Refuse, standin.StatusSystemError
	case 4:
		f.Action, f.Status = standin.Refuse, standin.StatusRefused
	case 5:
		f.Action, f.Status = standin.Refuse, standin.StatusInvalidDestination
	case 6:
		f.Action, f.Status = standin.Nack, standin.StatusSystemError
	case 7:
		f.Action = standin.Mute
	case 8, 9:
		f.Action = standin.Withhold
	case 10:
		f.Action, f.Status = standin.WithholdError, standin.StatusSystemError
	case 11:
		f.Action = standin.CutBefore
	case 12:
		f.Action = standin.CutAfter
	case 13:
		f.Action = standin.Garbage
	case 14:
		f.Action = standin.GarbageBody
	case 15:
		f.Action, f.Status = standin.HeaderOnly, standin.StatusSystemError
	}
	g.smsc.Fault(f)
}

// find says which ids message n has here, as far as it has arrived in full.
func (g *chaosGateway) find(n int) []string {
	parts := map[uint16]map[int]string{} // by reference
	for _, p := range g.smsc.Parts() {
		if chaosNumber(p.Text) != n {
			continue
		}
		if parts[p.Ref] == nil {
			parts[p.Ref] = map[int]string{}
		}
		parts[p.Ref][int(p.Seq)] = p.ID
		if len(parts[p.Ref]) == int(p.Total) {
			var ids []string
			for seq := 1; seq <= int(p.Total); seq++ {
				ids = append(ids, parts[p.Ref][seq])
			}
			return ids
		}
	}
	return nil
}

// A chaosCopy is one text of a message as a handset would put it together: the parts of
// one concatenation.
type chaosCopy struct {
	total int
	ids   map[int][]string // by part number, with doubles
}

// whole counts how often the text is there in full.
func (c chaosCopy) whole() int {
	n := len(c.ids[1])
	for seq := 2; seq <= c.total; seq++ {
		n = min(n, len(c.ids[seq]))
	}
	return n
}

var chaosToken = regexp.MustCompile(`#(\d{7})#`)

// chaosNumber finds the number of the message a part belongs to; -1 when it has none.
func chaosNumber(text string) int {
	m := chaosToken.FindStringSubmatch(text)
	if m == nil {
		return -1
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return -1
	}
	return n
}

// chaosText is the text of message n in so many parts; each part names n.
func chaosText(n, parts int, enc segment.Encoding) string {
	sentence, per := fmt.Sprintf("#%07d# Ihr Termin: Dienstag, 14:30 Uhr. ", n), 153
	if enc == segment.UCS2 {
		sentence, per = fmt.Sprintf("#%07d# Приём 14:30 😀 ", n), 67
	}
	// Half of the last part is filled.
	units := (parts-1)*per + per/2
	var b strings.Builder
	for segment.Measure(b.String()).Units < units {
		b.WriteString(sentence)
	}
	return b.String()
}

// copies sorts the parts all gateways took by message and concatenation.
func chaosCopies(t testing.TB, gateways []*chaosGateway) map[int][]chaosCopy {
	t.Helper()
	type key struct {
		gateway, from, to string
		ref               uint16
		total             uint8
		number            int
	}
	byKey := map[key]*chaosCopy{}
	var keys []key
	for _, g := range gateways {
		for _, p := range g.parts {
			n := chaosNumber(p.Text)
			if n < 0 {
				t.Errorf("%s took a part of no message of ours", g.name)
				continue
			}
			k := key{g.name, p.From, p.To, p.Ref, p.Total, n}
			if p.Total <= 1 {
				k.ref = 0
			}
			if byKey[k] == nil {
				byKey[k] = &chaosCopy{total: int(p.Total), ids: map[int][]string{}}
				keys = append(keys, k)
			}
			byKey[k].ids[int(p.Seq)] = append(byKey[k].ids[int(p.Seq)], g.name+"/"+p.ID)
		}
	}
	all := map[int][]chaosCopy{}
	for _, k := range keys {
		all[k.number] = append(all[k.number], *byKey[k])
	}
	return all
}
