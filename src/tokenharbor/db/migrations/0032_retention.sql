-- Metadata that expires, in editions that state `[retention] metadata_days`: entries name neither the provider nor the version of the price,
-- which stand in the request's detail; and what is needed to delete details, and to account for what was deleted. See decision 40.

-- The providers as entries name them, by kind. `p_expiring` is NULL where no kind's metadata expires.
CREATE FUNCTION named_providers(p_providers text[], p_expiring boolean[]) RETURNS text[] LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF p_expiring IS NULL THEN
        RETURN p_providers;
    END IF;
    RETURN ARRAY(SELECT CASE WHEN e THEN '' ELSE p END FROM unnest(p_providers, p_expiring) WITH ORDINALITY u (p, e, o) ORDER BY o);
END $$;

DROP FUNCTION release_requests(text, uuid[], uuid[], int[], int[], timestamptz, text[], text[], text[], text[], bytea[], uuid[], int[], int[],
                               bigint[], text[], int[], bytea, bigint[], bigint[], bigint[], bigint[], bigint[]);
DROP FUNCTION end_requests(text, uuid[], uuid[], int[], int[], timestamptz, text[], text[], text[], text[], bytea[], uuid[], int[], int[],
                           bigint[], text[], int[], bytea, bigint[], bigint[], bigint[], bigint[], bigint[]);
DROP FUNCTION end_each_request(text, uuid[], uuid[], int[], int[], timestamptz, text[], text[], text[], text[], bytea[], uuid[], int[], int[],
                               bigint[], text[], int[], bytea, bigint[], bigint[], bigint[], bigint[], bigint[]);

