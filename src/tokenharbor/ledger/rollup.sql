-- Totals of usage, kept by a job and read with the entries that it has not added up yet.

-- name: behind
-- Of some accounts after one, those with $3 entries or more after their marks; and the last account, NULL where there are no more.
WITH page AS (SELECT account_id, seq FROM wallet WHERE account_id > $1 ORDER BY account_id LIMIT $2)
SELECT ARRAY(SELECT p.account_id FROM page p LEFT JOIN usage_mark m USING (account_id) WHERE p.seq - coalesce(m.seq, 0) >= $3 ORDER BY 1) AS behind,
       (SELECT account_id FROM page ORDER BY 1 OFFSET $2 - 1) AS last

-- name: tail
-- How many entries an account has after its mark; on a replica, where none can be added up, 0.
SELECT CASE WHEN pg_is_in_recovery() THEN 0
    ELSE coalesce((SELECT seq FROM wallet WHERE account_id = $1), 0) - coalesce((SELECT seq FROM usage_mark WHERE account_id = $1), 0) END

-- name: roll_up
-- Adds the next of an account's entries to its hours, $2 at most; how many.
SELECT roll_up_usage($1, $2)

-- name: totals
-- What an account used in [$2, $3), divided by the dimensions $4.
SELECT CASE WHEN 'hour' = ANY ($4::text[]) THEN hour WHEN 'day' = ANY ($4) THEN date_trunc('day', hour, 'UTC') END AS start,
       CASE WHEN 'key' = ANY ($4) THEN key_id END AS key_id,
       CASE WHEN 'model' = ANY ($4) THEN model ELSE '' END AS model,
       CASE WHEN 'provider' = ANY ($4) THEN provider ELSE '' END AS provider,
       sum(requests)::bigint AS requests, sum(unbilled)::bigint AS unbilled, sum(cached)::bigint AS cached, sum(charge)::bigint AS charge,
       sum(fee)::bigint AS fee, sum(vendor_cost)::bigint AS vendor_cost, sum(over)::bigint AS over, sum(loss)::bigint AS loss,
       sum(input)::bigint AS input, sum(cache_read)::bigint AS cache_read, sum(cache_write_5m)::bigint AS cache_write_5m,
       sum(cache_write_1h)::bigint AS cache_write_1h, sum(output)::bigint AS output, sum(reasoning)::bigint AS reasoning,
       sum(audio_in)::bigint AS audio_in, sum(audio_out)::bigint AS audio_out, sum(image_in)::bigint AS image_in,
       sum(images_out)::bigint AS images_out, sum(seconds)::bigint AS seconds, sum(web_searches)::bigint AS web_searches,
       sum(tool_uses)::bigint AS tool_uses, sum(characters)::bigint AS characters, sum(search_units)::bigint AS search_units
FROM usage_in($1, $2, $3) GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
