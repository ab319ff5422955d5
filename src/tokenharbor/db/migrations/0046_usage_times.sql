-- How long requests took that had an answer, and how those ended that were not billed: sums beside the others.

ALTER TABLE usage_hour
    ADD COLUMN timed     bigint NOT NULL DEFAULT 0,     -- requests with an answer: the next two have their times
    ADD COLUMN first_ms  bigint NOT NULL DEFAULT 0,     -- to the first content
    ADD COLUMN total_ms  bigint NOT NULL DEFAULT 0,
    ADD COLUMN failed    bigint NOT NULL DEFAULT 0,     -- of those that were not billed
    ADD COLUMN hung_up   bigint NOT NULL DEFAULT 0;     -- likewise

DROP FUNCTION usage_in(uuid, timestamptz, timestamptz);
DROP FUNCTION sum_usage(uuid, bigint, bigint, timestamptz, timestamptz);
DROP TYPE usage_sum;

-- What was used in an hour by one key, of one model at one provider: a row of `usage_hour`, and the provider's name for the model.
CREATE TYPE usage_sum AS (
    account_id uuid, hour timestamptz, key_id uuid, model text, provider text, first_seq bigint, last_seq bigint,
    requests bigint, unbilled bigint, cached bigint, charge bigint, fee bigint, vendor_cost bigint, over bigint, loss bigint,
    input bigint, cache_read bigint, cache_write_5m bigint, cache_write_1h bigint, output bigint, reasoning bigint, audio_in bigint,
    audio_out bigint, image_in bigint, images_out bigint, seconds bigint, web_searches bigint, tool_uses bigint, characters bigint,
    search_units bigint, timed bigint, first_ms bigint, total_ms bigint, failed bigint, hung_up bigint, upstream_model text);

-- What the requests used whose entries stand after one number and up to another, and are of [p_since, p_until).
--
-- Details are found by an array of ids, so that entries of any age are found by the index. A detail as a gateway writes it (`billing/detail.py`)
-- has no space between its tokens, and begins with `{"asked":"`. There a key with its quotes is found by its bytes, since quotes within a
-- string are escaped: `"total_ms":`, then `"first_ms":` where there was an answer; behind them the first `"usage":{` is the key, its object
-- ends at the first `}`, and only this is parsed. Any other detail, and one whose name for the model has an escape, is parsed as a whole, at twice
-- the cost.
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
            CASE WHEN timed_at > 0 THEN nullif(position(',' IN rest), 0) END AS comma
        FROM begun b OFFSET 0),
    parsed AS (             -- `whole`: where pieces do not do
        SELECT c.*, CASE WHEN NOT compact OR position('\x5c' IN name) > 0 THEN convert_from(c.detail, 'UTF8')::jsonb END AS whole,
            CASE WHEN substr(rest, comma, 12) = ',"first_ms":' THEN substr(rest, comma + 12, 12) END AS first_on
        FROM cut c OFFSET 0),
    told AS (
        SELECT p.id, p.key_id, p.model, p.provider, p.status,
            CASE WHEN whole IS NULL THEN convert_from(substr(usage_on, 1, position('}' IN usage_on)), 'UTF8')::jsonb ELSE whole -> 'usage' END AS usage,
            CASE WHEN whole IS NULL THEN position('"cache":"' IN rest) > 0 AND position('"cache":"none"' IN rest) = 0
                 ELSE coalesce(whole ->> 'cache', 'none') <> 'none' END AS cached,
            CASE WHEN whole IS NULL THEN convert_from(name, 'UTF8') ELSE whole #>> '{served,upstream_model}' END AS upstream_model,
            CASE WHEN whole IS NULL THEN convert_from(substr(first_on, 1, nullif(position(',' IN first_on), 0) - 1), 'UTF8')
                 ELSE whole ->> 'first_ms' END::bigint AS first_ms,
            CASE WHEN whole IS NULL THEN CASE WHEN first_on IS NOT NULL THEN convert_from(substr(rest, 1, comma - 1), 'UTF8') END
                 WHEN whole ? 'first_ms' THEN whole ->> 'total_ms' END::bigint AS total_ms
        FROM parsed p OFFSET 0)
    SELECT p_account, date_trunc('hour', e.at, 'UTC'), coalesce(r.key_id, nobody), coalesce(r.model, ''), coalesce(r.provider, e.provider),
        min(e.seq), max(e.seq), count(*), count(*) FILTER (WHERE e.type = 'loss'),
        count(*) FILTER (WHERE r.cached OR (r.usage ->> 'cache_read')::bigint > 0), sum(e.amount)::bigint, sum(e.fee)::bigint,
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
        coalesce(r.upstream_model, r.model, '')
    FROM entry e LEFT JOIN told r ON r.id = e.id
    WHERE e.account_id = p_account AND e.seq > p_after AND e.seq <= p_upto AND e.at >= p_since AND e.at < p_until AND e.type IN ('usage', 'loss')
    GROUP BY 2, 3, 4, 5, 36;
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
        sum(s.search_units), sum(s.timed), sum(s.first_ms), sum(s.total_ms), sum(s.failed), sum(s.hung_up)
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
        failed = h.failed + excluded.failed, hung_up = h.hung_up + excluded.hung_up;
    UPDATE usage_mark SET seq = upto WHERE account_id = p_account;
    RETURN upto - mark;
