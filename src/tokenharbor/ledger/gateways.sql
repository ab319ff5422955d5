-- The runs of gateways, and how a new run takes over from those before it. Leases are by this database's clock: the clocks of gateways
-- may differ. Slot $2 of $3 takes over every slot with the same remainder, as the gateway may have had more workers before.

-- name: lock
-- Lets one run of a gateway enter at a time, even if its HOME was copied.
SELECT pg_advisory_xact_lock(hashtextextended('gateway ' || $1::uuid, 0))

-- name: claim
-- Gives runs of releases that knew a gateway by its path to the first gateway that starts there.
UPDATE gateway SET home_id = $1 WHERE home_id IS NULL AND home = $2 AND NOT EXISTS (SELECT FROM gateway WHERE home_id = $1)

-- name: enter
-- Adds a run with the slot's next epoch.
INSERT INTO gateway (id, home_id, slot, epoch, home, started_at, alive_until)
SELECT $1, $2, $3, coalesce(max(epoch), 0) + 1, $4, $5, clock_timestamp() + $6::interval FROM gateway WHERE home_id = $2 AND slot = $3
RETURNING epoch

-- name: fence
-- Ends the earlier runs.
UPDATE gateway SET ended_at = $5 WHERE home_id = $1 AND slot % $3 = $2 AND id <> $4 AND ended_at IS NULL

-- name: slots
-- The slot that takes over each of some runs of a gateway.
SELECT id, slot % $2 AS slot FROM gateway WHERE home_id = $1 AND id = ANY ($3)

-- name: adopt
-- Gives the holds of open tasks to the new run.
UPDATE hold h SET gateway_id = $4 FROM gateway g, task t
WHERE g.home_id = $1 AND g.slot % $3 = $2 AND g.id <> $4 AND g.ended_at IS NOT NULL AND h.gateway_id = g.id
    AND t.request_id = h.request_id AND t.state = 'open'

-- name: left_holds
-- A page of the holds that earlier runs left.
SELECT h.request_id FROM hold h JOIN gateway g ON g.id = h.gateway_id
WHERE g.home_id = $1 AND g.slot % $3 = $2 AND g.id <> $4 AND g.ended_at IS NOT NULL
    AND NOT EXISTS (SELECT FROM task t WHERE t.request_id = h.request_id AND t.state = 'open') LIMIT 1000

-- name: renew
-- Renews a lease, unless the run was ended.
UPDATE gateway SET alive_until = clock_timestamp() + $2::interval WHERE id = $1 AND ended_at IS NULL RETURNING epoch

-- name: successor
-- Whether another run of the same gateway has taken a run's place.
SELECT EXISTS (SELECT FROM gateway r JOIN gateway g ON g.home_id = r.home_id AND g.id <> r.id AND g.ended_at IS NULL WHERE r.id = $1)

-- name: leave
-- Ends a run in order and gives its lease back.
UPDATE gateway SET ended_at = $2, alive_until = least(alive_until, clock_timestamp()) WHERE id = $1 AND ended_at IS NULL
