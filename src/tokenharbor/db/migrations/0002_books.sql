-- The books: wallets, meters, lots on lines, holds, entries with their postings, requests, prices. All amounts are nano-USD.
-- Each hot table has one CHECK for all its numbers: PostgreSQL reads every CHECK anew for every statement.

-- The hot row of an account. Its line is all the spendable credit it ever had, end to end: [0, spent) is spent,
-- [spent, spent + held) is what open requests may take, [spent + held, line_end) is free.
CREATE TABLE wallet (
    account_id   uuid PRIMARY KEY,
    line_end     bigint NOT NULL DEFAULT 0,
    spent        bigint NOT NULL DEFAULT 0,
    held         bigint NOT NULL DEFAULT 0,
    debt         bigint NOT NULL DEFAULT 0,
    next_expiry  timestamptz NOT NULL DEFAULT 'infinity',   -- of what lies beyond `spent`
    seq          bigint NOT NULL DEFAULT 0,                  -- of the last entry
    step         bigint NOT NULL DEFAULT 0,                  -- of the hash chain
    chain        bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    CHECK (least(spent, held, debt, line_end - spent - held) >= 0)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

-- The hot row of an API key: what it may spend, and what it has. A period's sum counts until its end, then starts again.
CREATE TABLE key_meter (
    key_id       uuid PRIMARY KEY,
    account_id   uuid NOT NULL,
    quota        bigint NOT NULL DEFAULT 9223372036854775807,  -- no limit is the largest number
    daily        bigint NOT NULL DEFAULT 9223372036854775807,
    monthly      bigint NOT NULL DEFAULT 9223372036854775807,
    spent        bigint NOT NULL DEFAULT 0,
    held         bigint NOT NULL DEFAULT 0,
    day_spent    bigint NOT NULL DEFAULT 0,
    month_spent  bigint NOT NULL DEFAULT 0,
    day_end      timestamptz NOT NULL DEFAULT '-infinity',
    month_end    timestamptz NOT NULL DEFAULT '-infinity',
    CHECK (least(spent, held, day_spent, month_spent) >= 0)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

-- The limits are written once, on the key; the meter's are the database's own copy. Every account has a wallet.
CREATE FUNCTION copy_limits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    no_limit CONSTANT bigint := 9223372036854775807;
BEGIN
    INSERT INTO key_meter (key_id, account_id, quota, daily, monthly)
    VALUES (NEW.id, NEW.account_id, coalesce(NEW.quota, no_limit), coalesce(NEW.daily, no_limit), coalesce(NEW.monthly, no_limit))
    ON CONFLICT (key_id) DO UPDATE SET quota = excluded.quota, daily = excluded.daily, monthly = excluded.monthly;
    RETURN NULL;
END $$;
CREATE TRIGGER api_key_metered AFTER INSERT OR UPDATE OF quota, daily, monthly ON api_key
    FOR EACH ROW EXECUTE FUNCTION copy_limits();

CREATE FUNCTION open_wallet() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO wallet (account_id) VALUES (NEW.id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER account_has_wallet AFTER INSERT ON account FOR EACH ROW EXECUTE FUNCTION open_wallet();

CREATE TABLE lot (
    id                 uuid PRIMARY KEY,
    account_id         uuid NOT NULL REFERENCES wallet,
    pool               text NOT NULL CHECK (pool IN ('paid', 'trial', 'match', 'locked', 'promo')),
    origin             text NOT NULL,
    amount             bigint NOT NULL CHECK (amount > 0),
    granted_at         timestamptz NOT NULL,
    expires_at         timestamptz,
    refundable_until   timestamptz,
    withdrawable_from  timestamptz,
    entry_id           uuid NOT NULL                       -- the credit that made it
);
CREATE INDEX lot_account ON lot (account_id);

-- The line: which lot lies where. What lies before spent + held never changes again.
CREATE TABLE segment (
    account_id  uuid NOT NULL REFERENCES wallet,
    start_at    bigint NOT NULL CHECK (start_at >= 0),
    end_at      bigint NOT NULL CHECK (end_at > start_at),
    lot_id      uuid NOT NULL REFERENCES lot,
    PRIMARY KEY (account_id, start_at)
);

CREATE TABLE hold (
    request_id  uuid PRIMARY KEY,
    account_id  uuid NOT NULL,
    key_id      uuid NOT NULL,
    amount      bigint NOT NULL CHECK (amount >= 0),
    gateway_id  uuid NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_threshold = -1);

-- A usage entry has its request's id, so that a request is settled once; its postings are derived (view `posting_all`).
CREATE TABLE entry (
    id             uuid NOT NULL,
    account_id     uuid NOT NULL,
    seq            bigint NOT NULL,             -- in the account's order, without gaps
    pos            bigint NOT NULL,             -- `spent` before it: usage takes [pos, pos + amount)
    amount         bigint NOT NULL,
    fee            bigint NOT NULL,             -- the part of the amount that is the service fee
    vendor_cost    bigint NOT NULL,
    over           bigint NOT NULL,             -- cost that neither hold nor balance covered
    step           bigint NOT NULL,
    at             timestamptz NOT NULL,
    ordinal        int NOT NULL,                -- within the step, from 0
    type           text NOT NULL,               -- usage | loss | credit | expiry | claw
    provider       text NOT NULL,
    price_version  bytea NOT NULL,
    detail_digest  bytea NOT NULL,              -- sha256(salt ‖ detail)
    reference      text NOT NULL,
    PRIMARY KEY (id),
    CHECK (least(fee, amount - fee, vendor_cost, over) >= 0)
) PARTITION BY RANGE (id);
CREATE INDEX entry_line ON entry (account_id, seq);

CREATE TABLE posting (
    entry_id     uuid NOT NULL,
    ordinal      int NOT NULL,
    amount       bigint NOT NULL CHECK (amount > 0),
    lot_id       uuid,                          -- the lot that gives or takes
    source       text NOT NULL,
    destination  text NOT NULL,
    PRIMARY KEY (entry_id, ordinal)
);

-- What makes a credit happen once: a capture, a code, a campaign's instance.
CREATE TABLE entry_reference (
    reference  text PRIMARY KEY,
    entry_id   uuid NOT NULL
);

-- Free text beside an entry: erasable, no part of the chain.
CREATE TABLE entry_note (
    entry_id  uuid PRIMARY KEY,
    body      text NOT NULL
);

-- What explains a request. Detail and salt may be erased, and whole days dropped: the books stay whole without it.
CREATE TABLE request (
    id          uuid NOT NULL,
    account_id  uuid NOT NULL,
    key_id      uuid NOT NULL,
    at          timestamptz NOT NULL,           -- when it was settled or released
    model       text NOT NULL,
    provider    text NOT NULL,
    status      text NOT NULL,
    edition     text NOT NULL,
    region      text NOT NULL,
    labels      jsonb NOT NULL,
    salt        bytea,
    detail      bytea,                          -- JSON, byte for byte what was hashed
    PRIMARY KEY (account_id, id)
) PARTITION BY RANGE (id);

CREATE TABLE price (
    version       bytea PRIMARY KEY,            -- the digest of the body
    body          text NOT NULL,
    effective_at  timestamptz NOT NULL
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER entry_immutable BEFORE UPDATE OR DELETE ON entry FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entry_kept BEFORE TRUNCATE ON entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER posting_immutable BEFORE UPDATE OR DELETE ON posting FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER posting_kept BEFORE TRUNCATE ON posting FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER price_immutable BEFORE UPDATE OR DELETE ON price FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER price_kept BEFORE TRUNCATE ON price FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Every posting there is. Those of usage follow from the line: the charge's interval, the model's part first and the fee's
-- after it, cut by the segments it overlaps.
CREATE VIEW posting_all AS
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
    SELECT id, 'payable/provider/' || provider, 'expense/provider/' || provider, vendor_cost, NULL FROM entry
    WHERE type = 'usage' AND vendor_cost > 0
    UNION ALL
    SELECT id, 'payable/provider/' || provider, 'loss/unbilled', vendor_cost, NULL FROM entry WHERE type = 'loss' AND vendor_cost > 0;
