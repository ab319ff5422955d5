-- Payees of withdrawals, and their addresses.

-- name: add
-- A payee.
INSERT INTO payee (id, account_id, processor, kind, digest, added_at, actor) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *

-- name: add_address
-- Its address; no row comes back where it is another payee's.
INSERT INTO payee_address (payee_id, processor, kind, address, salt) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING payee_id

-- name: payee
-- A payee by its id.
SELECT * FROM payee WHERE id = $1

-- name: lock
-- Likewise, for a change of it, or a withdrawal to it.
SELECT * FROM payee WHERE id = $1 FOR UPDATE

-- name: address
-- Where it is paid.
SELECT address, salt FROM payee_address WHERE payee_id = $1

-- name: payees
-- The payees of an account, or all, oldest first, with their addresses; those that were removed aside.
SELECT p.*, a.address FROM payee p LEFT JOIN payee_address a ON a.payee_id = p.id
WHERE ($1::uuid IS NULL OR p.account_id = $1) AND p.removed_at IS NULL ORDER BY p.id

-- name: count
-- How many an account has; those that were removed aside.
SELECT count(*) FROM payee WHERE account_id = $1 AND removed_at IS NULL

-- name: set_verified
-- An operator knows that it is the account's.
UPDATE payee SET verified_at = $2, verified_by = $3 WHERE id = $1 RETURNING *

-- name: set_removed
-- Nothing is paid to it any more.
UPDATE payee SET removed_at = $2 WHERE id = $1 RETURNING *

-- name: erase_address
-- It is forgotten.
DELETE FROM payee_address WHERE payee_id = $1
