-- What caches saved: sums beside the others, from what details say. Requests of before this have said nothing of the vendors' own caches.

ALTER TABLE usage_hour
    ADD COLUMN saved_exact      bigint NOT NULL DEFAULT 0,  -- nano-USD: what hits of our exact cache would have cost
    ADD COLUMN saved_semantic   bigint NOT NULL DEFAULT 0,  -- likewise, of the semantic one
    ADD COLUMN saved_vendor     bigint NOT NULL DEFAULT 0;  -- by reads of vendors' caches, less what writes to them cost more; may be negative

DROP FUNCTION sum_usage(uuid, bigint, bigint, timestamptz, timestamptz);
DROP TYPE usage_sum;

-- What was used in an hour by one key, of one model at one provider: a row of `usage_hour`, and the provider's name for the model.
CREATE TYPE usage_sum AS (
    account_id uuid, hour timestamptz, key_id uuid, model text, provider text, first_seq bigint, last_seq bigint,
    requests bigint, unbilled bigint, cached bigint, charge bigint, fee bigint, vendor_cost bigint, over bigint, loss bigint,
    input bigint, cache_read bigint, cache_write_5m bigint, cache_write_1h bigint, output bigint, reasoning bigint, audio_in bigint,
    audio_out bigint, image_in bigint, images_out bigint, seconds bigint, web_searches bigint, tool_uses bigint, characters bigint,
    search_units bigint, timed bigint, first_ms bigint, total_ms bigint, failed bigint, hung_up bigint,
    saved_exact bigint, saved_semantic bigint, saved_vendor bigint, upstream_model text);

-- What the requests used whose entries stand after one number and up to another, and are of [p_since, p_until).
--
-- Details are found by an array of ids, so that entries of any age are found by the index. A detail as a gateway writes it (`billing/detail.py`)
-- has no space between its tokens, and begins with `{"asked":"`. There a key with its quotes is found by its bytes, since quotes within a
-- string are escaped: `"total_ms":`, then `"first_ms":` where there was an answer; behind them the first `"usage":{` is the key, its object
-- ends at the first `}`, and only this is parsed; likewise `"cache":` and `"saved":`. Any other detail, and one whose name for the model has an
-- escape, is parsed as a whole, at twice the cost.
CREATE FUNCTION sum_usage(p_account uuid, p_after bigint, p_upto bigint, p_since timestamptz, p_until timestamptz) RETURNS SETOF usage_sum
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET enable_nestloop = off AS $$
DECLARE
    nobody CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    ids CONSTANT uuid[] := ARRAY(SELECT e.id FROM entry e WHERE e.account_id = p_account AND e.seq > p_after AND e.seq <= p_upto
                                     AND e.at >= p_since AND e.at < p_until AND e.type IN ('usage', 'loss') ORDER BY e.id);
