-- +goose Up
-- A link at the end of a text names a number. It goes with the account's last message to
-- that number, and with the account, which no foreign key watches: campaigns write these.
CREATE INDEX unsubscribe_links_age ON unsubscribe_links (account_id, created_at, token);
-- +goose StatementBegin
CREATE FUNCTION links_of_account_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM unsubscribe_links WHERE account_id = OLD.account_id;
    RETURN OLD;
END $$;
-- +goose StatementEnd
CREATE TRIGGER links_of_account_gone AFTER DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION links_of_account_gone();
DELETE FROM unsubscribe_links l WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.account_id = l.account_id);

-- +goose Down
DROP TRIGGER links_of_account_gone ON accounts;
DROP FUNCTION links_of_account_gone();
DROP INDEX unsubscribe_links_age;
