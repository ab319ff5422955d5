-- An account's ledger, newest first.

-- name: entry_page
-- The latest entries below number $3 of the kinds $4, each with its change of the account's spendable and held credit by pool, and that credit
-- after it: the sum of all entries that are not usage so far, less the entry's position on the line, which is what is spent. Entries that are not
-- usage are few and found by the postings of the account's lots; usage is read by number. The change of locked credit ($6 is its address) is a
-- separate column: an entry that moves only locked credit has an amount of 0, and a kind that says what became of the match.
WITH brought AS MATERIALIZED (
    SELECT e.id, e.seq, e.at, e.type, e.pos, m.amount, m.pools, m.locked,
           CASE WHEN e.type = 'credit' THEN CASE m.origin WHEN 'top-up' THEN 'recharge' ELSE m.origin END
               WHEN NOT m.is_locked_only THEN e.type
               ELSE CASE e.type WHEN 'claw' THEN 'match_cancelled' WHEN 'expiry' THEN 'match_ended' WHEN 'restore' THEN 'match_restored' ELSE e.type END
           END AS kind,
           sum(m.amount) OVER (ORDER BY e.seq)::bigint AS total
    FROM (SELECT entry_id, coalesce(sum(amount) FILTER (WHERE pool <> 'locked'), 0)::bigint AS amount,
                 coalesce(jsonb_object_agg(pool, amount) FILTER (WHERE pool <> 'locked'), '{}') AS pools,
                 coalesce(sum(amount) FILTER (WHERE pool = 'locked'), 0)::bigint AS locked, bool_and(pool = 'locked') AS is_locked_only,
                 min(origin) AS origin
          FROM (SELECT p.entry_id, replace(a.address, 'account/' || $1::uuid || '/', '') AS pool, sum(a.amount)::bigint AS amount,
                       (array_agg(l.origin ORDER BY p.ordinal))[1] AS origin
                FROM lot l JOIN posting p ON p.lot_id = l.id
                CROSS JOIN LATERAL (VALUES (p.source, -p.amount), (p.destination, p.amount)) a (address, amount)
                WHERE l.account_id = $1 AND a.address = ANY ($2::text[] || $6::text) GROUP BY 1, 2) by_pool
          GROUP BY entry_id) m
    JOIN entry e ON e.id = m.entry_id),
page AS (
    (SELECT id, seq, at, kind, pos, amount, locked, pools, total - pos AS balance FROM brought
     WHERE seq < $3 AND ($4::text[] IS NULL OR kind = ANY ($4)) AND (amount <> 0 OR locked <> 0 OR type = 'credit') ORDER BY seq DESC LIMIT $5)
    UNION ALL
    (SELECT e.id, e.seq, e.at, 'usage', e.pos, -e.amount, 0, NULL,
            coalesce((SELECT b.total FROM brought b WHERE b.seq < e.seq ORDER BY b.seq DESC LIMIT 1), 0) - e.pos - e.amount
     FROM entry e WHERE e.account_id = $1 AND e.type = 'usage' AND e.amount > 0 AND e.seq < $3 AND ($4 IS NULL OR 'usage' = ANY ($4))
     ORDER BY e.seq DESC LIMIT $5)
    ORDER BY seq DESC LIMIT $5)
SELECT id, seq, at, kind, amount, locked, balance,
    ARRAY(SELECT p.lot_id FROM posting p WHERE p.entry_id = page.id AND p.lot_id IS NOT NULL ORDER BY p.ordinal) AS lots, coalesce(pools, (
    SELECT jsonb_object_agg(d.pool, d.amount) FROM (
        SELECT l.pool, sum(greatest(s.start_at, page.pos) - least(s.end_at, page.pos - page.amount))::bigint AS amount
        FROM segment s JOIN lot l ON l.id = s.lot_id
        WHERE s.account_id = $1 AND s.start_at < page.pos - page.amount AND s.end_at > page.pos GROUP BY l.pool) d)) AS pools
FROM page ORDER BY seq DESC
