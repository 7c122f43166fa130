-- +goose Up
-- The short code is the operator's who runs no-sms.eu: over another's route nobody hears
-- what is written to it. Without that service a text to France has the recipient's link, or
-- asks for a reply where one reaches us.
UPDATE stop_suffixes SET service = 'no-sms.eu', source = 'smsmode STOP page: 10 characters, its own short code for France; the code may change'
WHERE kind = 2 AND country = 'FR' AND sender_kind = 'any' AND service = '' AND form = 'STOP 36034';

-- +goose Down
UPDATE stop_suffixes SET service = '', source = 'smsmode STOP page: 10 characters; the short code may change'
WHERE kind = 2 AND country = 'FR' AND sender_kind = 'any' AND service = 'no-sms.eu' AND form = 'STOP 36034';
