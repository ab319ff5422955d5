-- Runs whose lease has lapsed, by this database's clock. Runs of a release without gateway ids (no home_id) had no lease: they are
-- given up only by the operator.

-- name: runs
-- Runs that have not ended or still have holds.
SELECT g.id, g.home_id AS gateway_id, g.slot, g.epoch, g.home, g.started_at,
    CASE WHEN g.ended_at IS NOT NULL THEN 'ended' WHEN g.alive_until < clock_timestamp() THEN 'lapsed' ELSE 'alive' END AS state,
    count(h.request_id) AS holds, coalesce(sum(h.amount), 0)::bigint AS held
FROM gateway g LEFT JOIN hold h ON h.gateway_id = g.id
GROUP BY g.id HAVING g.ended_at IS NULL OR count(h.request_id) > 0 ORDER BY g.started_at, g.slot

-- name: occupying
-- Lapsed runs with requests that count as open.
SELECT id FROM gateway g WHERE alive_until < clock_timestamp() AND home_id IS NOT NULL
    AND EXISTS (SELECT FROM hold h WHERE h.gateway_id = g.id AND (h.open OR h.tokens > 0))

-- name: lock_lapsed
-- Locks a lapsed run, so that it is not renewed meanwhile.
SELECT true FROM gateway WHERE id = $1 AND alive_until < clock_timestamp() FOR UPDATE

-- name: free
-- Frees a lapsed run's places and reserved tokens.
SELECT free_lapsed($1)

-- name: overdue
-- Runs with holds that lapsed, or were ended by a successor, longer ago than $1.
SELECT id FROM gateway g WHERE home_id IS NOT NULL AND greatest(alive_until, ended_at) < clock_timestamp() - $1::interval
    AND EXISTS (SELECT FROM hold h WHERE h.gateway_id = g.id)

-- name: of_gateway
-- The runs of a gateway that have not ended or still have holds; or one run without a gateway's id.
SELECT id, alive_until >= clock_timestamp() AND ended_at IS NULL AS alive FROM gateway g
WHERE (home_id = $1 OR (home_id IS NULL AND id = $1))
    AND (ended_at IS NULL OR EXISTS (SELECT FROM hold h WHERE h.gateway_id = g.id)) ORDER BY started_at

-- name: given_up
-- The holds of a run, except those of open tasks.
SELECT request_id, amount FROM hold h WHERE gateway_id = $1
    AND NOT EXISTS (SELECT FROM task t WHERE t.request_id = h.request_id AND t.state = 'open')

-- name: end
-- Ends a run.
UPDATE gateway SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL

-- name: drop
-- Gives holds back.
SELECT drop_holds($1, $2)
