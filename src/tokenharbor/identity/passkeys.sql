-- Passkeys of users, and the challenges that they sign.

-- name: add_challenge
-- By its hash; of a user, or of whoever signs in.
INSERT INTO passkey_challenge (hash, user_id, expires_at) VALUES ($1, $2, $3)

-- name: use_challenge
-- Once, in time, for the same user; no row comes back for any other.
DELETE FROM passkey_challenge WHERE hash = $1 AND user_id IS NOT DISTINCT FROM $2 AND expires_at > $3 RETURNING hash

-- name: purge_challenges
-- Those that nobody can sign any more.
DELETE FROM passkey_challenge WHERE expires_at < $1

-- name: add_passkey
-- None where an authenticator's id is known already.
INSERT INTO passkey (id, user_id, credential, public_key, sign_count, name, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (credential) DO NOTHING RETURNING id

-- name: passkeys
-- A user's, oldest first.
SELECT id, user_id, credential, public_key, sign_count, name, created_at, used_at FROM passkey WHERE user_id = $1 ORDER BY created_at, id

-- name: lock_passkey
-- By the authenticator's id; nobody else's to use until the transaction ends.
SELECT id, user_id, credential, public_key, sign_count, name, created_at, used_at FROM passkey WHERE credential = $1 FOR UPDATE

-- name: set_used
-- It has signed.
UPDATE passkey SET sign_count = $2, used_at = $3 WHERE id = $1

-- name: drop_passkey
-- One of a user's.
DELETE FROM passkey WHERE id = $1 AND user_id = $2 RETURNING name

-- name: drop_passkeys
-- All of a user's.
DELETE FROM passkey WHERE user_id = $1
