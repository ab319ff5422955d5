-- Statements: sums of an account's entries.

-- name: moves
-- Sums of the postings of an account's lots before $3, separately for those before $2.
SELECT e.at < $2 AS before, e.type, l.origin, p.source, p.destination, sum(p.amount)::bigint AS amount
FROM lot l JOIN posting p ON p.lot_id = l.id JOIN entry e ON e.id = p.entry_id
WHERE l.account_id = $1 AND e.account_id = $1 AND e.at < $3
GROUP BY 1, 2, 3, 4, 5

-- name: first_since
-- The first entry of an account at $2 or later, in terms of charges. None comes before the first entry of the hours from then on, or of those
-- after the mark.
SELECT seq, pos FROM entry WHERE account_id = $1 AND at >= $2 AND seq >= least(
    (SELECT min(first_seq) FROM usage_hour WHERE account_id = $1 AND hour >= date_trunc('hour', $2::timestamptz, 'UTC')),
    (SELECT coalesce(max(seq), 0) + 1 FROM usage_mark WHERE account_id = $1))
ORDER BY seq LIMIT 1

-- name: late
-- Charges from before $2 that come after entry number $3, as a replayed journal writes them. None comes after the last entry of the hours until
-- then, unless after the mark.
SELECT pos, amount FROM entry WHERE account_id = $1 AND at < $2 AND type = 'usage' AND seq > $3
    AND seq <= (SELECT max(last_seq) FROM usage_hour WHERE account_id = $1 AND hour < $2 AND last_seq > $3)
UNION ALL
SELECT pos, amount FROM entry WHERE account_id = $1 AND at < $2 AND type = 'usage'
    AND seq > greatest((SELECT seq FROM usage_mark WHERE account_id = $1), $3)

-- name: payments
-- The payments credited in [$2, $3).
SELECT c.paid_at, c.top_up_id, c.processor, c.capture_id, c.currency, c.captured_minor, t.tax_minor, c.captured
FROM capture c JOIN top_up t ON t.id = c.top_up_id
WHERE c.account_id = $1 AND c.paid_at >= $2 AND c.paid_at < $3 ORDER BY c.paid_at, c.top_up_id
