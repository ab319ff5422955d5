-- What has just happened to accounts, for whoever watches them.

-- name: marks
-- The state of wallets' numbers: where one differs, a balance may.
SELECT account_id, seq, spent, held, debt, line_end FROM wallet WHERE account_id = ANY ($1::uuid[])

-- name: ended
-- Of each account, the newest requests that began after an id and ended after a time, and those of the newest entries after a number, oldest
-- first. Both are cut off: a busy account has thousands a second.
SELECT r.account_id, r.id, r.at, r.key_id, r.detail, coalesce(e.amount, 0) AS amount
FROM (SELECT a.id AS account_id, n.id FROM unnest($1::uuid[]) a (id) CROSS JOIN LATERAL (
          SELECT id FROM request WHERE account_id = a.id AND id > $2 AND at > $3 ORDER BY id DESC LIMIT $5) n
      UNION
      SELECT a.id, n.id FROM unnest($1::uuid[], $4::bigint[]) a (id, seq) CROSS JOIN LATERAL (
          SELECT id FROM entry WHERE account_id = a.id AND seq > a.seq ORDER BY seq DESC LIMIT $5) n) found
JOIN request r ON r.account_id = found.account_id AND r.id = found.id
LEFT JOIN entry e ON e.id = r.id AND e.type = 'usage'
ORDER BY r.at

-- name: granted
-- Credit of an origin that accounts were granted after a number of each, oldest first.
SELECT a.id AS account_id, n.id, n.at, l.amount
FROM unnest($1::uuid[], $2::bigint[]) a (id, seq) CROSS JOIN LATERAL (
    SELECT id, at, seq FROM entry WHERE account_id = a.id AND seq > a.seq AND type = 'credit' ORDER BY seq DESC LIMIT $4) n
JOIN lot l ON l.entry_id = n.id AND l.account_id = a.id AND l.origin = $3
ORDER BY n.seq
