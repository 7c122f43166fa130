-- +goose Up
-- What people of a clinic set about its money is written down like the rest of what they
-- change: the balance they are told at, where invoices go, what pays them. Rows that a
-- lock opens are empty yet, and say nothing.
CREATE TRIGGER audit_change AFTER UPDATE OF alert_below ON credit_accounts
    FOR EACH ROW WHEN (current_setting('app.actor', true) <> '') EXECUTE FUNCTION audit_change();
CREATE TRIGGER audit_change AFTER UPDATE ON billing_accounts
    FOR EACH ROW WHEN (current_setting('app.actor', true) <> '') EXECUTE FUNCTION audit_change();
CREATE TRIGGER audit_opened AFTER INSERT ON billing_accounts
    FOR EACH ROW WHEN (current_setting('app.actor', true) <> '' AND (NEW.zip <> '' OR NEW.auto_charge)) EXECUTE FUNCTION audit_change();
CREATE TRIGGER audit_change AFTER UPDATE OF standard, removed_at ON payment_methods
    FOR EACH ROW WHEN (current_setting('app.actor', true) <> '') EXECUTE FUNCTION audit_change();

-- +goose Down
DROP TRIGGER audit_change ON payment_methods;
DROP TRIGGER audit_opened ON billing_accounts;
DROP TRIGGER audit_change ON billing_accounts;
DROP TRIGGER audit_change ON credit_accounts;
