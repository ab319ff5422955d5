-- Requests that cost no more than their holds end in one statement: entries, rows of requests, wallets and meters, worked out by sets and not
-- by a loop. All that may be charged less than its cost, or at once meets an expiry, still ends row by row.

ALTER FUNCTION end_requests(text, uuid[], uuid[], int[], int[], timestamptz, text[], text[], text[], text[], bytea[], uuid[], int[], int[],
                            bigint[], text[], int[], bytea, bigint[], bigint[], bigint[], bigint[], bigint[]) RENAME TO end_each_request;

-- As `end_each_request`, whose arguments and answer it has. What is looked at while the wallets are locked stays so: each hold is there, is of
-- the account and key that are named, and covers its cost; no credit has expired. So each is charged its cost, and nothing is over.
CREATE FUNCTION end_requests(p_type text, p_accounts uuid[], p_keys uuid[], p_wallet int[], p_meter int[], p_at timestamptz,
                             p_models text[], p_providers text[], p_editions text[], p_regions text[], p_versions bytea[],
                             ids uuid[], payer int[], kind int[], before bigint[], statuses text[], p_sizes int[], p_bytes bytea,
                             costs bigint[], fees bigint[], vendor bigint[], p_bounds bigint[], p_tokens bigint[])
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    n CONSTANT int := cardinality(ids);
    p_day_end CONSTANT timestamptz := date_trunc('day', p_at, 'UTC') + interval '1 day';
    p_month_end CONSTANT timestamptz := date_trunc('month', p_at, 'UTC') + interval '1 month';
    found bigint;
    due boolean;
    fits boolean := false;
    w_spent bigint[];           -- by account
    w_seq bigint[];
    w_step bigint[];
    h_amounts bigint[];         -- by row
    h_used bigint[];            -- used tokens, less those that were reserved
    h_placed timestamptz[];
    h_open int[];
BEGIN
    IF p_type = 'usage' AND p_bounds IS NULL THEN
        SELECT count(*), bool_or(x.next_expiry <= p_at), array_agg(x.spent), array_agg(x.seq), array_agg(x.step)
        INTO found, due, w_spent, w_seq, w_step
        FROM (SELECT * FROM wallet WHERE account_id = ANY (p_accounts) ORDER BY account_id FOR NO KEY UPDATE) x;
        IF found = cardinality(p_accounts) AND NOT due THEN
            SELECT count(x.amount) = n AND bool_and(x.amount >= costs[i] AND x.account_id = p_accounts[p_wallet[payer[i]]] AND x.key_id = p_keys[p_meter[payer[i]]]),
                array_agg(x.amount), array_agg(p_tokens[i] - x.tokens), array_agg(x.placed_at), array_agg(x.open::int)
            INTO fits, h_amounts, h_used, h_placed, h_open
            FROM generate_series(1, n) i LEFT JOIN LATERAL (SELECT * FROM hold WHERE request_id = ids[i] OFFSET 0) x ON true;
        END IF;
    END IF;
    IF NOT fits THEN
        RETURN end_each_request(p_type, p_accounts, p_keys, p_wallet, p_meter, p_at, p_models, p_providers, p_editions, p_regions, p_versions,
                                ids, payer, kind, before, statuses, p_sizes, p_bytes, costs, fees, vendor, p_bounds, p_tokens);
    END IF;
    DELETE FROM hold WHERE request_id = ANY (ids);
    WITH parts AS (             -- `upto`: where a row's salt and detail end
        SELECT i, p_wallet[payer[i]] AS a, p_meter[payer[i]] AS k, p_at - before[i] * interval '1 microsecond' AS at,
            p_sizes[2 * i - 1] AS salt_size, p_sizes[2 * i] AS size, (sum(p_sizes[2 * i - 1] + p_sizes[2 * i]) OVER (ORDER BY i))::int AS upto
        FROM generate_series(1, n) i),
    bodies AS (
        SELECT i, a, k, at, substr(p_bytes, upto - size - salt_size + 1, salt_size) AS salt, substr(p_bytes, upto - size + 1, size) AS detail
        FROM parts),
    ended AS MATERIALIZED (     -- `nth`: of its account's rows
        SELECT i, a, k, at, salt, detail, sha256(salt || detail) AS digest, row_number() OVER own AS nth,
            w_spent[a] + (sum(costs[i]) OVER own)::bigint - costs[i] AS pos
        FROM bodies WINDOW own AS (PARTITION BY a ORDER BY i)),
    entries AS (
        INSERT INTO entry (id, account_id, seq, pos, amount, fee, vendor_cost, over, step, at, ordinal, type, provider, price_version, detail_digest, reference)
        SELECT ids[i], p_accounts[a], w_seq[a] + nth, pos, costs[i], fees[i], vendor[i], 0, w_step[a] + 1, at, nth - 1, p_type,
            p_providers[kind[i]], p_versions[kind[i]], digest, ''
        FROM ended),
    requests AS (
        INSERT INTO request (id, account_id, key_id, at, model, provider, status, edition, region, labels, salt, detail)
        SELECT ids[i], p_accounts[a], p_keys[k], at, p_models[kind[i]], p_providers[kind[i]], statuses[i], p_editions[kind[i]],
            p_regions[kind[i]], '{}', salt, detail
        FROM ended),
    wallets AS (
        UPDATE wallet SET spent = spent + s.cost, held = held - s.amount, seq = seq + s.entries, step = step + 1,
            chain = sha256(chain || sha256(s.leaves)), open = open - s.places,
            window_tokens = greatest(window_tokens + CASE WHEN s.oldest >= window_start THEN s.used
                                                          ELSE used_since(window_start, s.a, p_wallet, payer, h_used, h_placed) END, 0),
            day_spent = CASE WHEN p_at >= day_end THEN 0 ELSE day_spent END + s.cost,
            month_spent = CASE WHEN p_at >= month_end THEN 0 ELSE month_spent END + s.cost,
            day_end = greatest(day_end, p_day_end), month_end = greatest(month_end, p_month_end)
        FROM (SELECT a, count(*) AS entries, sum(costs[i])::bigint AS cost, sum(h_amounts[i])::bigint AS amount, sum(h_open[i]) AS places,
                  sum(h_used[i])::bigint AS used, min(h_placed[i]) AS oldest,
                  string_agg(entry_digest(p_type, p_providers[kind[i]], '', ids[i], p_accounts[a], w_seq[a] + nth, pos, costs[i], fees[i],
                                          vendor[i], 0, at, digest, p_versions[kind[i]]), '' ORDER BY i) AS leaves
              FROM ended GROUP BY a) s
        WHERE account_id = p_accounts[s.a])
    UPDATE key_meter SET spent = spent + s.cost, held = held - s.amount, open = open - s.places,
        window_tokens = greatest(window_tokens + CASE WHEN s.oldest >= window_start THEN s.used
                                                      ELSE used_since(window_start, s.k, p_meter, payer, h_used, h_placed) END, 0),
        day_spent = CASE WHEN p_at >= day_end THEN 0 ELSE day_spent END + s.cost,
        month_spent = CASE WHEN p_at >= month_end THEN 0 ELSE month_spent END + s.cost,
        day_end = greatest(day_end, p_day_end), month_end = greatest(month_end, p_month_end)
    FROM (SELECT k, sum(costs[i])::bigint AS cost, sum(h_amounts[i])::bigint AS amount, sum(h_open[i]) AS places, sum(h_used[i])::bigint AS used,
              min(h_placed[i]) AS oldest
          FROM ended GROUP BY k) s
    WHERE key_id = p_keys[s.k];
    RETURN NULL;
END $$;
