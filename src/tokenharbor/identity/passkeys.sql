-- Passkeys of users, and the challenges that they sign.

-- name: add_challenge
-- Adds a challenge by its hash, for a user or for a sign-in (NULL).
INSERT INTO passkey_challenge (hash, user_id, expires_at) VALUES ($1, $2, $3)

-- name: use_challenge
-- Uses up a challenge; returns no row for one that is unknown, used, expired, or for another user.
DELETE FROM passkey_challenge WHERE hash = $1 AND user_id IS NOT DISTINCT FROM $2 AND expires_at > $3 RETURNING hash

-- name: purge_challenges
-- Deletes expired challenges.
DELETE FROM passkey_challenge WHERE expires_at < $1

-- name: add_passkey
-- Adds a passkey; returns no row if its id at the authenticator is already known.
INSERT INTO passkey (id, user_id, credential, public_key, sign_count, name, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (credential) DO NOTHING RETURNING id

-- name: passkeys
-- A user's passkeys, oldest first.
SELECT id, user_id, credential, public_key, sign_count, name, created_at, used_at FROM passkey WHERE user_id = $1 ORDER BY created_at, id

-- name: lock_passkey
-- The passkey with an id at an authenticator, locked until the transaction ends.
SELECT id, user_id, credential, public_key, sign_count, name, created_at, used_at FROM passkey WHERE credential = $1 FOR UPDATE

-- name: set_used
-- Records a use.
UPDATE passkey SET sign_count = $2, used_at = $3 WHERE id = $1

-- name: drop_passkey
-- Deletes a passkey of a user.
DELETE FROM passkey WHERE id = $1 AND user_id = $2 RETURNING name

-- name: drop_passkeys
-- Deletes all passkeys of a user.
DELETE FROM passkey WHERE user_id = $1
