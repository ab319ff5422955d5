-- Finds the accounts to notify of coming changes of models.

-- name: begin
-- Begins the scan for a change, from time $4 on.
INSERT INTO model_change_look (model, kind, since, looked_until) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING

-- name: allow_long
-- One day of requests takes longer than the usual statement timeout.
SET LOCAL statement_timeout = '60s'

-- name: scanned_until
-- How far the requests have been scanned for a change.
SELECT looked_until FROM model_change_look WHERE (model, kind, since) = ($1, $2, $3)

-- name: set_scanned
-- Moves the end of the scan forward, never back.
UPDATE model_change_look SET looked_until = greatest(looked_until, $4) WHERE (model, kind, since) = ($1, $2, $3)

-- name: purge_notices
-- Deletes at most $2 notices from before $1 that name a model; returns how many.
WITH gone AS (
    DELETE FROM notice WHERE id IN (SELECT id FROM notice WHERE kind IN ('price_change', 'model_retirement') AND at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING 1)
SELECT count(*) FROM gone

-- name: notify_users
-- Notifies at $6 each account with a request of the model among the ids in [$4, $5), once for each change.
INSERT INTO notice (account_id, kind, period, at, facts)
SELECT DISTINCT r.account_id, $2, $1 || '/' || to_char($3::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), $6::timestamptz,
    jsonb_build_object('model', $1::text, 'since', to_char($3::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
FROM request r WHERE r.model = $1::text AND r.id >= $4 AND r.id < $5
ON CONFLICT (account_id, kind, period) DO NOTHING
