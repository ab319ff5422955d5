-- Alert preferences, notices and their deliveries.

-- name: preferences
-- An account's preferences; no row if it has set none.
SELECT mail, low_balance FROM alert_preference WHERE account_id = $1

-- name: set_preferences
-- A new threshold clears `is_low`, so that a balance already below it is reported again.
INSERT INTO alert_preference (account_id, mail, low_balance, changed_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (account_id) DO UPDATE
SET mail = excluded.mail, low_balance = excluded.low_balance, changed_at = excluded.changed_at,
    is_low = alert_preference.is_low AND alert_preference.low_balance IS NOT DISTINCT FROM excluded.low_balance

-- name: webhook
-- An account's webhook; no row if it has none.
SELECT url, sealed, seal_key_id FROM alert_webhook WHERE account_id = $1

-- name: set_webhook
-- Replaces an account's webhook.
INSERT INTO alert_webhook (account_id, url, sealed, seal_key_id, changed_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (account_id) DO UPDATE
SET url = excluded.url, sealed = excluded.sealed, seal_key_id = excluded.seal_key_id, changed_at = excluded.changed_at

-- name: drop_webhook
-- Deletes an account's webhook and its secret.
DELETE FROM alert_webhook WHERE account_id = $1

-- name: owners
-- The owners who get an account's mail, and their languages.
SELECT u.email, coalesce(nullif(u.locale, ''), u.seen_locale) AS language FROM membership m JOIN app_user u ON u.id = m.user_id
WHERE m.account_id = $1 AND m.role = 'owner' AND u.email IS NOT NULL ORDER BY m.created_at, u.id

-- name: add_test
-- A test notice, with a random period so that each is new.
INSERT INTO notice (account_id, kind, period, at, facts) VALUES ($1, 'test', gen_random_uuid()::text, $2, '{}') RETURNING id

-- name: notices
-- An account's latest notices, newest first, one row for each delivery.
SELECT n.id, n.account_id, n.kind, n.at, n.facts, d.channel, d.state, d.tries, d.next_look_at, d.sent_at, d.fault, d.fault_code, d.fault_status
FROM (SELECT * FROM notice WHERE account_id = $1 ORDER BY at DESC, id LIMIT $2) n JOIN notice_delivery d ON d.notice_id = n.id
ORDER BY n.at DESC, n.id, d.channel

-- name: claim
-- Claims deliveries that are due (of notice $3, if not null) and sets the time of the next try, so that a try is repeated if its process dies.
UPDATE notice_delivery d SET tries = d.tries + 1, next_look_at = $1 + CASE d.tries
    WHEN 0 THEN interval '1 minute' WHEN 1 THEN interval '5 minutes' WHEN 2 THEN interval '30 minutes' WHEN 3 THEN interval '2 hours'
    ELSE interval '6 hours' END
FROM notice n
WHERE n.id = d.notice_id AND (d.notice_id, d.channel) IN (
    SELECT notice_id, channel FROM notice_delivery WHERE next_look_at <= $1 AND ($3::uuid IS NULL OR notice_id = $3)
    ORDER BY next_look_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING n.id, n.account_id, n.kind, n.at, n.facts, d.channel, d.tries

-- name: set_delivery
-- Records the outcome of a try. A delivery that still waits keeps the time of its next try.
UPDATE notice_delivery SET state = $3, fault = $4, fault_code = $6, fault_status = $7, sent_at = CASE WHEN $3 = 'sent' THEN $5::timestamptz END,
    next_look_at = CASE WHEN $3 = 'waiting' THEN next_look_at END
WHERE notice_id = $1 AND channel = $2
