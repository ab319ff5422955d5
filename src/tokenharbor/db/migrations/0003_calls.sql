-- What the books can do, each call one transaction: place holds, settle, release, credit, claw, expire. Whoever changes an
-- account locks its wallet first; many wallets are locked in order of their ids. Times are passed in: nothing here asks for one.
-- Accounts and keys are passed as sorted, distinct ids.
--
-- Statements on hot tables name one table each, by `= ANY (ids)`: of a join the planner would make a scan of the whole table
-- as soon as statistics call it small, and dead rows can lie there by the thousand.

-- An entry's leaf in the chain. Zero bytes cannot occur in text, so that no two entries read alike. (STABLE as `convert_to`
-- is: a call that claimed more could not be inlined, and would cost four times as much.)
CREATE FUNCTION entry_digest(type text, provider text, reference text, id uuid, account_id uuid, seq bigint, pos bigint, amount bigint,
                             fee bigint, vendor_cost bigint, over bigint, at timestamptz, detail_digest bytea, price_version bytea)
RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT sha256(convert_to(type, 'UTF8') || '\x00'::bytea || convert_to(provider, 'UTF8') || '\x00'::bytea || convert_to(reference, 'UTF8')
        || '\x00'::bytea || uuid_send(id) || uuid_send(account_id) || int8send(seq) || int8send(pos) || int8send(amount) || int8send(fee)
        || int8send(vendor_cost) || int8send(over) || timestamptz_send(at) || detail_digest || price_version)
$$;

-- An id in the form of UUIDv7 for an entry that the books make of themselves: the same for the same time, account and number.
CREATE FUNCTION own_id(p_at timestamptz, p_account uuid, p_seq bigint) RETURNS uuid LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    id bytea := substr(int8send(floor(extract(epoch FROM p_at) * 1000)::bigint), 3, 6)
        || substr(sha256(uuid_send(p_account) || int8send(p_seq)), 1, 10);
BEGIN
    id := set_byte(id, 6, (get_byte(id, 6) & 15) | 112);
    id := set_byte(id, 8, (get_byte(id, 8) & 63) | 128);
    RETURN encode(id, 'hex')::uuid;
END $$;

-- What an entry that is not usage consists of. Its digest stands where usage has that of its detail.
CREATE TYPE leg AS (amount bigint, lot_id uuid, source text, destination text);

CREATE FUNCTION legs_digest(p_legs leg[]) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(coalesce(string_agg(int8send(l.amount) || coalesce(uuid_send(l.lot_id), '\x'::bytea) || '\x00'::bytea
        || convert_to(l.source, 'UTF8') || '\x00'::bytea || convert_to(l.destination, 'UTF8') || '\x00'::bytea, '\x'::bytea ORDER BY l.o), '\x'::bytea))
    FROM unnest(p_legs) WITH ORDINALITY l (amount, lot_id, source, destination, o)
$$;

