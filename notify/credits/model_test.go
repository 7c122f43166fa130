package credits_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rappel/notify/credits"
)

// modelLot is a lot as a ledger on paper would have it.
type modelLot struct {
	id      int // in the order in which they came
	source  credits.Source
	key     string    // of the grant that brought it; "" = none, it was transferred
	granted time.Time // dates
	expires time.Time // zero: rolls
	left    int64
	over    bool
}

// modelPurse is an account on paper: the plainest thing that does what is promised.
type modelPurse struct {
	lots       []*modelLot
	holds      map[int64]map[*modelLot]int64
	last       time.Time
	held, used int64
	lapsed     int64
	granted    int64
	sent, got  int64 // transferred
}

// ends is the day on which the lot is of no use any more.
func (m *modelLot) ends(last time.Time) time.Time {
	if !m.expires.IsZero() {
		return m.expires
	}
	from := m.granted
	if last.After(from) {
		from = last
	}
	for d := from.Day(); ; d-- { // the 29th of February has no namesake
		if end := date(from.Year()+1, from.Month(), d); end.Month() == from.Month() {
			return end
		}
	}
}

// usable are the lots that can be used on a day, in their order.
func (p *modelPurse) usable(today time.Time) (all []*modelLot) {
	rank := map[credits.Source]int{credits.Monthly: 1, credits.Gift: 2, credits.Bought: 3}
	for _, l := range p.lots {
		if l.left > 0 && !l.over && l.ends(p.last).After(today) {
			all = append(all, l)
		}
	}
	slices.SortStableFunc(all, func(a, b *modelLot) int {
		return cmp.Or(cmp.Compare(rank[a.source], rank[b.source]), a.ends(p.last).Compare(b.ends(p.last)), cmp.Compare(a.id, b.id))
	})
	return all
}

// draw takes n from lots in order; nil if there is less.
func draw(lots []*modelLot, n int64) map[*modelLot]int64 {
	var there int64
	for _, l := range lots {
		there += l.left
	}
	if there < n {
		return nil
	}
	taken := map[*modelLot]int64{}
	for _, l := range lots {
		if part := min(n, l.left); part > 0 {
			l.left -= part
			n -= part
			taken[l] = part
		}
	}
	return taken
}

func (p *modelPurse) lapse(today time.Time) {
	for _, l := range p.lots {
		if !l.ends(p.last).After(today) { // and a later text doesn't revive it
			p.lapsed += l.left
			l.left, l.over = 0, true
		}
	}
}

func (p *modelPurse) end(message int64, captured bool, today time.Time) {
	taken := p.holds[message]
	delete(p.holds, message)
	if captured && len(taken) > 0 && today.After(p.last) {
		p.last = today
	}
	for l, n := range taken {
		p.held -= n
		switch {
		case captured:
			p.used += n
		case !l.over && l.ends(p.last).After(today):
			l.left += n
		default:
			p.lapsed += n
		}
	}
}

