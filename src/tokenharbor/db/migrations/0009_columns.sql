-- Batches as columns: one array for each value of a row, so that a gateway sends them as text and nothing is packed into rows and
-- unpacked again. What rows share is sent once: `payer` is a place in `p_wallet` and `p_meter`, which name a place among the distinct
-- accounts and keys; `kind` is a place in the arrays from model to price version. The functions that take rows stay for gateways
-- of the release before.

-- Place holds in order of arrival: one that does not fit refuses only itself. All rows lie in one UTC day; `p_at` is their
-- latest time. NULL: all stand. Else four numbers a row: why not (0: it stands), available, held, what the limit leaves.
-- A hold that stands already is a unique violation: the caller then looks first (see batch_runner.py).
CREATE FUNCTION place_holds(p_accounts uuid[], p_keys uuid[], p_wallet int[], p_meter int[], p_at timestamptz, p_gateway uuid,
                            ids uuid[], payer int[], amounts bigint[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    no_limit CONSTANT bigint := 9223372036854775807;
    n CONSTANT int := cardinality(ids);
    w record;
    m key_meter;
    a_free bigint[];        -- by account
    a_debt bigint[];
    owner uuid[] := array_fill(NULL::uuid, ARRAY[cardinality(p_keys)]);       -- by key: its account
    more bigint[] := array_fill(0::bigint, ARRAY[cardinality(p_keys)]);       -- by key: what this batch holds
    limited boolean[];
    left_quota bigint[];
    left_day bigint[];
    left_month bigint[];
    answers bigint[];
    a int;
    k int := 1;
    amount bigint;
    why int;
BEGIN
    SELECT * INTO w FROM lock_wallets(p_accounts, p_at);
    a_free := w.free; a_debt := w.debt;
    FOR m IN SELECT * FROM key_meter WHERE key_id = ANY (p_keys) ORDER BY key_id LOOP
        WHILE p_keys[k] <> m.key_id LOOP
            k := k + 1;
        END LOOP;
        owner[k] := m.account_id;
        limited[k] := least(m.quota, m.daily, m.monthly) < no_limit;
        IF limited[k] THEN
            left_quota[k] := m.quota - m.spent - m.held;
            left_day[k] := m.daily - m.held - CASE WHEN p_at >= m.day_end THEN 0 ELSE m.day_spent END;
            left_month[k] := m.monthly - m.held - CASE WHEN p_at >= m.month_end THEN 0 ELSE m.month_spent END;
        END IF;
    END LOOP;
    FOR i IN 1 .. n LOOP
        a := p_wallet[payer[i]];
        k := p_meter[payer[i]];
        amount := amounts[i];
        why := 0;
        IF a_free[a] IS NULL OR owner[k] IS DISTINCT FROM p_accounts[a] THEN
            why := 6;
        ELSIF a_debt[a] > 0 THEN
            why := 5;
        ELSIF amount > a_free[a] THEN
            why := 1;
        ELSIF limited[k] THEN
            why := CASE WHEN amount > left_quota[k] - more[k] THEN 2 WHEN amount > left_day[k] - more[k] THEN 3
                        WHEN amount > left_month[k] - more[k] THEN 4 ELSE 0 END;
        END IF;
        IF why = 0 THEN
            a_free[a] := a_free[a] - amount;
            more[k] := more[k] + amount;
        ELSE
            IF array_position(ids, ids[i]) < i OR EXISTS (SELECT FROM hold WHERE request_id = ids[i]) THEN
                RAISE EXCEPTION 'a hold that stands already' USING ERRCODE = 'unique_violation';
            END IF;
            IF answers IS NULL THEN
                answers := array_fill(0::bigint, ARRAY[4 * n]);
            END IF;
            answers[4 * i - 3] := why;
            IF why < 6 THEN
                answers[4 * i - 2] := a_free[a];
                answers[4 * i - 1] := w.held[a] + w.free[a] - a_free[a];
                answers[4 * i] := CASE why WHEN 2 THEN greatest(left_quota[k] - more[k], 0) WHEN 3 THEN greatest(left_day[k] - more[k], 0)
                                           WHEN 4 THEN greatest(left_month[k] - more[k], 0) ELSE 0 END;
            END IF;
        END IF;
    END LOOP;
    INSERT INTO hold (request_id, account_id, key_id, amount, gateway_id)
    SELECT ids[i], p_accounts[p_wallet[payer[i]]], p_keys[p_meter[payer[i]]], amounts[i], p_gateway
    FROM generate_series(1, n) i WHERE answers IS NULL OR answers[4 * i - 3] = 0;
    UPDATE wallet SET held = line_end - spent - a_free[array_position(p_accounts, account_id)] WHERE account_id = ANY (p_accounts);
    UPDATE key_meter SET held = held + more[array_position(p_keys, key_id)] WHERE key_id = ANY (p_keys);
    RETURN answers;
END $$;

-- End requests: `usage` is billed at its cost, `loss` is not billed and leaves an entry only where the vendor costs us something.
-- charge = min(cost, the quote's bound, own hold + available, own hold + what the key's limits leave); the rest is `over`. A cost within
-- its hold was admitted with it, so that only a cost above it looks at the limits: a limit lowered meanwhile counts for new holds.
-- `before` is by how many microseconds a row is older than `p_at`; `p_bytes` has each row's salt and detail end to end, `p_sizes` how
-- long each is; `p_bounds` is NULL where no row costs more than its bound. All rows lie in one UTC day.
-- NULL: all were charged in full. Else three numbers a row: charge, fee, overrun. A request that was ended before is a unique
-- violation: the caller then looks first (see batch_runner.py).
CREATE FUNCTION end_requests(p_type text, p_accounts uuid[], p_keys uuid[], p_wallet int[], p_meter int[], p_at timestamptz,
                             p_models text[], p_providers text[], p_editions text[], p_regions text[], p_versions bytea[],
                             ids uuid[], payer int[], kind int[], before bigint[], statuses text[], p_sizes int[], p_bytes bytea,
                             costs bigint[], fees bigint[], vendor bigint[], p_bounds bigint[])
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
    a_free bigint[];            -- by account
    a_spent bigint[];
    a_seq bigint[];
    leaves bytea[] := array_fill(NULL::bytea, ARRAY[cardinality(p_accounts)]);  -- by account: the new entries' digests, end to end
    key_charge bigint[] := array_fill(0::bigint, ARRAY[cardinality(p_keys)]);
    key_hold bigint[] := array_fill(0::bigint, ARRAY[cardinality(p_keys)]);
    key_left bigint[];                 -- by key: what its limits leave beside what is held; NULL: no limit. Read when first asked
    holds bigint[] := array_fill(0::bigint, ARRAY[n]);
    charges bigint[];
    overs bigint[] := array_fill(0::bigint, ARRAY[n]);
    positions bigint[] := holds;
    seqs bigint[] := holds;            -- 0: no entry
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
        p_versions := array_fill(''::bytea, ARRAY[cardinality(p_versions)]);
    END IF;
    SELECT * INTO w FROM lock_wallets(p_accounts, p_at);
    a_free := w.free; a_spent := w.spent; a_seq := w.seq;
    FOR h IN SELECT i, x.amount, x.account_id = p_accounts[p_wallet[payer[i]]] AND x.key_id = p_keys[p_meter[payer[i]]] AS fits
        FROM generate_series(1, n) i, LATERAL (SELECT * FROM hold WHERE request_id = ids[i] OFFSET 0) x LOOP
        IF NOT h.fits THEN
            RAISE EXCEPTION 'a hold of another account or key' USING ERRCODE = 'TH001';
        END IF;
        holds[h.i] := h.amount;
    END LOOP;
    DELETE FROM hold WHERE request_id = ANY (ids);
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
            END IF;
            charge := least(charge, p_bounds[i], holds[i] + a_free[a],       -- least() skips NULL
                            CASE WHEN key_left[k] IS NOT NULL THEN holds[i] + greatest(key_left[k] + key_hold[k] - key_charge[k], 0) END);
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
    INSERT INTO entry (id, account_id, seq, pos, amount, fee, vendor_cost, over, step, at, ordinal, type, provider, price_version, detail_digest, reference)
    SELECT ids[i], p_accounts[p_wallet[payer[i]]], seqs[i], positions[i], charges[i], fees[i], vendor[i], overs[i],
        w.step[p_wallet[payer[i]]] + 1, ats[i], seqs[i] - w.seq[p_wallet[payer[i]]] - 1, p_type, p_providers[kind[i]], p_versions[kind[i]], digests[i], ''
    FROM generate_series(1, n) i WHERE seqs[i] > 0;
    INSERT INTO request (id, account_id, key_id, at, model, provider, status, edition, region, labels, salt, detail)
    SELECT ids[i], p_accounts[p_wallet[payer[i]]], p_keys[p_meter[payer[i]]], ats[i], p_models[kind[i]], p_providers[kind[i]],
        statuses[i], p_editions[kind[i]], p_regions[kind[i]], '{}', salts[i], details[i]
    FROM generate_series(1, n) i;
    UPDATE wallet SET (spent, held, seq, step, chain) = (
        SELECT a_spent[i], line_end - a_spent[i] - a_free[i], a_seq[i], step + CASE WHEN leaves[i] IS NULL THEN 0 ELSE 1 END,
            CASE WHEN leaves[i] IS NULL THEN chain ELSE sha256(chain || sha256(leaves[i])) END
        FROM (SELECT array_position(p_accounts, account_id) AS i OFFSET 0) x)
    WHERE account_id = ANY (p_accounts);
    UPDATE key_meter SET (spent, held, day_spent, month_spent, day_end, month_end) = (
        SELECT spent + key_charge[i], held - key_hold[i], CASE WHEN p_at >= day_end THEN 0 ELSE day_spent END + key_charge[i],
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
                                 costs bigint[], fees bigint[], vendor bigint[], p_bounds bigint[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM end_requests(p_type, p_accounts, p_keys, p_wallet, p_meter, p_at, p_models, p_providers, p_editions, p_regions, p_versions,
                         ids, payer, kind, before, statuses, p_sizes, p_bytes, costs, fees, vendor, p_bounds);
    UPDATE task SET state = 'failed', closed_at = p_at WHERE request_id = ANY (ids) AND state = 'open';
END $$;
