-- Client sessions, and the usage of stages of work.

-- name: sessions
-- At most $4 sessions of an account whose last request is before $2, latest first; found among the latest $3 requests, and each summed over
-- its latest $5 requests.
WITH latest AS MATERIALIZED (
    SELECT DISTINCT ON (session) session, id
    FROM (SELECT session, id FROM request WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3) x WHERE session IS NOT NULL
    ORDER BY session, id DESC),
found AS (
    SELECT session, id FROM latest l
    WHERE NOT EXISTS (SELECT 1 FROM request n WHERE n.account_id = $1 AND n.session = l.session AND n.id >= $2)
    ORDER BY id DESC LIMIT $4)
SELECT f.session, f.id AS last_id, t.requests, t.first_at, t.last_at, t.amount, t.saved
FROM found f CROSS JOIN LATERAL (
    SELECT count(*) AS requests, min(r.at) AS first_at, max(r.at) AS last_at, coalesce(sum(e.amount), 0)::bigint AS amount,
        coalesce(sum(saved_in(r.detail)), 0)::bigint AS saved
    FROM (SELECT id, at, detail FROM request WHERE account_id = $1 AND session = f.session ORDER BY id DESC LIMIT $5) r
    LEFT JOIN entry e ON e.id = r.id AND e.type = 'usage') t
ORDER BY f.id DESC

-- name: searched_to
-- The last of the $3 requests of an account before one, if there are as many.
SELECT id FROM request WHERE account_id = $1 AND id < $2 ORDER BY id DESC OFFSET $3 - 1 LIMIT 1

-- name: session
-- The totals of a session's latest $3 requests.
SELECT count(*) AS requests, min(r.at) AS first_at, max(r.at) AS last_at, coalesce(sum(e.amount), 0)::bigint AS amount,
    max((r.told ->> 'turn')::int) AS turns,
    coalesce(sum(r.saved) FILTER (WHERE r.cache = 'exact'), 0)::bigint AS saved_exact,
    coalesce(sum(r.saved) FILTER (WHERE r.cache = 'semantic'), 0)::bigint AS saved_semantic,
    coalesce(sum(r.saved) FILTER (WHERE r.cache IS DISTINCT FROM 'exact' AND r.cache IS DISTINCT FROM 'semantic'), 0)::bigint AS saved_vendor,
    coalesce(sum((r.usage ->> 'cache_read')::bigint), 0)::bigint AS cached,
    coalesce(sum(coalesce((r.usage ->> 'input')::bigint, 0) + coalesce((r.usage ->> 'cache_read')::bigint, 0)
        + coalesce((r.usage ->> 'cache_write_5m')::bigint, 0) + coalesce((r.usage ->> 'cache_write_1h')::bigint, 0)
        + coalesce((r.usage ->> 'audio_in')::bigint, 0) + coalesce((r.usage ->> 'image_in')::bigint, 0)), 0)::bigint AS input
FROM (SELECT id, at, told, told -> 'usage' AS usage, told ->> 'cache' AS cache, (told ->> 'saved')::bigint AS saved
      FROM (SELECT id, at, convert_from(detail, 'UTF8')::jsonb AS told
            FROM (SELECT id, at, detail FROM request WHERE account_id = $1 AND session = $2 ORDER BY id DESC LIMIT $3) x OFFSET 0) y) r
LEFT JOIN entry e ON e.id = r.id AND e.type = 'usage'

-- name: requests
-- The latest requests of a session before one, with their charges.
SELECT r.id, r.at, r.key_id, r.detail, coalesce(e.amount, 0) AS amount
FROM (SELECT id, at, key_id, detail FROM request WHERE account_id = $1 AND session = $2 AND id < $3 ORDER BY id DESC LIMIT $4) r
LEFT JOIN entry e ON e.id = r.id AND e.type = 'usage' ORDER BY r.id DESC

-- name: stages
-- The usage of each stage in [$2, $3), by day if $4: from the days as summed, and the entries after the mark.
WITH mark AS (SELECT coalesce((SELECT m.seq FROM usage_mark m WHERE m.account_id = $1), 0) AS seq)
SELECT CASE WHEN $4 THEN day END AS day, stage, sum(requests)::bigint AS requests, sum(charge)::bigint AS charge, sum(input)::bigint AS input,
    sum(output)::bigint AS output, sum(saved_exact)::bigint AS saved_exact, sum(saved_semantic)::bigint AS saved_semantic,
    sum(saved_vendor)::bigint AS saved_vendor
FROM (
    SELECT day, stage, requests, charge, input_tokens AS input, output_tokens AS output, saved_exact, saved_semantic, saved_vendor
    FROM stage_day WHERE account_id = $1 AND day >= $2::date AND day < $3::date
    UNION ALL
    SELECT (f.hour AT TIME ZONE 'UTC')::date, f.stage, f.requests, f.charge,
        f.input + f.cache_read + f.cache_write_5m + f.cache_write_1h + f.audio_in + f.image_in, f.output + f.reasoning + f.audio_out,
        f.saved_exact, f.saved_semantic, f.saved_vendor
    FROM mark, sum_usage($1, mark.seq, 9223372036854775807, $2::date::timestamp AT TIME ZONE 'UTC', $3::date::timestamp AT TIME ZONE 'UTC') f
    WHERE f.stage <> '') x
GROUP BY 1, 2 ORDER BY 1, 2
