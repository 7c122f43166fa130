-- +goose Up
-- What a subscription covers is compared with what is connected by people who may not see
-- a clinic's calendars. So their number is kept apart: per account, as a sub-account's
-- transaction writes nothing of its payer's.
CREATE TABLE connected_calendars (
    account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE PRIMARY KEY,
    connected  bigint NOT NULL CONSTRAINT connected_calendars_connected CHECK (connected >= 0) -- calendars being watched
);
COMMENT ON TABLE connected_calendars IS 'how many calendars an account has watched; kept by a trigger on calendars';
INSERT INTO connected_calendars (account_id, connected) SELECT c.account_id, count(*) FROM calendars c WHERE c.watched GROUP BY c.account_id;

-- +goose StatementBegin
CREATE FUNCTION calendar_connected() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.watched THEN
        UPDATE connected_calendars SET connected = connected - 1 WHERE account_id = OLD.account_id;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.watched THEN
        INSERT INTO connected_calendars AS k (account_id, connected) VALUES (NEW.account_id, 1)
        ON CONFLICT (account_id) DO UPDATE SET connected = k.connected + 1;
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER calendar_connected AFTER INSERT OR DELETE ON calendars FOR EACH ROW EXECUTE FUNCTION calendar_connected();
CREATE TRIGGER calendar_connected_changed AFTER UPDATE ON calendars FOR EACH ROW
    WHEN (OLD.watched <> NEW.watched) EXECUTE FUNCTION calendar_connected();

ALTER TABLE connected_calendars ENABLE ROW LEVEL SECURITY;
CREATE POLICY account_isolation ON connected_calendars
    USING (account_id = ANY (ARRAY[CAST(NULLIF(current_setting('app.account_id', true), '') AS bigint)]))
    WITH CHECK (account_id = ANY (ARRAY[CAST(NULLIF(current_setting('app.account_id', true), '') AS bigint)]));
CREATE POLICY operator_sees_all ON connected_calendars TO rappel_operator USING (true) WITH CHECK (true);
-- The trigger works with the rights of whoever picks a calendar.
GRANT SELECT, INSERT, UPDATE ON connected_calendars TO rappel_web;
GRANT SELECT ON connected_calendars TO rappel_operator;

-- +goose Down
DROP TRIGGER calendar_connected_changed ON calendars;
DROP TRIGGER calendar_connected ON calendars;
DROP FUNCTION calendar_connected();
DROP TABLE connected_calendars;
