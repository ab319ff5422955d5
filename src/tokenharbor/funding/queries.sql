-- Top-ups and captures.

-- name: add_top_up
-- Adds an intent to pay; no row if the account has already used this idempotency key.
INSERT INTO top_up (id, account_id, idempotency_key, processor, method, created_at, actor, currency, amount_minor, tax_minor, credit,
                    rate, rate_until, state, automatic, pretended, save_method, processor_id, next_look_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT (account_id, idempotency_key) DO NOTHING
RETURNING *

-- name: top_up
-- A top-up by its id.
SELECT * FROM top_up WHERE id = $1

-- name: lock_top_up
-- Locks a top-up before a change. Its account's wallet is locked first.
SELECT * FROM top_up WHERE id = $1 FOR UPDATE

-- name: top_up_by_key
-- A top-up by its account's idempotency key.
SELECT * FROM top_up WHERE account_id = $1 AND idempotency_key = $2

-- name: top_up_by_object
-- A top-up by the id of the processor's object.
SELECT * FROM top_up WHERE processor = $1 AND processor_id = $2

-- name: count_open
-- The number of an account's top-ups that wait for their payer.
SELECT count(*) FROM top_up WHERE account_id = $1 AND state = 'open'

-- name: top_ups
-- The latest top-ups of an account, or of all, newest first; with $3, those older than that one.
SELECT * FROM top_up WHERE ($1::uuid IS NULL OR account_id = $1) AND ($2::text IS NULL OR state = $2) AND ($3::uuid IS NULL OR id < $3)
ORDER BY id DESC LIMIT $4

-- name: set_checkout
-- Stores where the payer pays.
UPDATE top_up SET processor_id = $2, url = $3 WHERE id = $1 AND state = 'open' RETURNING *

-- name: set_state
-- Sets a state other than paid. A paid top-up, and a known processor id, are never changed.
UPDATE top_up SET state = $2, fault = $3, processor_id = coalesce(processor_id, nullif($4, '')), next_look_at = CASE WHEN $2 IN ('open', 'pending') THEN next_look_at END
WHERE id = $1 AND state <> 'paid' RETURNING *

-- name: set_confirmed
-- Stores the second person of a recorded payment.
UPDATE top_up SET confirmed_by = $2 WHERE id = $1 RETURNING *

-- name: set_fault
-- Stores why the last try failed.
UPDATE top_up SET fault = $2 WHERE id = $1 AND state IN ('open', 'pending')

-- name: set_paid
-- Marks a top-up as paid, with the tax on top of it.
UPDATE top_up SET state = 'paid', capture_id = $2, paid_at = $3, processor_id = coalesce(processor_id, $4), amount_minor = $5, tax_minor = $6,
    next_look_at = NULL, fault = ''
WHERE id = $1 RETURNING *

-- name: add_capture
-- Adds a capture; no row if it is there, that is, was credited before.
INSERT INTO capture (processor, capture_id, top_up_id, account_id, lot_id, currency, captured, captured_minor, fee, instrument, paid_at,
                     refundable_until, processor_refundable_until, dispute_until, tax)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (processor, capture_id) DO NOTHING
RETURNING capture_id

-- name: lot_payments
-- An account's captures with their lots.
SELECT lot_id, top_up_id, capture_id, captured FROM capture WHERE account_id = $1

-- name: matches
-- The matches of top-ups: the amount granted, unlocked and still locked, and when the locked part expires.
SELECT c.top_up_id, l.amount AS granted, m.unlocked, coalesce(r.amount, 0) AS locked, l.expires_at
FROM capture c JOIN top_up_match m ON m.top_up_lot = c.lot_id JOIN lot l ON l.id = m.match_lot
LEFT JOIN restricted_credit r ON r.account_id = m.account_id AND r.lot_id = m.match_lot AND r.place = 'locked'
WHERE c.top_up_id = ANY ($1::uuid[])

-- name: add_topped_up
-- Adds to an account's net sum of top-ups.
UPDATE wallet SET topped_up = topped_up + $2 WHERE account_id = $1

-- name: save_method
-- Saves a method that may be charged later without the payer; replaces the one before.
INSERT INTO saved_method (account_id, processor, customer_id, method_id, saved_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (account_id, processor) DO UPDATE SET customer_id = excluded.customer_id, method_id = excluded.method_id, saved_at = excluded.saved_at

-- name: saved_method
-- An account's saved method at a processor.
SELECT customer_id, method_id FROM saved_method WHERE account_id = $1 AND processor = $2

-- name: claim_due
-- Claims top-ups that are due to be read and sets the time of the next try, so that a try is repeated if its process dies.
UPDATE top_up SET looks = looks + 1, next_look_at = greatest($1 + interval '5 seconds', CASE looks
    WHEN 0 THEN created_at + interval '15 seconds' WHEN 1 THEN created_at + interval '1 minute' WHEN 2 THEN created_at + interval '5 minutes'
    ELSE $1 + interval '1 hour' END)
WHERE id IN (SELECT id FROM top_up WHERE next_look_at <= $1 ORDER BY next_look_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id

-- name: rate
-- The last rate of a currency that counts; with a time, only if in force then. A rate that was replaced never returns.
SELECT * FROM (SELECT * FROM exchange_rate WHERE currency = $1 AND NOT waits ORDER BY set_at DESC LIMIT 1) r
WHERE $2::timestamptz IS NULL OR ends_at IS NULL OR ends_at > $2

-- name: set_rate
-- Sets a rate.
INSERT INTO exchange_rate (currency, set_at, per_usd, ends_at, actor, waits) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (currency, set_at) DO UPDATE SET per_usd = excluded.per_usd, ends_at = excluded.ends_at, actor = excluded.actor, waits = excluded.waits,
    confirmed_by = NULL

-- name: rates_since
-- The rates in force at $2 or later; if one of them was confirmed by a second person, only the last such and later ones.
SELECT * FROM exchange_rate WHERE currency = $1 AND NOT waits AND set_at >= coalesce((
    SELECT max(set_at) FROM exchange_rate WHERE currency = $1 AND NOT waits AND (set_at <= $2 OR confirmed_by IS NOT NULL)), '-infinity')

-- name: lock_rate
-- Locks the rate that was set last, whether it waits or not.
SELECT * FROM exchange_rate WHERE currency = $1 ORDER BY set_at DESC LIMIT 1 FOR UPDATE

-- name: confirm_rate
-- Confirms a rate; it counts from $4 on.
UPDATE exchange_rate SET waits = false, confirmed_by = $3, set_at = $4 WHERE currency = $1 AND set_at = $2 RETURNING *

-- name: rates
-- Every rate, oldest first.
SELECT * FROM exchange_rate ORDER BY currency, set_at

-- name: pretended
-- Pretended top-ups with at least one cent unspent: less cannot be paid back.
SELECT t.id, t.account_id, sum(s.end_at - greatest(s.start_at, w.spent))::bigint AS unspent
FROM top_up t JOIN capture c ON c.top_up_id = t.id JOIN wallet w ON w.account_id = t.account_id
JOIN segment s ON s.account_id = t.account_id AND s.lot_id = c.lot_id AND s.end_at > w.spent
WHERE t.pretended GROUP BY t.id, t.account_id HAVING sum(s.end_at - greatest(s.start_at, w.spent)) >= 10000000 ORDER BY t.id
