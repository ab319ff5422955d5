-- Recent events of accounts, for live pages.

-- name: marks
-- The numbers of wallets: a balance changes only if one of them does.
SELECT account_id, seq, spent, held, debt, line_end FROM wallet WHERE account_id = ANY ($1::uuid[])

-- name: ended
-- The newest requests of each account that began after id $2 and ended after $3, and those of the newest entries above its number in $4;
-- oldest first. Each has a limit ($5), as a busy account has thousands a second.
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
-- Credit of origin $3 that each account was granted after its entry number in $2, oldest first.
SELECT a.id AS account_id, n.id, n.at, l.amount
FROM unnest($1::uuid[], $2::bigint[]) a (id, seq) CROSS JOIN LATERAL (
    SELECT id, at, seq FROM entry WHERE account_id = a.id AND seq > a.seq AND type = 'credit' ORDER BY seq DESC LIMIT $4) n
JOIN lot l ON l.entry_id = n.id AND l.account_id = a.id AND l.origin = $3
ORDER BY n.seq
