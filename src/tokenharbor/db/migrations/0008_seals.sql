-- What proves the books: a seal for each entry that changes a line, a digest for each task, and signed roots over all entries.

-- The digest of an account's line up to a position. The line before `spent` never changes.
CREATE FUNCTION line_digest(p_account uuid, p_upto bigint) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(coalesce(string_agg(int8send(start_at) || int8send(least(end_at, p_upto)) || uuid_send(lot_id), '\x'::bytea ORDER BY start_at), '\x'::bytea))
    FROM segment WHERE account_id = p_account AND start_at < p_upto
$$;

-- The digest of a lot's terms. Every time is marked as present or absent.
CREATE FUNCTION lot_digest(p_lot lot) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(uuid_send(p_lot.id) || uuid_send(p_lot.account_id) || convert_to(p_lot.pool, 'UTF8') || '\x00'::bytea
        || convert_to(p_lot.origin, 'UTF8') || '\x00'::bytea || int8send(p_lot.amount)
        || coalesce('\x01'::bytea || timestamptz_send(p_lot.granted_at), '\x00'::bytea)
        || coalesce('\x01'::bytea || timestamptz_send(p_lot.expires_at), '\x00'::bytea)
        || coalesce('\x01'::bytea || timestamptz_send(p_lot.refundable_until), '\x00'::bytea)
        || coalesce('\x01'::bytea || timestamptz_send(p_lot.withdrawable_from), '\x00'::bytea))
$$;

-- Only credits, expiries and clawbacks change a line. Each has a seal: the digest of the whole line as the entry left it. The
-- entry's detail digest is then sha256(legs ‖ terms of the lot, if it is a credit ‖ line). Entries from before this table have
-- no seal, and the digest of their legs alone.
CREATE TABLE entry_seal (
    entry_id  uuid PRIMARY KEY,
    line      bytea NOT NULL
);

DROP FUNCTION append_entry(uuid, uuid, text, bigint, timestamptz, text, leg[]);

-- Append an entry that is not usage, as a step of its own. The wallet is locked, and the line is as the entry leaves it.
CREATE FUNCTION append_entry(p_id uuid, p_account uuid, p_type text, p_amount bigint, p_at timestamptz, p_reference text, p_legs leg[],
                             p_terms bytea DEFAULT '') RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    w wallet;
    line bytea;
    digest bytea;
BEGIN
    SELECT * INTO STRICT w FROM wallet WHERE account_id = p_account;
    line := line_digest(p_account, w.line_end);
    digest := sha256(legs_digest(p_legs) || p_terms || line);
    INSERT INTO entry (id, account_id, seq, pos, amount, fee, vendor_cost, over, step, at, ordinal, type, provider, price_version, detail_digest, reference)
    VALUES (p_id, p_account, w.seq + 1, w.spent, p_amount, 0, 0, 0, w.step + 1, p_at, 0, p_type, '', '', digest, p_reference);
    INSERT INTO entry_seal (entry_id, line) VALUES (p_id, line);
    INSERT INTO posting (entry_id, ordinal, amount, lot_id, source, destination)
    SELECT p_id, l.o - 1, l.amount, l.lot_id, l.source, l.destination
    FROM unnest(p_legs) WITH ORDINALITY l (amount, lot_id, source, destination, o);
    UPDATE wallet SET seq = w.seq + 1, step = w.step + 1,
        chain = sha256(w.chain || sha256(entry_digest(p_type, '', p_reference, p_id, p_account, w.seq + 1, w.spent, p_amount, 0, 0, 0, p_at, digest, '')))
    WHERE account_id = p_account;
END $$;

