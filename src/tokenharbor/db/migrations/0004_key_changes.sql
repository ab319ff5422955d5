-- What a gateway's snapshot of the keys needs to stay whole, and the vendors' keys that the operator stores.

-- Each change of a key has a number. They are handed out under a lock that is held until the commit, so that whoever has
-- seen a number has seen all below it: a snapshot is brought up to date by what lies above its own.
CREATE TABLE key_change (
    last  bigint NOT NULL
);
INSERT INTO key_change VALUES (0);

ALTER TABLE api_key ADD COLUMN change bigint NOT NULL DEFAULT 0;
CREATE INDEX api_key_change ON api_key (change);

CREATE FUNCTION number_key_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE key_change SET last = last + 1 RETURNING last INTO NEW.change;
    RETURN NEW;
END $$;
CREATE TRIGGER api_key_numbered BEFORE INSERT OR UPDATE ON api_key FOR EACH ROW EXECUTE FUNCTION number_key_change();

-- Ours at the providers; sealed with a secret derived from the root's.
CREATE TABLE credential (
    provider     text PRIMARY KEY,
    sealed       bytea NOT NULL,
    seal_key_id  text NOT NULL,
    changed_at   timestamptz NOT NULL
);
CREATE TRIGGER credential_told AFTER INSERT OR UPDATE OR DELETE ON credential
    FOR EACH STATEMENT EXECUTE FUNCTION tell_identity();