END $$;

-- What an account used in [p_since, p_until): one row or more for each hour, key, model and provider. Whole hours are read as they are. Of an
-- hour that is asked for in part only, requests with an entry are counted: those between its first and its last number.
CREATE FUNCTION usage_in(p_account uuid, p_since timestamptz, p_until timestamptz) RETURNS SETOF usage_sum LANGUAGE plpgsql STABLE AS $$
DECLARE
    last_number CONSTANT bigint := 9223372036854775807;
    mark CONSTANT bigint := coalesce((SELECT m.seq FROM usage_mark m WHERE m.account_id = p_account), 0);
    first_whole CONSTANT timestamptz := date_trunc('hour', p_since + interval '1 hour' - interval '1 microsecond', 'UTC');
    whole_until CONSTANT timestamptz := date_trunc('hour', p_until, 'UTC');
BEGIN
    RETURN QUERY SELECT h.*, NULL::text FROM usage_hour h
    WHERE h.account_id = p_account AND h.hour >= first_whole AND h.hour < whole_until;
    RETURN QUERY SELECT f.*
    FROM (SELECT h.hour, min(h.first_seq) AS first_seq, max(h.last_seq) AS last_seq FROM usage_hour h
          WHERE h.account_id = p_account AND h.hour IN (date_trunc('hour', p_since, 'UTC'), whole_until) AND h.hour < p_until
              AND NOT (h.hour >= first_whole AND h.hour < whole_until) GROUP BY h.hour) part,
        sum_usage(p_account, part.first_seq - 1, part.last_seq, greatest(p_since, part.hour), least(p_until, part.hour + interval '1 hour')) f;
    RETURN QUERY SELECT f.* FROM sum_usage(p_account, mark, last_number, p_since, p_until) f;
END $$;

-- As before, with how they ended.
CREATE OR REPLACE FUNCTION release_requests(
    p_type text, p_accounts uuid[], p_keys uuid[], p_wallet int[], p_meter int[], p_at timestamptz,
    p_models text[], p_providers text[], p_editions text[], p_regions text[], p_versions bytea[],
    ids uuid[], payer int[], kind int[], before bigint[], statuses text[], p_sizes int[], p_bytes bytea,
    costs bigint[], fees bigint[], vendor bigint[], p_bounds bigint[], p_tokens bigint[], p_expiring boolean[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM end_requests(p_type, p_accounts, p_keys, p_wallet, p_meter, p_at, p_models, p_providers, p_editions, p_regions,
                         p_versions, ids, payer, kind, before, statuses, p_sizes, p_bytes, costs, fees, vendor, p_bounds, p_tokens, p_expiring);
    UPDATE task SET state = 'failed', closed_at = p_at WHERE request_id = ANY (ids) AND state = 'open';
    INSERT INTO usage_hour AS h (account_id, hour, key_id, model, provider, requests, unbilled, failed, hung_up)
    SELECT p_accounts[p_wallet[payer[i]]], date_trunc('hour', p_at - greatest(before[i], 0) * interval '1 microsecond', 'UTC'),
        p_keys[p_meter[payer[i]]], p_models[kind[i]], p_providers[kind[i]], count(*), count(*),
        count(*) FILTER (WHERE statuses[i] = 'failed'), count(*) FILTER (WHERE statuses[i] = 'hung_up')
    FROM generate_series(1, cardinality(ids)) i WHERE vendor[i] = 0 GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (account_id, hour, key_id, model, provider) DO UPDATE SET
        requests = h.requests + excluded.requests, unbilled = h.unbilled + excluded.unbilled,
        failed = h.failed + excluded.failed, hung_up = h.hung_up + excluded.hung_up;
END $$;
