-- Rates and budgets where the money is: counted in the rows that a hold writes anyway, in its own transaction.
--
-- `open` counts the holds whose request is open. A window lasts a minute and begins with the first hold that is placed after the last
-- one's end; it counts the holds that were placed in it, and their tokens: the bound of each until its request ends, then what was used.
-- A hold belongs to the window that is there if `placed_at >= window_start`.
--
-- The time of windows is this database's, read when the wallets are locked (the one exception to times that are passed in): each time is
-- later than those that were read under the lock before, whatever the clocks of gateways say.

-- Holds from before count as open, as they would have been counted.
UPDATE hold SET open = true WHERE NOT EXISTS (SELECT FROM task t WHERE t.request_id = hold.request_id);
UPDATE wallet w SET open = (SELECT count(*) FROM hold h WHERE h.account_id = w.account_id AND h.open)
WHERE account_id IN (SELECT account_id FROM hold);
UPDATE key_meter m SET open = (SELECT count(*) FROM hold h WHERE h.key_id = m.key_id AND h.open) WHERE key_id IN (SELECT key_id FROM hold);

DROP FUNCTION place_holds(uuid[], uuid[], int[], int[], timestamptz, uuid, uuid[], int[], bigint[]);
DROP FUNCTION place_holds(uuid[], uuid[], int[], int[], timestamptz, uuid, asking[]);
DROP FUNCTION release_requests(text, uuid[], uuid[], int[], int[], timestamptz, text[], text[], text[], text[], bytea[],
                               uuid[], int[], int[], bigint[], text[], int[], bytea, bigint[], bigint[], bigint[], bigint[]);
DROP FUNCTION end_requests(text, uuid[], uuid[], int[], int[], timestamptz, text[], text[], text[], text[], bytea[],
                           uuid[], int[], int[], bigint[], text[], int[], bytea, bigint[], bigint[], bigint[], bigint[]);
DROP FUNCTION release_requests(text, uuid[], uuid[], int[], int[], timestamptz, timestamptz, timestamptz,
                               text[], text[], text[], text[], text[], text[], bytea[], ending[]);
DROP FUNCTION end_requests(text, uuid[], uuid[], int[], int[], timestamptz, timestamptz, timestamptz,
                           text[], text[], text[], text[], text[], text[], bytea[], ending[], bigint[]);
DROP TYPE asking;
DROP TYPE ending;

