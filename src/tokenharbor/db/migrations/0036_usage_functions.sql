-- The functions of totals again, at half the cost for an entry: rows of requests are fetched by an array of ids, their JSON is parsed once, and
-- what is added up is grouped before it is written. `used_entries` now gives plain columns.

DROP FUNCTION used_entries(uuid, bigint, bigint);
DROP FUNCTION usage_in(uuid, timestamptz, timestamptz);

-- A row of `usage_hour`; that of a single entry has its time, too, and the provider's name for the model.
CREATE TYPE used_entry AS (
    account_id uuid, hour timestamptz, key_id uuid, model text, provider text, first_seq bigint, last_seq bigint,
    requests bigint, unbilled bigint, cached bigint, charge bigint, fee bigint, vendor_cost bigint, over bigint, loss bigint,
    input bigint, cache_read bigint, cache_write_5m bigint, cache_write_1h bigint, output bigint, reasoning bigint, audio_in bigint,
    audio_out bigint, image_in bigint, images_out bigint, seconds bigint, web_searches bigint, tool_uses bigint, characters bigint,
    search_units bigint,
    at timestamptz, upstream_model text);

-- The entries of requests among an account's entries after one number and up to another. Without settings the planner would read whole tables
-- where statistics call them small.
CREATE FUNCTION used_entries(p_account uuid, p_after bigint, p_upto bigint) RETURNS SETOF used_entry LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    nobody CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    ids CONSTANT uuid[] := ARRAY(SELECT e.id FROM entry e WHERE e.account_id = p_account AND e.seq > p_after AND e.seq <= p_upto
                                     AND e.type IN ('usage', 'loss') ORDER BY e.id);
