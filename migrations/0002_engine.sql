-- +goose Up
-- An id that stands for a whole message needs no status of its own: the message's is
-- the same, so its receipt writes one row and not two.
ALTER TABLE carrier_refs ADD COLUMN whole boolean NOT NULL DEFAULT false;

CREATE TABLE invalid_numbers (
    account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    recipient  text NOT NULL,
    message_id bigint NOT NULL,                                     -- the message that showed it
    code       text NOT NULL DEFAULT '',                            -- the carrier's own code
    since      timestamptz NOT NULL,
    PRIMARY KEY (account_id, recipient)
);
COMMENT ON TABLE invalid_numbers IS 'numbers a carrier says nobody has; not texted for a while, since numbers are given out anew';
ALTER TABLE invalid_numbers ENABLE ROW LEVEL SECURITY;
CREATE POLICY account_isolation ON invalid_numbers
    USING (account_id = ANY (ARRAY[CAST(NULLIF(current_setting('app.account_id', true), '') AS bigint)]))
    WITH CHECK (account_id = ANY (ARRAY[CAST(NULLIF(current_setting('app.account_id', true), '') AS bigint)]));
GRANT SELECT, INSERT, UPDATE, DELETE ON invalid_numbers TO rappel_web;

CREATE TABLE carrier_tokens (
    carrier text PRIMARY KEY,
    tokens  double precision NOT NULL,                              -- parts that may be submitted now; below zero: debt
    at      timestamptz NOT NULL                                    -- when that was so
);

-- A foreign key costs a look-up, and a lock on the account's row, for every message four
-- times over: more than writing the rows. Only the outbox and the dispatcher write these
-- tables, from rows they have in hand. What the keys did when something is deleted, two
-- triggers do.
ALTER TABLE messages DROP CONSTRAINT messages_account_id_fkey;
ALTER TABLE queue DROP CONSTRAINT queue_account_id_fkey;
ALTER TABLE claims DROP CONSTRAINT claims_account_id_fkey;
ALTER TABLE sent DROP CONSTRAINT sent_account_id_fkey, DROP CONSTRAINT sent_account_id_message_id_fkey;
-- +goose StatementBegin
CREATE FUNCTION messages_of_account_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM queue WHERE account_id = OLD.account_id;
    DELETE FROM claims WHERE account_id = OLD.account_id;
    DELETE FROM sent WHERE account_id = OLD.account_id;
    DELETE FROM messages WHERE account_id = OLD.account_id;
    RETURN OLD;
END $$;
-- +goose StatementEnd
CREATE TRIGGER messages_of_account_gone AFTER DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION messages_of_account_gone();
-- +goose StatementBegin
CREATE FUNCTION sent_of_message_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM sent WHERE account_id = OLD.account_id AND message_id = OLD.id;
    RETURN OLD;
END $$;
-- +goose StatementEnd
CREATE TRIGGER sent_of_message_gone AFTER DELETE ON messages FOR EACH ROW EXECUTE FUNCTION sent_of_message_gone();

-- Marketing is due work of a kind of its own, so that a reminder is never leased behind it.
INSERT INTO due (account_id, kind, due_at)
SELECT account_id, 'campaign', min(send_at) FROM queue WHERE priority = 5 GROUP BY account_id
ON CONFLICT (account_id, kind) DO NOTHING;

-- These turn over by the thousand a second. With the defaults, a fifth of a table must be
-- dead before it is swept, and its statistics are made for the size it had an hour ago.
ALTER TABLE queue SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE claims SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE due SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE sent SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE carrier_refs SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE messages SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

-- +goose Down
DROP TRIGGER sent_of_message_gone ON messages;
DROP FUNCTION sent_of_message_gone();
DROP TRIGGER messages_of_account_gone ON accounts;
DROP FUNCTION messages_of_account_gone();
ALTER TABLE messages ADD CONSTRAINT messages_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts ON DELETE CASCADE;
ALTER TABLE queue ADD CONSTRAINT queue_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts ON DELETE CASCADE;
ALTER TABLE claims ADD CONSTRAINT claims_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts ON DELETE CASCADE;
ALTER TABLE sent ADD CONSTRAINT sent_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts ON DELETE CASCADE,
    ADD CONSTRAINT sent_account_id_message_id_fkey FOREIGN KEY (account_id, message_id) REFERENCES messages ON DELETE CASCADE;
DELETE FROM due WHERE kind = 'campaign';
INSERT INTO due (account_id, kind, due_at)
SELECT account_id, 'dispatch', min(send_at) FROM queue WHERE priority = 5 GROUP BY account_id
ON CONFLICT (account_id, kind) DO UPDATE SET due_at = LEAST(due.due_at, EXCLUDED.due_at);
DROP TABLE carrier_tokens, invalid_numbers;
ALTER TABLE carrier_refs DROP COLUMN whole;
ALTER TABLE queue RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
    autovacuum_analyze_scale_factor, autovacuum_analyze_threshold, autovacuum_vacuum_cost_delay);
ALTER TABLE claims RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
    autovacuum_analyze_scale_factor, autovacuum_analyze_threshold, autovacuum_vacuum_cost_delay);
ALTER TABLE due RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
    autovacuum_analyze_scale_factor, autovacuum_analyze_threshold, autovacuum_vacuum_cost_delay);
ALTER TABLE sent RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
ALTER TABLE carrier_refs RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
ALTER TABLE messages RESET (autovacuum_vacuum_insert_scale_factor, autovacuum_analyze_scale_factor);
