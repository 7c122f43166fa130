-- +goose Up
-- Free SMS are given for days of the account, whichever subscription gives them: a month of
-- a subscription told too little once the anchor was another one.
ALTER TABLE subscriptions ADD COLUMN granted_until date; -- before this day they were given
UPDATE subscriptions s SET granted_until = (SELECT max(l.expires_on) FROM credit_lots l WHERE l.account_id = s.account_id AND l.source = 'monthly')
    WHERE s.granted_for <> '';
ALTER TABLE subscriptions DROP COLUMN granted_for;

-- +goose Down
ALTER TABLE subscriptions ADD COLUMN granted_for text NOT NULL DEFAULT '';
UPDATE subscriptions s SET granted_for = to_char(s.granted_until - interval '1 month', 'YYYY-MM') WHERE s.granted_until IS NOT NULL;
ALTER TABLE subscriptions DROP COLUMN granted_until;
