-- Who there is: accounts (the payers), users, memberships, API keys, gateways. No money lies here.

CREATE TABLE account (
    id          uuid PRIMARY KEY,
    created_at  timestamptz NOT NULL,
    name        text NOT NULL,
    region      text NOT NULL DEFAULT '',
    edition     text NOT NULL
);

-- `user` is a reserved word. Personal data lies in this table only, so that it can be erased.
CREATE TABLE app_user (
    id          uuid PRIMARY KEY,
    created_at  timestamptz NOT NULL,
    email       text,                       -- lower case; NULL once erased
    name        text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX app_user_email ON app_user (email);

CREATE TABLE membership (
    account_id  uuid NOT NULL REFERENCES account,
    user_id     uuid NOT NULL REFERENCES app_user,
    role        text NOT NULL,              -- owner | member
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (account_id, user_id)
);
CREATE INDEX membership_user ON membership (user_id);

CREATE TABLE api_key (
    id                uuid PRIMARY KEY,
    account_id        uuid NOT NULL REFERENCES account,
    created_by        uuid REFERENCES app_user,     -- NULL: the operator, by the command line
    name              text NOT NULL DEFAULT '',
    hash              bytea NOT NULL UNIQUE,        -- keyed; the key itself is stored nowhere
    hash_key_id       text NOT NULL,                -- which derived secret made the hash
    first4            text NOT NULL,
    last4             text NOT NULL,
    models            text[] NOT NULL DEFAULT '{}', -- empty: no rule
    providers         text[] NOT NULL DEFAULT '{}',
    denied_providers  text[] NOT NULL DEFAULT '{}',
    networks          cidr[] NOT NULL DEFAULT '{}',
    rpm               int CHECK (rpm > 0),          -- NULL: no rule
    concurrency       int CHECK (concurrency > 0),
    quota             bigint CHECK (quota >= 0),    -- nano-USD; NULL: no limit
    daily             bigint CHECK (daily >= 0),
    monthly           bigint CHECK (monthly >= 0),
    created_at        timestamptz NOT NULL,
    expires_at        timestamptz,
    revoked_at        timestamptz
);
CREATE INDEX api_key_account ON api_key (account_id, created_at);

-- A gateway process; its holds are given back when it is known to be dead.
CREATE TABLE gateway (
    id          uuid PRIMARY KEY,
    home        text NOT NULL,
    epoch       bigint NOT NULL,            -- counts the gateways of one HOME
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    UNIQUE (home, epoch)
);

-- Snapshots of identity are reloaded when anything in them changed. The payload is the table's name.
CREATE FUNCTION tell_identity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('identity', TG_TABLE_NAME);
    RETURN NULL;
END $$;
CREATE TRIGGER account_told AFTER INSERT OR UPDATE OR DELETE ON account
    FOR EACH STATEMENT EXECUTE FUNCTION tell_identity();
CREATE TRIGGER api_key_told AFTER INSERT OR UPDATE OR DELETE ON api_key
    FOR EACH STATEMENT EXECUTE FUNCTION tell_identity();
