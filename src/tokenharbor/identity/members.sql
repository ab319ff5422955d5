-- Members of accounts, invitations, management keys.

-- name: memberships
-- The accounts of a user, oldest first.
SELECT a.id, a.name, m.role FROM membership m JOIN account a ON a.id = m.account_id WHERE m.user_id = $1 ORDER BY m.created_at, a.id

-- name: role
-- A user's role in an account; no row for no member.
SELECT role FROM membership WHERE account_id = $1 AND user_id = $2

-- name: accounts_of
-- The accounts of which a user is, or was, a member.
SELECT DISTINCT account_id FROM account_person WHERE user_id = $1 ORDER BY account_id

-- name: admitted
-- A user of an account, and everyone whom they let in since a time: management keys that they made, people whom they invited, and so on; as
-- shown ids.
WITH RECURSIVE giver (id) AS (
    SELECT show_id('user', $2::uuid)
    UNION SELECT made.id FROM giver g CROSS JOIN LATERAL (
        SELECT show_id('mkey', k.id) AS id FROM management_key k
        WHERE k.account_id = $1 AND k.created_at >= $3 AND show_id('user', k.created_by) = g.id
        UNION ALL SELECT c.subject FROM account_change c CROSS JOIN LATERAL (
            SELECT t.invited_by, t.created_at FROM sign_in_token t
            WHERE t.account_id = $1 AND show_id('user', t.user_id) = c.subject AND t.created_at <= c.at ORDER BY t.created_at DESC, t.id DESC LIMIT 1) i
        WHERE c.account_id = $1 AND c.field = 'role' AND c.before = '' AND c.actor = c.subject AND c.at >= $3 AND i.created_at >= $3 AND i.invited_by = g.id
    ) made
)
SELECT id FROM giver

-- name: members
-- The members of an account, oldest first.
SELECT u.id AS user_id, u.email, u.name, m.role, m.created_at FROM membership m JOIN app_user u ON u.id = m.user_id
WHERE m.account_id = $1 ORDER BY m.created_at, u.id

-- name: join
-- Adds a member; an existing member keeps the role.
INSERT INTO membership (account_id, user_id, role, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING user_id

-- name: change_role
-- Changes a member's role.
UPDATE membership SET role = $3 WHERE account_id = $1 AND user_id = $2

-- name: leave
-- Removes a member.
DELETE FROM membership WHERE account_id = $1 AND user_id = $2

-- name: other_owners
-- The number of an account's owners beside a user.
SELECT count(*) FROM membership WHERE account_id = $1 AND role = 'owner' AND user_id <> $2

-- name: invitations
-- The open invitations to an account, oldest first.
SELECT t.id, u.email, t.role, t.invited_by, t.created_at, t.expires_at FROM sign_in_token t JOIN app_user u ON u.id = t.user_id
WHERE t.account_id = $1 AND t.ended_at IS NULL AND t.expires_at > $2 ORDER BY t.created_at, t.id

-- name: end_invitation
-- Ends an invitation of an account; returns no row if it has no such open invitation.
UPDATE sign_in_token t SET ended_at = $3 FROM app_user u
WHERE t.id = $1 AND t.account_id = $2 AND t.ended_at IS NULL AND u.id = t.user_id RETURNING t.role

-- name: end_invitations_of
-- Ends all invitations of a user to an account.
UPDATE sign_in_token SET ended_at = $3 WHERE account_id = $1 AND user_id = $2 AND ended_at IS NULL

-- name: end_invitations_by
-- Ends the invitations to an account and one of some roles that some actors made.
UPDATE sign_in_token SET ended_at = $4 WHERE account_id = $1 AND invited_by = ANY ($2) AND role = ANY ($3) AND ended_at IS NULL

-- name: add_management_key
-- Adds a management key by its hash.
INSERT INTO management_key (id, account_id, created_by, hash, hash_key_id, first4, last4, name, role, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: find_management_key
-- The management key in force with a hash.
SELECT id, account_id, created_by, first4, last4, name, role, created_at, expires_at, revoked_at FROM management_key
WHERE hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)

-- name: management_key_role
-- The role of a management key of an account, if it is in force.
SELECT role FROM management_key WHERE id = $1 AND account_id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3)

-- name: management_keys
-- An account's management keys, oldest first, revoked ones included.
SELECT id, account_id, created_by, first4, last4, name, role, created_at, expires_at, revoked_at FROM management_key
WHERE account_id = $1 ORDER BY created_at, id

-- name: count_management_keys
-- The number of an account's management keys that are not revoked.
SELECT count(*) FROM management_key WHERE account_id = $1 AND revoked_at IS NULL

-- name: revoke_management_key
-- Revokes a management key of an account; the time of the first revocation stands. Returns no row for an unknown key.
UPDATE management_key SET revoked_at = least(revoked_at, $3) WHERE id = $1 AND account_id = $2 RETURNING name, revoked_at

-- name: revoke_keys_of
-- Revokes the keys with one of some roles that a member made.
UPDATE management_key SET revoked_at = $4 WHERE account_id = $1 AND created_by = $2 AND role = ANY ($3) AND revoked_at IS NULL
RETURNING id

-- name: set_name
-- Names an account.
UPDATE account SET name = $2 WHERE id = $1
