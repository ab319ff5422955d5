-- Our records, to compare with the statements of providers and processors.

-- name: vendor_costs
-- What a provider is owed, by day and by the model's name there: requests settled on the days (UTC) from $2 to $3, and comparisons of given answers
-- that began then. Old comparisons have the name ''.
SELECT day, model, sum(amount)::bigint AS amount FROM (
    SELECT day, upstream_model AS model, vendor_cost + loss AS amount FROM provider_day WHERE provider = $1 AND day BETWEEN $2 AND $3
    UNION ALL
    SELECT day, upstream_model, cost FROM comparison_cost WHERE provider = $1 AND day BETWEEN $2 AND $3) owed
GROUP BY 1, 2 HAVING sum(amount) > 0

-- name: processor_records
-- A processor's captures, refunds and withdrawals in [$2, $3) or with an id in $4, and what its disputes moved in [$2, $3).
SELECT 'capture' AS kind, capture_id AS id, currency, captured_minor AS minor, fee FROM capture
WHERE processor = $1 AND (paid_at >= $2 AND paid_at < $3 OR capture_id = ANY ($4))
UNION ALL
SELECT 'refund', processor_refund_id, currency, -amount_minor, NULL FROM refund
WHERE processor = $1 AND state = 'done' AND processor_refund_id IS NOT NULL
  AND (ended_at >= $2 AND ended_at < $3 OR processor_refund_id = ANY ($4))
UNION ALL
SELECT 'withdrawal', processor_payout_id, currency, -amount_minor, fee FROM withdrawal
WHERE processor = $1 AND state = 'done' AND payee_id IS NOT NULL AND processor_payout_id IS NOT NULL
  AND (ended_at >= $2 AND ended_at < $3 OR processor_payout_id = ANY ($4))
UNION ALL
SELECT 'dispute', d.dispute_id, d.currency, -sum(m.minor)::bigint, sum(m.fee)::bigint FROM dispute_move m JOIN dispute d ON d.id = m.dispute
WHERE d.processor = $1 AND m.at >= $2 AND m.at < $3 GROUP BY d.dispute_id, d.currency HAVING sum(m.minor) <> 0 OR sum(m.fee) <> 0
