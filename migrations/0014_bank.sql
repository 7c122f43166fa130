-- +goose Up
-- A payment is looked for by the bank's name of it, whatever booking tells of it.
CREATE INDEX bank_entries_name ON bank_entries (iban, tx_key) WHERE tx_key <> '';

-- +goose Down
DROP INDEX bank_entries_name;
