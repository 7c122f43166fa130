-- +goose Up
-- What a billing admin may give away by hand.
ALTER TABLE seller
    ADD COLUMN four_eyes_rappen  bigint NOT NULL DEFAULT 50000 CONSTRAINT seller_four_eyes_rappen CHECK (four_eyes_rappen >= 0), -- above it a second admin confirms
    ADD COLUMN four_eyes_sms     bigint NOT NULL DEFAULT 5000 CONSTRAINT seller_four_eyes_sms CHECK (four_eyes_sms >= 0),
    ADD COLUMN most_rappen       bigint NOT NULL DEFAULT 500000, -- nobody gives more at once
    ADD COLUMN most_sms          bigint NOT NULL DEFAULT 50000,
    ADD CONSTRAINT seller_most_rappen CHECK (most_rappen >= four_eyes_rappen),
    ADD CONSTRAINT seller_most_sms CHECK (most_sms >= four_eyes_sms);

CREATE TABLE admin_actions (
    key         text PRIMARY KEY CONSTRAINT admin_actions_key CHECK (key <> ''), -- of the form that was sent: what it asks for happens once
    operator_id bigint NOT NULL,
    operator    text NOT NULL,                                      -- their name then
    for_account bigint NOT NULL DEFAULT 0,                          -- 0 = of no account, such as a price
    action      text NOT NULL CONSTRAINT admin_actions_action CHECK (action <> ''),
    request     jsonb NOT NULL,                                     -- the form as it was confirmed
    digest      text NOT NULL,                                      -- of the preview that was confirmed
    rappen      bigint NOT NULL DEFAULT 0,                          -- given away by it
    sms         bigint NOT NULL DEFAULT 0,
    reason      text NOT NULL CONSTRAINT admin_actions_reason CHECK (reason <> ''),
    status      text NOT NULL CONSTRAINT admin_actions_status CHECK (status IN ('waiting', 'begun', 'done', 'refused')),
    asked_at    timestamptz NOT NULL,
    decided_by  bigint,                                             -- who confirmed or refused what waited; NULL = nobody had to
    decider     text NOT NULL DEFAULT '',
    decision    text NOT NULL DEFAULT '',                           -- why, or what came in the way
    decided_at  timestamptz,
    done_at     timestamptz,
    CONSTRAINT admin_actions_four_eyes CHECK (decided_by <> operator_id OR status = 'refused'), -- who asks doesn't confirm
    CONSTRAINT admin_actions_done CHECK ((status = 'done') = (done_at IS NOT NULL))
);
CREATE INDEX admin_actions_open ON admin_actions (asked_at) WHERE status IN ('waiting', 'begun');
CREATE INDEX admin_actions_account ON admin_actions (for_account, asked_at);
COMMENT ON TABLE admin_actions IS 'directory: what billing admins ordered, and who confirmed it';

-- +goose StatementBegin
CREATE FUNCTION admin_action_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.status IN ('done', 'refused')
        OR NOT (OLD.status = 'waiting' AND NEW.status IN ('begun', 'refused') OR OLD.status = 'begun' AND NEW.status IN ('done', 'refused'))
        OR (NEW.key, NEW.operator_id, NEW.operator, NEW.for_account, NEW.action, NEW.request, NEW.digest, NEW.rappen, NEW.sms, NEW.reason, NEW.asked_at)
            IS DISTINCT FROM (OLD.key, OLD.operator_id, OLD.operator, OLD.for_account, OLD.action, OLD.request, OLD.digest, OLD.rappen, OLD.sms, OLD.reason, OLD.asked_at) THEN
        RAISE EXCEPTION 'what an admin ordered is kept as it was' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER admin_action_changed BEFORE UPDATE OR DELETE ON admin_actions FOR EACH ROW EXECUTE FUNCTION admin_action_changed();

GRANT SELECT, INSERT ON admin_actions TO rappel_operator;
GRANT UPDATE (status, decided_by, decider, decision, decided_at, done_at) ON admin_actions TO rappel_operator;

-- +goose Down
DROP TABLE admin_actions;
DROP FUNCTION admin_action_changed();
ALTER TABLE seller DROP COLUMN four_eyes_rappen, DROP COLUMN four_eyes_sms, DROP COLUMN most_rappen, DROP COLUMN most_sms;
