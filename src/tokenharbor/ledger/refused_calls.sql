-- The counts of refused calls by account, hour, key and code.

-- name: add
-- Adds counts, ordered so that gateways that write at the same time cannot deadlock.
INSERT INTO refused_call AS r (account_id, hour, key_id, code, calls)
SELECT u.account_id, $1, u.key_id, u.code, u.calls FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::bigint[]) u (account_id, key_id, code, calls)
ORDER BY u.account_id, u.key_id, u.code
ON CONFLICT (account_id, hour, key_id, code) DO UPDATE SET calls = r.calls + excluded.calls

-- name: by_key
-- The counts of an account, or of one of its keys, since an hour: by key and code, with the latest hour.
SELECT max(hour) AS hour, key_id, code, sum(calls)::bigint AS calls FROM refused_call
WHERE account_id = $1 AND hour >= $2 AND ($3::uuid IS NULL OR key_id = $3) GROUP BY key_id, code ORDER BY calls DESC, code, key_id LIMIT $4

-- name: by_hour
-- The same by hour and code, latest first.
SELECT hour, NULL::uuid AS key_id, code, sum(calls)::bigint AS calls FROM refused_call
WHERE account_id = $1 AND hour >= $2 AND ($3::uuid IS NULL OR key_id = $3) GROUP BY hour, code ORDER BY hour DESC, calls DESC, code LIMIT $4

-- name: purge
-- Deletes the counts from before an hour.
DELETE FROM refused_call WHERE hour < $1
