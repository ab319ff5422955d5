-- The runs of gateways, and what a new run does with those before it. Leases are by this database's time: the clocks of gateways may
-- differ. Slot $2 of $3 looks after every slot that leaves the same remainder, as more of them may have run before.

-- name: lock
-- One run of a gateway enters at a time, also where its HOME was copied.
SELECT pg_advisory_xact_lock(hashtextextended('gateway ' || $1::uuid, 0))

-- name: claim
-- Runs of releases that knew a gateway by its path are those of the first gateway that has a run there.
UPDATE gateway SET home_id = $1 WHERE home_id IS NULL AND home = $2 AND NOT EXISTS (SELECT FROM gateway WHERE home_id = $1)

-- name: enter
-- A run, after the ones that its slot had.
INSERT INTO gateway (id, home_id, slot, epoch, home, started_at, alive_until)
SELECT $1, $2, $3, coalesce(max(epoch), 0) + 1, $4, $5, clock_timestamp() + $6::interval FROM gateway WHERE home_id = $2 AND slot = $3
RETURNING epoch

-- name: fence
-- Earlier runs are over.
UPDATE gateway SET ended_at = $5 WHERE home_id = $1 AND slot % $3 = $2 AND id <> $4 AND ended_at IS NULL

-- name: slots
-- Which of a gateway's slots looks after each of some runs.
SELECT id, slot % $2 AS slot FROM gateway WHERE home_id = $1 AND id = ANY ($3)

-- name: adopt
-- The holds of tasks that go on are the new run's.
UPDATE hold h SET gateway_id = $4 FROM gateway g, task t
WHERE g.home_id = $1 AND g.slot % $3 = $2 AND g.id <> $4 AND g.ended_at IS NOT NULL AND h.gateway_id = g.id
    AND t.request_id = h.request_id AND t.state = 'open'

-- name: left_holds
-- What earlier runs left held, a page of it.
SELECT h.request_id FROM hold h JOIN gateway g ON g.id = h.gateway_id
WHERE g.home_id = $1 AND g.slot % $3 = $2 AND g.id <> $4 AND g.ended_at IS NOT NULL
    AND NOT EXISTS (SELECT FROM task t WHERE t.request_id = h.request_id AND t.state = 'open') LIMIT 1000

-- name: renew
-- A lease, unless the run was ended.
UPDATE gateway SET alive_until = clock_timestamp() + $2::interval WHERE id = $1 AND ended_at IS NULL RETURNING epoch

-- name: successor
-- Whether another run has taken the place of one.
SELECT EXISTS (SELECT FROM gateway r JOIN gateway g ON g.home_id = r.home_id AND g.id <> r.id AND g.ended_at IS NULL WHERE r.id = $1)

-- name: leave
-- A run that ends in order gives its lease back.
UPDATE gateway SET ended_at = $2, alive_until = least(alive_until, clock_timestamp()) WHERE id = $1 AND ended_at IS NULL
