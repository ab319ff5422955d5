-- Tasks at vendors, and the settlements that wait for them.

-- name: free_place
-- A request whose answer comes later is not among the open ones.
SELECT free_places($1)

-- name: add
-- A task that a vendor has taken, if its request's hold still stands; nobody gives the hold back meanwhile.
INSERT INTO task (request_id, account_id, key_id, endpoint, vendor_id, model, provider, edition, region,
                  cost, fee, vendor_cost, bound, price_version, salt, detail, created_at, asked_at, metadata_expires)
SELECT request_id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17, $18
FROM hold WHERE request_id = $1 FOR UPDATE
RETURNING request_id

-- name: find
-- An account's task.
SELECT * FROM task WHERE request_id = $1 AND account_id = $2

-- name: take_due
-- Open tasks after which nobody has asked since; from now on they are asked after, so that nobody else takes them.
UPDATE task SET asked_at = $2
WHERE request_id IN (
    SELECT request_id FROM task WHERE state = 'open' AND asked_at < $1 ORDER BY asked_at LIMIT 100 FOR UPDATE SKIP LOCKED
)
RETURNING *

-- name: asked
-- The vendor has been asked.
UPDATE task SET asked_at = $2 WHERE request_id = $1

-- name: close
-- A task that has ended; the first end stays, and what was billed was done.
UPDATE task SET state = CASE WHEN EXISTS (SELECT FROM entry WHERE id = $1 AND type = 'usage') THEN 'done' ELSE $2 END, closed_at = $3
WHERE request_id = $1 AND state = 'open'
