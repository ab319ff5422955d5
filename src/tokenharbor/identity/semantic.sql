-- The semantic cache of an account.

-- name: turn
-- Turns the cache on or off, which begins a new trial.
UPDATE account SET semantic_cache = $2, semantic_compared = 0, semantic_recent = 0, semantic_stopped_at = NULL
WHERE id = $1 AND semantic_cache <> $2 RETURNING id

-- name: let_requests
-- Stores whether single requests may ask for the cache while it is off.
UPDATE account SET semantic_requests = $2 WHERE id = $1 AND semantic_requests <> $2

-- name: compared
-- Counts a comparison, up to the trial's length ($3); the second disagreement in the last 50 stops the cache. No row if it had stopped before.
UPDATE account a SET semantic_compared = least(a.semantic_compared + 1, $3), semantic_recent = n.recent,
    semantic_epoch = a.semantic_epoch + $2::int, semantic_cache = CASE WHEN n.stops THEN 'stopped' ELSE a.semantic_cache END,
    semantic_stopped_at = CASE WHEN n.stops THEN $4::timestamptz END
FROM (SELECT id, (semantic_recent << 1 | $2::int) & ((1::bigint << 50) - 1) AS recent,
             bit_count(((semantic_recent << 1 | $2::int) & ((1::bigint << 50) - 1))::bit(64)) >= 2 AS stops FROM account WHERE id = $1 FOR UPDATE) n
WHERE a.id = n.id AND a.semantic_cache <> 'stopped' RETURNING a.semantic_cache = 'stopped' AS stopped

-- name: report
-- Adds a report; returns no row if the answer was reported before.
INSERT INTO semantic_report (request_id, account_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING request_id
