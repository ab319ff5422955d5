-- Disputes.

-- name: add
-- Adds a dispute.
INSERT INTO dispute (id, processor, dispute_id, capture_id, top_up_id, account_id, lot_id, currency, amount_minor, state, opened_at, respond_until,
                     next_look_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'opened', $10, $11, $10) RETURNING *

-- name: dispute
-- A dispute by its id.
SELECT * FROM dispute WHERE id = $1

-- name: by_object
-- A dispute by its id at the processor.
SELECT * FROM dispute WHERE processor = $1 AND dispute_id = $2

-- name: disputes
-- The disputes of an account, or of all, oldest first; with $2, only open ones.
SELECT * FROM dispute WHERE ($1::uuid IS NULL OR account_id = $1) AND (NOT $2 OR ended_at IS NULL) ORDER BY id

-- name: short
-- Disputes of a capture that left us a loss, since others had taken that part, oldest first.
SELECT * FROM dispute WHERE processor = $1 AND capture_id = $2 AND lost > 0 ORDER BY id

-- name: count_open
-- The number of an account's open disputes.
SELECT count(*) FROM dispute WHERE account_id = $1 AND ended_at IS NULL

-- name: set
-- Stores the state of a dispute.
UPDATE dispute SET state = $2, frozen = $3, taken = $4, taken_minor = $5, lost = $6, withdrawn_minor = $7, respond_until = $8, ended_at = $9,
    fault = $10, next_look_at = CASE WHEN $9::timestamptz IS NULL THEN next_look_at END
WHERE id = $1 RETURNING *

-- name: set_fault
-- Stores why the last try failed.
UPDATE dispute SET fault = $2 WHERE id = $1

-- name: add_taken
-- Adds to the disputed amount of a capture; a negative amount has come back.
UPDATE capture SET disputed = disputed + $3, disputed_minor = disputed_minor + $4 WHERE processor = $1 AND capture_id = $2

-- name: add_move
-- Records what a processor took or gave back, and which part of all its fees ($4; NULL: unknown) is new.
INSERT INTO dispute_move (dispute, number, at, minor, fee)
SELECT $1, n.number, $2::timestamptz, $3::bigint, n.fee
FROM (SELECT count(*) + 1 AS number, coalesce($4::bigint - coalesce(sum(fee), 0), 0)::bigint AS fee FROM dispute_move WHERE dispute = $1) n
WHERE $3::bigint <> 0 OR n.fee <> 0

-- name: add_part
-- Adds to the credit that a dispute took from a lot.
INSERT INTO dispute_part (dispute, share, lot_id, amount) VALUES ($1, $2, $3, $4)
ON CONFLICT (dispute, share, lot_id) DO UPDATE SET amount = dispute_part.amount + excluded.amount

-- name: pop_parts
-- Deletes and returns what a dispute took from lots, since it is given back.
DELETE FROM dispute_part WHERE dispute = $1 RETURNING share, lot_id, amount

-- name: claim_due
-- Claims disputes that are due to be read again; an open one is read every hour.
UPDATE dispute SET looks = looks + 1, next_look_at = $1 + interval '1 hour'
WHERE id IN (SELECT id FROM dispute WHERE next_look_at <= $1 ORDER BY next_look_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id
