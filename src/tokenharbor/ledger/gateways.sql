-- The gateways of a HOME, one after the other.

-- name: enter
-- A gateway, after the ones that this HOME had.
INSERT INTO gateway (id, home, epoch, started_at)
SELECT $1, $2, coalesce(max(epoch), 0) + 1, $3 FROM gateway WHERE home = $2

-- name: open_tasks
-- Requests whose tasks go on, whatever gateway took them.
SELECT request_id FROM task WHERE state = 'open'

-- name: adopt
-- Their holds are the new gateway's, as far as the HOME's earlier ones had them.
UPDATE hold SET gateway_id = $2
WHERE request_id = ANY ($3) AND gateway_id IN (SELECT id FROM gateway WHERE home = $1 AND id <> $2)

-- name: left_holds
-- Holds of the HOME's earlier gateways, a page of them.
SELECT h.request_id FROM hold h JOIN gateway g ON g.id = h.gateway_id WHERE g.home = $1 AND g.id <> $2 LIMIT 1000

-- name: end_others
-- The HOME's earlier gateways are over.
UPDATE gateway SET ended_at = $3 WHERE home = $1 AND id <> $2 AND ended_at IS NULL

-- name: leave
-- A gateway that ends in order.
UPDATE gateway SET ended_at = $2 WHERE id = $1
