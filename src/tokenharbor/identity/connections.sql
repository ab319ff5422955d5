-- Connections: requests of tools for their own API key.

-- name: add
-- Adds a connection; one with an account already has consent.
INSERT INTO tool_connection (id, name, secret_hash, user_code_hash, challenge, created_at, expires_at, account_id, agreed_by, quota, daily, monthly, key_expires_at, address, agent)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)

-- name: asked
-- The connection that waits for consent, by the code that a user types.
SELECT id, name, expires_at, address, agent FROM tool_connection
WHERE user_code_hash = $1 AND account_id IS NULL AND ended_at IS NULL AND expires_at > $2 FOR UPDATE

-- name: agree
-- Records a consent, with its account and limits.
UPDATE tool_connection SET account_id = $2, agreed_by = $3, quota = $4, daily = $5, monthly = $6, key_expires_at = $7 WHERE id = $1

-- name: refuse
-- Ends a connection that a user refused.
UPDATE tool_connection SET ended_at = $2 WHERE id = $1

-- name: waiting
-- The connection of a tool's own code, locked, unless it ended or expired.
SELECT id, name, challenge, account_id, agreed_by, quota, daily, monthly, key_expires_at FROM tool_connection
WHERE secret_hash = $1 AND ended_at IS NULL AND expires_at > $2 FOR UPDATE

-- name: consented_account
-- The account whose consent a tool's own code has, if it has one.
SELECT account_id FROM tool_connection WHERE secret_hash = $1

-- name: end
-- Ends a connection whose key was fetched.
UPDATE tool_connection SET ended_at = $2 WHERE id = $1

-- name: end_consents_by
-- Ends the connections that some actors agreed to for an account, and whose keys no tool has fetched.
UPDATE tool_connection SET ended_at = $3 WHERE account_id = $1 AND agreed_by = ANY ($2) AND ended_at IS NULL

-- name: purge
-- Deletes the connections that expired before a time.
DELETE FROM tool_connection WHERE expires_at < $1
