-- Tasks at vendors, and the settlements that wait for them.

-- name: free_place
-- Requests that wait for a task no longer count as open.
SELECT free_places($1)

-- name: add
-- Adds a task that a vendor has accepted, if its request's hold still stands; the hold is locked meanwhile.
INSERT INTO task (request_id, account_id, key_id, endpoint, vendor_id, model, provider, edition, region,
                  cost, fee, vendor_cost, bound, price_version, salt, detail, created_at, asked_at, metadata_expires)
SELECT request_id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17, $18
FROM hold WHERE request_id = $1 FOR UPDATE
RETURNING request_id

-- name: find
-- An account's task.
SELECT * FROM task WHERE request_id = $1 AND account_id = $2

-- name: take_due
-- Claims open tasks last polled before $1: sets their last poll, so that no other gateway claims them.
UPDATE task SET asked_at = $2
WHERE request_id IN (
    SELECT request_id FROM task WHERE state = 'open' AND asked_at < $1 ORDER BY asked_at LIMIT 100 FOR UPDATE SKIP LOCKED
)
RETURNING *

-- name: asked
-- Records a poll.
UPDATE task SET asked_at = $2 WHERE request_id = $1

-- name: close
-- Closes an open task. A task that was billed is done, whatever state is given.
UPDATE task SET state = CASE WHEN EXISTS (SELECT FROM entry WHERE id = $1 AND type = 'usage') THEN 'done' ELSE $2 END, closed_at = $3
WHERE request_id = $1 AND state = 'open'
