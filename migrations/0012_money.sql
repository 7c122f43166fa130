-- +goose Up
-- Who ordered a suspension: only dunning's own (system) ends with the payment.
ALTER TABLE subscriptions ADD COLUMN suspended_by text NOT NULL DEFAULT '';
UPDATE subscriptions s SET suspended_by = COALESCE((SELECT a.actor FROM billing_audit a WHERE a.account_id = s.account_id AND a.action = 'suspend' ORDER BY a.id DESC LIMIT 1), 'system')
    WHERE s.status = 'suspended';
ALTER TABLE subscriptions ADD CONSTRAINT subscriptions_suspended_by CHECK (status <> 'suspended' OR suspended_by <> '');

-- An invoice that is open again, because its payment went back, is reminded of anew.
ALTER TABLE invoices ADD COLUMN reopened int NOT NULL DEFAULT 0 CONSTRAINT invoices_reopened CHECK (reopened >= 0); -- times
ALTER TABLE dunning_steps ADD COLUMN round int NOT NULL DEFAULT 0 CONSTRAINT dunning_steps_round CHECK (round >= 0); -- how often it had been opened again
ALTER TABLE dunning_steps DROP CONSTRAINT dunning_steps_pkey, ADD PRIMARY KEY (account_id, invoice_id, round, level);

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION invoice_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.status <> 'draft' THEN
            RAISE EXCEPTION 'invoice % is kept: it has a number', OLD.id USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN OLD;
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'draft' THEN
            RAISE EXCEPTION 'an invoice begins as a draft' USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.status <> OLD.status AND NOT (
        OLD.status = 'draft' AND NEW.status IN ('open', 'paid')
        OR OLD.status = 'open' AND NEW.status IN ('paid', 'void', 'uncollectible')
        OR OLD.status = 'uncollectible' AND NEW.status = 'paid'
        OR OLD.status = 'paid' AND NEW.status = 'open') THEN
        RAISE EXCEPTION 'invoice % does not go from % to %', OLD.id, OLD.status, NEW.status USING ERRCODE = 'insufficient_privilege';
    END IF;
    NEW.reopened := OLD.reopened + CASE WHEN OLD.status = 'paid' AND NEW.status = 'open' THEN 1 ELSE 0 END;
    IF OLD.status <> 'draft' THEN
        IF to_jsonb(NEW) - 'status' - 'pdf_sha256' - 'reopened' <> to_jsonb(OLD) - 'status' - 'pdf_sha256' - 'reopened'
            OR OLD.pdf_sha256 IS NOT NULL AND NEW.pdf_sha256 IS DISTINCT FROM OLD.pdf_sha256 THEN
            RAISE EXCEPTION 'invoice % has a number and stays as it is; credit it instead', OLD.id USING ERRCODE = 'insufficient_privilege';
        END IF;
    ELSIF NEW.status <> 'draft' AND (
        NEW.net IS DISTINCT FROM (SELECT sum(l.net_rappen) FROM invoice_lines l WHERE l.account_id = NEW.account_id AND l.invoice_id = NEW.id)
        OR NEW.net IS DISTINCT FROM (SELECT sum(x.net) FROM invoice_taxes x WHERE x.account_id = NEW.account_id AND x.invoice_id = NEW.id)
        OR NEW.tax IS DISTINCT FROM (SELECT sum(x.tax) FROM invoice_taxes x WHERE x.account_id = NEW.account_id AND x.invoice_id = NEW.id)) THEN
        RAISE EXCEPTION 'invoice % does not add up', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION invoice_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.status <> 'draft' THEN
            RAISE EXCEPTION 'invoice % is kept: it has a number', OLD.id USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN OLD;
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'draft' THEN
            RAISE EXCEPTION 'an invoice begins as a draft' USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.status <> OLD.status AND NOT (
        OLD.status = 'draft' AND NEW.status IN ('open', 'paid')
        OR OLD.status = 'open' AND NEW.status IN ('paid', 'void', 'uncollectible')
        OR OLD.status = 'uncollectible' AND NEW.status = 'paid'
        OR OLD.status = 'paid' AND NEW.status = 'open') THEN
        RAISE EXCEPTION 'invoice % does not go from % to %', OLD.id, OLD.status, NEW.status USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF OLD.status <> 'draft' THEN
        IF to_jsonb(NEW) - 'status' - 'pdf_sha256' <> to_jsonb(OLD) - 'status' - 'pdf_sha256'
            OR OLD.pdf_sha256 IS NOT NULL AND NEW.pdf_sha256 IS DISTINCT FROM OLD.pdf_sha256 THEN
            RAISE EXCEPTION 'invoice % has a number and stays as it is; credit it instead', OLD.id USING ERRCODE = 'insufficient_privilege';
        END IF;
    ELSIF NEW.status <> 'draft' AND (
        NEW.net IS DISTINCT FROM (SELECT sum(l.net_rappen) FROM invoice_lines l WHERE l.account_id = NEW.account_id AND l.invoice_id = NEW.id)
        OR NEW.net IS DISTINCT FROM (SELECT sum(x.net) FROM invoice_taxes x WHERE x.account_id = NEW.account_id AND x.invoice_id = NEW.id)
        OR NEW.tax IS DISTINCT FROM (SELECT sum(x.tax) FROM invoice_taxes x WHERE x.account_id = NEW.account_id AND x.invoice_id = NEW.id)) THEN
        RAISE EXCEPTION 'invoice % does not add up', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
-- Of several rounds the last is kept.
DROP TRIGGER dunning_steps_frozen ON dunning_steps;
DELETE FROM dunning_steps d USING dunning_steps l WHERE l.account_id = d.account_id AND l.invoice_id = d.invoice_id AND l.level = d.level AND l.round > d.round;
CREATE TRIGGER dunning_steps_frozen BEFORE UPDATE OR DELETE ON dunning_steps FOR EACH ROW EXECUTE FUNCTION billing_frozen();
ALTER TABLE dunning_steps DROP CONSTRAINT dunning_steps_pkey, ADD PRIMARY KEY (account_id, invoice_id, level), DROP COLUMN round;
ALTER TABLE invoices DROP COLUMN reopened;
ALTER TABLE subscriptions DROP COLUMN suspended_by;
