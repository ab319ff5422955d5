-- The books read back page by page, to verify and to export them: no statement reads long.

-- name: wallet
-- An account's wallet, and the last number that an entry of it bears.
SELECT line_end, spent, held, debt, nullif(next_expiry, 'infinity') AS next_expiry, w.seq, step, chain, (SELECT seq FROM entry e WHERE e.account_id = $1 ORDER BY seq DESC LIMIT 1) AS last_seq
FROM wallet w WHERE w.account_id = $1

-- name: line
-- What lies on an account's line, in order.
SELECT start_at, end_at, lot_id FROM segment WHERE account_id = $1 ORDER BY start_at

-- name: lots
-- Every lot that an account was ever granted.
SELECT id, pool, origin, amount, granted_at, expires_at, refundable_until, withdrawable_from
FROM lot WHERE account_id = $1 ORDER BY granted_at, id

-- name: entry_page
-- Some of an account's entries in order, each with its request as far as that is still there.
SELECT e.*, r.id IS NOT NULL AS has_request, r.salt, r.detail
FROM entry e LEFT JOIN request r ON r.account_id = e.account_id AND r.id = e.id AND e.type IN ('usage', 'loss')
WHERE e.account_id = $1 AND e.seq > $2 AND e.seq <= $3 ORDER BY e.seq LIMIT $4

-- name: postings
-- The postings of entries that are not usage.
SELECT entry_id, amount, source, destination, lot_id FROM posting WHERE entry_id = ANY ($1) ORDER BY entry_id, ordinal

-- name: next_account
-- The first account after one, be it known by a wallet or by an entry only.
SELECT account_id FROM (
    (SELECT account_id FROM wallet WHERE account_id > $1 ORDER BY account_id LIMIT 1)
    UNION ALL
    (SELECT account_id FROM entry WHERE account_id > $1 ORDER BY account_id LIMIT 1)) x
ORDER BY account_id LIMIT 1

-- name: wallets_and_holds
-- Some accounts after one, each with the sum of its holds.
SELECT w.account_id AS id, w.held, coalesce(h.held, 0)::bigint AS holds
FROM (SELECT account_id, held FROM wallet WHERE account_id > $1 ORDER BY account_id LIMIT $2) w
LEFT JOIN (SELECT account_id, sum(amount) AS held FROM hold GROUP BY account_id) h USING (account_id) ORDER BY 1

-- name: meters_and_holds
-- Some keys after one, each with the sum of its holds.
SELECT m.key_id AS id, m.held, coalesce(h.held, 0)::bigint AS holds
FROM (SELECT key_id, held FROM key_meter WHERE key_id > $1 ORDER BY key_id LIMIT $2) m
LEFT JOIN (SELECT key_id, sum(amount) AS held FROM hold GROUP BY key_id) h USING (key_id) ORDER BY 1

-- name: stray_hold
-- A hold without wallet or meter.
SELECT request_id FROM hold h WHERE NOT EXISTS (SELECT FROM wallet w WHERE w.account_id = h.account_id)
    OR NOT EXISTS (SELECT FROM key_meter m WHERE m.key_id = h.key_id) LIMIT 1

-- name: posting_page
-- Some entries after one that have postings of their own, with their type.
SELECT p.entry_id, (SELECT e.type FROM entry e WHERE e.id = p.entry_id) AS type
FROM (SELECT DISTINCT entry_id FROM posting WHERE entry_id > $1 ORDER BY entry_id LIMIT $2) p ORDER BY 1

-- name: references
-- The entries that are known by a reference.
SELECT reference, entry_id FROM entry_reference WHERE entry_id = ANY ($1) OR reference = ANY ($2)

-- name: request_days
-- The days whose requests are still there.
SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'request'::regclass
