-- Payees of withdrawals, and their addresses.

-- name: add
-- Adds a payee.
INSERT INTO payee (id, account_id, processor, kind, digest, added_at, actor) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *

-- name: add_address
-- Adds a payee's address; no row if another payee has it.
INSERT INTO payee_address (payee_id, processor, kind, address, salt) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING payee_id

-- name: payee
-- A payee by its id.
SELECT * FROM payee WHERE id = $1

-- name: lock
-- Locks a payee before a change of it or a withdrawal to it.
SELECT * FROM payee WHERE id = $1 FOR UPDATE

-- name: address
-- A payee's address.
SELECT address, salt FROM payee_address WHERE payee_id = $1

-- name: payees
-- The payees of an account, or of all, oldest first, with their addresses, without removed ones.
SELECT p.*, a.address FROM payee p LEFT JOIN payee_address a ON a.payee_id = p.id
WHERE ($1::uuid IS NULL OR p.account_id = $1) AND p.removed_at IS NULL ORDER BY p.id

-- name: count
-- The number of an account's payees, without removed ones.
SELECT count(*) FROM payee WHERE account_id = $1 AND removed_at IS NULL

-- name: set_verified
-- Marks a payee as verified by an operator.
UPDATE payee SET verified_at = $2, verified_by = $3 WHERE id = $1 RETURNING *

-- name: set_removed
-- Marks a payee as removed: nothing is paid to it any more.
UPDATE payee SET removed_at = $2 WHERE id = $1 RETURNING *

-- name: erase_address
-- Erases a payee's address.
DELETE FROM payee_address WHERE payee_id = $1
