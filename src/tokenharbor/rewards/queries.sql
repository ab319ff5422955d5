-- Rewards, referrals and codes. A wallet is locked before any row of this room.

-- name: add_reward
-- A reward, once; no row comes back where its key was used.
INSERT INTO reward (id, account_id, kind, key, state, wanted, amount, at, entry_id, lot_id, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (kind, key) DO NOTHING RETURNING id

-- name: lock_reward
-- One reward, nobody else's to change until the transaction ends.
SELECT * FROM reward WHERE id = $1 FOR NO KEY UPDATE

-- name: reward
-- One reward.
SELECT * FROM reward WHERE id = $1

-- name: decide_reward
-- What an operator decided of one that waited.
UPDATE reward SET state = $2, amount = $3, entry_id = $4, lot_id = $5, reason = $6, decided_by = $7, decided_at = $8
WHERE id = $1

-- name: rewards
-- Those of an account, or of all; of any state, or of one; oldest first.
SELECT * FROM reward WHERE ($1::uuid IS NULL OR account_id = $1) AND ($2::text IS NULL OR state = $2) ORDER BY at, id

-- name: lock_mark
-- How far an account has been looked at; the row is made if it is missing, and locked.
INSERT INTO reward_account (account_id) VALUES ($1) ON CONFLICT (account_id) DO UPDATE SET account_id = excluded.account_id
RETURNING granted, seq, spent, trial_earned

-- name: granted
-- What an account was granted for life.
SELECT granted FROM reward_account WHERE account_id = $1

-- name: add_granted
-- One more reward counts for the cap for life.
UPDATE reward_account SET granted = granted + $2 WHERE account_id = $1

-- name: twins_welcomed
-- Whether another account of the same people, or of the same mailbox, has had its welcome.
SELECT coalesce(bool_or(o.user_id = m.user_id), false) AS same_user, coalesce(bool_or(o.user_id <> m.user_id), false) AS same_mailbox
FROM membership m JOIN app_user u ON u.id = m.user_id
JOIN app_user v ON v.id = u.id OR mailbox(v.email) = mailbox(u.email)
JOIN membership o ON o.user_id = v.id AND o.account_id <> $1
JOIN reward r ON r.account_id = o.account_id AND r.kind = 'welcome' AND r.state <> 'refused'
WHERE m.account_id = $1

-- name: add_code
-- A redemption code.
INSERT INTO code (id, digest, amount, lasts, uses, created_at, expires_at, note, actor) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: codes
-- All codes, oldest first.
SELECT id, amount, lasts, uses, used, created_at, expires_at, revoked_at, note, actor FROM code ORDER BY created_at, id

-- name: lock_code
-- A code by its digest, nobody else's to use until the transaction ends.
SELECT id, amount, lasts, uses, used, created_at, expires_at, revoked_at, note, actor FROM code WHERE digest = $1 FOR NO KEY UPDATE

-- name: use_code
-- Once more.
UPDATE code SET used = used + 1 WHERE id = $1

-- name: revoke_code
-- From now on it gives nothing; the first time stands. No row comes back for an unknown one.
UPDATE code SET revoked_at = least(revoked_at, $2) WHERE id = $1
RETURNING id, amount, lasts, uses, used, created_at, expires_at, revoked_at, note, actor

-- name: add_redemption
-- An account redeems a code once; no row comes back where it has.
INSERT INTO redemption (code_id, account_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING code_id
