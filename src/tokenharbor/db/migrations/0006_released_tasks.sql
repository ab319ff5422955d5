-- A task is open only while its request's hold stands: whoever gives the hold back ends the task in the same transaction. By
-- then the hold's row is gone, and one that was still adding the task has either committed it or will find no hold.
CREATE FUNCTION release_requests(p_type text, p_accounts uuid[], p_keys uuid[], p_wallet int[], p_meter int[],
                                 p_at timestamptz, p_day_end timestamptz, p_month_end timestamptz,
                                 p_models text[], p_providers text[], p_statuses text[], p_editions text[], p_regions text[], p_labels text[],
                                 p_versions bytea[], p_rows ending[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM end_requests(p_type, p_accounts, p_keys, p_wallet, p_meter, p_at, p_day_end, p_month_end, p_models, p_providers, p_statuses,
                         p_editions, p_regions, p_labels, p_versions, p_rows);
    UPDATE task SET state = 'failed', closed_at = p_at
    WHERE request_id = ANY (ARRAY(SELECT r.id FROM unnest(p_rows) r)) AND state = 'open';
END $$;
