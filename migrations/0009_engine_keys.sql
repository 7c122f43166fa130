-- +goose Up
-- Nobody reads these in the order of a language: they are keys. Compared byte by byte, an
-- index on them is written and searched in half the time.
ALTER TABLE carrier_refs ALTER COLUMN carrier TYPE text COLLATE "C", ALTER COLUMN carrier_message_id TYPE text COLLATE "C";
ALTER TABLE early_receipts ALTER COLUMN carrier TYPE text COLLATE "C", ALTER COLUMN carrier_message_id TYPE text COLLATE "C";
ALTER TABLE messages ALTER COLUMN reference TYPE text COLLATE "C", ALTER COLUMN recipient TYPE text COLLATE "C";
ALTER TABLE opt_outs ALTER COLUMN recipient TYPE text COLLATE "C";
ALTER TABLE invalid_numbers ALTER COLUMN recipient TYPE text COLLATE "C";

-- What tells two ids apart comes first: nearly every id is of the same carrier.
ALTER TABLE carrier_refs DROP CONSTRAINT carrier_refs_pkey, ADD PRIMARY KEY (carrier_message_id, carrier);

-- Rows come in the order of time. An index in that order grows at its end and stays dense;
-- in the other, as it was, each page is split in the middle. It is read backwards as fast.
DROP INDEX messages_listing;
CREATE INDEX messages_listing ON messages (account_id, created_at, id);

-- +goose Down
DROP INDEX messages_listing;
CREATE INDEX messages_listing ON messages (account_id, created_at DESC, id DESC);
ALTER TABLE carrier_refs DROP CONSTRAINT carrier_refs_pkey, ADD PRIMARY KEY (carrier, carrier_message_id);
ALTER TABLE invalid_numbers ALTER COLUMN recipient TYPE text COLLATE "default";
ALTER TABLE opt_outs ALTER COLUMN recipient TYPE text COLLATE "default";
ALTER TABLE messages ALTER COLUMN reference TYPE text COLLATE "default", ALTER COLUMN recipient TYPE text COLLATE "default";
ALTER TABLE early_receipts ALTER COLUMN carrier TYPE text COLLATE "default", ALTER COLUMN carrier_message_id TYPE text COLLATE "default";
ALTER TABLE carrier_refs ALTER COLUMN carrier TYPE text COLLATE "default", ALTER COLUMN carrier_message_id TYPE text COLLATE "default";
