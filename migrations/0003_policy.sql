-- +goose Up
-- What may be sent where, when and as whom -------------------------------------------

CREATE TABLE country_rules (
    country             text NOT NULL,                              -- ISO 3166-1 of the recipient; '' = every country without a row
    valid_from          timestamptz NOT NULL,                       -- in force from here until the country's next row
    source              text NOT NULL CONSTRAINT country_rules_source CHECK (source <> ''),
    sender_mode         text NOT NULL CONSTRAINT country_rules_sender_mode CHECK (sender_mode IN ('any', 'registered_only', 'none')),
    numeric_sender      boolean NOT NULL,                           -- numbers of the country itself are delivered as senders
    foreign_numeric     boolean NOT NULL,                           -- numbers of other countries are
    barred_names        text[] NOT NULL,                            -- names refused in any case, as they say nothing of who writes
    registration_needed boolean NOT NULL,                           -- whatever the sender, operators want it registered first
    hours               text[] NOT NULL                             -- of marketing: Monday to Sunday, then public holidays; '' = closed
                        CONSTRAINT country_rules_hours CHECK (cardinality(hours) = 8
                            AND array_to_string(hours, ',') ~ '^((([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00))?(,|$)){1,8}$'),
    holiday_set         text NOT NULL,                              -- whose public holidays count, '' = none known
    optout_confirm      boolean NOT NULL,                           -- an opt-out is confirmed by a last text
    PRIMARY KEY (country, valid_from)
);
COMMENT ON TABLE country_rules IS 'shared: what is allowed and delivered by country; newest row not after an instant is in force';

-- Where sources disagree, the strictest is taken. Nobody is texted for advertising on
-- Sundays and public holidays anywhere.
INSERT INTO country_rules (country, valid_from, source, sender_mode, numeric_sender, foreign_numeric, barred_names, registration_needed, hours, holiday_set, optout_confirm)
SELECT r.country, '2020-01-01T00:00:00Z', r.source, r.sender_mode, r.numeric_sender, r.foreign_numeric,
    '{INFO,SMS,NOTICE,SYSTEM,TEST,ALERT,MESSAGE,NOTIFY,VERIFY,SERVICE}', r.registration_needed, CAST(r.hours AS text[]), r.holiday_set, r.optout_confirm
FROM (VALUES
    ('', 'no source: the strictest hours of all countries read; senders are tried, since a wrong no would lose texts for sure',
        'any', true, true, false, '{10:00-18:00,10:00-18:00,10:00-18:00,10:00-18:00,10:00-18:00,"","",""}', '', false),
    ('CH', 'bakom.admin.ch, digilaw.ch (UWG 3(1)(o)); suresms.com (names); hours: house rule Mon-Sat 8-20, no hours found in law',
        'any', true, true, false, '{08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,"",""}', 'CH', false),
    ('LI', 'sent.dm li-sms-guidance (secondary): workdays 10-18, two-way not supported',
        'any', true, true, false, '{10:00-18:00,10:00-18:00,10:00-18:00,10:00-18:00,10:00-18:00,"","",""}', 'LI', false),
    ('DE', 'seven.io blog, suresms.com; UWG 7; hours: house rule, none found in law',
        'any', true, true, false, '{08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,"",""}', 'DE', false),
    ('AT', 'wko.at (TKG 2021 174); senders not settled in sources, taken as CH; hours: house rule',
        'any', true, true, false, '{08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,"",""}', 'AT', false),
    ('FR', 'support.callr.com, help.goacoustic.com, suresms.com, support.twilio.com: strictest of three readings, Sat 10-18; STOP must be acknowledged',
        'any', true, true, false, '{08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,10:00-18:00,"",""}', 'FR', true),
    ('IT', 'AGCOM 42/13/CIR by bulksms.com, help.mailup.com, help.magnews.it: names only if registered, numbers refused by some; hours: house rule',
        'registered_only', true, false, false, '{08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,"",""}', 'IT', false),
    ('GB', 'telerivet.com, bulksms.com, bulksmsrates.com: foreign numbers are not delivered; know-your-customer registration by the operators, 3-10 workdays; hours: house rule',
        'any', true, false, true, '{08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,"",""}', 'GB', false),
    ('US', 'docs.aws.amazon.com keywords-required, TCPA; no names; 10DLC, toll-free and short codes registered; hours: house rule within 8-21',
        'none', true, false, true, '{08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,"",""}', 'US', true),
    ('CA', 'docs.aws.amazon.com keywords-required; no names; new 10DLC numbers since 26 Mar 2025 registered; hours: house rule within 8-21',
        'none', true, false, true, '{08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,08:00-20:00,"",""}', 'CA', true)
) AS r (country, source, sender_mode, numeric_sender, foreign_numeric, registration_needed, hours, holiday_set, optout_confirm);

CREATE TABLE stop_suffixes (
    kind        smallint NOT NULL,                                  -- 1 notification (none by default), 2 marketing
    country     text NOT NULL,                                      -- of the recipient; '' = any without a row of its own
    sender_kind text NOT NULL CONSTRAINT stop_suffixes_sender_kind CHECK (sender_kind IN ('any', 'two_way')),
    service     text NOT NULL,                                      -- only where the route's operator runs it; '' = always
    language    text NOT NULL CONSTRAINT stop_suffixes_language CHECK (language IN ('', 'de', 'fr', 'it', 'en')),
    valid_from  timestamptz NOT NULL,
    separator   text NOT NULL,                                      -- between the text and the form
    form        text NOT NULL CONSTRAINT stop_suffixes_form CHECK (form <> ''), -- {link} is the recipient's own unsubscribe link
    source      text NOT NULL CONSTRAINT stop_suffixes_source CHECK (source <> ''),
    PRIMARY KEY (kind, country, sender_kind, service, language, valid_from)
);
COMMENT ON TABLE stop_suffixes IS 'shared: how a text says how to refuse further ones; the most particular row in force counts';

