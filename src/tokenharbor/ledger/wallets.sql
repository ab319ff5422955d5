-- Moves of credit, and balances.

-- name: lock_credit
-- Locks a wallet and runs its due expiries.
SELECT spent, held, debt FROM lock_credit($1, $2)

-- name: post_entry
-- Writes an entry that moves credit, once.
SELECT post_entry($1, $2, $3, $4, $5, $6,
    ARRAY(SELECT ROW (u.amount, u.lot_id, u.source, u.destination)::leg
          FROM unnest($7::bigint[], $8::uuid[], $9::text[], $10::text[]) WITH ORDINALITY u (amount, lot_id, source, destination, o) ORDER BY u.o),
    ARRAY(SELECT ROW (u.id, $2, u.pool, u.origin, u.amount, u.granted_at, u.expires_at, u.refundable_until, u.withdrawable_from, $1)::lot
          FROM unnest($11::uuid[], $12::text[], $13::text[], $14::bigint[], $15::timestamptz[], $16::timestamptz[], $17::timestamptz[],
                      $18::timestamptz[]) u (id, pool, origin, amount, granted_at, expires_at, refundable_until, withdrawable_from)))

-- name: credit_posting
-- The posting by which a credit was granted.
SELECT e.account_id, p.amount, p.source, p.destination, p.lot_id
FROM entry e JOIN posting p ON p.entry_id = e.id WHERE e.id = $1 AND e.type = 'credit' ORDER BY p.ordinal LIMIT 1

-- name: lot_postings
-- The postings of a lot in entries other than the one that granted it.
SELECT amount, source, destination, lot_id FROM posting WHERE lot_id = $1 AND entry_id <> $2

-- name: balance
-- The wallet, with the credit on its line by pool, and locked credit. Of expired credit only the held part counts.
SELECT w.held, w.debt, s.pool, sum(s.amount)::bigint AS amount
FROM wallet w LEFT JOIN LATERAL (
    SELECT l.pool, CASE WHEN l.expires_at <= $2 THEN least(s.end_at, greatest(s.start_at, w.spent + w.held)) ELSE s.end_at END
        - greatest(s.start_at, w.spent) AS amount
    FROM segment s JOIN lot l ON l.id = s.lot_id WHERE s.account_id = w.account_id AND s.end_at > w.spent
    UNION ALL
    SELECT r.place, r.amount FROM restricted_credit r JOIN lot l ON l.id = r.lot_id
    WHERE r.account_id = w.account_id AND r.place = 'locked' AND coalesce(l.expires_at > $2, true)) s ON s.amount > 0
WHERE w.account_id = $1
GROUP BY w.held, w.debt, s.pool
