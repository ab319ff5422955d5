-- Totals of usage, added up from entries and their details by a job: for each account by the hour (UTC), and for each provider by the day,
-- which names no account. An account's totals are its hours and its entries after its mark, so they are exact at any moment.

-- What an account used in an hour. `requests` are all that ended then; `unbilled` of them were not billed; `cached` of them a cache served, in
-- part at least. `loss` is what unbilled ones cost us. The entries that are counted lie within [first_seq, last_seq], which may hold others.
-- The key of nil, the model and the provider '': erased, or nobody served. Whoever changes rows of an account locks its mark first.
CREATE TABLE usage_hour (
    account_id      uuid NOT NULL,
    hour            timestamptz NOT NULL,
    key_id          uuid NOT NULL,
    model           text NOT NULL,
    provider        text NOT NULL,
    first_seq       bigint,
    last_seq        bigint,
    requests        bigint NOT NULL DEFAULT 0,
    unbilled        bigint NOT NULL DEFAULT 0,
    cached          bigint NOT NULL DEFAULT 0,
    charge          bigint NOT NULL DEFAULT 0,      -- nano-USD; the fee is part of it
    fee             bigint NOT NULL DEFAULT 0,
    vendor_cost     bigint NOT NULL DEFAULT 0,
    over            bigint NOT NULL DEFAULT 0,
    loss            bigint NOT NULL DEFAULT 0,
    input           bigint NOT NULL DEFAULT 0,
    cache_read      bigint NOT NULL DEFAULT 0,
    cache_write_5m  bigint NOT NULL DEFAULT 0,
    cache_write_1h  bigint NOT NULL DEFAULT 0,
    output          bigint NOT NULL DEFAULT 0,
    reasoning       bigint NOT NULL DEFAULT 0,
    audio_in        bigint NOT NULL DEFAULT 0,
    audio_out       bigint NOT NULL DEFAULT 0,
    image_in        bigint NOT NULL DEFAULT 0,
    images_out      bigint NOT NULL DEFAULT 0,
    seconds         bigint NOT NULL DEFAULT 0,
    web_searches    bigint NOT NULL DEFAULT 0,
    tool_uses       bigint NOT NULL DEFAULT 0,
    characters      bigint NOT NULL DEFAULT 0,
    search_units    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, hour, key_id, model, provider)
) WITH (fillfactor = 80);

-- How far an account's entries are in its hours.
CREATE TABLE usage_mark (
    account_id  uuid PRIMARY KEY,
    seq         bigint NOT NULL
) WITH (fillfactor = 80);

-- What a provider served in a day, by our model and its own name for it.
CREATE TABLE provider_day (
    day             date NOT NULL,
    provider        text NOT NULL,
    model           text NOT NULL,
    upstream_model  text NOT NULL,
    requests        bigint NOT NULL,
    unbilled        bigint NOT NULL,
    charge          bigint NOT NULL,
    vendor_cost     bigint NOT NULL,                -- of billed requests
    loss            bigint NOT NULL,                -- of others
    input_tokens    bigint NOT NULL,                -- of every kind
    output_tokens   bigint NOT NULL,
    PRIMARY KEY (day, provider, model, upstream_model)
) WITH (fillfactor = 80);

-- The entries of requests among an account's entries after one number and up to another: each as the row of `usage_hour` that it alone would
-- make, with its time and its provider's name for the model. Rows of requests are looked up one by one between the ids that there are, since
-- a join would be made of whole tables.
CREATE FUNCTION used_entries(p_account uuid, p_after bigint, p_upto bigint)
RETURNS TABLE (at timestamptz, upstream_model text, used usage_hour) LANGUAGE plpgsql STABLE AS $$
DECLARE
    nobody CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    lowest uuid;
    highest uuid;
