-- One call moves credit: an entry's postings decide what it does to the account. Beside the line there is credit of a lot that cannot be
-- spent: `locked` (of a match, until it is unlocked) and `payout` (on its way out, until a processor has answered).
--
-- An account's own addresses are `account/{id}/` and a place: a pool (the line, beyond what is spent and held), `locked`, `payout`, or
-- `debt`. For each lot, what the postings bring to a place less what they take from it is what changes there; no place goes below zero.

-- A lot's credit is what lies on the line, what stands here, and what is gone. A row goes when its amount is zero.
CREATE TABLE restricted_credit (
    account_id  uuid NOT NULL REFERENCES wallet,
    lot_id      uuid NOT NULL REFERENCES lot,
    place       text NOT NULL CHECK (place IN ('locked', 'payout')),
    amount      bigint NOT NULL CHECK (amount > 0),
    PRIMARY KEY (account_id, lot_id, place)
);

-- A lot's history: the postings that name it.
CREATE INDEX posting_lot ON posting (lot_id) WHERE lot_id IS NOT NULL;

DROP FUNCTION grant_credit(uuid, lot, timestamptz, text, text, text);
DROP FUNCTION claw_credit(uuid, uuid, uuid, bigint, timestamptz, text, text);
DROP FUNCTION expire_account(uuid, timestamptz);

-- When the first of what is not spent expires: on the line or locked. What is being paid out does not expire.
CREATE FUNCTION next_expiry_of(p_account uuid, p_spent bigint) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT coalesce(min(l.expires_at), 'infinity') FROM lot l WHERE l.id IN (
        SELECT lot_id FROM segment WHERE account_id = p_account AND end_at > p_spent
        UNION ALL SELECT lot_id FROM restricted_credit WHERE account_id = p_account AND place = 'locked')
$$;

-- As before, but for what is locked, which counts for the next expiry.
CREATE OR REPLACE FUNCTION lay_tail(p_account uuid, p_cut bigint, p_lots uuid[], p_amounts bigint[]) RETURNS void LANGUAGE plpgsql AS $$
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
    UPDATE wallet w SET line_end = here, next_expiry = next_expiry_of(p_account, w.spent) WHERE w.account_id = p_account;
END $$;

