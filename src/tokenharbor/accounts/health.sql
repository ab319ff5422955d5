-- The health of providers.

-- name: health
-- What became of the attempts of requests that ended from $2 on, by provider and outcome; ids bound by $1.
SELECT a.provider, a.outcome, count(*) AS attempts, max(r.at) AS latest,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY a.ms) AS median_ms
FROM request r
CROSS JOIN LATERAL jsonb_to_recordset(convert_from(r.detail, 'UTF8')::jsonb -> 'attempts')
    AS a (provider text, outcome text, ms integer)
WHERE r.id >= $1 AND r.at >= $2
GROUP BY 1, 2

-- name: losses
-- What was lost at each provider in nano-USD, by entries from $2 on; ids bound by $1.
SELECT provider, sum(over)::bigint AS overrun, sum(CASE type WHEN 'loss' THEN vendor_cost ELSE 0 END)::bigint AS unbilled
FROM entry WHERE id >= $1 AND at >= $2 AND type IN ('usage', 'loss') AND (over > 0 OR type = 'loss')
GROUP BY 1

-- name: alarms
-- The alarms of requests that ended from $2 on, by provider and kind; ids bound by $1.
SELECT r.provider, a.kind, count(*) AS alarms, max(r.at) AS latest
FROM request r
CROSS JOIN LATERAL jsonb_array_elements_text(convert_from(r.detail, 'UTF8')::jsonb -> 'alarms') AS a (kind)
WHERE r.id >= $1 AND r.at >= $2 AND r.provider <> ''
GROUP BY 1, 2