BEGIN
    SELECT min(e.id::text)::uuid, max(e.id::text)::uuid INTO lowest, highest FROM entry e
    WHERE e.account_id = p_account AND e.seq > p_after AND e.seq <= p_upto AND e.type IN ('usage', 'loss');
    IF lowest IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT e.at, coalesce(d.served ->> 'upstream_model', r.model, ''), ROW(
        p_account, date_trunc('hour', e.at, 'UTC'), coalesce(r.key_id, nobody), coalesce(r.model, ''), coalesce(r.provider, e.provider),
        e.seq, e.seq, 1, (e.type = 'loss')::int, (coalesce(d.cache, 'none') <> 'none' OR coalesce(u.cache_read, 0) > 0)::int,
        e.amount, e.fee, CASE e.type WHEN 'usage' THEN e.vendor_cost ELSE 0 END, e.over, CASE e.type WHEN 'loss' THEN e.vendor_cost ELSE 0 END,
        coalesce(u.input, 0), coalesce(u.cache_read, 0), coalesce(u.cache_write_5m, 0), coalesce(u.cache_write_1h, 0), coalesce(u.output, 0),
        coalesce(u.reasoning, 0), coalesce(u.audio_in, 0), coalesce(u.audio_out, 0), coalesce(u.image_in, 0), coalesce(u.images_out, 0),
        coalesce(u.seconds, 0), coalesce(u.web_searches, 0), coalesce(u.tool_uses, 0), coalesce(u.characters, 0), coalesce(u.search_units, 0)
        )::usage_hour
    FROM entry e
    LEFT JOIN LATERAL (SELECT x.key_id, x.model, x.provider, x.detail FROM request x
        WHERE x.account_id = p_account AND x.id = e.id AND x.id BETWEEN lowest AND highest OFFSET 0) r ON true
    LEFT JOIN LATERAL json_to_record(convert_from(r.detail, 'UTF8')::json) d (cache text, served json, usage json) ON r.detail IS NOT NULL
    LEFT JOIN LATERAL json_to_record(d.usage) u (input bigint, cache_read bigint, cache_write_5m bigint, cache_write_1h bigint, output bigint,
        reasoning bigint, audio_in bigint, audio_out bigint, image_in bigint, images_out bigint, seconds bigint, web_searches bigint,
        tool_uses bigint, characters bigint, search_units bigint) ON d.usage IS NOT NULL
    WHERE e.account_id = p_account AND e.seq > p_after AND e.seq <= p_upto AND e.type IN ('usage', 'loss');
END $$;

