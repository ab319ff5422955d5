-- What any number of gateways has to agree on: who does a job now, and whether a stored credential has changed.

-- A job is whoever's updates its row first once `due_at` (this database's time) has come.
CREATE TABLE job (
    name    text PRIMARY KEY,
    due_at  timestamptz NOT NULL
);

-- Each change of a credential has a number, from the counter of the keys' changes.
ALTER TABLE credential ADD COLUMN change bigint NOT NULL DEFAULT 0;
CREATE TRIGGER credential_numbered BEFORE INSERT OR UPDATE ON credential FOR EACH ROW EXECUTE FUNCTION number_key_change();
