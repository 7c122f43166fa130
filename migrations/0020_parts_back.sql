-- +goose Up
-- A payment goes back in parts, too: several refunds of one, each under its own reference.
-- That they stay within the payment is checked where they are booked, under the payer's lock.
ALTER TABLE payments DROP CONSTRAINT payments_account_id_reverses_id_key;
CREATE INDEX payments_reverses ON payments (account_id, reverses_id) WHERE reverses_id IS NOT NULL;

-- +goose Down
DROP INDEX payments_reverses;
UPDATE payments p SET kind = 'refund', reverses_id = NULL
    WHERE p.kind = 'reversal' AND EXISTS (SELECT 1 FROM payments f WHERE f.account_id = p.account_id AND f.reverses_id = p.reverses_id AND f.id < p.id);
ALTER TABLE payments ADD CONSTRAINT payments_account_id_reverses_id_key UNIQUE (account_id, reverses_id);
