-- What we have on record, to be compared with what providers and processors state.

-- name: vendor_costs
-- What a provider is owed for what was settled in [$2, $3), by day (UTC) and the model's name there; ids bound by $4 and $5.
-- Whole days; those of purged requests are in totals.
SELECT day, model, sum(amount)::bigint AS amount FROM (
    SELECT (e.at AT TIME ZONE 'UTC')::date AS day, e.vendor_cost AS amount,
           coalesce(convert_from(r.detail, 'UTF8')::jsonb #>> '{served,upstream_model}', r.model, '') AS model
    FROM entry e LEFT JOIN request r ON r.account_id = e.account_id AND r.id = e.id AND r.id >= $4 AND r.id < $5
    WHERE $1 IN (e.provider, CASE e.provider WHEN '' THEN r.provider END)
      AND e.vendor_cost > 0 AND e.at >= $2 AND e.at < $3 AND e.id >= $4 AND e.id < $5
    UNION ALL
    SELECT day, amount, model FROM purged_cost
    WHERE provider = $1 AND day >= ($2 AT TIME ZONE 'UTC')::date AND day < ($3 AT TIME ZONE 'UTC')::date) x
GROUP BY 1, 2

-- name: processor_records
-- Captures and refunds of a processor in [$2, $3), and those of the ids $4 whenever they were.
SELECT 'capture' AS kind, capture_id AS id, currency, captured_minor AS minor, fee, true AS has_fee FROM capture
WHERE processor = $1 AND (paid_at >= $2 AND paid_at < $3 OR capture_id = ANY ($4))
UNION ALL
SELECT 'refund', processor_refund_id, currency, amount_minor, 0, false FROM refund
WHERE processor = $1 AND state = 'done' AND processor_refund_id IS NOT NULL
  AND (ended_at >= $2 AND ended_at < $3 OR processor_refund_id = ANY ($4))