// P6, P9: whatever is granted, held, captured, released, transferred, repeated, taken back
// or left to lapse, in whatever order and over the years: the books say what paper says.
func TestCredits_model(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	zone, err := time.LoadLocation("Europe/Zurich")
	b.ok(err)
	next := int64(100)
	rapid.Check(t, func(t *rapid.T) {
		b := *b
		b.fataler = t
		root, sub := next, next+1
		next += 2
		b.account(root, 0)
		b.account(sub, root)
		b.clock.set(time.Date(2027, 2, 27, 12, 0, 0, 0, zone))
		today := func() time.Time {
			y, m, d := b.clock.now().In(zone).Date()
			return date(y, m, d)
		}
		purses := map[int64]*modelPurse{root: {holds: map[int64]map[*modelLot]int64{}}, sub: {holds: map[int64]map[*modelLot]int64{}}}
		lots, messages, transfers, bonus := 0, int64(0), 0, false
		add := func(p *modelPurse, l *modelLot) {
			lots++
			l.id = lots
			p.lots = append(p.lots, l)
		}
		account := rapid.SampledFrom([]int64{root, root, sub})
		lapse := func() {
			for _, p := range purses {
				p.lapse(today())
			}
		}
		// The books are brought up to date after each step, as they are every second.
		behind := false
		settled := func() {
			t.Helper()
			if behind {
				b.tick()
				lapse()
			}
			behind = false
		}
		grants := []credits.Grant{}
		pending := map[int64][]int64{root: {}, sub: {}}
		over := map[int64][]int64{root: {}, sub: {}}
		t.Repeat(map[string]func(*rapid.T){
			"grant": func(t *rapid.T) {
				g := credits.Grant{Account: root, Key: keyOf("g", len(grants)), Credits: rapid.Int64Range(1, 6).Draw(t, "credits"),
					Source: rapid.SampledFrom([]credits.Source{credits.Monthly, credits.Gift, credits.Bought}).Draw(t, "source")}
				if g.Source != credits.Bought && rapid.Bool().Draw(t, "ends") {
					g.ExpiresOn = today().AddDate(0, 0, rapid.IntRange(0, 500).Draw(t, "days"))
				}
				b.ok(b.grant(g))
				behind = true
				grants = append(grants, g)
				p := purses[root]
				add(p, &modelLot{source: g.Source, key: g.Key, granted: today(), expires: g.ExpiresOn, left: g.Credits})
				p.granted += g.Credits
				if g.Source == credits.Bought && !bonus {
					bonus = true
					add(p, &modelLot{source: credits.Gift, key: g.Key, granted: today(), left: 500})
					p.granted += 500
				}
			},
			"grant again": func(t *rapid.T) {
				if len(grants) > 0 {
					b.ok(b.grant(rapid.SampledFrom(grants).Draw(t, "grant")))
				}
			},
			"hold": func(t *rapid.T) {
				a := account.Draw(t, "account")
				p := purses[a]
				n := rapid.Int64Range(1, 4).Draw(t, "credits")
				messages++
				uncovered, err := b.hold(a, charge(messages, int(n)))
				b.ok(err)
				taken := draw(p.usable(today()), n)
				if (taken == nil) != (len(uncovered) == 1) {
					t.Fatalf("covered %t, on paper %t", len(uncovered) == 0, taken != nil)
				}
				if taken != nil {
					p.holds[messages] = taken
					p.held += n
					pending[a] = append(pending[a], messages)
				}
			},
			"end": func(t *rapid.T) {
				a := account.Draw(t, "account")
				if len(pending[a]) == 0 {
					return
				}
				i := rapid.IntRange(0, len(pending[a])-1).Draw(t, "which")
				message, captured := pending[a][i], rapid.Bool().Draw(t, "captured")
				b.ok(b.settle(a, message, captured))
				pending[a] = slices.Delete(pending[a], i, i+1)
				over[a] = append(over[a], message)
				purses[a].end(message, captured, today())
				behind = true
			},
			"end again": func(t *rapid.T) {
				if a := account.Draw(t, "account"); len(over[a]) > 0 {
					b.ok(b.settle(a, rapid.SampledFrom(over[a]).Draw(t, "message"), rapid.Bool().Draw(t, "captured")))
				}
			},
			"transfer": func(t *rapid.T) {
				from, to := root, sub
				if rapid.Bool().Draw(t, "back") {
					from, to = sub, root
				}
				n := rapid.Int64Range(1, 5).Draw(t, "credits")
				transfers++
				tr := credits.Transfer{From: from, To: to, Credits: n, Key: keyOf("t", transfers)}
				err := b.transfer(tr)
				p, q := purses[from], purses[to]
				movable := slices.DeleteFunc(p.usable(today()), func(l *modelLot) bool { return l.source == credits.Monthly })
				taken := draw(movable, n)
				if taken == nil {
					if !errors.Is(err, credits.ErrShort) {
						t.Fatalf("%v, want ErrShort", err)
					}
					return
				}
				b.ok(err)
				b.ok(b.transfer(tr)) // once
				p.sent += n
				q.got += n
				for _, l := range movable {
					if taken[l] == 0 {
						continue
					}
					from := l.granted
					if p.last.After(from) {
						from = p.last
					}
					add(q, &modelLot{source: l.source, granted: from, expires: l.expires, left: taken[l]})
				}
			},
			"take back": func(t *rapid.T) {
				if len(grants) == 0 {
					return
				}
				p, want := purses[root], int64(0)
				if len(pending[root]) > 0 && rapid.Bool().Draw(t, "right after an end") { // which isn't booked yet
					message, captured := pending[root][0], rapid.Bool().Draw(t, "captured")
					b.ok(b.settle(root, message, captured))
					pending[root], over[root] = pending[root][1:], append(over[root], message)
					p.end(message, captured, today())
					behind = true
				}
				back := credits.TakeBack{Account: root, Key: rapid.SampledFrom(grants).Draw(t, "grant").Key}
				for _, l := range p.lots {
					if l.key == back.Key && !l.over && l.ends(p.last).After(today()) {
						want += l.left
						p.lapsed += l.left
						l.left, l.over = 0, true
					}
				}
				for _, want := range []int64{want, 0} { // once
					if taken, err := b.credits.TakeBack(context.Background(), back); err != nil || taken != want {
						t.Fatalf("took back %d, %v; on paper %d", taken, err, want)
					}
				}
			},
			"time passes": func(t *rapid.T) {
				days := rapid.OneOf(rapid.IntRange(0, 3), rapid.IntRange(360, 370)).Draw(t, "days")
				b.clock.set(b.clock.now().In(zone).AddDate(0, 0, days))
				behind = true
			},
			"": func(t *rapid.T) {
				settled()
				b.check(root, sub)
				for a, p := range purses {
					var left int64
					for _, l := range p.lots {
						left += l.left
					}
					want := map[string]int64{"available": left, "held": p.held, "consumed": p.used, "expired": p.lapsed, "granted": -p.granted, "transferred": p.sent - p.got}
					maps.DeleteFunc(want, func(_ string, n int64) bool { return n == 0 })
					if diff := gocmp.Diff(want, b.totals(a)); diff != "" {
						t.Fatalf("account %d (-on paper +booked):\n%s", a, diff)
					}
				}
			},
		})
	})
}
