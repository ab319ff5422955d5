-- The health of providers.

-- name: health
-- The attempts of requests that ended since $2, by provider and outcome. $1 is a lower bound of their ids.
SELECT a.provider, a.outcome, count(*) AS attempts, max(r.at) AS latest,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY a.ms) AS median_ms
FROM request r
CROSS JOIN LATERAL jsonb_to_recordset(convert_from(r.detail, 'UTF8')::jsonb -> 'attempts')
    AS a (provider text, outcome text, ms integer)
WHERE r.id >= $1 AND r.at >= $2
GROUP BY 1, 2

-- name: losses
-- The losses at each provider in nano-USD, from entries since $2. $1 is a lower bound of their ids.
SELECT coalesce(nullif(e.provider, ''), r.provider, '') AS provider, sum(e.over)::bigint AS overrun,
       sum(CASE e.type WHEN 'loss' THEN e.vendor_cost ELSE 0 END)::bigint AS unbilled
FROM entry e LEFT JOIN request r ON r.account_id = e.account_id AND r.id = e.id AND r.id >= $1
WHERE e.id >= $1 AND e.at >= $2 AND e.type IN ('usage', 'loss') AND (e.over > 0 OR e.type = 'loss')
GROUP BY 1

-- name: alarms
-- The alarms of requests that ended since $2, by provider and kind. $1 is a lower bound of their ids.
SELECT r.provider, a.kind, count(*) AS alarms, max(r.at) AS latest
FROM request r
CROSS JOIN LATERAL jsonb_array_elements_text(convert_from(r.detail, 'UTF8')::jsonb -> 'alarms') AS a (kind)
WHERE r.id >= $1 AND r.at >= $2 AND r.provider <> ''
GROUP BY 1, 2