-- Append an entry that is not usage, as a step of its own. The wallet is locked.
CREATE FUNCTION append_entry(p_id uuid, p_account uuid, p_type text, p_amount bigint, p_at timestamptz, p_reference text, p_legs leg[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    w wallet;
    digest bytea := legs_digest(p_legs);
BEGIN
    SELECT * INTO STRICT w FROM wallet WHERE account_id = p_account;
    INSERT INTO entry (id, account_id, seq, pos, amount, fee, vendor_cost, over, step, at, ordinal, type, provider, price_version, detail_digest, reference)
    VALUES (p_id, p_account, w.seq + 1, w.spent, p_amount, 0, 0, 0, w.step + 1, p_at, 0, p_type, '', '', digest, p_reference);
    INSERT INTO posting (entry_id, ordinal, amount, lot_id, source, destination)
    SELECT p_id, l.o - 1, l.amount, l.lot_id, l.source, l.destination
    FROM unnest(p_legs) WITH ORDINALITY l (amount, lot_id, source, destination, o);
    UPDATE wallet SET seq = w.seq + 1, step = w.step + 1,
        chain = sha256(w.chain || sha256(entry_digest(p_type, '', p_reference, p_id, p_account, w.seq + 1, w.spent, p_amount, 0, 0, 0, p_at, digest, '')))
    WHERE account_id = p_account;
END $$;

-- The lots beyond a cut of the line, in the order in which they are to be spent.
CREATE FUNCTION tail_of(p_account uuid, p_cut bigint)
RETURNS TABLE (lot_id uuid, amount bigint, pool text, expires_at timestamptz, granted_at timestamptz) LANGUAGE sql STABLE AS $$
    SELECT l.id, sum(s.end_at - greatest(s.start_at, p_cut))::bigint, l.pool, l.expires_at, l.granted_at
    FROM segment s JOIN lot l ON l.id = s.lot_id
    WHERE s.account_id = p_account AND s.end_at > p_cut
    GROUP BY l.id
    ORDER BY l.expires_at NULLS LAST, array_position('{trial,promo,match,paid}', l.pool), l.granted_at, l.id
$$;

-- Replace the line beyond a cut by these lots, in this order; the piece that lies across the cut keeps its head. Neighbours
-- of one lot become one piece.
CREATE FUNCTION lay_tail(p_account uuid, p_cut bigint, p_lots uuid[], p_amounts bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    here bigint := p_cut;
    piece segment;
BEGIN
    SELECT * INTO piece FROM segment WHERE account_id = p_account AND start_at < p_cut AND end_at >= p_cut;
    DELETE FROM segment WHERE account_id = p_account AND end_at >= p_cut AND end_at > 0;
    piece.end_at := p_cut;
    FOR i IN 1 .. cardinality(p_lots) LOOP
        CONTINUE WHEN p_amounts[i] = 0;
        IF piece.lot_id IS DISTINCT FROM p_lots[i] THEN
            IF piece.lot_id IS NOT NULL THEN
                INSERT INTO segment SELECT piece.*;
            END IF;
            piece := ROW(p_account, here, here, p_lots[i]);
        END IF;
        here := here + p_amounts[i];
        piece.end_at := here;
    END LOOP;
    IF piece.lot_id IS NOT NULL THEN
        INSERT INTO segment SELECT piece.*;
    END IF;
    UPDATE wallet w SET line_end = here, next_expiry = coalesce(
        (SELECT min(l.expires_at) FROM segment s JOIN lot l ON l.id = s.lot_id WHERE s.account_id = p_account AND s.end_at > w.spent), 'infinity')
    WHERE w.account_id = p_account;
END $$;

-- Take what has expired off the line, beyond what is held. The wallet is locked.
CREATE FUNCTION expire_line(p_account uuid, p_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    w wallet;
    cut bigint;
    legs leg[];
    lots uuid[];
    amounts bigint[];
BEGIN
    SELECT * INTO STRICT w FROM wallet WHERE account_id = p_account;
    cut := w.spent + w.held;
    SELECT array_agg((t.amount, t.lot_id, 'account/' || p_account || '/' || t.pool,
                      CASE t.pool WHEN 'paid' THEN 'revenue/breakage' ELSE 'expense/promotion' END)::leg) FILTER (WHERE t.expires_at <= p_at),
           array_agg(t.lot_id) FILTER (WHERE t.expires_at > p_at OR t.expires_at IS NULL),
           array_agg(t.amount) FILTER (WHERE t.expires_at > p_at OR t.expires_at IS NULL)
    INTO legs, lots, amounts FROM tail_of(p_account, cut) t;
    PERFORM lay_tail(p_account, cut, coalesce(lots, '{}'), coalesce(amounts, '{}'));
    IF legs IS NOT NULL THEN
        PERFORM append_entry(own_id(p_at, p_account, w.seq + 1), p_account, 'expiry', (SELECT sum(l.amount)::bigint FROM unnest(legs) l), p_at, '', legs);
    END IF;
END $$;

-- Lock wallets in order of id and run what is due to expire; answers each slot's state (NULL: no such account). `due` marks
-- those whose held credit has expired: it goes when it is given back.
CREATE FUNCTION lock_wallets(p_accounts uuid[], p_at timestamptz, OUT free bigint[], OUT spent bigint[], OUT held bigint[],
                             OUT debt bigint[], OUT seq bigint[], OUT step bigint[], OUT due int[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    w wallet;
    i int := 1;
    nothing CONSTANT bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(p_accounts)]);
BEGIN
    free := nothing; spent := nothing; held := nothing; seq := nothing; step := nothing; debt := nothing;
    FOR w IN SELECT * FROM wallet WHERE account_id = ANY (p_accounts) ORDER BY account_id FOR NO KEY UPDATE LOOP
        WHILE p_accounts[i] <> w.account_id LOOP
            i := i + 1;
        END LOOP;
        IF w.next_expiry <= p_at THEN
            PERFORM expire_line(w.account_id, p_at);
            SELECT * INTO STRICT w FROM wallet WHERE account_id = w.account_id;
            IF w.next_expiry <= p_at THEN
                due := due || i;
            END IF;
        END IF;
        free[i] := w.line_end - w.spent - w.held;
        spent[i] := w.spent;
        held[i] := w.held;
        debt[i] := w.debt;
        seq[i] := w.seq;
        step[i] := w.step;
    END LOOP;
END $$;

-- What is asked for, one value a row: several times cheaper to send than a column each. What rows share is sent once: `payer`
-- is a place in `p_wallet` and `p_meter`, which name a place among the distinct accounts and keys; `kind` is a place in the
-- arrays from model to price version; `before` is by how many microseconds the row is older than `p_at`.
CREATE TYPE asking AS (id uuid, payer int, amount bigint);
CREATE TYPE ending AS (id uuid, payer int, kind int, before bigint, cost bigint, fee bigint, vendor bigint, salt bytea, detail bytea);

-- Place holds in order of arrival: one that does not fit refuses only itself. All rows lie in one UTC day; `p_at` is their
-- latest time. NULL: all stand. Else four numbers a row: why not (0: it stands), available, held, what the limit leaves.
-- A hold that stands already is a unique violation: the caller then looks first (see store.py).
CREATE FUNCTION place_holds(p_accounts uuid[], p_keys uuid[], p_wallet int[], p_meter int[], p_at timestamptz, p_gateway uuid,
                            p_rows asking[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    no_limit CONSTANT bigint := 9223372036854775807;
    n CONSTANT int := cardinality(p_rows);
    ids uuid[];
    payer int[];
    amounts bigint[];
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
    SELECT array_agg(r.id), array_agg(r.payer), array_agg(r.amount) INTO ids, payer, amounts FROM unnest(p_rows) r;
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

-- End requests: `usage` is billed at its cost, as far as its own hold and what is available cover it; `loss` is not billed,
-- and leaves an entry only where the vendor costs us something. All rows lie in one UTC day and month, which end at the times
-- passed. NULL: all were charged in full. Else three numbers a row: charge, fee, overrun. A request that was ended before is a
-- unique violation: the caller then looks first (see store.py).
CREATE FUNCTION end_requests(p_type text, p_accounts uuid[], p_keys uuid[], p_wallet int[], p_meter int[],
                             p_at timestamptz, p_day_end timestamptz, p_month_end timestamptz,
                             p_models text[], p_providers text[], p_statuses text[], p_editions text[], p_regions text[], p_labels text[],
                             p_versions bytea[], p_rows ending[])
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
        a_free[a] := a_free[a] + holds[i] - charge;
        IF a_free[a] < 0 THEN                     -- the model's part is paid first, the fee by what is left
            short := true;
            overs[i] := -a_free[a];
            charge := charge + a_free[a];
            charges[i] := charge;
            fees[i] := greatest(fees[i] + a_free[a], 0);
            a_free[a] := 0;
        END IF;
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

-- Give holds back without a word about their requests: those of a dead gateway, or of a request that was ended before.
CREATE FUNCTION drop_holds(p_ids uuid[], p_at timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    accounts uuid[] := ARRAY(SELECT DISTINCT account_id FROM hold WHERE request_id = ANY (p_ids) ORDER BY account_id);
    due int[];
    dropped bigint;
BEGIN
    SELECT l.due INTO due FROM lock_wallets(accounts, p_at) l;
    WITH gone AS (DELETE FROM hold WHERE request_id = ANY (p_ids) RETURNING account_id, key_id, amount),
    wallets AS (UPDATE wallet t SET held = t.held - x.amount
                FROM (SELECT account_id, sum(amount)::bigint AS amount FROM gone GROUP BY account_id) x WHERE t.account_id = x.account_id),
    meters AS (UPDATE key_meter t SET held = t.held - x.amount
               FROM (SELECT key_id, sum(amount)::bigint AS amount FROM gone GROUP BY key_id) x WHERE t.key_id = x.key_id)
    SELECT count(*) INTO dropped FROM gone;
    PERFORM expire_line(accounts[d], p_at) FROM unnest(due) d;
    RETURN dropped;
END $$;

-- Grant a lot: debt is paid first, the rest lies on the line where its order puts it. False: this entry or reference was there.
CREATE FUNCTION grant_credit(p_id uuid, p_lot lot, p_at timestamptz, p_source text, p_reference text, p_note text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    w record;
    paid bigint;
    cut bigint;
    address text := 'account/' || p_lot.account_id || '/';
    legs leg[];
BEGIN
    SELECT * INTO w FROM lock_wallets(ARRAY[p_lot.account_id], p_at);
    IF w.free[1] IS NULL THEN
        RAISE EXCEPTION 'no such account: %', p_lot.account_id USING ERRCODE = 'TH001';
    END IF;
    IF EXISTS (SELECT FROM entry WHERE id = p_id) OR EXISTS (SELECT FROM entry_reference WHERE reference = p_reference) THEN
        RETURN false;
    END IF;
    paid := least(w.debt[1], p_lot.amount);
    cut := w.spent[1] + w.held[1];
    INSERT INTO lot SELECT p_lot.*;
    UPDATE wallet t SET debt = t.debt - paid WHERE t.account_id = p_lot.account_id;
    PERFORM lay_tail(p_lot.account_id, cut, array_agg(lot_id), array_agg(amount)) FROM (
        SELECT x.* FROM (SELECT * FROM tail_of(p_lot.account_id, cut)
            UNION ALL SELECT p_lot.id, p_lot.amount - paid, p_lot.pool, p_lot.expires_at, p_lot.granted_at) x
        ORDER BY x.expires_at NULLS LAST, array_position('{trial,promo,match,paid}', x.pool), x.granted_at, x.lot_id) y;
    legs := ARRAY[(p_lot.amount, p_lot.id, p_source, address || p_lot.pool)::leg];
    IF paid > 0 THEN
        legs := legs || (paid, p_lot.id, address || p_lot.pool, address || 'debt')::leg;
    END IF;
    PERFORM append_entry(p_id, p_lot.account_id, 'credit', p_lot.amount, p_at, coalesce(p_reference, ''), legs);
    INSERT INTO entry_reference SELECT p_reference, p_id WHERE p_reference IS NOT NULL;
    INSERT INTO entry_note SELECT p_id, p_note WHERE p_note <> '';
    RETURN true;
END $$;

-- Take back a lot, as far as it lies beyond what is spent and held; the rest becomes debt, which freezes the account.
CREATE FUNCTION claw_credit(p_id uuid, p_account uuid, p_lot uuid, p_amount bigint, p_at timestamptz, p_destination text, p_note text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    w record;
    cut bigint;
    taken bigint;
    pool text;
    address text := 'account/' || p_account || '/';
    legs leg[];
BEGIN
    SELECT * INTO w FROM lock_wallets(ARRAY[p_account], p_at);
    SELECT l.pool INTO pool FROM lot l WHERE l.id = p_lot AND l.account_id = p_account;
    IF pool IS NULL THEN
        RAISE EXCEPTION 'no such lot: %', p_lot USING ERRCODE = 'TH001';
    END IF;
    IF EXISTS (SELECT FROM entry WHERE id = p_id) THEN
        RETURN false;
    END IF;
    cut := w.spent[1] + w.held[1];
    SELECT least(p_amount, coalesce(sum(t.amount), 0)) INTO taken FROM tail_of(p_account, cut) t WHERE t.lot_id = p_lot;
    PERFORM lay_tail(p_account, cut, coalesce(array_agg(t.lot_id), '{}'),
                     coalesce(array_agg(t.amount - CASE t.lot_id WHEN p_lot THEN taken ELSE 0 END), '{}')) FROM tail_of(p_account, cut) t;
    UPDATE wallet t SET debt = t.debt + p_amount - taken WHERE t.account_id = p_account;
    IF taken > 0 THEN
        legs := legs || (taken, p_lot, address || pool, p_destination)::leg;
    END IF;
    IF taken < p_amount THEN
        legs := legs || (p_amount - taken, p_lot, address || 'debt', p_destination)::leg;
    END IF;
    PERFORM append_entry(p_id, p_account, 'claw', p_amount, p_at, '', legs);
    INSERT INTO entry_note SELECT p_id, p_note WHERE p_note <> '';
    RETURN true;
END $$;

-- Run an account's expiry, as the next hold would.
CREATE FUNCTION expire_account(p_account uuid, p_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lock_wallets(ARRAY[p_account], p_at);
END $$;
