package notify

import (
	"fmt"
	"strings"
	"testing"

	"rappel/migrations/dbtest"
)

// On tables so new that nothing is known about them, an id is still looked up by its whole
// key and not among all of its carrier's.
func TestLookUps_withoutStatistics(t *testing.T) {
	t.Parallel()
	dsn, err := DispatchDSN(dbtest.NewDSN(t))
	if err != nil {
		t.Fatal(err)
	}
	db := dbtest.Open(t, dsn)
	db.SetMaxOpenConns(1) // prepared statements are a connection's
	byID := newColumns()
	byID.array("id", "text", texts([]string{"a", "b"}))
	byID.once("carrier", "text", "one")
	lookUp := findKnown(byID)
	byMessage := newColumns()
	byMessage.array("message_id", "bigint", integers([]int64{1, 2}))
	byMessage.array("account_id", "bigint", integers([]int64{1, 2}))
	for _, c := range []*columns{byID, byMessage} {
		c.array("status", "smallint", integers([]int64{3, 3}))
		c.once("code", "text", "")
		c.array("at", "bigint", integers([]int64{1, 2}))
		c.exprs["at"] = instantOf("u.at")
	}
	const (
		refByKey     = "(carrier_message_id = "
		sentByKey    = "Index Cond: ((account_id = u.account_id) AND (message_id = u.message_id))"
		earlyByKey   = "Index Cond: ((carrier = "
		messageByKey = "Index Cond: ((account_id = g.account_id) AND (id = g.message_id))"
		byPlace      = "TID Cond: (ctid = "
	)
	for i, tt := range []struct {
		query string
		want  []string
	}{
		{lookUp, []string{refByKey}},
		{applyByTheBook(byID, 2), []string{refByKey, strings.ReplaceAll(sentByKey, "u.", "k."), byPlace}},
		{applyByTheBook(byMessage, 2), []string{sentByKey, byPlace}},
		{findEarly, []string{refByKey, earlyByKey}},
		{takeEarly, []string{earlyByKey, byPlace}},
		{takeAny, []string{messageByKey, byPlace}},
	} {
		if _, err := db.Exec(fmt.Sprintf("PREPARE q%d AS %s", i, tt.query)); err != nil {
			t.Fatalf("%v\n%s", err, tt.query)
		}
		var n int
		if err := db.Get(&n, `SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = $1`, fmt.Sprintf("q%d", i)); err != nil {
			t.Fatal(err)
		}
		var lines []string
		if err := db.Select(&lines, fmt.Sprintf("EXPLAIN EXECUTE q%d(%s)", i, strings.TrimSuffix(strings.Repeat("NULL, ", n), ", "))); err != nil {
			t.Fatal(err)
		}
		plan := strings.Join(lines, "\n")
		for _, want := range tt.want {
			if !strings.Contains(plan, want) {
				t.Errorf("%s\nhas a plan without %s:\n%s", tt.query, want, plan)
			}
		}
	}
}