INSERT INTO stop_suffixes (kind, country, sender_kind, service, language, valid_from, separator, form, source) VALUES
    (2, '', 'any', '', '', '2020-01-01T00:00:00Z', ' ', 'STOP {link}-', 'SMSup FAQ: 26 characters with the separator; the hyphen keeps phones from drawing a preview'),
    (2, '', 'any', 'no-sms.eu', '', '2020-01-01T00:00:00Z', ' ', 'no-sms.eu', 'smsmode STOP page: 9 characters, all destinations but France'),
    (2, 'FR', 'any', '', '', '2020-01-01T00:00:00Z', ' ', 'STOP 36034', 'smsmode STOP page: 10 characters; the short code may change'),
    (2, 'LI', 'any', '', '', '2020-01-01T00:00:00Z', ' ', 'STOP {link}-', 'sent.dm li-sms-guidance (secondary): replies are not supported, so never asked for'),
    (2, '', 'two_way', '', 'de', '2020-01-01T00:00:00Z', ' ', 'Abmelden: STOP', 'house rule: a number that can be answered takes STOP as a reply'),
    (2, '', 'two_way', '', 'fr', '2020-01-01T00:00:00Z', ' ', 'Refus: STOP', 'house rule: a number that can be answered takes STOP as a reply'),
    (2, '', 'two_way', '', 'it', '2020-01-01T00:00:00Z', ' ', 'Disdetta: STOP', 'house rule: a number that can be answered takes STOP as a reply'),
    (2, '', 'two_way', '', 'en', '2020-01-01T00:00:00Z', ' ', 'Opt out: STOP', 'house rule: a number that can be answered takes STOP as a reply');

-- An account's own part ---------------------------------------------------------------

ALTER TABLE accounts
    ADD COLUMN holiday_region  text NOT NULL DEFAULT ''             -- ISO 3166-2 such as CH-ZH; '' = all of the country's regions
        CONSTRAINT accounts_holiday_region CHECK (holiday_region ~ '^([A-Z]{2}-[A-Z0-9]{1,3})?$'),
    ADD COLUMN fallback_sender text NOT NULL DEFAULT '',            -- E.164, shown where the sender asked for is not delivered
    ADD COLUMN two_way_numbers text[] NOT NULL DEFAULT '{}',        -- E.164 senders whose replies reach us
    ADD COLUMN review          text NOT NULL DEFAULT 'none'         -- of marketing: first = held until somebody has looked
        CONSTRAINT accounts_review CHECK (review IN ('none', 'first', 'cleared'));
ALTER TABLE accounts ALTER COLUMN review SET DEFAULT 'first';       -- those here already are known

CREATE TABLE sender_registrations (
    account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    country    text NOT NULL,                                       -- ISO 3166-1 of the recipients
    sender     text NOT NULL,
    state      text NOT NULL CONSTRAINT sender_registrations_state CHECK (state IN ('pending', 'approved', 'rejected')),
    note       text NOT NULL DEFAULT '',                            -- what the operators said
    since      timestamptz NOT NULL,                                -- in this state
    PRIMARY KEY (account_id, country, sender)
);

CREATE TABLE held (
    account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    message_id bigint NOT NULL,
    reason     text NOT NULL CONSTRAINT held_reason CHECK (reason IN ('review', 'registration', 'credit')),
    country    text NOT NULL,                                       -- of the recipient
    sender     text NOT NULL,
    since      timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,                                -- the message's
    PRIMARY KEY (account_id, message_id, reason),
    FOREIGN KEY (account_id, message_id) REFERENCES messages ON DELETE CASCADE
);
CREATE INDEX held_by_reason ON held (account_id, reason, since, message_id);
CREATE INDEX held_by_expiry ON held (account_id, expires_at);
COMMENT ON TABLE held IS 'messages kept out of the queue, a row for each reason; queued when the last is gone';

CREATE TABLE unsubscribe_links (
    token      text PRIMARY KEY,
    account_id bigint NOT NULL,
    recipient  text NOT NULL,                                       -- E.164
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE unsubscribe_links IS 'directory: whose texts a link at the end of a text refuses';

-- +goose StatementBegin
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['sender_registrations', 'held', 'unsubscribe_links'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format($p$CREATE POLICY account_isolation ON %I
            USING (account_id = ANY (ARRAY[CAST(NULLIF(current_setting('app.account_id', true), '') AS bigint)]))
            WITH CHECK (account_id = ANY (ARRAY[CAST(NULLIF(current_setting('app.account_id', true), '') AS bigint)]))$p$, t);
    END LOOP;
END $$;
-- +goose StatementEnd

GRANT SELECT ON country_rules, stop_suffixes, sender_registrations TO rappel_web;
GRANT SELECT, INSERT, DELETE ON held TO rappel_web;
GRANT SELECT, INSERT ON unsubscribe_links TO rappel_web;

-- +goose Down
DROP TABLE unsubscribe_links, held, sender_registrations, stop_suffixes, country_rules;
ALTER TABLE accounts DROP COLUMN review, DROP COLUMN two_way_numbers, DROP COLUMN fallback_sender, DROP COLUMN holiday_region;
