package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"rappel/notify"
)

// benchTemplate is how many finished messages the product makes itself. The others are
// copies of these, so they are what the product leaves behind, whatever that is.
const benchTemplate = 10_000

// fill leaves round.finished delivered messages in the tables, to the next multiple of
// the template's size.
func (e *benchEngine) fill(ctx context.Context, b *bench, round benchRound) error {
	template := min(benchTemplate, (round.finished+9)/10)
	if _, err := e.cycle(ctx, b, benchRound{messages: template, accounts: round.accounts}); err != nil {
		return err
	}
	copies := (round.finished+template-1)/template - 1
	if copies > 0 {
		if err := e.copyFinished(ctx, b, copies); err != nil {
			return fmt.Errorf("fill in finished messages: %w", err)
		}
	}
	if _, err := e.owner.ExecContext(ctx, `VACUUM ANALYZE`); err != nil {
		return fmt.Errorf("vacuum: %w", err)
	}
	counts, err := e.counts(ctx)
	if err != nil {
		return err
	}
	if want := template * (copies + 1); counts[notify.Delivered] != want {
		return fmt.Errorf("%d of %d finished messages are there", counts[notify.Delivered], want)
	}
	return nil
}

// benchTable holds a row or more for each message that is through. Other tables are empty
// then, or hold a row an account.
type benchTable struct {
	name, id string            // id names the message
	replaced map[string]string // what copy k of row t has in other columns
}

// In the order of their foreign keys.
var benchTables = []benchTable{
	{"messages", "id", map[string]string{
		"reference":  `t.reference || '-' || k`,
		"recipient":  `'+41' || (790000000 + (CAST(substr(t.recipient, 4) AS bigint) + k * 10000) % 10000000)`,
		"created_at": `t.created_at - k * interval '1 minute'`,
	}},
	{"sent", "message_id", nil},
	{"carrier_refs", "message_id", map[string]string{
		"carrier_message_id": `left(md5(t.carrier_message_id || k), 20)`,
	}},
}

// copyFinished copies all messages there are, table by table.
func (e *benchEngine) copyFinished(ctx context.Context, b *bench, copies int) error {
	var ids struct{ Low, High int64 }
	if err := e.owner.GetContext(ctx, &ids, `SELECT min(id) AS low, max(id) AS high FROM messages`); err != nil {
		return err
	}
	for _, t := range benchTables {
		b.say("  table %s", t.name)
		if err := e.copyTable(ctx, t, ids.High, ids.High-ids.Low+1, copies); err != nil {
			return fmt.Errorf("table %s: %w", t.name, err)
		}
	}
	_, err := e.owner.ExecContext(ctx, `SELECT setval(pg_get_serial_sequence('messages', 'id'), (SELECT max(id) FROM messages))`)
	return err
}

// copyTable copies the rows of messages up to high, each copy's ids behind those of the
// one before.
func (e *benchEngine) copyTable(ctx context.Context, t benchTable, high, distance int64, copies int) error {
	var columns []string
	if err := e.owner.SelectContext(ctx, &columns, `SELECT column_name FROM information_schema.columns
		WHERE table_schema = current_schema() AND table_name = $1 AND is_generated = 'NEVER' ORDER BY ordinal_position`, t.name); err != nil {
		return err
	}
	names, values := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		names[i] = pq.QuoteIdentifier(c)
		switch replaced, ok := t.replaced[c]; {
		case c == t.id:
			values[i] = fmt.Sprintf("t.%s + k * %d", names[i], distance)
		case ok:
			values[i] = replaced
		default:
			values[i] = "t." + names[i]
		}
	}
	query := fmt.Sprintf(`INSERT INTO %[1]s (%[2]s) SELECT %[3]s FROM generate_series(CAST($1 AS bigint), CAST($2 AS bigint)) k, %[1]s t
		WHERE t.%[4]s <= $3`, t.name, strings.Join(names, ", "), strings.Join(values, ", "), pq.QuoteIdentifier(t.id))
	restore, err := e.dropIndexes(ctx, t.name)
	if err != nil {
		return err
	}
	// A foreign key that a copy can't break needn't be looked up for each; only a
	// superuser may leave that out.
	var super bool
	if err := e.owner.GetContext(ctx, &super, `SELECT rolsuper FROM pg_roles WHERE rolname = current_user`); err != nil {
		return err
	}
	err = inParallel(2, benchChunks(copies, 10), func(c benchChunk) error {
		return inBenchTx(ctx, e.owner, func(tx *sqlx.Tx) error {
			if super {
				if _, err := tx.ExecContext(ctx, `SET LOCAL session_replication_role = replica`); err != nil {
					return err
				}
			}
			_, err := tx.ExecContext(ctx, query, c.from+1, c.to, high)
			return err
		})
	})
	if err != nil {
		return err
	}
	return inParallel(2, restore, func(index string) error {
		_, err := e.owner.ExecContext(ctx, index)
		return err
	})
}

// dropIndexes drops the indexes of a table that guard nothing and returns what makes
// them again: faster at the end, in one go.
func (e *benchEngine) dropIndexes(ctx context.Context, table string) (restore []string, err error) {
	var all []struct{ Name, Definition string }
	if err := e.owner.SelectContext(ctx, &all, `SELECT CAST(i.indexrelid AS regclass)::text AS name, pg_get_indexdef(i.indexrelid) AS definition
		FROM pg_index i WHERE i.indrelid = to_regclass($1) AND NOT i.indisunique`, table); err != nil {
		return nil, err
	}
	for _, index := range all {
		if _, err := e.owner.ExecContext(ctx, `DROP INDEX `+index.Name); err != nil {
			return nil, err
		}
		restore = append(restore, index.Definition)
	}
	return restore, nil
}

func inBenchTx(ctx context.Context, db *sqlx.DB, f func(*sqlx.Tx) error) error {
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