BEGIN
    IF cardinality(ids) = 0 THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT p_account, date_trunc('hour', e.at, 'UTC'), coalesce(r.key_id, nobody), coalesce(r.model, ''),
        coalesce(r.provider, e.provider), e.seq, e.seq, 1::bigint, (e.type = 'loss')::int::bigint,
        (coalesce(r.detail ->> 'cache', 'none') <> 'none' OR coalesce((r.usage ->> 'cache_read')::bigint, 0) > 0)::int::bigint,
        e.amount, e.fee, CASE e.type WHEN 'usage' THEN e.vendor_cost ELSE 0 END, e.over, CASE e.type WHEN 'loss' THEN e.vendor_cost ELSE 0 END,
        coalesce((r.usage ->> 'input')::bigint, 0), coalesce((r.usage ->> 'cache_read')::bigint, 0),
        coalesce((r.usage ->> 'cache_write_5m')::bigint, 0), coalesce((r.usage ->> 'cache_write_1h')::bigint, 0),
        coalesce((r.usage ->> 'output')::bigint, 0), coalesce((r.usage ->> 'reasoning')::bigint, 0),
        coalesce((r.usage ->> 'audio_in')::bigint, 0), coalesce((r.usage ->> 'audio_out')::bigint, 0),
        coalesce((r.usage ->> 'image_in')::bigint, 0), coalesce((r.usage ->> 'images_out')::bigint, 0),
        coalesce((r.usage ->> 'seconds')::bigint, 0), coalesce((r.usage ->> 'web_searches')::bigint, 0),
        coalesce((r.usage ->> 'tool_uses')::bigint, 0), coalesce((r.usage ->> 'characters')::bigint, 0),
        coalesce((r.usage ->> 'search_units')::bigint, 0),
        e.at, coalesce(r.detail #>> '{served,upstream_model}', r.model, '')
    FROM entry e
    LEFT JOIN (SELECT y.*, y.detail -> 'usage' AS usage
               FROM (SELECT x.id, x.key_id, x.model, x.provider, convert_from(x.detail, 'UTF8')::jsonb AS detail FROM request x
                     WHERE x.account_id = p_account AND x.id = ANY (ids) AND x.id BETWEEN ids[1] AND ids[cardinality(ids)] OFFSET 0) y
               OFFSET 0) r ON r.id = e.id
    WHERE e.account_id = p_account AND e.seq > p_after AND e.seq <= p_upto AND e.type IN ('usage', 'loss');
END $$;

-- Add the next of an account's entries to its hours, as many as `p_most`, once: the mark moves with them. How many. Whoever finds another at it
-- waits. An account's entries become visible in their order, since each is written under the lock of its wallet.
CREATE OR REPLACE FUNCTION roll_up_usage(p_account uuid, p_most int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    mark bigint;
    upto bigint;
BEGIN
    INSERT INTO usage_mark (account_id, seq) VALUES (p_account, 0) ON CONFLICT DO NOTHING;
    SELECT m.seq INTO STRICT mark FROM usage_mark m WHERE m.account_id = p_account FOR UPDATE;
    SELECT max(x.seq) INTO upto
    FROM (SELECT e.seq FROM entry e WHERE e.account_id = p_account AND e.seq > mark ORDER BY e.seq LIMIT p_most) x;
    IF upto IS NULL THEN
        RETURN 0;
    END IF;
    WITH sums AS MATERIALIZED (
        SELECT f.hour, f.key_id, f.model, f.provider, f.upstream_model, min(f.first_seq) AS first_seq, max(f.last_seq) AS last_seq,
            sum(f.requests)::bigint AS requests, sum(f.unbilled)::bigint AS unbilled, sum(f.cached)::bigint AS cached,
            sum(f.charge)::bigint AS charge, sum(f.fee)::bigint AS fee, sum(f.vendor_cost)::bigint AS vendor_cost,
            sum(f.over)::bigint AS over, sum(f.loss)::bigint AS loss, sum(f.input)::bigint AS input,
            sum(f.cache_read)::bigint AS cache_read, sum(f.cache_write_5m)::bigint AS cache_write_5m,
            sum(f.cache_write_1h)::bigint AS cache_write_1h, sum(f.output)::bigint AS output, sum(f.reasoning)::bigint AS reasoning,
            sum(f.audio_in)::bigint AS audio_in, sum(f.audio_out)::bigint AS audio_out, sum(f.image_in)::bigint AS image_in,
            sum(f.images_out)::bigint AS images_out, sum(f.seconds)::bigint AS seconds, sum(f.web_searches)::bigint AS web_searches,
            sum(f.tool_uses)::bigint AS tool_uses, sum(f.characters)::bigint AS characters, sum(f.search_units)::bigint AS search_units
        FROM used_entries(p_account, mark, upto) f GROUP BY 1, 2, 3, 4, 5),
    providers AS (
        INSERT INTO provider_day AS d
        SELECT (s.hour AT TIME ZONE 'UTC')::date, s.provider, s.model, s.upstream_model, sum(s.requests), sum(s.unbilled), sum(s.charge),
            sum(s.vendor_cost), sum(s.loss), sum(s.input + s.cache_read + s.cache_write_5m + s.cache_write_1h + s.audio_in + s.image_in),
            sum(s.output + s.reasoning + s.audio_out)
        FROM sums s GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        ON CONFLICT (day, provider, model, upstream_model) DO UPDATE SET requests = d.requests + excluded.requests,
            unbilled = d.unbilled + excluded.unbilled, charge = d.charge + excluded.charge, vendor_cost = d.vendor_cost + excluded.vendor_cost,
            loss = d.loss + excluded.loss, input_tokens = d.input_tokens + excluded.input_tokens,
            output_tokens = d.output_tokens + excluded.output_tokens)
    INSERT INTO usage_hour AS h
    SELECT p_account, s.hour, s.key_id, s.model, s.provider, min(s.first_seq), max(s.last_seq),
        sum(s.requests), sum(s.unbilled), sum(s.cached), sum(s.charge), sum(s.fee), sum(s.vendor_cost), sum(s.over), sum(s.loss),
        sum(s.input), sum(s.cache_read), sum(s.cache_write_5m), sum(s.cache_write_1h), sum(s.output), sum(s.reasoning), sum(s.audio_in),
        sum(s.audio_out), sum(s.image_in), sum(s.images_out), sum(s.seconds), sum(s.web_searches), sum(s.tool_uses), sum(s.characters),
        sum(s.search_units)
    FROM sums s GROUP BY 2, 3, 4, 5 ORDER BY 2, 3, 4, 5
    ON CONFLICT (account_id, hour, key_id, model, provider) DO UPDATE SET
        first_seq = least(h.first_seq, excluded.first_seq), last_seq = greatest(h.last_seq, excluded.last_seq),
        requests = h.requests + excluded.requests, unbilled = h.unbilled + excluded.unbilled, cached = h.cached + excluded.cached,
        charge = h.charge + excluded.charge, fee = h.fee + excluded.fee, vendor_cost = h.vendor_cost + excluded.vendor_cost,
        over = h.over + excluded.over, loss = h.loss + excluded.loss, input = h.input + excluded.input,
        cache_read = h.cache_read + excluded.cache_read, cache_write_5m = h.cache_write_5m + excluded.cache_write_5m,
        cache_write_1h = h.cache_write_1h + excluded.cache_write_1h, output = h.output + excluded.output,
        reasoning = h.reasoning + excluded.reasoning, audio_in = h.audio_in + excluded.audio_in,
        audio_out = h.audio_out + excluded.audio_out, image_in = h.image_in + excluded.image_in,
        images_out = h.images_out + excluded.images_out, seconds = h.seconds + excluded.seconds,
        web_searches = h.web_searches + excluded.web_searches, tool_uses = h.tool_uses + excluded.tool_uses,
        characters = h.characters + excluded.characters, search_units = h.search_units + excluded.search_units;
    UPDATE usage_mark SET seq = upto WHERE account_id = p_account;
    RETURN upto - mark;
END $$;

-- What an account used in [p_since, p_until): one row or more for each hour, key, model and provider. Whole hours are read as they are. Of an
-- hour that is asked for in part only, requests with an entry are counted: those between its first and its last number.
CREATE FUNCTION usage_in(p_account uuid, p_since timestamptz, p_until timestamptz) RETURNS SETOF used_entry LANGUAGE plpgsql STABLE AS $$
DECLARE
    last_number CONSTANT bigint := 9223372036854775807;
    mark CONSTANT bigint := coalesce((SELECT m.seq FROM usage_mark m WHERE m.account_id = p_account), 0);
    first_whole CONSTANT timestamptz := date_trunc('hour', p_since + interval '1 hour' - interval '1 microsecond', 'UTC');
    whole_until CONSTANT timestamptz := date_trunc('hour', p_until, 'UTC');
BEGIN
    RETURN QUERY SELECT h.*, NULL::timestamptz, NULL::text FROM usage_hour h
    WHERE h.account_id = p_account AND h.hour >= first_whole AND h.hour < whole_until;
    RETURN QUERY SELECT f.*
    FROM (SELECT h.hour, min(h.first_seq) AS first_seq, max(h.last_seq) AS last_seq FROM usage_hour h
          WHERE h.account_id = p_account AND h.hour IN (date_trunc('hour', p_since, 'UTC'), whole_until) AND h.hour < p_until
              AND NOT (h.hour >= first_whole AND h.hour < whole_until) GROUP BY h.hour) part,
        used_entries(p_account, part.first_seq - 1, part.last_seq) f
    WHERE f.hour = part.hour AND f.at >= p_since AND f.at < p_until;
    RETURN QUERY SELECT f.* FROM used_entries(p_account, mark, last_number) f WHERE f.at >= p_since AND f.at < p_until;
END $$;
