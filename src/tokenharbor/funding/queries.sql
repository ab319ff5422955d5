-- Top-ups and captures.

-- name: add_top_up
-- The intent to pay; no row comes back where the account has used this idempotency key.
INSERT INTO top_up (id, account_id, idempotency_key, processor, method, created_at, actor, currency, amount_minor, tax_minor, credit,
                    rate, rate_until, state, automatic, pretended, save_method, processor_id, next_look_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT (account_id, idempotency_key) DO NOTHING
RETURNING *

-- name: top_up
-- A top-up by its id.
SELECT * FROM top_up WHERE id = $1

-- name: lock_top_up
-- Likewise, for a change of it. Its account's wallet is locked first.
SELECT * FROM top_up WHERE id = $1 FOR UPDATE

-- name: top_up_by_key
-- A top-up by its account's idempotency key.
SELECT * FROM top_up WHERE account_id = $1 AND idempotency_key = $2

-- name: top_up_by_object
-- A top-up by its processor's object.
SELECT * FROM top_up WHERE processor = $1 AND processor_id = $2

-- name: count_open
-- How many top-ups of an account wait for their payer.
SELECT count(*) FROM top_up WHERE account_id = $1 AND state = 'open'

-- name: top_ups
-- An account's latest top-ups, or everybody's, newest first; those before one of them.
SELECT * FROM top_up WHERE ($1::uuid IS NULL OR account_id = $1) AND ($2::text IS NULL OR state = $2) AND ($3::uuid IS NULL OR id < $3)
ORDER BY id DESC LIMIT $4

-- name: set_checkout
-- Where the payer pays.
UPDATE top_up SET processor_id = $2, url = $3 WHERE id = $1 AND state = 'open' RETURNING *

-- name: set_state
-- What has become of it, short of a payment. A payment that is known is not forgotten.
UPDATE top_up SET state = $2, fault = $3, processor_id = coalesce(processor_id, nullif($4, '')), next_look_at = CASE WHEN $2 IN ('open', 'pending') THEN next_look_at END
WHERE id = $1 AND state <> 'paid' RETURNING *

-- name: set_confirmed
-- The second person of a recorded payment.
UPDATE top_up SET confirmed_by = $2 WHERE id = $1 RETURNING *

-- name: set_fault
-- Why the last look did not tell anything.
UPDATE top_up SET fault = $2 WHERE id = $1 AND state IN ('open', 'pending')

-- name: set_paid
-- It is paid, with the tax that came on top of it.
UPDATE top_up SET state = 'paid', capture_id = $2, paid_at = $3, processor_id = coalesce(processor_id, $4), amount_minor = $5, tax_minor = $6,
    next_look_at = NULL, fault = ''
WHERE id = $1 RETURNING *

-- name: add_capture
-- What was captured; no row comes back where it was credited before.
INSERT INTO capture (processor, capture_id, top_up_id, account_id, lot_id, currency, captured, captured_minor, fee, instrument, paid_at,
                     refundable_until, processor_refundable_until, dispute_until, tax)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (processor, capture_id) DO NOTHING
RETURNING capture_id

-- name: lot_payments
-- The captures of an account, by lot.
SELECT lot_id, top_up_id, capture_id, captured FROM capture WHERE account_id = $1

-- name: matches
-- The matches that some top-ups have brought: what was granted, what of it can be spent, what not yet, and when that ends.
SELECT c.top_up_id, l.amount AS granted, m.unlocked, coalesce(r.amount, 0) AS locked, l.expires_at
FROM capture c JOIN top_up_match m ON m.top_up_lot = c.lot_id JOIN lot l ON l.id = m.match_lot
LEFT JOIN restricted_credit r ON r.account_id = m.account_id AND r.lot_id = m.match_lot AND r.place = 'locked'
WHERE c.top_up_id = ANY ($1::uuid[])

-- name: add_topped_up
-- What an account has topped up in all, net.
UPDATE wallet SET topped_up = topped_up + $2 WHERE account_id = $1

-- name: save_method
-- What may be charged later without the payer.
INSERT INTO saved_method (account_id, processor, customer_id, method_id, saved_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (account_id, processor) DO UPDATE SET customer_id = excluded.customer_id, method_id = excluded.method_id, saved_at = excluded.saved_at

-- name: saved_method
-- Likewise.
SELECT customer_id, method_id FROM saved_method WHERE account_id = $1 AND processor = $2

-- name: claim_looks
-- Top-ups that are due to be read again; the time of their next look is set at once, so that who dies is followed by another.
UPDATE top_up SET looks = looks + 1, next_look_at = greatest($1 + interval '5 seconds', CASE looks
    WHEN 0 THEN created_at + interval '15 seconds' WHEN 1 THEN created_at + interval '1 minute' WHEN 2 THEN created_at + interval '5 minutes'
    ELSE $1 + interval '1 hour' END)
WHERE id IN (SELECT id FROM top_up WHERE next_look_at <= $1 ORDER BY next_look_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id

-- name: rate
-- The last rate of a currency that counts; with a time, only if it is in force then. One that was replaced never is again.
SELECT * FROM (SELECT * FROM exchange_rate WHERE currency = $1 AND NOT waits ORDER BY set_at DESC LIMIT 1) r
WHERE $2::timestamptz IS NULL OR ends_at IS NULL OR ends_at > $2

-- name: set_rate
-- A rate from now on.
INSERT INTO exchange_rate (currency, set_at, per_usd, ends_at, actor, waits) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (currency, set_at) DO UPDATE SET per_usd = excluded.per_usd, ends_at = excluded.ends_at, actor = excluded.actor, waits = excluded.waits,
    confirmed_by = NULL

-- name: rates_since
-- What counted at $2 or since; of what a second person has confirmed, only the last and what came after it.
SELECT * FROM exchange_rate WHERE currency = $1 AND NOT waits AND set_at >= coalesce((
    SELECT max(set_at) FROM exchange_rate WHERE currency = $1 AND NOT waits AND (set_at <= $2 OR confirmed_by IS NOT NULL)), '-infinity')

-- name: lock_rate
-- The last one that was set, whether it waits or not.
SELECT * FROM exchange_rate WHERE currency = $1 ORDER BY set_at DESC LIMIT 1 FOR UPDATE

-- name: confirm_rate
-- It counts from now on.
UPDATE exchange_rate SET waits = false, confirmed_by = $3, set_at = $4 WHERE currency = $1 AND set_at = $2 RETURNING *

-- name: rates
-- Every rate that was set, oldest first.
SELECT * FROM exchange_rate ORDER BY currency, set_at

-- name: pretended
-- Pretended top-ups of which something is not spent. Less than a cent is no money that could go back.
SELECT t.id, t.account_id, sum(s.end_at - greatest(s.start_at, w.spent))::bigint AS unspent
FROM top_up t JOIN capture c ON c.top_up_id = t.id JOIN wallet w ON w.account_id = t.account_id
JOIN segment s ON s.account_id = t.account_id AND s.lot_id = c.lot_id AND s.end_at > w.spent
WHERE t.pretended GROUP BY t.id, t.account_id HAVING sum(s.end_at - greatest(s.start_at, w.spent)) >= 10000000 ORDER BY t.id
