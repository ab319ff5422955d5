-- The purge of what explains requests.

-- name: set_purged_before
-- Requests that began before this have no rows; never back.
INSERT INTO metadata_purge (purged_before) VALUES ($1)
ON CONFLICT (one_row) DO UPDATE SET purged_before = excluded.purged_before WHERE metadata_purge.purged_before < excluded.purged_before

-- name: purge_requests
-- Deletes the requests of a day with an id in [$1, $2) that stand in blocks from $3 up to $4; answers how many. What providers are owed for
-- them goes to the totals, unless their entries name the provider.
WITH gone AS (
    DELETE FROM request WHERE id >= $1 AND id < $2 AND ctid >= $3 AND ctid < $4
    RETURNING id, provider, model, detail),
owed AS (
    SELECT (e.at AT TIME ZONE 'UTC')::date AS day, g.provider, e.vendor_cost,
           coalesce(convert_from(g.detail, 'UTF8')::jsonb #>> '{served,upstream_model}', g.model) AS model
    FROM gone g CROSS JOIN LATERAL (SELECT at, provider, vendor_cost FROM entry WHERE id = g.id OFFSET 0) e
    WHERE e.provider = '' AND e.vendor_cost > 0),
added AS (
    INSERT INTO purged_cost (day, provider, model, amount)
    SELECT day, provider, model, sum(vendor_cost)::bigint FROM owed GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (day, provider, model) DO UPDATE SET amount = purged_cost.amount + excluded.amount)
SELECT count(*) FROM gone

-- name: purge_tasks
-- Deletes closed tasks of before $1, at most so many; answers how many.
WITH gone AS (
    DELETE FROM task WHERE request_id IN (
        SELECT request_id FROM task WHERE state <> 'open' AND created_at < $1 ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING 1)
SELECT count(*) FROM gone
