-- +goose Up
-- What a clinic changes about its subscription stands in its log, too. What operators order
-- is written there with the order, under a key of its own.
-- +goose StatementBegin
CREATE FUNCTION audit_subscription() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    who    jsonb := CAST(current_setting('app.actor') AS jsonb);
    shown  text[] := ARRAY['status', 'plan', 'interval', 'quantity', 'trial_end', 'cancel_on', 'pending_quantity', 'pending_interval'];
    new_of jsonb := NEW.after -> 'subscription';
    was    jsonb;
    now_is jsonb;
BEGIN
    SELECT jsonb_object_agg(key, value) INTO was FROM jsonb_each(NEW.before) WHERE key = ANY (shown) AND new_of -> key IS DISTINCT FROM value;
    SELECT jsonb_object_agg(key, value) INTO now_is FROM jsonb_each(new_of) WHERE key = ANY (shown) AND NEW.before -> key IS DISTINCT FROM value;
    INSERT INTO audit (account_id, at, actor_kind, actor_id, actor, role, action, subject, before, after, reason)
    VALUES (NEW.account_id, CAST(who ->> 'at' AS timestamptz), who ->> 'kind', CAST(who ->> 'id' AS bigint), who ->> 'name', who ->> 'role',
        'billing.' || replace(NEW.action, '_', '-'), 'subscriptions:' || (new_of ->> 'id'), was, now_is, COALESCE(NULLIF(NEW.reason, ''), who ->> 'reason', ''));
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_subscription AFTER INSERT ON billing_audit FOR EACH ROW
    WHEN (current_setting('app.actor', true) <> '' AND NEW.actor <> 'system' AND NEW.key NOT LIKE 'admin/%' AND NEW.after ? 'subscription')
    EXECUTE FUNCTION audit_subscription();

-- +goose Down
DROP TRIGGER audit_subscription ON billing_audit;
DROP FUNCTION audit_subscription();
