-- What an account used.

-- name: usage
-- Requests ended in [$2, $3) by day (UTC), model and provider, as long as they have their rows; ids bound by $4 and $5.
SELECT (r.at AT TIME ZONE 'UTC')::date AS day, r.model, r.provider, count(*) AS requests,
       sum(coalesce(e.amount, 0))::bigint AS cost,
       sum(coalesce((d.usage ->> 'input')::bigint, 0))::bigint AS input,
       sum(coalesce((d.usage ->> 'cache_read')::bigint, 0))::bigint AS cache_read,
       sum(coalesce((d.usage ->> 'cache_write_5m')::bigint, 0) + coalesce((d.usage ->> 'cache_write_1h')::bigint, 0))::bigint
           AS cache_write,
       sum(coalesce((d.usage ->> 'output')::bigint, 0) + coalesce((d.usage ->> 'reasoning')::bigint, 0))::bigint AS output
FROM request r
LEFT JOIN entry e ON e.id = r.id AND e.account_id = r.account_id AND e.type = 'usage' AND e.id >= $4 AND e.id < $5
CROSS JOIN LATERAL (SELECT convert_from(r.detail, 'UTF8')::jsonb -> 'usage' AS usage) d
WHERE r.account_id = $1 AND r.id >= $4 AND r.id < $5 AND r.at >= $2 AND r.at < $3
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3

-- name: request_page
-- Some of an account's requests after an id and before another, in order of id.
SELECT id, at, key_id, model, provider, status, detail FROM request
WHERE account_id = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT $4

-- name: charges
-- What some requests were charged; all ids are in [$2, $3].
SELECT id, amount, fee FROM entry WHERE id = ANY ($1) AND id BETWEEN $2 AND $3 AND type = 'usage'
