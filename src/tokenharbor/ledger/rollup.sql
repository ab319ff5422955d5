-- Totals of usage: hours summed by a job, read together with the entries after the mark.

-- name: behind
-- In a page of the accounts after $1, those with at least $3 entries after their marks; and the page's last account, NULL on the last page.
WITH page AS (SELECT account_id, seq FROM wallet WHERE account_id > $1 ORDER BY account_id LIMIT $2)
SELECT ARRAY(SELECT p.account_id FROM page p LEFT JOIN usage_mark m USING (account_id) WHERE p.seq - coalesce(m.seq, 0) >= $3 ORDER BY 1) AS behind,
       (SELECT account_id FROM page ORDER BY 1 OFFSET $2 - 1) AS last

-- name: tail
-- The number of an account's entries after its mark; 0 on a replica, which cannot sum them up.
SELECT CASE WHEN pg_is_in_recovery() THEN 0
    ELSE coalesce((SELECT seq FROM wallet WHERE account_id = $1), 0) - coalesce((SELECT seq FROM usage_mark WHERE account_id = $1), 0) END

-- name: roll_up
-- Adds at most $2 entries after an account's mark to its hours; returns how many.
SELECT roll_up_usage($1, $2)

-- name: totals
-- The usage of an account in [$2, $3), divided by the dimensions $4: whole hours as stored; of an hour that is only partly in the span, the
-- entries between its first and last number; and the entries after the mark.
WITH span AS (SELECT date_trunc('hour', $2::timestamptz + interval '1 hour' - interval '1 microsecond', 'UTC') AS first_whole,
                     date_trunc('hour', $3::timestamptz, 'UTC') AS whole_until,
                     coalesce((SELECT m.seq FROM usage_mark m WHERE m.account_id = $1), 0) AS mark),
part AS (
    SELECT h.hour, min(h.first_seq) AS first_seq, max(h.last_seq) AS last_seq FROM span s, usage_hour h
    WHERE h.account_id = $1 AND h.hour IN (date_trunc('hour', $2::timestamptz, 'UTC'), s.whole_until) AND h.hour < $3
        AND NOT (h.hour >= s.first_whole AND h.hour < s.whole_until) GROUP BY h.hour),
beside AS (
    SELECT f.* FROM part, sum_usage($1, part.first_seq - 1, part.last_seq, greatest($2, part.hour), least($3, part.hour + interval '1 hour')) f
    UNION ALL
    SELECT f.* FROM span, sum_usage($1, span.mark, 9223372036854775807, $2, $3) f),
divided AS (            -- sums the hours while reading them: an account may have 100,000 rows
    SELECT CASE WHEN 'hour' = ANY ($4::text[]) THEN hour WHEN 'day' = ANY ($4) THEN date_trunc('day', hour, 'UTC') END AS start,
        CASE WHEN 'key' = ANY ($4) THEN key_id END AS key_id, CASE WHEN 'model' = ANY ($4) THEN model ELSE '' END AS model,
        CASE WHEN 'provider' = ANY ($4) THEN provider ELSE '' END AS provider,
        sum(requests)::bigint AS requests, sum(unbilled)::bigint AS unbilled, sum(failed)::bigint AS failed,
        sum(hung_up)::bigint AS hung_up, sum(cached)::bigint AS cached, sum(charge)::bigint AS charge, sum(fee)::bigint AS fee,
        sum(vendor_cost)::bigint AS vendor_cost, sum(over)::bigint AS over, sum(loss)::bigint AS loss, sum(timed)::bigint AS timed,
        sum(first_ms)::bigint AS first_ms, sum(total_ms)::bigint AS total_ms, sum(input)::bigint AS input,
        sum(cache_read)::bigint AS cache_read, sum(cache_write_5m)::bigint AS cache_write_5m, sum(cache_write_1h)::bigint AS cache_write_1h,
        sum(output)::bigint AS output, sum(reasoning)::bigint AS reasoning, sum(audio_in)::bigint AS audio_in,
        sum(audio_out)::bigint AS audio_out, sum(image_in)::bigint AS image_in, sum(images_out)::bigint AS images_out,
        sum(seconds)::bigint AS seconds, sum(web_searches)::bigint AS web_searches, sum(tool_uses)::bigint AS tool_uses,
        sum(characters)::bigint AS characters, sum(search_units)::bigint AS search_units,
        sum(saved_exact)::bigint AS saved_exact, sum(saved_semantic)::bigint AS saved_semantic, sum(saved_vendor)::bigint AS saved_vendor
    FROM usage_hour WHERE account_id = $1 AND hour >= (SELECT first_whole FROM span) AND hour < (SELECT whole_until FROM span)
    GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT CASE WHEN 'hour' = ANY ($4) THEN hour WHEN 'day' = ANY ($4) THEN date_trunc('day', hour, 'UTC') END,
        CASE WHEN 'key' = ANY ($4) THEN key_id END, CASE WHEN 'model' = ANY ($4) THEN model ELSE '' END,
        CASE WHEN 'provider' = ANY ($4) THEN provider ELSE '' END,
        requests, unbilled, failed, hung_up, cached, charge, fee, vendor_cost, over, loss, timed, first_ms, total_ms, input, cache_read,
        cache_write_5m, cache_write_1h, output, reasoning, audio_in, audio_out, image_in, images_out, seconds, web_searches, tool_uses,
        characters, search_units, saved_exact, saved_semantic, saved_vendor
    FROM beside)
SELECT start, key_id, model, provider,
    sum(requests)::bigint AS requests, sum(unbilled)::bigint AS unbilled, sum(failed)::bigint AS failed, sum(hung_up)::bigint AS hung_up,
    sum(cached)::bigint AS cached, sum(charge)::bigint AS charge, sum(fee)::bigint AS fee, sum(vendor_cost)::bigint AS vendor_cost,
    sum(over)::bigint AS over, sum(loss)::bigint AS loss, sum(timed)::bigint AS timed, sum(first_ms)::bigint AS first_ms,
    sum(total_ms)::bigint AS total_ms, sum(input)::bigint AS input, sum(cache_read)::bigint AS cache_read,
    sum(cache_write_5m)::bigint AS cache_write_5m, sum(cache_write_1h)::bigint AS cache_write_1h, sum(output)::bigint AS output,
    sum(reasoning)::bigint AS reasoning, sum(audio_in)::bigint AS audio_in, sum(audio_out)::bigint AS audio_out,
    sum(image_in)::bigint AS image_in, sum(images_out)::bigint AS images_out, sum(seconds)::bigint AS seconds,
    sum(web_searches)::bigint AS web_searches, sum(tool_uses)::bigint AS tool_uses, sum(characters)::bigint AS characters,
    sum(search_units)::bigint AS search_units, sum(saved_exact)::bigint AS saved_exact,
    sum(saved_semantic)::bigint AS saved_semantic, sum(saved_vendor)::bigint AS saved_vendor
FROM divided GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