-- Take what has expired off the line, beyond what is held, and what has expired while it was locked. The wallet is locked. Where all of
-- it is held, the line stays as it is.
CREATE OR REPLACE FUNCTION expire_line(p_account uuid, p_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    w wallet;
    cut bigint;
    legs leg[];
    locked leg[];
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
    WITH gone AS (
        DELETE FROM restricted_credit r USING lot l
        WHERE r.account_id = p_account AND r.place = 'locked' AND l.id = r.lot_id AND l.expires_at <= p_at
        RETURNING r.amount, l.id, l.pool, l.expires_at, l.granted_at)
    SELECT array_agg((g.amount, g.id, 'account/' || p_account || '/locked', 'expense/promotion')::leg
                     ORDER BY g.expires_at, array_position('{trial,promo,match,paid}', g.pool), g.granted_at, g.id)
    INTO locked FROM gone g;
    IF legs IS NULL AND locked IS NULL THEN
        UPDATE wallet SET next_expiry = next_expiry_of(p_account, w.spent) WHERE account_id = p_account;
        RETURN;
    END IF;
    legs := legs || locked;
    PERFORM lay_tail(p_account, cut, coalesce(lots, '{}'), coalesce(amounts, '{}'));
    PERFORM append_entry(own_id(p_at, p_account, w.seq + 1), p_account, 'expiry', (SELECT sum(l.amount)::bigint FROM unnest(legs) l), p_at, '', legs);
END $$;

-- Lock an account's wallet until the transaction ends, and run what is due to expire.
CREATE FUNCTION lock_credit(p_account uuid, p_at timestamptz) RETURNS SETOF wallet LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lock_wallets(ARRAY[p_account], p_at);
    RETURN QUERY SELECT * FROM wallet WHERE account_id = p_account;
END $$;

-- What postings bring to an account's places, by lot; below zero is what they take. NULL is a place of another account.
CREATE FUNCTION leg_flows(p_account uuid, p_legs leg[]) RETURNS TABLE (lot_id uuid, place text, amount bigint, foreigner boolean)
LANGUAGE sql STABLE AS $$
    SELECT x.lot_id, substr(x.address, length(o.own) + 1), sum(x.amount)::bigint, NOT starts_with(x.address, o.own)
    FROM (SELECT 'account/' || p_account || '/' AS own) o, unnest(p_legs) l,
        LATERAL (VALUES (l.lot_id, l.destination, l.amount), (l.lot_id, l.source, -l.amount)) x (lot_id, address, amount)
    WHERE starts_with(x.address, 'account/') GROUP BY 1, 2, 4
$$;

-- Write an entry that moves credit, once: false if it is there already, by its id or by its reference. The wallet is locked and what is
-- due expires first. New lots come from outside in full; what comes to a lot that was there returns to it, and is of type `restore`.
-- The same rules are in credit_rules.py.
CREATE FUNCTION post_entry(p_id uuid, p_account uuid, p_type text, p_at timestamptz, p_reference text, p_note text, p_legs leg[], p_lots lot[])
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    own CONSTANT text := 'account/' || p_account || '/';
    w record;
    f record;
    cut bigint;
    before bigint;
    lots uuid[];
    amounts bigint[];
    touched CONSTANT uuid[] := ARRAY(SELECT DISTINCT l.lot_id FROM unnest(p_legs) l);
BEGIN
    SELECT * INTO w FROM lock_wallets(ARRAY[p_account], p_at);
    IF w.free[1] IS NULL THEN
        RAISE EXCEPTION 'no such account: %', p_account USING ERRCODE = 'TH001';
    END IF;
    IF EXISTS (SELECT FROM entry WHERE id = p_id) OR EXISTS (SELECT FROM entry_reference WHERE reference = p_reference) THEN
        RETURN false;
    END IF;
    cut := w.spent[1] + w.held[1];
    INSERT INTO lot SELECT l.* FROM unnest(p_lots) l;
    SELECT x.* INTO f FROM leg_flows(p_account, p_legs) x LEFT JOIN lot l ON l.id = x.lot_id
    WHERE x.foreigner OR CASE x.place WHEN 'debt' THEN false WHEN 'locked' THEN l.account_id IS DISTINCT FROM p_account
        WHEN 'payout' THEN l.account_id IS DISTINCT FROM p_account
        ELSE (l.account_id, l.pool) IS DISTINCT FROM (p_account, x.place) END LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'no such lot or address for a posting: % %', f.lot_id, f.place USING ERRCODE = 'TH001';
    END IF;
    SELECT x.lot_id, sum(x.amount) AS amount INTO f FROM unnest(p_legs) x LEFT JOIN unnest(p_lots) n ON n.id = x.lot_id
    WHERE starts_with(x.destination, own) AND NOT starts_with(x.source, own) GROUP BY x.lot_id, n.id, n.amount
    HAVING CASE WHEN n.id IS NULL THEN p_type <> 'restore' ELSE sum(x.amount) <> n.amount END LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'not what the lot % was granted' , f.lot_id USING ERRCODE = 'TH001';
    END IF;
    FOR f IN SELECT * FROM leg_flows(p_account, p_legs) x WHERE x.place IN ('locked', 'payout') AND x.amount <> 0 LOOP
        DELETE FROM restricted_credit r WHERE r.account_id = p_account AND r.lot_id = f.lot_id AND r.place = f.place RETURNING r.amount INTO before;
        IF coalesce(before, 0) + f.amount < 0 THEN
            RAISE EXCEPTION 'less than % of the lot % is %', -f.amount, f.lot_id, f.place USING ERRCODE = 'TH001';
        END IF;
        INSERT INTO restricted_credit SELECT p_account, f.lot_id, f.place, coalesce(before, 0) + f.amount WHERE coalesce(before, 0) + f.amount > 0;
    END LOOP;
    UPDATE wallet t SET debt = t.debt - x.amount
    FROM (SELECT sum(y.amount)::bigint AS amount FROM leg_flows(p_account, p_legs) y WHERE y.place = 'debt') x
    WHERE t.account_id = p_account AND x.amount <> 0;
    SELECT array_agg(l.id ORDER BY l.expires_at NULLS LAST, array_position('{trial,promo,match,paid}', l.pool), l.granted_at, l.id),
           array_agg(x.amount ORDER BY l.expires_at NULLS LAST, array_position('{trial,promo,match,paid}', l.pool), l.granted_at, l.id)
    INTO lots, amounts
    FROM (SELECT y.lot_id, sum(y.amount)::bigint AS amount
          FROM (SELECT t.lot_id, t.amount FROM tail_of(p_account, cut) t
                UNION ALL SELECT z.lot_id, z.amount FROM leg_flows(p_account, p_legs) z WHERE z.place NOT IN ('locked', 'payout', 'debt')) y
          GROUP BY 1) x JOIN lot l ON l.id = x.lot_id;
    IF 0 > ANY (amounts) THEN
        RAISE EXCEPTION 'less than that of a lot is neither spent nor held' USING ERRCODE = 'TH001';
    END IF;
    PERFORM lay_tail(p_account, cut, coalesce(lots, '{}'), coalesce(amounts, '{}'));
    SELECT l.id INTO f FROM lot l WHERE l.id = ANY (touched) AND l.amount <
        (SELECT coalesce(sum(s.end_at - s.start_at), 0) FROM segment s WHERE s.account_id = p_account AND s.lot_id = l.id)
        + (SELECT coalesce(sum(r.amount), 0) FROM restricted_credit r WHERE r.account_id = p_account AND r.lot_id = l.id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'more than the lot % was granted', f.id USING ERRCODE = 'TH001';
    END IF;
    -- what the entry has brought to one of its own addresses and passes on from there is counted once
    SELECT sum(l.amount)::bigint INTO before FROM unnest(p_legs) l WHERE l.source <> ALL (ARRAY(SELECT m.destination FROM unnest(p_legs) m));
    PERFORM append_entry(p_id, p_account, p_type, before, p_at, coalesce(p_reference, ''), p_legs,
        (SELECT coalesce(string_agg(lot_digest(n), '\x'::bytea ORDER BY array_position(ARRAY(SELECT l.lot_id FROM unnest(p_legs) l), n.id)), '\x'::bytea)
         FROM unnest(p_lots) n));
    INSERT INTO entry_reference SELECT p_reference, p_id WHERE p_reference IS NOT NULL;
    INSERT INTO entry_note SELECT p_id, p_note WHERE p_note <> '';
    IF (SELECT next_expiry <= p_at FROM wallet WHERE account_id = p_account) THEN
        PERFORM expire_line(p_account, p_at);
    END IF;
    RETURN true;
END $$;

-- An account that is made with budgets has them in its wallet, too.
CREATE OR REPLACE FUNCTION open_wallet() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    no_limit CONSTANT bigint := 9223372036854775807;
BEGIN
    INSERT INTO wallet (account_id, daily, monthly) VALUES (NEW.id, coalesce(NEW.daily, no_limit), coalesce(NEW.monthly, no_limit))
    ON CONFLICT (account_id) DO UPDATE SET daily = excluded.daily, monthly = excluded.monthly;
    RETURN NULL;
END $$;
UPDATE wallet w SET daily = coalesce(a.daily, 9223372036854775807), monthly = coalesce(a.monthly, 9223372036854775807)
FROM account a WHERE a.id = w.account_id
    AND (w.daily, w.monthly) IS DISTINCT FROM (coalesce(a.daily, 9223372036854775807), coalesce(a.monthly, 9223372036854775807));
