-- A posting names no lot that its account does not have, wherever it moves the amount: also from debt to debt, or outside of the account.

-- Write an entry that moves credit, once: false if it is there already, by its id or by its reference. The wallet is locked and what is
-- due expires first. New lots come from outside in full; what comes to a lot that was there returns to it, and is of type `restore`.
-- The same rules are in credit_rules.py.
CREATE OR REPLACE FUNCTION post_entry(p_id uuid, p_account uuid, p_type text, p_at timestamptz, p_reference text, p_note text, p_legs leg[], p_lots lot[])
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
    SELECT x.lot_id, x.destination AS place INTO f FROM unnest(p_legs) x LEFT JOIN lot l ON l.id = x.lot_id
    WHERE x.lot_id IS NOT NULL AND l.account_id IS DISTINCT FROM p_account
    UNION ALL SELECT x.lot_id, x.place FROM leg_flows(p_account, p_legs) x LEFT JOIN lot l ON l.id = x.lot_id
    WHERE x.foreigner OR CASE x.place WHEN 'debt' THEN false WHEN 'locked' THEN l.id IS NULL WHEN 'payout' THEN l.id IS NULL
        ELSE l.pool IS DISTINCT FROM x.place END LIMIT 1;
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