-- The milliseconds until a window ends.
CREATE FUNCTION window_rest(p_start timestamptz, p_now timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT 60000 - (date_part('epoch', p_now - p_start) * 1000)::bigint
$$;

-- Place holds in order of arrival: one that does not fit refuses only itself. All rows lie in one UTC day; `p_at` is their latest time.
-- `p_sums` has for each account, then for each key: how many rows, their amounts and their tokens in all; `p_limits` likewise its
-- requests and tokens a minute and requests open at once (NULL: nobody has any). `p_owner` has the place of each key's account, 0 where
-- rows disagree (NULL: key and account have the same place). `p_frees`: of rows for free models, how many such requests the account has
-- in 5 hours, else 0 (NULL: no row is for one).
-- NULL: all stand. Else lines of six numbers. If there are limits, one of each account, then of each key, as they come: its place, and what
-- is counted now: requests, tokens, open ones, the milliseconds until the window ends, 0. After it, unless all stand, one of each row: why
-- not (0: it stands), available, held, what the limit leaves, the tokens that the windows leave (-1: no limit), the milliseconds until it
-- may be placed. A hold that stands already is a unique violation: the caller then looks first (see batch_runner.py).
--
-- Each account and key takes all of its rows in one step that also asks whether they fit. Where one does not, what was taken is given
-- back, and each row is looked at: no row of the books is read before it is written, and nothing is done for each row but its insert.
-- (A window that was begun and given back counts nothing, and a window that counts nothing has ended.)
--
-- The time is read before the wallets are locked, which may take a while. What is counted by an earlier time is counted in the window
-- that was there at that time, and no later window has begun: else the rows are looked at one by one, with a time that is read then.
CREATE FUNCTION place_holds(p_accounts uuid[], p_keys uuid[], p_wallet int[], p_meter int[], p_sums bigint[], p_limits bigint[], p_owner int[],
                            p_at timestamptz, p_gateway uuid, ids uuid[], payer int[], amounts bigint[], p_tokens bigint[], p_frees int[])
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    n_accounts CONSTANT int := cardinality(p_accounts);
    n_keys CONSTANT int := cardinality(p_keys);
    p_now CONSTANT timestamptz := clock_timestamp();
    fresh CONSTANT timestamptz := p_now - interval '1 minute';     -- a window that began before this has ended
    a record;           -- the places of accounts that have taken their rows, their latest window's start, and what is counted
    k record;
    fits boolean := false;
BEGIN
    IF p_frees IS NULL THEN
        WITH taken AS (
            UPDATE wallet SET held = held + p_sums[3 * i - 1], open = open + p_sums[3 * i - 2],
                window_start = CASE WHEN window_start <= fresh OR window_requests = 0 THEN p_now ELSE window_start END,
                window_requests = CASE WHEN window_start <= fresh OR window_requests = 0 THEN 0 ELSE window_requests END + p_sums[3 * i - 2],
                window_tokens = CASE WHEN window_start <= fresh OR window_requests = 0 THEN 0 ELSE window_tokens END + p_sums[3 * i]
            FROM unnest(p_accounts) WITH ORDINALITY u (id, i)
            WHERE account_id = u.id AND debt = 0 AND next_expiry > p_at AND line_end - spent - held >= p_sums[3 * i - 1]
                AND daily - held - CASE WHEN p_at >= day_end THEN 0 ELSE day_spent END >= p_sums[3 * i - 1]
                AND monthly - held - CASE WHEN p_at >= month_end THEN 0 ELSE month_spent END >= p_sums[3 * i - 1]
                AND (p_limits IS NULL OR (open + p_sums[3 * i - 2] <= p_limits[3 * i]
                    AND CASE WHEN window_start <= fresh OR window_requests = 0 THEN 0 ELSE window_requests END + p_sums[3 * i - 2] <= p_limits[3 * i - 2]
                    AND CASE WHEN window_start <= fresh OR window_requests = 0 THEN 0 ELSE window_tokens END + p_sums[3 * i] <= p_limits[3 * i - 1]))
            RETURNING u.i, window_start, window_requests, window_tokens, open)
        SELECT array_agg(i::int) AS places, max(window_start) AS latest,
            array_agg(ARRAY[i, window_requests, window_tokens, open, window_rest(window_start, p_now), 0]) FILTER (WHERE p_limits IS NOT NULL) AS counted
        INTO a FROM taken;
        fits := cardinality(a.places) = n_accounts AND a.latest <= p_now;
    END IF;
    IF fits THEN
        WITH taken AS (
            UPDATE key_meter SET held = held + p_sums[3 * (n_accounts + i) - 1], open = open + p_sums[3 * (n_accounts + i) - 2],
                window_start = CASE WHEN window_start <= fresh OR window_requests = 0 THEN p_now ELSE window_start END,
                window_requests = CASE WHEN window_start <= fresh OR window_requests = 0 THEN 0 ELSE window_requests END + p_sums[3 * (n_accounts + i) - 2],
                window_tokens = CASE WHEN window_start <= fresh OR window_requests = 0 THEN 0 ELSE window_tokens END + p_sums[3 * (n_accounts + i)]
            FROM unnest(p_keys) WITH ORDINALITY u (id, i)
            WHERE key_id = u.id AND account_id = p_accounts[CASE WHEN p_owner IS NULL THEN i ELSE p_owner[i] END] AND quota - spent - held >= p_sums[3 * (n_accounts + i) - 1]
                AND daily - held - CASE WHEN p_at >= day_end THEN 0 ELSE day_spent END >= p_sums[3 * (n_accounts + i) - 1]
                AND monthly - held - CASE WHEN p_at >= month_end THEN 0 ELSE month_spent END >= p_sums[3 * (n_accounts + i) - 1]
                AND (p_limits IS NULL OR (open + p_sums[3 * (n_accounts + i) - 2] <= p_limits[3 * (n_accounts + i)]
                    AND CASE WHEN window_start <= fresh OR window_requests = 0 THEN 0 ELSE window_requests END + p_sums[3 * (n_accounts + i) - 2] <= p_limits[3 * (n_accounts + i) - 2]
                    AND CASE WHEN window_start <= fresh OR window_requests = 0 THEN 0 ELSE window_tokens END + p_sums[3 * (n_accounts + i)] <= p_limits[3 * (n_accounts + i) - 1]))
            RETURNING u.i, window_start, window_requests, window_tokens, open)
        SELECT array_agg(i::int) AS places, max(window_start) AS latest,
            array_agg(ARRAY[i, window_requests, window_tokens, open, window_rest(window_start, p_now), 0]) FILTER (WHERE p_limits IS NOT NULL) AS counted
        INTO k FROM taken;
        fits := cardinality(k.places) = n_keys AND k.latest <= p_now;
        IF fits THEN
            INSERT INTO hold (request_id, account_id, key_id, amount, gateway_id, tokens, placed_at, open)
            SELECT ids[i], p_accounts[p_wallet[payer[i]]], p_keys[p_meter[payer[i]]], amounts[i], p_gateway, p_tokens[i], p_now, true
            FROM generate_series(1, cardinality(ids)) i;
            RETURN a.counted || k.counted;
        END IF;
        UPDATE key_meter SET held = held - p_sums[3 * (n_accounts + i) - 1], open = open - p_sums[3 * (n_accounts + i) - 2],
            window_requests = window_requests - p_sums[3 * (n_accounts + i) - 2], window_tokens = window_tokens - p_sums[3 * (n_accounts + i)]
        FROM unnest(k.places) i WHERE key_id = p_keys[i];
    END IF;
    IF p_frees IS NULL THEN
        UPDATE wallet SET held = held - p_sums[3 * i - 1], open = open - p_sums[3 * i - 2], window_requests = window_requests - p_sums[3 * i - 2],
            window_tokens = window_tokens - p_sums[3 * i]
        FROM unnest(a.places) i WHERE account_id = p_accounts[i];
    END IF;
    RETURN place_each_hold(p_accounts, p_keys, p_wallet, p_meter, p_limits, p_at, p_gateway, ids, payer, amounts, p_tokens, p_frees);
END $$;

-- The same, row by row: for batches in which not all fit, credit expires, or somebody asks for a free model.
CREATE FUNCTION place_each_hold(p_accounts uuid[], p_keys uuid[], p_wallet int[], p_meter int[], p_limits bigint[],
                                p_at timestamptz, p_gateway uuid, ids uuid[], payer int[], amounts bigint[], p_tokens bigint[], p_frees int[])
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    no_limit CONSTANT bigint := 9223372036854775807;
    n CONSTANT int := cardinality(ids);
    a_limits CONSTANT bigint[] := p_limits[: 3 * cardinality(p_accounts)];
    k_limits CONSTANT bigint[] := p_limits[3 * cardinality(p_accounts) + 1 :];
    p_now timestamptz;
    fresh timestamptz;              -- a window that began before this has ended
    w record;
    v wallet;
    m key_meter;
    nothing bigint[] := array_fill(0::bigint, ARRAY[cardinality(p_accounts)]);
    a_free bigint[];                -- by account
    a_more bigint[] := nothing;     -- what this batch holds
    a_day bigint[] := nothing;      -- what the budgets leave
    a_month bigint[] := nothing;
    a_open bigint[] := nothing;
    a_requests bigint[] := nothing;
    a_used bigint[] := nothing;
    a_rest bigint[] := nothing;     -- milliseconds until the window ends; 0: it has ended
    a_begun boolean[] := array_fill(false, ARRAY[cardinality(p_accounts)]);
    a_frees bigint[] := nothing;    -- requests for free models
    a_free_rest bigint[] := nothing;
    a_asked bigint[] := nothing;    -- requests for free models in this batch
    k_owner uuid[] := array_fill(NULL::uuid, ARRAY[cardinality(p_keys)]);
    k_more bigint[];
    k_quota bigint[];
    k_day bigint[];
    k_month bigint[];
    k_open bigint[];
    k_requests bigint[];
    k_used bigint[];
    k_rest bigint[];
    k_begun boolean[] := array_fill(false, ARRAY[cardinality(p_keys)]);
    verdicts bigint[];
    a int;
    k int;
    rows bigint := 0;
    amount bigint;
    why int;
BEGIN
    nothing := array_fill(0::bigint, ARRAY[cardinality(p_keys)]);
    k_more := nothing; k_quota := nothing; k_day := nothing; k_month := nothing;
    k_open := nothing; k_requests := nothing; k_used := nothing; k_rest := nothing;
    SELECT * INTO w FROM lock_wallets(p_accounts, p_at);
    p_now := clock_timestamp();
    fresh := p_now - interval '1 minute';
    a_free := w.free;
    FOR v IN SELECT * FROM wallet WHERE account_id = ANY (p_accounts) LOOP
        a := array_position(p_accounts, v.account_id);
        a_day[a] := v.daily - v.held - CASE WHEN p_at >= v.day_end THEN 0 ELSE v.day_spent END;
        a_month[a] := v.monthly - v.held - CASE WHEN p_at >= v.month_end THEN 0 ELSE v.month_spent END;
        a_open[a] := v.open;
        IF v.window_start > fresh AND v.window_requests > 0 THEN
            a_requests[a] := v.window_requests;
            a_used[a] := v.window_tokens;
            a_rest[a] := greatest(window_rest(v.window_start, p_now), 1);
        END IF;
        IF v.free_start > p_now - interval '5 hours' THEN
            a_frees[a] := v.free_requests;
            a_free_rest[a] := greatest(window_rest(v.free_start + interval '4 hours 59 minutes', p_now), 1);
        END IF;
    END LOOP;
    FOR m IN SELECT * FROM key_meter WHERE key_id = ANY (p_keys) LOOP
        k := array_position(p_keys, m.key_id);
        k_owner[k] := m.account_id;
        k_quota[k] := m.quota - m.spent - m.held;
        k_day[k] := m.daily - m.held - CASE WHEN p_at >= m.day_end THEN 0 ELSE m.day_spent END;
        k_month[k] := m.monthly - m.held - CASE WHEN p_at >= m.month_end THEN 0 ELSE m.month_spent END;
        k_open[k] := m.open;
        IF m.window_start > fresh AND m.window_requests > 0 THEN
            k_requests[k] := m.window_requests;
            k_used[k] := m.window_tokens;
            k_rest[k] := greatest(window_rest(m.window_start, p_now), 1);
        END IF;
    END LOOP;
    FOR i IN 1 .. n LOOP
        a := p_wallet[payer[i]];
        k := p_meter[payer[i]];
        amount := amounts[i];
        why := CASE
            WHEN a_free[a] IS NULL OR k_owner[k] IS DISTINCT FROM p_accounts[a] THEN 6
            WHEN p_frees[i] > 0 AND a_frees[a] >= p_frees[i] THEN 15
            WHEN a_open[a] >= a_limits[3 * a] THEN 14
            WHEN k_open[k] >= k_limits[3 * k] THEN 11
            WHEN a_requests[a] >= a_limits[3 * a - 2] THEN 12
            WHEN k_requests[k] >= k_limits[3 * k - 2] THEN 9
            WHEN a_used[a] + p_tokens[i] > a_limits[3 * a - 1] THEN 13
            WHEN k_used[k] + p_tokens[i] > k_limits[3 * k - 1] THEN 10
            WHEN w.debt[a] > 0 THEN 5
            WHEN amount > a_free[a] THEN 1
            WHEN amount > k_quota[k] - k_more[k] THEN 2
            WHEN amount > k_day[k] - k_more[k] THEN 3
            WHEN amount > k_month[k] - k_more[k] THEN 4
            WHEN amount > a_day[a] - a_more[a] THEN 7
            WHEN amount > a_month[a] - a_more[a] THEN 8
            ELSE 0 END;
        IF why = 0 THEN
            rows := rows + 1;
            a_free[a] := a_free[a] - amount;
            a_more[a] := a_more[a] + amount;
            k_more[k] := k_more[k] + amount;
            a_open[a] := a_open[a] + 1;
            k_open[k] := k_open[k] + 1;
            a_requests[a] := a_requests[a] + 1;
            k_requests[k] := k_requests[k] + 1;
            a_used[a] := a_used[a] + p_tokens[i];
            k_used[k] := k_used[k] + p_tokens[i];
            IF a_rest[a] = 0 THEN
                a_rest[a] := 60000;
                a_begun[a] := true;
            END IF;
            IF k_rest[k] = 0 THEN
                k_rest[k] := 60000;
                k_begun[k] := true;
            END IF;
            IF p_frees[i] > 0 THEN
                a_frees[a] := a_frees[a] + 1;
                a_asked[a] := a_asked[a] + 1;
                IF a_free_rest[a] = 0 THEN
                    a_free_rest[a] := 18000000;
                END IF;
            END IF;
            CONTINUE;
        END IF;
        IF array_position(ids, ids[i]) < i OR EXISTS (SELECT FROM hold WHERE request_id = ids[i]) THEN
            RAISE EXCEPTION 'a hold that stands already' USING ERRCODE = 'unique_violation';
        END IF;
        IF verdicts IS NULL THEN
            verdicts := array_fill(0::bigint, ARRAY[n, 6]);
        END IF;
        verdicts[i][1] := why;
        verdicts[i][5] := -1;
        IF why <> 6 THEN
            verdicts[i][2] := a_free[a];
            verdicts[i][3] := w.held[a] + w.free[a] - a_free[a];
            verdicts[i][4] := greatest(CASE why
                WHEN 2 THEN k_quota[k] - k_more[k] WHEN 3 THEN k_day[k] - k_more[k] WHEN 4 THEN k_month[k] - k_more[k]
                WHEN 7 THEN a_day[a] - a_more[a] WHEN 8 THEN a_month[a] - a_more[a]
                WHEN 10 THEN least(k_quota[k] - k_more[k], k_day[k] - k_more[k], k_month[k] - k_more[k], a_day[a] - a_more[a], a_month[a] - a_more[a])
                WHEN 13 THEN least(k_quota[k] - k_more[k], k_day[k] - k_more[k], k_month[k] - k_more[k], a_day[a] - a_more[a], a_month[a] - a_more[a])
                ELSE 0 END, 0);
            IF least(a_limits[3 * a - 1], k_limits[3 * k - 1]) < no_limit THEN
                verdicts[i][5] := greatest(least(a_limits[3 * a - 1] - a_used[a], k_limits[3 * k - 1] - k_used[k]), 0);
            END IF;
            verdicts[i][6] := CASE
                WHEN why IN (11, 14) THEN 1000
                WHEN why = 12 OR why = 13 AND p_tokens[i] <= a_limits[3 * a - 1] THEN a_rest[a]
                WHEN why = 9 OR why = 10 AND p_tokens[i] <= k_limits[3 * k - 1] THEN k_rest[k]
                WHEN why = 15 THEN a_free_rest[a]
                ELSE 0 END;
        END IF;
    END LOOP;
    IF rows > 0 THEN
        INSERT INTO hold (request_id, account_id, key_id, amount, gateway_id, tokens, placed_at, open, free)
        SELECT ids[i], p_accounts[p_wallet[payer[i]]], p_keys[p_meter[payer[i]]], amounts[i], p_gateway, p_tokens[i], p_now, true,
            coalesce(p_frees[i] > 0, false)
        FROM generate_series(1, n) i WHERE verdicts IS NULL OR verdicts[i][1] = 0;
        UPDATE wallet SET (held, open, window_start, window_requests, window_tokens, free_start, free_requests) = (
            SELECT line_end - spent - a_free[i], a_open[i], CASE WHEN a_begun[i] THEN p_now ELSE window_start END,
                a_requests[i], a_used[i],
                CASE WHEN a_asked[i] > 0 AND free_start <= p_now - interval '5 hours' THEN p_now ELSE free_start END,
                CASE WHEN a_asked[i] > 0 THEN a_frees[i] ELSE free_requests END
            FROM (SELECT array_position(p_accounts, account_id) AS i OFFSET 0) x)
        WHERE account_id = ANY (p_accounts);
        UPDATE key_meter SET (held, open, window_start, window_requests, window_tokens) = (
            SELECT held + k_more[i], k_open[i], CASE WHEN k_begun[i] THEN p_now ELSE window_start END,
                k_requests[i], k_used[i]
            FROM (SELECT array_position(p_keys, key_id) AS i OFFSET 0) x)
        WHERE key_id = ANY (p_keys);
    END IF;
    IF p_limits IS NULL THEN
        RETURN verdicts;
    END IF;
    RETURN (SELECT array_agg(ARRAY[u.o, u.b, u.c, u.d, u.e, 0] ORDER BY u.o)
            FROM unnest(a_requests, a_used, a_open, a_rest) WITH ORDINALITY u (b, c, d, e, o))
        || (SELECT array_agg(ARRAY[u.o, u.b, u.c, u.d, u.e, 0] ORDER BY u.o)
            FROM unnest(k_requests, k_used, k_open, k_rest) WITH ORDINALITY u (b, c, d, e, o))
        || verdicts;
END $$;

-- Place holds again that were lost with the last moments before a restart of this server: each as far as its account covers it, whatever
-- the limits say. Those that stand are left alone, and so are requests that have ended or wait for a task.
CREATE FUNCTION place_holds_again(p_accounts uuid[], p_at timestamptz, p_gateway uuid, ids uuid[], accounts uuid[], keys uuid[],
                                  amounts bigint[], p_tokens bigint[], p_frees boolean[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    p_now timestamptz;
    fresh timestamptz;
    amount bigint;
BEGIN
    PERFORM lock_wallets(p_accounts, p_at);
    p_now := clock_timestamp();
    fresh := p_now - interval '1 minute';
    FOR i IN 1 .. cardinality(ids) LOOP
        SELECT least(line_end - spent - held, amounts[i]) INTO amount FROM wallet WHERE account_id = accounts[i];
        CONTINUE WHEN amount IS NULL OR NOT EXISTS (SELECT FROM key_meter WHERE key_id = keys[i] AND account_id = accounts[i])
            OR EXISTS (SELECT FROM request WHERE account_id = accounts[i] AND id = ids[i]) OR EXISTS (SELECT FROM task WHERE request_id = ids[i]);
        INSERT INTO hold (request_id, account_id, key_id, amount, gateway_id, tokens, placed_at, open, free)
        VALUES (ids[i], accounts[i], keys[i], amount, p_gateway, p_tokens[i], p_now, true, p_frees[i]) ON CONFLICT DO NOTHING;
        CONTINUE WHEN NOT FOUND;
        UPDATE wallet SET held = held + amount, open = open + 1,
            window_start = CASE WHEN window_start <= fresh OR window_requests = 0 THEN p_now ELSE window_start END,
            window_requests = CASE WHEN window_start <= fresh OR window_requests = 0 THEN 0 ELSE window_requests END + 1,
            window_tokens = CASE WHEN window_start <= fresh OR window_requests = 0 THEN 0 ELSE window_tokens END + p_tokens[i],
            free_start = CASE WHEN p_frees[i] AND free_start <= p_now - interval '5 hours' THEN p_now ELSE free_start END,
            free_requests = CASE WHEN NOT p_frees[i] THEN free_requests WHEN free_start <= p_now - interval '5 hours' THEN 1 ELSE free_requests + 1 END
        WHERE account_id = accounts[i];
        UPDATE key_meter SET held = held + amount, open = open + 1,
            window_start = CASE WHEN window_start <= fresh OR window_requests = 0 THEN p_now ELSE window_start END,
            window_requests = CASE WHEN window_start <= fresh OR window_requests = 0 THEN 0 ELSE window_requests END + 1,
            window_tokens = CASE WHEN window_start <= fresh OR window_requests = 0 THEN 0 ELSE window_tokens END + p_tokens[i]
        WHERE key_id = keys[i];
    END LOOP;
END $$;

-- What the budgets of accounts (sorted, distinct) leave beside what is held on them, each at its place; NULL where there is none.
CREATE FUNCTION left_of_wallets(p_accounts uuid[], p_at timestamptz) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    no_limit CONSTANT bigint := 9223372036854775807;
    lefts bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(p_accounts)]);
    w wallet;
BEGIN
    FOR w IN SELECT * FROM wallet WHERE account_id = ANY (p_accounts) LOOP
        IF least(w.daily, w.monthly) < no_limit THEN
            lefts[array_position(p_accounts, w.account_id)] := least(
                w.daily - CASE WHEN p_at >= w.day_end THEN 0 ELSE w.day_spent END,
                w.monthly - CASE WHEN p_at >= w.month_end THEN 0 ELSE w.month_spent END) - w.held;
        END IF;
    END LOOP;
    RETURN lefts;
END $$;

-- What rows of one account or key have used beyond what was reserved, as far as their holds were placed since a window began.
CREATE FUNCTION used_since(p_start timestamptz, p_place int, places int[], payer int[], used bigint[], placed timestamptz[])
RETURNS bigint LANGUAGE sql AS $$
    SELECT coalesce(sum(used[i]), 0)::bigint FROM generate_series(1, cardinality(payer)) i WHERE places[payer[i]] = p_place AND placed[i] >= p_start
$$;

-- End requests: `usage` is billed at its cost, `loss` is not billed and leaves an entry only where the vendor costs us something.
-- charge = min(cost, the quote's bound, own hold + available, own hold + what the key's and the account's limits leave); the rest is `over`. A cost within
-- its hold was admitted with it, so that only a cost above it looks at the limits: a limit lowered meanwhile counts for new holds.
-- `before` is by how many microseconds a row is older than `p_at`; `p_bytes` has each row's salt and detail end to end, `p_sizes` how
-- long each is; `p_bounds` is NULL where no row costs more than its bound. All rows lie in one UTC day.
-- A request gives back its place among the open ones, and of its bound of tokens what it did not use (`p_tokens`; NULL: nothing was
-- used), if the window is still the one that counts it.
-- NULL: all were charged in full. Else three numbers a row: charge, fee, overrun. A request that was ended before is a unique
-- violation: the caller then looks first (see batch_runner.py).
CREATE FUNCTION end_requests(p_type text, p_accounts uuid[], p_keys uuid[], p_wallet int[], p_meter int[], p_at timestamptz,
                             p_models text[], p_providers text[], p_editions text[], p_regions text[], p_versions bytea[],
                             ids uuid[], payer int[], kind int[], before bigint[], statuses text[], p_sizes int[], p_bytes bytea,
                             costs bigint[], fees bigint[], vendor bigint[], p_bounds bigint[], p_tokens bigint[])
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
        a_seq[a] := a_seq[a] + 1;
        seqs[i] := a_seq[a];
        positions[i] := a_spent[a];
        a_spent[a] := a_spent[a] + charge;
        digest := entry_digest(p_type, p_providers[kind[i]], '', ids[i], p_accounts[a], seqs[i], positions[i], charge, fees[i],
                               vendor[i], overs[i], ats[i], digests[i], p_versions[kind[i]]);
        leaves[a] := coalesce(leaves[a] || digest, digest);
    END LOOP;
    IF alike THEN
        k_used := a_used;
        k_oldest := a_oldest;
        k_open := a_open;
    END IF;
    INSERT INTO entry (id, account_id, seq, pos, amount, fee, vendor_cost, over, step, at, ordinal, type, provider, price_version, detail_digest, reference)
    SELECT ids[i], p_accounts[p_wallet[payer[i]]], seqs[i], positions[i], charges[i], fees[i], vendor[i], overs[i],
        w.step[p_wallet[payer[i]]] + 1, ats[i], seqs[i] - w.seq[p_wallet[payer[i]]] - 1, p_type, p_providers[kind[i]], p_versions[kind[i]], digests[i], ''
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

-- A task is open only while its request's hold stands: whoever gives the hold back ends the task in the same transaction.
CREATE FUNCTION release_requests(p_type text, p_accounts uuid[], p_keys uuid[], p_wallet int[], p_meter int[], p_at timestamptz,
                                 p_models text[], p_providers text[], p_editions text[], p_regions text[], p_versions bytea[],
                                 ids uuid[], payer int[], kind int[], before bigint[], statuses text[], p_sizes int[], p_bytes bytea,
                                 costs bigint[], fees bigint[], vendor bigint[], p_bounds bigint[], p_tokens bigint[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM end_requests(p_type, p_accounts, p_keys, p_wallet, p_meter, p_at, p_models, p_providers, p_editions, p_regions,
                         p_versions, ids, payer, kind, before, statuses, p_sizes, p_bytes, costs, fees, vendor, p_bounds, p_tokens);
    UPDATE task SET state = 'failed', closed_at = p_at WHERE request_id = ANY (ids) AND state = 'open';
END $$;

-- Take the places of holds from what is counted as open, and their tokens from the windows that count them. The wallets are locked.
CREATE FUNCTION uncount_holds(p_ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE wallet t SET open = t.open - x.places, window_tokens = greatest(t.window_tokens - x.tokens, 0)
    FROM (SELECT w.account_id, count(*) FILTER (WHERE h.open) AS places,
                 coalesce(sum(h.tokens) FILTER (WHERE h.placed_at >= w.window_start), 0) AS tokens
          FROM hold h JOIN wallet w ON w.account_id = h.account_id WHERE h.request_id = ANY (p_ids) GROUP BY 1) x
    WHERE t.account_id = x.account_id;
    UPDATE key_meter t SET open = t.open - x.places, window_tokens = greatest(t.window_tokens - x.tokens, 0)
    FROM (SELECT m.key_id, count(*) FILTER (WHERE h.open) AS places,
                 coalesce(sum(h.tokens) FILTER (WHERE h.placed_at >= m.window_start), 0) AS tokens
          FROM hold h JOIN key_meter m ON m.key_id = h.key_id WHERE h.request_id = ANY (p_ids) GROUP BY 1) x
    WHERE t.key_id = x.key_id;
END $$;

-- Give holds back without a word about their requests: those of a dead gateway, or of a request that was ended before.
CREATE OR REPLACE FUNCTION drop_holds(p_ids uuid[], p_at timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    accounts uuid[] := ARRAY(SELECT DISTINCT account_id FROM hold WHERE request_id = ANY (p_ids) ORDER BY account_id);
    due int[];
    dropped bigint;
BEGIN
    SELECT l.due INTO due FROM lock_wallets(accounts, p_at) l;
    PERFORM uncount_holds(p_ids);
    WITH gone AS (DELETE FROM hold WHERE request_id = ANY (p_ids) RETURNING account_id, key_id, amount),
    wallets AS (UPDATE wallet t SET held = t.held - x.amount
                FROM (SELECT account_id, sum(amount)::bigint AS amount FROM gone GROUP BY account_id) x WHERE t.account_id = x.account_id),
    meters AS (UPDATE key_meter t SET held = t.held - x.amount
               FROM (SELECT key_id, sum(amount)::bigint AS amount FROM gone GROUP BY key_id) x WHERE t.key_id = x.key_id)
    SELECT count(*) INTO dropped FROM gone;
    PERFORM expire_line(accounts[d], p_at) FROM unnest(due) d;
    RETURN dropped;
END $$;

-- Free what open requests have beside money: their places, and the tokens that are reserved. The money stays held. Answers how many had any.
CREATE FUNCTION free_places(p_ids uuid[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    freed bigint;
BEGIN
    PERFORM FROM wallet WHERE account_id IN (SELECT account_id FROM hold WHERE request_id = ANY (p_ids)) ORDER BY account_id FOR NO KEY UPDATE;
    PERFORM uncount_holds(p_ids);
    UPDATE hold SET open = false, tokens = 0 WHERE request_id = ANY (p_ids) AND (open OR tokens > 0);
    GET DIAGNOSTICS freed = ROW_COUNT;
    RETURN freed;
END $$;

-- The same for all holds of a run whose lease has ended.
CREATE FUNCTION free_lapsed(p_gateway uuid) RETURNS bigint LANGUAGE sql AS $$
    SELECT free_places(ARRAY(SELECT request_id FROM hold WHERE gateway_id = p_gateway AND (open OR tokens > 0)))
$$;