-- End requests: `usage` is billed at its cost, `loss` is not billed and leaves an entry only where the vendor costs us something.
-- charge = min(cost, the quote's bound, own hold + available, own hold + what the key's and the account's limits leave); the rest is `over`. A cost within
-- its hold was admitted with it, so that only a cost above it looks at the limits: a limit lowered meanwhile counts for new holds.
-- `before` is by how many microseconds a row is older than `p_at`; `p_bytes` has each row's salt and detail end to end, `p_sizes` how
-- long each is; `p_bounds` is NULL where no row costs more than its bound. All rows lie in one UTC day.
-- A request gives back its place among the open ones, and of its bound of tokens what it did not use (`p_tokens`; NULL: nothing was
-- used), if the window is still the one that counts it.
-- NULL: all were charged in full. Else three numbers a row: charge, fee, overrun. A request that was ended before is a unique
-- violation: the caller then looks first (see batch_runner.py).
-- `p_expiring`, by kind: its entries name no provider, and have sha256(salt ‖ version) in place of the price's version. So who has the entry
-- alone cannot tell it from others, not even by trying all versions; who has the detail and its salt can prove it.
CREATE FUNCTION end_each_request(p_type text, p_accounts uuid[], p_keys uuid[], p_wallet int[], p_meter int[], p_at timestamptz,
                                 p_models text[], p_providers text[], p_editions text[], p_regions text[], p_versions bytea[],
                                 ids uuid[], payer int[], kind int[], before bigint[], statuses text[], p_sizes int[], p_bytes bytea,
                                 costs bigint[], fees bigint[], vendor bigint[], p_bounds bigint[], p_tokens bigint[],
                                 p_expiring boolean[])
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    n CONSTANT int := cardinality(ids);
    salts bytea[] := array_fill(NULL::bytea, ARRAY[n]);
    details bytea[] := salts;
    p_day_end CONSTANT timestamptz := date_trunc('day', p_at, 'UTC') + interval '1 day';
    p_month_end CONSTANT timestamptz := date_trunc('month', p_at, 'UTC') + interval '1 month';
    here int := 1;
    w record;
    h record;
    alike CONSTANT boolean := p_wallet = p_meter;      -- every account has one key
    lone CONSTANT boolean := alike AND cardinality(p_accounts) = 1;
    used bigint[];                     -- of rows whose hold is there: tokens, less those that were reserved
    placed timestamptz[];
    opened boolean[];
    a_used bigint[] := array_fill(0::bigint, ARRAY[cardinality(p_accounts)]);   -- by account: used tokens, less those that were reserved
    k_used bigint[] := array_fill(0::bigint, ARRAY[cardinality(p_keys)]);
    a_oldest timestamptz[];            -- by account: when the oldest of its holds was placed
    k_oldest timestamptz[];
    a_open int[] := array_fill(0, ARRAY[cardinality(p_accounts)]);              -- by account: places that are given back
    k_open int[] := array_fill(0, ARRAY[cardinality(p_keys)]);
    a_free bigint[];            -- by account
    a_spent bigint[];
    a_seq bigint[];
    leaves bytea[] := array_fill(NULL::bytea, ARRAY[cardinality(p_accounts)]);  -- by account: the new entries' digests, end to end
    key_charge bigint[] := array_fill(0::bigint, ARRAY[cardinality(p_keys)]);
    key_hold bigint[] := array_fill(0::bigint, ARRAY[cardinality(p_keys)]);
    key_left bigint[];                 -- by key: what its limits leave beside what is held; NULL: no limit. Read when first asked
    a_left bigint[];                   -- by account: likewise
    holds bigint[];
    charges bigint[];
    overs bigint[] := array_fill(0::bigint, ARRAY[n]);
    positions bigint[] := overs;
    seqs bigint[] := overs;            -- 0: no entry
    ats timestamptz[] := array_fill(p_at, ARRAY[n]);
    digests bytea[] := array_fill(NULL::bytea, ARRAY[n]);
    named CONSTANT text[] := named_providers(p_providers, p_expiring);
    versions bytea[] := digests;       -- as the entry has them
    short boolean := false;            -- whether any was not charged in full
    digest bytea;
    a int;
    k int;
    charge bigint;
BEGIN
    charges := costs;
    IF p_type = 'loss' THEN
        p_tokens := array_fill(0::bigint, ARRAY[n]);
        p_versions := array_fill(''::bytea, ARRAY[cardinality(p_versions)]);
    END IF;
    SELECT * INTO w FROM lock_wallets(p_accounts, p_at);
    a_free := w.free; a_spent := w.spent; a_seq := w.seq;
    SELECT bool_and(x.account_id = p_accounts[p_wallet[payer[i]]] AND x.key_id = p_keys[p_meter[payer[i]]]) AS fits,
        sum(p_tokens[i] - x.tokens)::bigint AS used, min(x.placed_at) AS oldest, count(*) FILTER (WHERE x.open) AS open,
        array_agg(coalesce(x.amount, 0)) AS amounts, array_agg(p_tokens[i] - x.tokens) AS each_used,
        array_agg(x.placed_at) AS each_placed, array_agg(x.open) AS each_open
    INTO h FROM generate_series(1, n) i LEFT JOIN LATERAL (SELECT * FROM hold WHERE request_id = ids[i] OFFSET 0) x ON true;
    IF NOT h.fits THEN
        RAISE EXCEPTION 'a hold of another account or key' USING ERRCODE = 'TH001';
    END IF;
    DELETE FROM hold WHERE request_id = ANY (ids);
    holds := h.amounts;
    IF lone THEN
        a_used := ARRAY[h.used];
        a_oldest := ARRAY[h.oldest];
        a_open := ARRAY[h.open];
    ELSE
        used := h.each_used;
        placed := h.each_placed;
        opened := h.each_open;
    END IF;
    FOR i IN 1 .. n LOOP
        a := p_wallet[payer[i]];
        k := p_meter[payer[i]];
        IF a_free[a] IS NULL THEN
            RAISE EXCEPTION 'no such account: %', p_accounts[a] USING ERRCODE = 'TH001';
        END IF;
        charge := costs[i];
        IF charge > holds[i] OR p_bounds IS NOT NULL THEN
            IF key_left IS NULL THEN
                key_left := left_of_keys(p_keys, p_at);
                a_left := left_of_wallets(p_accounts, p_at);
            END IF;
            charge := least(charge, p_bounds[i], holds[i] + a_free[a],       -- least() skips NULL
                            CASE WHEN key_left[k] IS NOT NULL THEN holds[i] + greatest(key_left[k] + key_hold[k] - key_charge[k], 0) END,
                            CASE WHEN a_left[a] IS NOT NULL THEN holds[i] + greatest(a_left[a] + a_free[a] - w.free[a], 0) END);
            IF charge < costs[i] THEN             -- the model's part is paid first, the fee by what is left
                short := true;
                overs[i] := costs[i] - charge;
                charges[i] := charge;
                fees[i] := greatest(fees[i] - overs[i], 0);
            END IF;
        END IF;
        a_free[a] := a_free[a] + holds[i] - charge;
        key_charge[k] := key_charge[k] + charge;
        key_hold[k] := key_hold[k] + holds[i];
        IF NOT lone AND placed[i] IS NOT NULL THEN
            a_used[a] := a_used[a] + used[i];
            a_oldest[a] := least(a_oldest[a], placed[i]);
            IF opened[i] THEN
                a_open[a] := a_open[a] + 1;
            END IF;
            IF NOT alike THEN
                k_used[k] := k_used[k] + used[i];
                k_oldest[k] := least(k_oldest[k], placed[i]);
                IF opened[i] THEN
                    k_open[k] := k_open[k] + 1;
                END IF;
            END IF;
        END IF;
        IF before[i] > 0 THEN
            ats[i] := p_at - before[i] * interval '1 microsecond';
        END IF;
        salts[i] := substr(p_bytes, here, p_sizes[2 * i - 1]);
        details[i] := substr(p_bytes, here + p_sizes[2 * i - 1], p_sizes[2 * i]);
        here := here + p_sizes[2 * i - 1] + p_sizes[2 * i];
        CONTINUE WHEN p_type = 'loss' AND vendor[i] = 0;
        digests[i] := sha256(salts[i] || details[i]);
        versions[i] := CASE WHEN p_expiring[kind[i]] AND p_type = 'usage' THEN sha256(salts[i] || p_versions[kind[i]]) ELSE p_versions[kind[i]] END;
        a_seq[a] := a_seq[a] + 1;
        seqs[i] := a_seq[a];
        positions[i] := a_spent[a];
        a_spent[a] := a_spent[a] + charge;
        digest := entry_digest(p_type, named[kind[i]], '', ids[i], p_accounts[a], seqs[i], positions[i], charge, fees[i],
                               vendor[i], overs[i], ats[i], digests[i], versions[i]);
        leaves[a] := coalesce(leaves[a] || digest, digest);
    END LOOP;
    IF alike THEN
        k_used := a_used;
        k_oldest := a_oldest;
        k_open := a_open;
    END IF;
    INSERT INTO entry (id, account_id, seq, pos, amount, fee, vendor_cost, over, step, at, ordinal, type, provider, price_version, detail_digest, reference)
    SELECT ids[i], p_accounts[p_wallet[payer[i]]], seqs[i], positions[i], charges[i], fees[i], vendor[i], overs[i],
        w.step[p_wallet[payer[i]]] + 1, ats[i], seqs[i] - w.seq[p_wallet[payer[i]]] - 1, p_type, named[kind[i]], versions[i], digests[i], ''
    FROM generate_series(1, n) i WHERE seqs[i] > 0;
    INSERT INTO request (id, account_id, key_id, at, model, provider, status, edition, region, labels, salt, detail)
    SELECT ids[i], p_accounts[p_wallet[payer[i]]], p_keys[p_meter[payer[i]]], ats[i], p_models[kind[i]], p_providers[kind[i]],
        statuses[i], p_editions[kind[i]], p_regions[kind[i]], '{}', salts[i], details[i]
    FROM generate_series(1, n) i;
    UPDATE wallet SET (spent, held, seq, step, chain, open, window_tokens, day_spent, month_spent, day_end, month_end) = (
        SELECT a_spent[i], line_end - a_spent[i] - a_free[i], a_seq[i], step + CASE WHEN leaves[i] IS NULL THEN 0 ELSE 1 END,
            CASE WHEN leaves[i] IS NULL THEN chain ELSE sha256(chain || sha256(leaves[i])) END, open - a_open[i],
            greatest(window_tokens + CASE WHEN a_oldest[i] >= window_start THEN a_used[i] WHEN a_oldest[i] IS NULL THEN 0
                                          ELSE used_since(window_start, i, p_wallet, payer, h.each_used, h.each_placed) END, 0),
            CASE WHEN p_at >= day_end THEN 0 ELSE day_spent END + a_spent[i] - spent,
            CASE WHEN p_at >= month_end THEN 0 ELSE month_spent END + a_spent[i] - spent,
            greatest(day_end, p_day_end), greatest(month_end, p_month_end)
        FROM (SELECT array_position(p_accounts, account_id) AS i OFFSET 0) x)
    WHERE account_id = ANY (p_accounts);
    UPDATE key_meter SET (spent, held, open, window_tokens, day_spent, month_spent, day_end, month_end) = (
        SELECT spent + key_charge[i], held - key_hold[i], open - k_open[i],
            greatest(window_tokens + CASE WHEN k_oldest[i] >= window_start THEN k_used[i] WHEN k_oldest[i] IS NULL THEN 0
                                          ELSE used_since(window_start, i, p_meter, payer, h.each_used, h.each_placed) END, 0),
            CASE WHEN p_at >= day_end THEN 0 ELSE day_spent END + key_charge[i],
            CASE WHEN p_at >= month_end THEN 0 ELSE month_spent END + key_charge[i],
            greatest(day_end, p_day_end), greatest(month_end, p_month_end)
        FROM (SELECT array_position(p_keys, key_id) AS i OFFSET 0) x)
    WHERE key_id = ANY (p_keys);
    IF w.due IS NOT NULL THEN
        PERFORM expire_line(p_accounts[d], p_at) FROM unnest(w.due) d;
    END IF;
    IF NOT short THEN
        RETURN NULL;
    END IF;
    RETURN ARRAY(SELECT v FROM unnest(charges, fees, overs) WITH ORDINALITY u (charge, fee, over, o), unnest(ARRAY[u.charge, u.fee, u.over])
                 WITH ORDINALITY x (v, p) ORDER BY u.o, x.p);
END $$;

-- As `end_each_request`, whose arguments and answer it has. What is looked at while the wallets are locked stays so: each hold is there, is of
-- the account and key that are named, and covers its cost; no credit has expired. So each is charged its cost, and nothing is over.
CREATE FUNCTION end_requests(p_type text, p_accounts uuid[], p_keys uuid[], p_wallet int[], p_meter int[], p_at timestamptz,
                             p_models text[], p_providers text[], p_editions text[], p_regions text[], p_versions bytea[],
                             ids uuid[], payer int[], kind int[], before bigint[], statuses text[], p_sizes int[], p_bytes bytea,
                             costs bigint[], fees bigint[], vendor bigint[], p_bounds bigint[], p_tokens bigint[],
                             p_expiring boolean[])
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    n CONSTANT int := cardinality(ids);
    p_day_end CONSTANT timestamptz := date_trunc('day', p_at, 'UTC') + interval '1 day';
    p_month_end CONSTANT timestamptz := date_trunc('month', p_at, 'UTC') + interval '1 month';
    found bigint;
    due boolean;
    named CONSTANT text[] := named_providers(p_providers, p_expiring);
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
                                ids, payer, kind, before, statuses, p_sizes, p_bytes, costs, fees, vendor, p_bounds, p_tokens, p_expiring);
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
        SELECT i, a, k, at, salt, detail, sha256(salt || detail) AS digest,
            CASE WHEN p_expiring[kind[i]] THEN sha256(salt || p_versions[kind[i]]) ELSE p_versions[kind[i]] END AS version, row_number() OVER own AS nth,
            w_spent[a] + (sum(costs[i]) OVER own)::bigint - costs[i] AS pos
        FROM bodies WINDOW own AS (PARTITION BY a ORDER BY i)),
    entries AS (
        INSERT INTO entry (id, account_id, seq, pos, amount, fee, vendor_cost, over, step, at, ordinal, type, provider, price_version, detail_digest, reference)
        SELECT ids[i], p_accounts[a], w_seq[a] + nth, pos, costs[i], fees[i], vendor[i], 0, w_step[a] + 1, at, nth - 1, p_type,
            named[kind[i]], version, digest, ''
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
                  string_agg(entry_digest(p_type, named[kind[i]], '', ids[i], p_accounts[a], w_seq[a] + nth, pos, costs[i], fees[i],
                                          vendor[i], 0, at, digest, version), '' ORDER BY i) AS leaves
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

-- A task is open only while its request's hold stands: whoever gives the hold back ends the task in the same transaction. Requests that leave
-- no entry are counted here, since no mark of usage will pass them.
CREATE FUNCTION release_requests(
    p_type text, p_accounts uuid[], p_keys uuid[], p_wallet int[], p_meter int[], p_at timestamptz,
    p_models text[], p_providers text[], p_editions text[], p_regions text[], p_versions bytea[],
    ids uuid[], payer int[], kind int[], before bigint[], statuses text[], p_sizes int[], p_bytes bytea,
    costs bigint[], fees bigint[], vendor bigint[], p_bounds bigint[], p_tokens bigint[], p_expiring boolean[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM end_requests(p_type, p_accounts, p_keys, p_wallet, p_meter, p_at, p_models, p_providers, p_editions, p_regions,
                         p_versions, ids, payer, kind, before, statuses, p_sizes, p_bytes, costs, fees, vendor, p_bounds, p_tokens, p_expiring);
    UPDATE task SET state = 'failed', closed_at = p_at WHERE request_id = ANY (ids) AND state = 'open';
    INSERT INTO usage_hour AS h (account_id, hour, key_id, model, provider, requests, unbilled)
    SELECT p_accounts[p_wallet[payer[i]]], date_trunc('hour', p_at - greatest(before[i], 0) * interval '1 microsecond', 'UTC'),
        p_keys[p_meter[payer[i]]], p_models[kind[i]], p_providers[kind[i]], count(*), count(*)
    FROM generate_series(1, cardinality(ids)) i WHERE vendor[i] = 0 GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (account_id, hour, key_id, model, provider) DO UPDATE SET
        requests = h.requests + excluded.requests, unbilled = h.unbilled + excluded.unbilled;
END $$;

-- A task of an edition whose metadata expires.
ALTER TABLE task ADD COLUMN metadata_expires boolean NOT NULL DEFAULT false;
CREATE OR REPLACE FUNCTION task_digest(t task) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(uuid_send(t.request_id) || uuid_send(t.account_id) || uuid_send(t.key_id) || int8send(t.cost) || int8send(t.fee)
        || int8send(t.vendor_cost) || int8send(t.bound) || timestamptz_send(t.created_at) || sha256(t.price_version) || sha256(t.salt) || sha256(t.detail)
        || convert_to(t.endpoint, 'UTF8') || '\x00'::bytea || convert_to(t.vendor_id, 'UTF8') || '\x00'::bytea || convert_to(t.model, 'UTF8')
        || '\x00'::bytea || convert_to(t.provider, 'UTF8') || '\x00'::bytea || convert_to(t.edition, 'UTF8') || '\x00'::bytea
        || convert_to(t.region, 'UTF8') || CASE WHEN t.metadata_expires THEN '\x01'::bytea ELSE '\x'::bytea END)
$$;
CREATE INDEX task_closed ON task (created_at) WHERE state <> 'open';

-- Notices that say which models an account has used.
CREATE INDEX notice_price_change ON notice (at) WHERE kind = 'price_change';

-- Of requests that began before this, nothing is kept but their entries. It is written before anything is deleted, and never goes back.
CREATE TABLE metadata_purge (
    one_row        boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    purged_before  timestamptz NOT NULL
);

-- Hours that say what was used by which key.
CREATE INDEX usage_hour_named ON usage_hour (hour)
    WHERE key_id <> '00000000-0000-0000-0000-000000000000' OR model <> '' OR provider <> '';

-- Of an account's hours before one, keep requests and money: neither key, model and provider nor tokens. Answers how many rows went.
CREATE FUNCTION strip_usage(p_account uuid, p_before timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    nobody CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    stripped bigint;
BEGIN
    INSERT INTO usage_mark (account_id, seq) VALUES (p_account, 0) ON CONFLICT DO NOTHING;
    PERFORM FROM usage_mark m WHERE m.account_id = p_account FOR UPDATE;
    WITH gone AS (
        DELETE FROM usage_hour h WHERE h.account_id = p_account AND h.hour < p_before
            AND (h.key_id <> nobody OR h.model <> '' OR h.provider <> '')
        RETURNING h.*),
    kept AS (
        INSERT INTO usage_hour AS h (account_id, hour, key_id, model, provider, first_seq, last_seq, requests, unbilled, charge, fee,
                                     vendor_cost, over, loss)
        SELECT p_account, g.hour, nobody, '', '', min(g.first_seq), max(g.last_seq), sum(g.requests), sum(g.unbilled), sum(g.charge), sum(g.fee),
            sum(g.vendor_cost), sum(g.over), sum(g.loss)
        FROM gone g GROUP BY g.hour ORDER BY g.hour
        ON CONFLICT (account_id, hour, key_id, model, provider) DO UPDATE SET
            first_seq = least(h.first_seq, excluded.first_seq), last_seq = greatest(h.last_seq, excluded.last_seq),
            requests = h.requests + excluded.requests, unbilled = h.unbilled + excluded.unbilled,
            charge = h.charge + excluded.charge, fee = h.fee + excluded.fee, vendor_cost = h.vendor_cost + excluded.vendor_cost,
            over = h.over + excluded.over, loss = h.loss + excluded.loss)
    SELECT count(*) INTO stripped FROM gone;
    RETURN stripped;
END $$;

-- As before; an entry that names no provider has `-` in its place.
CREATE OR REPLACE VIEW posting_all AS
    SELECT entry_id, source, destination, amount, lot_id FROM posting
    UNION ALL
    SELECT e.id, 'account/' || e.account_id || '/' || l.pool, p.destination, least(s.end_at, p.upto) - greatest(s.start_at, p.since), l.id
    FROM entry e
    CROSS JOIN LATERAL (VALUES ('revenue/usage', e.pos, e.pos + e.amount - e.fee),
                               ('revenue/service_fee', e.pos + e.amount - e.fee, e.pos + e.amount)) p (destination, since, upto)
    JOIN segment s ON s.account_id = e.account_id AND s.start_at < p.upto AND s.end_at > p.since
    JOIN lot l ON l.id = s.lot_id
    WHERE e.type = 'usage' AND p.since < p.upto
    UNION ALL
    SELECT id, 'loss/overrun', 'revenue/usage', over, NULL FROM entry WHERE type = 'usage' AND over > 0
    UNION ALL
    SELECT id, 'payable/provider/' || coalesce(nullif(provider, ''), '-'), 'expense/provider/' || coalesce(nullif(provider, ''), '-'), vendor_cost, NULL
    FROM entry WHERE type = 'usage' AND vendor_cost > 0
    UNION ALL
    SELECT id, 'payable/provider/' || coalesce(nullif(provider, ''), '-'), 'loss/unbilled', vendor_cost, NULL
    FROM entry WHERE type = 'loss' AND vendor_cost > 0;