-- Add the next of an account's entries to its hours, as many as `p_most`, once: the mark moves with them. How many; 0 where there are none, or
-- another is at it. An account's entries become visible in their order, since each is written under the lock of its wallet.
CREATE FUNCTION roll_up_usage(p_account uuid, p_most int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    mark bigint;
    upto bigint;
BEGIN
    INSERT INTO usage_mark (account_id, seq) VALUES (p_account, 0) ON CONFLICT DO NOTHING;
    SELECT m.seq INTO mark FROM usage_mark m WHERE m.account_id = p_account FOR UPDATE SKIP LOCKED;
    SELECT max(x.seq) INTO upto
    FROM (SELECT e.seq FROM entry e WHERE e.account_id = p_account AND e.seq > mark ORDER BY e.seq LIMIT p_most) x;
    IF upto IS NULL THEN
        RETURN 0;
    END IF;
    WITH found AS MATERIALIZED (SELECT f.at, f.upstream_model, (f.used).* FROM used_entries(p_account, mark, upto) f),
    providers AS (
        INSERT INTO provider_day AS d
        SELECT (f.at AT TIME ZONE 'UTC')::date, f.provider, f.model, f.upstream_model, sum(f.requests), sum(f.unbilled), sum(f.charge),
            sum(f.vendor_cost), sum(f.loss), sum(f.input + f.cache_read + f.cache_write_5m + f.cache_write_1h + f.audio_in + f.image_in),
            sum(f.output + f.reasoning + f.audio_out)
        FROM found f GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        ON CONFLICT (day, provider, model, upstream_model) DO UPDATE SET requests = d.requests + excluded.requests,
            unbilled = d.unbilled + excluded.unbilled, charge = d.charge + excluded.charge, vendor_cost = d.vendor_cost + excluded.vendor_cost,
            loss = d.loss + excluded.loss, input_tokens = d.input_tokens + excluded.input_tokens,
            output_tokens = d.output_tokens + excluded.output_tokens)
    INSERT INTO usage_hour AS h
    SELECT p_account, f.hour, f.key_id, f.model, f.provider, min(f.first_seq), max(f.last_seq), sum(f.requests), sum(f.unbilled), sum(f.cached),
        sum(f.charge), sum(f.fee), sum(f.vendor_cost), sum(f.over), sum(f.loss), sum(f.input), sum(f.cache_read), sum(f.cache_write_5m),
        sum(f.cache_write_1h), sum(f.output), sum(f.reasoning), sum(f.audio_in), sum(f.audio_out), sum(f.image_in), sum(f.images_out),
        sum(f.seconds), sum(f.web_searches), sum(f.tool_uses), sum(f.characters), sum(f.search_units)
    FROM found f GROUP BY 2, 3, 4, 5 ORDER BY 2, 3, 4, 5
    ON CONFLICT (account_id, hour, key_id, model, provider) DO UPDATE SET
        first_seq = least(h.first_seq, excluded.first_seq), last_seq = greatest(h.last_seq, excluded.last_seq),
        requests = h.requests + excluded.requests, unbilled = h.unbilled + excluded.unbilled, cached = h.cached + excluded.cached,
        charge = h.charge + excluded.charge, fee = h.fee + excluded.fee, vendor_cost = h.vendor_cost + excluded.vendor_cost,
        over = h.over + excluded.over, loss = h.loss + excluded.loss, input = h.input + excluded.input,
        cache_read = h.cache_read + excluded.cache_read, cache_write_5m = h.cache_write_5m + excluded.cache_write_5m,
        cache_write_1h = h.cache_write_1h + excluded.cache_write_1h, output = h.output + excluded.output,
        reasoning = h.reasoning + excluded.reasoning, audio_in = h.audio_in + excluded.audio_in, audio_out = h.audio_out + excluded.audio_out,
        image_in = h.image_in + excluded.image_in, images_out = h.images_out + excluded.images_out, seconds = h.seconds + excluded.seconds,
        web_searches = h.web_searches + excluded.web_searches, tool_uses = h.tool_uses + excluded.tool_uses,
        characters = h.characters + excluded.characters, search_units = h.search_units + excluded.search_units;
    UPDATE usage_mark SET seq = upto WHERE account_id = p_account;
    RETURN upto - mark;
END $$;

-- What an account used in [p_since, p_until): one row or more for each hour, key, model and provider. Whole hours are read as they are. Of an
-- hour that is asked for in part only, requests with an entry are counted: those between its first and its last number.
CREATE FUNCTION usage_in(p_account uuid, p_since timestamptz, p_until timestamptz) RETURNS SETOF usage_hour LANGUAGE plpgsql STABLE AS $$
DECLARE
    last_number CONSTANT bigint := 9223372036854775807;
    mark CONSTANT bigint := coalesce((SELECT m.seq FROM usage_mark m WHERE m.account_id = p_account), 0);
    first_whole CONSTANT timestamptz := date_trunc('hour', p_since + interval '1 hour' - interval '1 microsecond', 'UTC');
    whole_until CONSTANT timestamptz := date_trunc('hour', p_until, 'UTC');
BEGIN
    RETURN QUERY SELECT h.* FROM usage_hour h WHERE h.account_id = p_account AND h.hour >= first_whole AND h.hour < whole_until;
    RETURN QUERY SELECT (f.used).*
    FROM (SELECT h.hour, min(h.first_seq) AS first_seq, max(h.last_seq) AS last_seq FROM usage_hour h
          WHERE h.account_id = p_account AND h.hour IN (date_trunc('hour', p_since, 'UTC'), whole_until) AND h.hour < p_until
              AND NOT (h.hour >= first_whole AND h.hour < whole_until) GROUP BY h.hour) part,
        used_entries(p_account, part.first_seq - 1, part.last_seq) f
    WHERE (f.used).hour = part.hour AND f.at >= p_since AND f.at < p_until;
    RETURN QUERY SELECT (f.used).* FROM used_entries(p_account, mark, last_number) f WHERE f.at >= p_since AND f.at < p_until;
END $$;

-- As before; and requests that leave no entry are counted here, since no mark will pass them. Those of before this release are not.
CREATE OR REPLACE FUNCTION release_requests(
    p_type text, p_accounts uuid[], p_keys uuid[], p_wallet int[], p_meter int[], p_at timestamptz,
    p_models text[], p_providers text[], p_editions text[], p_regions text[], p_versions bytea[],
    ids uuid[], payer int[], kind int[], before bigint[], statuses text[], p_sizes int[], p_bytes bytea,
    costs bigint[], fees bigint[], vendor bigint[], p_bounds bigint[], p_tokens bigint[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM end_requests(p_type, p_accounts, p_keys, p_wallet, p_meter, p_at, p_models, p_providers, p_editions, p_regions,
                         p_versions, ids, payer, kind, before, statuses, p_sizes, p_bytes, costs, fees, vendor, p_bounds, p_tokens);
    UPDATE task SET state = 'failed', closed_at = p_at WHERE request_id = ANY (ids) AND state = 'open';
    INSERT INTO usage_hour AS h (account_id, hour, key_id, model, provider, requests, unbilled)
    SELECT p_accounts[p_wallet[payer[i]]], date_trunc('hour', p_at - greatest(before[i], 0) * interval '1 microsecond', 'UTC'),
        p_keys[p_meter[payer[i]]], p_models[kind[i]], p_providers[kind[i]], count(*), count(*)
    FROM generate_series(1, cardinality(ids)) i WHERE vendor[i] = 0 GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (account_id, hour, key_id, model, provider) DO UPDATE SET
        requests = h.requests + excluded.requests, unbilled = h.unbilled + excluded.unbilled;
END $$;
