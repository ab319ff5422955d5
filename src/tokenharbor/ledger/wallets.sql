-- What moves credit, and what an account has.

-- name: grant_credit
-- Grants a lot, once.
SELECT grant_credit($1, ROW ($2, $3, $4, $5, $6, $7, $8, $9, $10, $1)::lot, $7, $11, $12, $13)

-- name: claw_credit
-- Takes a lot back.
SELECT claw_credit($1, $2, $3, $4, $5, $6, $7)

-- name: expire_account
-- Runs what is due to expire.
SELECT expire_account($1, $2)

-- name: credit_posting
-- Where a credit came from.
SELECT e.account_id, p.amount, p.source, p.destination, p.lot_id
FROM entry e JOIN posting p ON p.entry_id = e.id WHERE e.id = $1 AND e.type = 'credit' ORDER BY p.ordinal LIMIT 1

-- name: returned_of_lot
-- How much of a lot was taken back, perhaps as debt, or has expired.
SELECT coalesce(sum(p.amount), 0)::bigint
FROM entry e JOIN posting p ON p.entry_id = e.id
WHERE e.account_id = $1 AND e.type IN ('claw', 'expiry') AND p.lot_id = $2

-- name: balance
-- The wallet, with what lies on its line by pool: what has expired counts only as far as it is held.
SELECT w.held, w.debt, s.pool, sum(s.end_at - greatest(s.start_at, w.spent))::bigint AS amount
FROM wallet w LEFT JOIN LATERAL (
    SELECT l.pool, s.start_at, CASE WHEN l.expires_at <= $2 THEN least(s.end_at, greatest(s.start_at, w.spent + w.held)) ELSE s.end_at END AS end_at
    FROM segment s JOIN lot l ON l.id = s.lot_id WHERE s.account_id = w.account_id AND s.end_at > w.spent) s ON s.end_at > w.spent
WHERE w.account_id = $1
GROUP BY w.held, w.debt, s.pool
