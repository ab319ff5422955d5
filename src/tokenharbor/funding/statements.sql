-- Statements: sums of an account's entries, made by the database. All of them leave out what was written after entry number $2.

-- name: moves
-- What was posted to and from the lots of an account before $4, summed: before $3, and since.
SELECT e.at < $3 AS before, e.type, l.origin, p.source, p.destination, sum(p.amount)::bigint AS amount
FROM lot l JOIN posting p ON p.lot_id = l.id JOIN entry e ON e.id = p.entry_id
WHERE l.account_id = $1 AND e.account_id = $1 AND e.seq <= $2 AND e.at < $4
GROUP BY 1, 2, 3, 4, 5

-- name: first_since
-- The first entry in the account's order that is of $3 or later; no id of such a one is below $4.
SELECT seq, pos FROM entry WHERE account_id = $1 AND seq <= $2 AND at >= $3 AND id >= $4 ORDER BY seq LIMIT 1

-- name: late
-- Charges of before $3 that stand after entry number $5: a journal was replayed. No id of such a one is above $4.
SELECT pos, amount FROM entry WHERE account_id = $1 AND seq <= $2 AND at < $3 AND id < $4 AND seq > $5 AND type = 'usage'

-- name: daily
-- Charges in [$3, $4) by day (UTC) and model; ids bound by $5 and $6. Without its row a request has no model.
SELECT (e.at AT TIME ZONE 'UTC')::date AS day, coalesce(r.model, '') AS model, count(*) AS requests,
       sum(e.amount)::bigint AS cost, sum(e.fee)::bigint AS fee
FROM entry e LEFT JOIN request r ON r.account_id = $1 AND r.id = e.id AND r.id >= $5 AND r.id < $6
WHERE e.account_id = $1 AND e.seq <= $2 AND e.type = 'usage' AND e.at >= $3 AND e.at < $4 AND e.id >= $5 AND e.id < $6
GROUP BY 1, 2 ORDER BY 1, 2

-- name: payments
-- Payments that were credited in [$2, $3).
SELECT c.paid_at, c.top_up_id, c.processor, c.capture_id, c.currency, c.captured_minor, t.tax_minor, c.captured
FROM capture c JOIN top_up t ON t.id = c.top_up_id
WHERE c.account_id = $1 AND c.paid_at >= $2 AND c.paid_at < $3 ORDER BY c.paid_at, c.top_up_id
