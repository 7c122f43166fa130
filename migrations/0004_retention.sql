-- +goose Up
-- How long an account keeps what was sent and received. NULL = the product's default
-- (notify.DefaultRetention), so that a better default reaches everybody who chose none.
ALTER TABLE accounts
    ADD COLUMN retain_messages_days int                             -- with history, reminders and promises
        CONSTRAINT accounts_retain_messages CHECK (retain_messages_days BETWEEN 7 AND 1825),
    ADD COLUMN retain_replies_days  int
        CONSTRAINT accounts_retain_replies CHECK (retain_replies_days BETWEEN 7 AND 1825);

CREATE TABLE chores (
    name   text PRIMARY KEY,
    due_at timestamptz NOT NULL,
    place  text[] NOT NULL DEFAULT '{}'                             -- how far this round has come; '{}' = the beginning
);
COMMENT ON TABLE chores IS 'work that belongs to no account; whoever locks the row does the next piece';

-- +goose Down
DELETE FROM due WHERE kind = 'purge';
DROP TABLE chores;
ALTER TABLE accounts DROP COLUMN retain_messages_days, DROP COLUMN retain_replies_days;
