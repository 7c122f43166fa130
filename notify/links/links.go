package links

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

var (
	// ErrNotFound means that nobody was ever given such a link. Final.
	ErrNotFound = errors.New("links: no such link")
	// ErrBase means that the link base can't be one. Final.
	ErrBase = errors.New("links: not a link base")
	// errCrowded means that no free token was found, which takes a broken table.
	errCrowded = errors.New("links: no free token found")
)

// Shortest is the length of a link on a base of up to nine characters, which is what the
// suffix of 26 characters leaves.
const Shortest = 19

const (
	tokenLeast  = 10
	tokenMost   = 16
	maxAttempts = 8 // of finding a token nobody else has
	// alphabet holds what costs one septet and ends no link.
	alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Links makes links on one base. The zero value has no base.
type Links struct {
	base string
	size int
	key  []byte
}

// New returns Links whose links begin with base, such as "rpl.ch/u". A scheme is left
// out and a slash at the end put there. key, at least 16 bytes, is what makes tokens
// unguessable; after a change of it people get new links, and old ones go on working.
// It fails with ErrBase.
func New(base string, key []byte) (Links, error) {
	if len(key) < 16 {
		return Links{}, fmt.Errorf("%w: a key of %d bytes", ErrBase, len(key))
	}
	base = strings.TrimPrefix(strings.TrimPrefix(base, "https://"), "http://")
	base = strings.TrimRight(base, "/") + "/"
	u, err := url.Parse("https://" + base)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || len(base) > 100 {
		return Links{}, fmt.Errorf("%w: want a host and a path such as rpl.ch/u", ErrBase)
	}
	for i := range len(base) {
		if !strings.ContainsRune(alphabet+".-:/", rune(base[i])) {
			return Links{}, fmt.Errorf("%w: %q costs more than a character of a text", ErrBase, base[i])
		}
	}
	return Links{base: base, size: min(max(Shortest-len(base), tokenLeast), tokenMost), key: derived(key)}, nil
}

// derived is a key of our own, since others make keyed hashes with the same.
func derived(key []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("rappel unsubscribe links"))
	return mac.Sum(nil)
}

// Length is how many characters a link has.
func (l Links) Length() int { return len(l.base) + l.size }

// Link is the link with token.
func (l Links) Link(token string) string { return l.base + token }

// Person is a recipient of an account.
type Person struct {
	AccountID int64
	Recipient string // E.164
}

// token is the attempt-th token of p; the first is taken unless it is another's.
func (l Links) token(p Person, attempt byte) string {
	mac := hmac.New(sha256.New, l.key)
	var head [9]byte
	binary.BigEndian.PutUint64(head[:], uint64(p.AccountID))
	head[8] = attempt
	mac.Write(head[:])
	mac.Write([]byte(p.Recipient))
	var sum [sha256.Size]byte
	mac.Sum(sum[:0])
	token := make([]byte, l.size)
	for i := range token {
		// Two bytes a character: 65536 is not a multiple of 62, but near enough.
		token[i] = alphabet[int(binary.BigEndian.Uint16(sum[2*i:]))%len(alphabet)]
	}
	return string(token)
}

// Sample is a link as long as any, for previews; it leads nowhere.
func (l Links) Sample() string { return l.Link(strings.Repeat("0", l.size)) }

const keep = `
INSERT INTO unsubscribe_links AS k (token, account_id, recipient, created_at)
SELECT u.token, u.account_id, u.recipient, $4
FROM unnest(CAST($1 AS text[]), CAST($2 AS bigint[]), CAST($3 AS text[])) AS u (token, account_id, recipient)
ON CONFLICT (token) DO NOTHING
RETURNING k.token`

// KeepTx returns a link for each of people, who may repeat, in their order, and keeps whom
// they are of. It works on either pool; on the web's all people must be of one account.
func (l Links) KeepTx(ctx context.Context, tx *sqlx.Tx, people []Person, now time.Time) ([]string, error) {
	tokens := make(map[Person]string, len(people))
	var open []Person
	for _, p := range people {
		if _, ok := tokens[p]; !ok {
			tokens[p] = ""
			open = append(open, p)
		}
	}
	for attempt := range byte(maxAttempts) {
		if len(open) == 0 {
			break
		}
		taken, err := l.keepTx(ctx, tx, open, attempt, tokens, now)
		if err != nil {
			return nil, fmt.Errorf("keep %d links: %w", len(open), err)
		}
		open = taken
	}
	if len(open) > 0 {
		return nil, fmt.Errorf("keep links of %d people: %w", len(open), errCrowded)
	}
	out := make([]string, len(people))
	for i, p := range people {
		out[i] = l.Link(tokens[p])
	}
	return out, nil
}

// keepTx tries to keep one token for each of people and returns those whose token is
// another's.
func (l Links) keepTx(ctx context.Context, tx *sqlx.Tx, people []Person, attempt byte, tokens map[Person]string, now time.Time) (taken []Person, err error) {
	byToken := make(map[string]Person, len(people))
	all := make([]string, 0, len(people))
	for _, p := range people {
		t := l.token(p, attempt)
		if _, ok := byToken[t]; ok {
			taken = append(taken, p)
			continue
		}
		byToken[t], tokens[p] = p, t
		all = append(all, t)
	}
	slices.Sort(all) // so that two of these don't wait for each other in a circle
	accounts, recipients := make([]int64, len(all)), make([]string, len(all))
	for i, t := range all {
		accounts[i], recipients[i] = byToken[t].AccountID, byToken[t].Recipient
	}
	var added []string
	if err := tx.SelectContext(ctx, &added, keep, pq.Array(all), pq.Array(accounts), pq.Array(recipients), now); err != nil {
		return nil, err
	}
	if len(added) == len(all) {
		return taken, nil
	}
	// Most of the others are known as theirs. What isn't there as theirs is somebody
	// else's, whether or not this role may see it.
	for _, t := range added {
		delete(byToken, t)
	}
	known := make([]string, 0, len(byToken))
	for t := range byToken {
		known = append(known, t)
	}
	var rows []struct {
		Token     string `db:"token"`
		AccountID int64  `db:"account_id"`
		Recipient string `db:"recipient"`
	}
	if err := tx.SelectContext(ctx, &rows, `SELECT token, account_id, recipient FROM unsubscribe_links WHERE token = ANY (CAST($1 AS text[]))`,
		pq.Array(known)); err != nil {
		return nil, err
	}
	for _, r := range rows {
		if byToken[r.Token] == (Person{r.AccountID, r.Recipient}) {
			delete(byToken, r.Token)
		}
	}
	for _, p := range byToken {
		taken = append(taken, p)
	}
	return taken, nil
}

// Find returns whose texts a link with token refuses, or ErrNotFound. It needs the
// owner's pool.
func Find(ctx context.Context, db *sqlx.DB, token string) (Person, error) {
	token = strings.TrimRight(token, "-")
	if len(token) < tokenLeast || len(token) > tokenMost {
		return Person{}, ErrNotFound
	}
	var p Person
	err := db.QueryRowxContext(ctx, `SELECT account_id, recipient FROM unsubscribe_links WHERE token = $1`, token).Scan(&p.AccountID, &p.Recipient)
	if errors.Is(err, sql.ErrNoRows) {
		return Person{}, ErrNotFound
	}
	if err != nil {
		return Person{}, fmt.Errorf("find a link: %w", err)
	}
	return p, nil
}