-- Take what has expired off the line, beyond what is held. The wallet is locked. Where all of it is held, the line stays as it is.
CREATE OR REPLACE FUNCTION expire_line(p_account uuid, p_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
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
    IF legs IS NULL THEN
        UPDATE wallet SET next_expiry = coalesce(
            (SELECT min(l.expires_at) FROM segment s JOIN lot l ON l.id = s.lot_id WHERE s.account_id = p_account AND s.end_at > w.spent), 'infinity')
        WHERE account_id = p_account;
        RETURN;
    END IF;
    PERFORM lay_tail(p_account, cut, coalesce(lots, '{}'), coalesce(amounts, '{}'));
    PERFORM append_entry(own_id(p_at, p_account, w.seq + 1), p_account, 'expiry', (SELECT sum(l.amount)::bigint FROM unnest(legs) l), p_at, '', legs);
END $$;

-- Grant a lot: debt is paid first, the rest lies on the line where its order puts it. False: this entry or reference was there.
CREATE OR REPLACE FUNCTION grant_credit(p_id uuid, p_lot lot, p_at timestamptz, p_source text, p_reference text, p_note text) RETURNS boolean LANGUAGE plpgsql AS $$
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
    PERFORM append_entry(p_id, p_lot.account_id, 'credit', p_lot.amount, p_at, coalesce(p_reference, ''), legs, lot_digest(p_lot));
    INSERT INTO entry_reference SELECT p_reference, p_id WHERE p_reference IS NOT NULL;
    INSERT INTO entry_note SELECT p_id, p_note WHERE p_note <> '';
    RETURN true;
END $$;

-- What a task will bill is fixed when the task is taken. Tasks from before this column have no digest.
ALTER TABLE task ADD COLUMN digest bytea;

CREATE FUNCTION task_digest(t task) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(uuid_send(t.request_id) || uuid_send(t.account_id) || uuid_send(t.key_id) || int8send(t.cost) || int8send(t.fee)
        || int8send(t.vendor_cost) || int8send(t.bound) || timestamptz_send(t.created_at) || sha256(t.price_version) || sha256(t.salt) || sha256(t.detail)
        || convert_to(t.endpoint, 'UTF8') || '\x00'::bytea || convert_to(t.vendor_id, 'UTF8') || '\x00'::bytea || convert_to(t.model, 'UTF8')
        || '\x00'::bytea || convert_to(t.provider, 'UTF8') || '\x00'::bytea || convert_to(t.edition, 'UTF8') || '\x00'::bytea
        || convert_to(t.region, 'UTF8'))
$$;

CREATE FUNCTION seal_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.digest := task_digest(NEW);
    RETURN NEW;
END $$;
CREATE TRIGGER task_sealed BEFORE INSERT ON task FOR EACH ROW EXECUTE FUNCTION seal_task();

-- A signed root covers the entries written since the one before: for each account one or more cuts, each about a thousand entries
-- at most and a leaf of the root's Merkle tree. See docs/receipts.md for the bytes.
CREATE TABLE signed_root (
    number     bigint PRIMARY KEY CHECK (number > 0),
    made_at    timestamptz NOT NULL,
    cuts       bigint NOT NULL,
    entries    bigint NOT NULL,
    previous   bytea NOT NULL,              -- the digest of the root before; zeros for the first
    tree       bytea NOT NULL,              -- the Merkle root over the cuts
    key_id     text NOT NULL,
    signature  bytea NOT NULL
);

CREATE TABLE signed_cut (
    account_id  uuid NOT NULL,
    from_seq    bigint NOT NULL,
    to_seq      bigint NOT NULL,
    step        bigint NOT NULL,            -- after the last entry of the cut, as are the next three
    spent       bigint NOT NULL,
    chain       bytea NOT NULL,
    line        bytea NOT NULL,             -- the digest of the line up to `spent`
    tree        bytea NOT NULL,             -- the Merkle root over the entries' digests
    root        bigint NOT NULL REFERENCES signed_root,
    place       bigint NOT NULL,            -- among the root's leaves, from 0
    path        bytea NOT NULL,             -- the siblings from the leaf up to the root's tree, end to end
    PRIMARY KEY (account_id, to_seq),
    UNIQUE (root, place)
);

CREATE TRIGGER lot_immutable BEFORE UPDATE OR DELETE ON lot FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER lot_kept BEFORE TRUNCATE ON lot FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entry_seal_immutable BEFORE UPDATE OR DELETE ON entry_seal FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entry_seal_kept BEFORE TRUNCATE ON entry_seal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER signed_root_immutable BEFORE UPDATE OR DELETE ON signed_root FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER signed_root_kept BEFORE TRUNCATE ON signed_root FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER signed_cut_immutable BEFORE UPDATE OR DELETE ON signed_cut FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER signed_cut_kept BEFORE TRUNCATE ON signed_cut FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- To verify an account's meters without reading everybody's.
CREATE INDEX key_meter_account ON key_meter (account_id);
