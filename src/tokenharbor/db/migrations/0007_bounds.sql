-- The charge rule: a request is never charged above its quote's bound, nor past its key's limits; what is left is `over`.

-- The bound of the quote that a task's hold was placed for.
ALTER TABLE task ADD COLUMN bound bigint NOT NULL DEFAULT 9223372036854775807;
UPDATE task t SET bound = h.amount FROM hold h WHERE h.request_id = t.request_id;

-- What the limits of keys (sorted, distinct) leave beside what is held on them, each at its place; NULL where there is no limit.
CREATE FUNCTION left_of_keys(p_keys uuid[], p_at timestamptz) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    no_limit CONSTANT bigint := 9223372036854775807;
    lefts bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(p_keys)]);
    m key_meter;
BEGIN
    FOR m IN SELECT * FROM key_meter WHERE key_id = ANY (p_keys) LOOP
        IF least(m.quota, m.daily, m.monthly) < no_limit THEN
            lefts[array_position(p_keys, m.key_id)] := least(
                m.quota - m.spent,
                m.daily - CASE WHEN p_at >= m.day_end THEN 0 ELSE m.day_spent END,
                m.monthly - CASE WHEN p_at >= m.month_end THEN 0 ELSE m.month_spent END) - m.held;
        END IF;
    END LOOP;
    RETURN lefts;
END $$;

DROP FUNCTION end_requests(text, uuid[], uuid[], int[], int[], timestamptz, timestamptz, timestamptz,
                           text[], text[], text[], text[], text[], text[], bytea[], ending[]);

-- End requests: `usage` is billed at its cost, `loss` is not billed and leaves an entry only where the vendor costs us something.
-- charge = min(cost, the quote's bound, own hold + available, own hold + what the key's limits leave); the rest is `over`. A cost within
-- its hold was admitted with it, so that only a cost above it looks at the limits: a limit lowered meanwhile counts for new holds.
-- `p_bounds` is NULL where no row costs more than its bound. All rows lie in one UTC day and month, which end at the times passed.
-- NULL: all were charged in full. Else three numbers a row: charge, fee, overrun. A request that was ended before is a unique
-- violation: the caller then looks first (see store.py).
CREATE FUNCTION end_requests(p_type text, p_accounts uuid[], p_keys uuid[], p_wallet int[], p_meter int[],
                             p_at timestamptz, p_day_end timestamptz, p_month_end timestamptz,
                             p_models text[], p_providers text[], p_statuses text[], p_editions text[], p_regions text[], p_labels text[],
                             p_versions bytea[], p_rows ending[], p_bounds bigint[] DEFAULT NULL)
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    n CONSTANT int := cardinality(p_rows);
    ids uuid[];
    payer int[];
    kind int[];
    before bigint[];
    costs bigint[];
    vendor bigint[];
    salts bytea[];
    details bytea[];
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
    fees bigint[];
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
    SELECT array_agg(r.id), array_agg(r.payer), array_agg(r.kind), array_agg(r.before), array_agg(r.cost), array_agg(r.fee), array_agg(r.vendor),
        array_agg(r.salt), array_agg(r.detail)
    INTO ids, payer, kind, before, costs, fees, vendor, salts, details FROM unnest(p_rows) r;
    charges := costs;
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
        p_statuses[kind[i]], p_editions[kind[i]], p_regions[kind[i]], p_labels[kind[i]]::jsonb, salts[i], details[i]
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
