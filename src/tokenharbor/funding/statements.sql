-- Statements: sums of an account's entries, made by the database.

-- name: moves
-- What was posted to and from the lots of an account before $3, summed: before $2, and since.
SELECT e.at < $2 AS before, e.type, l.origin, p.source, p.destination, sum(p.amount)::bigint AS amount
FROM lot l JOIN posting p ON p.lot_id = l.id JOIN entry e ON e.id = p.entry_id
WHERE l.account_id = $1 AND e.account_id = $1 AND e.at < $3
GROUP BY 1, 2, 3, 4, 5

-- name: first_since
-- The first of an account's entries that is of $2 or later, as far as a charge: none stands before the first of the hours from then on, nor
-- before the mark.
SELECT seq, pos FROM entry WHERE account_id = $1 AND at >= $2 AND seq >= least(
    (SELECT min(first_seq) FROM usage_hour WHERE account_id = $1 AND hour >= date_trunc('hour', $2::timestamptz, 'UTC')),
    (SELECT coalesce(max(seq), 0) + 1 FROM usage_mark WHERE account_id = $1))
ORDER BY seq LIMIT 1

-- name: late
-- Charges of before $2 that stand after entry number $3: a journal was replayed. None stands after the last of the hours until then, unless
-- after the mark.
SELECT pos, amount FROM entry WHERE account_id = $1 AND at < $2 AND type = 'usage' AND seq > $3
    AND seq <= (SELECT max(last_seq) FROM usage_hour WHERE account_id = $1 AND hour < $2 AND last_seq > $3)
UNION ALL
SELECT pos, amount FROM entry WHERE account_id = $1 AND at < $2 AND type = 'usage'
    AND seq > greatest((SELECT seq FROM usage_mark WHERE account_id = $1), $3)

-- name: payments
-- Payments that were credited in [$2, $3).
SELECT c.paid_at, c.top_up_id, c.processor, c.capture_id, c.currency, c.captured_minor, t.tax_minor, c.captured
FROM capture c JOIN top_up t ON t.id = c.top_up_id
WHERE c.account_id = $1 AND c.paid_at >= $2 AND c.paid_at < $3 ORDER BY c.paid_at, c.top_up_id
