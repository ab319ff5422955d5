-- Comparisons of given answers by model, as a provider's bill has them; whether single requests may turn an account's semantic cache on; and
-- what caches saved stays where the names of what was used go.

ALTER TABLE comparison_cost ADD COLUMN upstream_model text NOT NULL DEFAULT '';     -- its name there; '': of before this
ALTER TABLE comparison_cost ALTER COLUMN upstream_model DROP DEFAULT;
ALTER TABLE comparison_cost DROP CONSTRAINT comparison_cost_pkey, ADD PRIMARY KEY (day, provider, upstream_model);

-- Of an account whose semantic cache is off: whether a request may ask for it all the same.
ALTER TABLE account ADD COLUMN semantic_requests boolean NOT NULL DEFAULT true;

DROP TRIGGER account_semantic_numbered ON account;
CREATE TRIGGER account_semantic_numbered AFTER UPDATE ON account FOR EACH ROW
    WHEN ((OLD.semantic_cache, OLD.semantic_compared, OLD.semantic_epoch, OLD.semantic_requests)
          IS DISTINCT FROM (NEW.semantic_cache, NEW.semantic_compared, NEW.semantic_epoch, NEW.semantic_requests))
    EXECUTE FUNCTION number_account_change();
CREATE TRIGGER account_semantic_requests_audited AFTER UPDATE OF semantic_requests ON account
    FOR EACH ROW EXECUTE FUNCTION audit_row('account', '', 'semantic_requests');

-- Keep of an account's hours before a time only requests and money, and what caches saved; how many rows went. As before, but that what was
-- saved stays.
CREATE OR REPLACE FUNCTION strip_usage(p_account uuid, p_before timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    nobody CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    stripped bigint;
BEGIN
    INSERT INTO usage_mark (account_id, seq) VALUES (p_account, 0) ON CONFLICT DO NOTHING;
    PERFORM FROM usage_mark m WHERE m.account_id = p_account FOR UPDATE;
    WITH gone AS (
        DELETE FROM usage_hour h WHERE h.account_id = p_account AND h.hour < p_before
            AND (h.key_id <> nobody OR h.model <> '' OR h.provider <> '')
        RETURNING h.*),
    kept AS (
        INSERT INTO usage_hour AS h (account_id, hour, key_id, model, provider, first_seq, last_seq, requests, unbilled, charge, fee,
                                     vendor_cost, over, loss, saved_exact, saved_semantic, saved_vendor)
        SELECT p_account, g.hour, nobody, '', '', min(g.first_seq), max(g.last_seq), sum(g.requests), sum(g.unbilled), sum(g.charge), sum(g.fee),
            sum(g.vendor_cost), sum(g.over), sum(g.loss), sum(g.saved_exact), sum(g.saved_semantic), sum(g.saved_vendor)
        FROM gone g GROUP BY g.hour ORDER BY g.hour
        ON CONFLICT (account_id, hour, key_id, model, provider) DO UPDATE SET
            first_seq = least(h.first_seq, excluded.first_seq), last_seq = greatest(h.last_seq, excluded.last_seq),
            requests = h.requests + excluded.requests, unbilled = h.unbilled + excluded.unbilled,
            charge = h.charge + excluded.charge, fee = h.fee + excluded.fee, vendor_cost = h.vendor_cost + excluded.vendor_cost,
            over = h.over + excluded.over, loss = h.loss + excluded.loss, saved_exact = h.saved_exact + excluded.saved_exact,
            saved_semantic = h.saved_semantic + excluded.saved_semantic, saved_vendor = h.saved_vendor + excluded.saved_vendor)
    SELECT count(*) INTO stripped FROM gone;
    RETURN stripped;
END $$;