BEGIN
    IF cardinality(ids) = 0 THEN
        RETURN;
    END IF;
    RETURN QUERY WITH found AS NOT MATERIALIZED (
        SELECT x.id, x.key_id, x.model, x.provider, x.status, x.detail, substr(x.detail, 1, 10) = '{"asked":"' AS compact,
            position('"served":{' IN x.detail) AS served_at, position('"total_ms":' IN x.detail) AS timed_at
        FROM request x WHERE x.account_id = p_account AND x.id = ANY (ids) AND x.id BETWEEN ids[1] AND ids[cardinality(ids)] OFFSET 0),
    begun AS (              -- from where the pieces begin
        SELECT f.*, CASE WHEN timed_at > 0 THEN substr(f.detail, timed_at + 11) ELSE f.detail END AS rest,
            CASE WHEN served_at > 0
                 THEN substr(f.detail, served_at + nullif(position('"upstream_model":"' IN substr(f.detail, served_at)), 0) + 17) END AS name_on
        FROM found f OFFSET 0),
    cut AS (
        SELECT b.id, b.key_id, b.model, b.provider, b.status, b.detail, b.compact, b.rest,
            substr(rest, nullif(position('"usage":{' IN rest), 0) + 8) AS usage_on, substr(name_on, 1, position('"' IN name_on) - 1) AS name,
            CASE WHEN timed_at > 0 THEN nullif(position(',' IN rest), 0) END AS comma, nullif(position('"saved":' IN rest), 0) AS saved_at
        FROM begun b OFFSET 0),
    parsed AS (             -- `whole`: where pieces do not do
        SELECT c.*, CASE WHEN NOT compact OR position('\x5c' IN name) > 0 THEN convert_from(c.detail, 'UTF8')::jsonb END AS whole,
            CASE WHEN substr(rest, comma, 12) = ',"first_ms":' THEN substr(rest, comma + 12, 12) END AS first_on,
            substr(rest, nullif(position('"cache":"' IN rest), 0) + 9, 20) AS cache_on
        FROM cut c OFFSET 0),
    told AS (
        SELECT p.id, p.key_id, p.model, p.provider, p.status,
            CASE WHEN whole IS NULL THEN convert_from(substr(usage_on, 1, position('}' IN usage_on)), 'UTF8')::jsonb ELSE whole -> 'usage' END AS usage,
            CASE WHEN whole IS NULL THEN convert_from(substr(cache_on, 1, nullif(position('"' IN cache_on), 0) - 1), 'UTF8')
                 ELSE whole ->> 'cache' END AS cache,
            CASE WHEN whole IS NULL THEN substring(encode(substr(rest, saved_at + 8, 20), 'escape') FROM '^-?[0-9]+')
                 ELSE whole ->> 'saved' END::bigint AS saved,
            CASE WHEN whole IS NULL THEN convert_from(name, 'UTF8') ELSE whole #>> '{served,upstream_model}' END AS upstream_model,
            CASE WHEN whole IS NULL THEN convert_from(substr(first_on, 1, nullif(position(',' IN first_on), 0) - 1), 'UTF8')
                 ELSE whole ->> 'first_ms' END::bigint AS first_ms,
            CASE WHEN whole IS NULL THEN CASE WHEN first_on IS NOT NULL THEN convert_from(substr(rest, 1, comma - 1), 'UTF8') END
                 WHEN whole ? 'first_ms' THEN whole ->> 'total_ms' END::bigint AS total_ms
        FROM parsed p OFFSET 0)
    SELECT p_account, date_trunc('hour', e.at, 'UTC'), coalesce(r.key_id, nobody), coalesce(r.model, ''), coalesce(r.provider, e.provider),
        min(e.seq), max(e.seq), count(*), count(*) FILTER (WHERE e.type = 'loss'),
        count(*) FILTER (WHERE r.cache <> 'none' OR (r.usage ->> 'cache_read')::bigint > 0), sum(e.amount)::bigint, sum(e.fee)::bigint,
        sum(CASE e.type WHEN 'usage' THEN e.vendor_cost ELSE 0 END)::bigint, sum(e.over)::bigint,
        sum(CASE e.type WHEN 'loss' THEN e.vendor_cost ELSE 0 END)::bigint,
        coalesce(sum((r.usage ->> 'input')::bigint), 0)::bigint, coalesce(sum((r.usage ->> 'cache_read')::bigint), 0)::bigint,
        coalesce(sum((r.usage ->> 'cache_write_5m')::bigint), 0)::bigint, coalesce(sum((r.usage ->> 'cache_write_1h')::bigint), 0)::bigint,
        coalesce(sum((r.usage ->> 'output')::bigint), 0)::bigint, coalesce(sum((r.usage ->> 'reasoning')::bigint), 0)::bigint,
        coalesce(sum((r.usage ->> 'audio_in')::bigint), 0)::bigint, coalesce(sum((r.usage ->> 'audio_out')::bigint), 0)::bigint,
        coalesce(sum((r.usage ->> 'image_in')::bigint), 0)::bigint, coalesce(sum((r.usage ->> 'images_out')::bigint), 0)::bigint,
        coalesce(sum((r.usage ->> 'seconds')::bigint), 0)::bigint, coalesce(sum((r.usage ->> 'web_searches')::bigint), 0)::bigint,
        coalesce(sum((r.usage ->> 'tool_uses')::bigint), 0)::bigint, coalesce(sum((r.usage ->> 'characters')::bigint), 0)::bigint,
        coalesce(sum((r.usage ->> 'search_units')::bigint), 0)::bigint,
        count(r.first_ms), coalesce(sum(r.first_ms), 0)::bigint, coalesce(sum(r.total_ms), 0)::bigint,
        count(*) FILTER (WHERE e.type = 'loss' AND r.status = 'failed'), count(*) FILTER (WHERE e.type = 'loss' AND r.status = 'hung_up'),
        coalesce(sum(r.saved) FILTER (WHERE r.cache = 'exact'), 0)::bigint, coalesce(sum(r.saved) FILTER (WHERE r.cache = 'semantic'), 0)::bigint,
        coalesce(sum(r.saved) FILTER (WHERE r.cache IS DISTINCT FROM 'exact' AND r.cache IS DISTINCT FROM 'semantic'), 0)::bigint,
        coalesce(r.upstream_model, r.model, '')
    FROM entry e LEFT JOIN told r ON r.id = e.id
    WHERE e.account_id = p_account AND e.seq > p_after AND e.seq <= p_upto AND e.at >= p_since AND e.at < p_until AND e.type IN ('usage', 'loss')
    GROUP BY 2, 3, 4, 5, 39;
END $$;

-- Add the next of an account's entries to its hours, as many as `p_most`, once: the mark moves with them. How many. Whoever finds another at it
-- waits. An account's entries become visible in their order, since each is written under the lock of its wallet, which has the last number.
CREATE OR REPLACE FUNCTION roll_up_usage(p_account uuid, p_most int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    mark bigint;
    upto bigint;
BEGIN
    INSERT INTO usage_mark (account_id, seq) VALUES (p_account, 0) ON CONFLICT DO NOTHING;
    SELECT m.seq INTO STRICT mark FROM usage_mark m WHERE m.account_id = p_account FOR UPDATE;
    SELECT least(w.seq, mark + p_most) INTO upto FROM wallet w WHERE w.account_id = p_account;
    IF upto IS NULL OR upto <= mark THEN
        RETURN 0;
    END IF;
    WITH sums AS MATERIALIZED (SELECT * FROM sum_usage(p_account, mark, upto, '-infinity', 'infinity')),
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
        sum(s.search_units), sum(s.timed), sum(s.first_ms), sum(s.total_ms), sum(s.failed), sum(s.hung_up),
        sum(s.saved_exact), sum(s.saved_semantic), sum(s.saved_vendor)
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
        characters = h.characters + excluded.characters, search_units = h.search_units + excluded.search_units,
        timed = h.timed + excluded.timed, first_ms = h.first_ms + excluded.first_ms, total_ms = h.total_ms + excluded.total_ms,
        failed = h.failed + excluded.failed, hung_up = h.hung_up + excluded.hung_up,
        saved_exact = h.saved_exact + excluded.saved_exact, saved_semantic = h.saved_semantic + excluded.saved_semantic,
        saved_vendor = h.saved_vendor + excluded.saved_vendor;
    UPDATE usage_mark SET seq = upto WHERE account_id = p_account;
    RETURN upto - mark;
END $$;
