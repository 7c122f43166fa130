-- +goose Up
-- A means of payment that comes to be stored stands in the clinic's log, as its changes do.
CREATE TRIGGER audit_stored AFTER INSERT ON payment_methods
    FOR EACH ROW WHEN (current_setting('app.actor', true) <> '') EXECUTE FUNCTION audit_change();

-- +goose Down
DROP TRIGGER audit_stored ON payment_methods;
