-- The keys of a changed account are numbered with one step of the counter: a row that changes once for each key of a transaction is
-- searched through all its dead versions, so that ten thousand keys took seconds of the lock.

DROP TRIGGER api_key_numbered ON api_key;
CREATE TRIGGER api_key_numbered BEFORE INSERT ON api_key FOR EACH ROW EXECUTE FUNCTION number_key_change();
CREATE TRIGGER api_key_renumbered BEFORE UPDATE ON api_key
    FOR EACH ROW WHEN (NEW.change = OLD.change) EXECUTE FUNCTION number_key_change();

-- The keys are locked first: a change of one of them takes its row, then its number.
CREATE OR REPLACE FUNCTION number_keys_of(p_account uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    keys uuid[];
    before bigint;
BEGIN
    keys := ARRAY(SELECT id FROM api_key WHERE account_id = p_account AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE);
    UPDATE key_change SET last = last + cardinality(keys) RETURNING last - cardinality(keys) INTO before;
    UPDATE api_key k SET change = before + n.number
    FROM unnest(keys) WITH ORDINALITY AS n (id, number) WHERE k.id = n.id;
END $$;
