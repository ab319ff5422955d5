-- Users, their sessions, tokens and second factors.

-- name: find_user
-- The user of an e-mail; no row for an unknown one.
SELECT id, created_at, email, name, password, verified_at, locale, seen_locale, operator, totp_at FROM app_user WHERE email = $1

-- name: user
-- The user of an id.
SELECT id, created_at, email, name, password, verified_at, locale, seen_locale, operator, totp_at FROM app_user WHERE id = $1

-- name: lock_user
-- A user, locked until the transaction ends.
SELECT id, created_at, email, name, password, verified_at, locale, seen_locale, operator, totp_at FROM app_user WHERE id = $1 FOR NO KEY UPDATE

-- name: ensure_user
-- The user of an e-mail, added if there is none.
INSERT INTO app_user (id, created_at, email, seen_locale) VALUES ($1, $2, $3, $4)
ON CONFLICT (email) DO UPDATE SET email = excluded.email RETURNING id

-- name: verify_user
-- Marks a user's e-mail as verified; the first time stands.
UPDATE app_user SET verified_at = least(verified_at, $2) WHERE id = $1

-- name: set_password
-- Replaces a user's password.
UPDATE app_user SET password = $2 WHERE id = $1

-- name: change_user
-- Stores a user's name and language.
UPDATE app_user SET name = $2, locale = $3 WHERE id = $1

-- name: record_locale
-- Stores the language in which a user last used the pages.
UPDATE app_user SET seen_locale = $2 WHERE id = $1

-- name: set_email
-- Replaces a user's e-mail by a verified one.
UPDATE app_user SET email = $2, verified_at = least(verified_at, $3) WHERE id = $1

-- name: free_email
-- Takes an e-mail from a user who never verified it, is no operator and is a member of no account; returns no row if there is none.
UPDATE app_user u SET email = NULL WHERE email = $1 AND verified_at IS NULL AND NOT operator
    AND NOT EXISTS (SELECT FROM membership m WHERE m.user_id = u.id) RETURNING id

-- name: move_invitations
-- Gives the open invitations of an e-mail to its new user, and ends all other tokens of the former one.
UPDATE sign_in_token SET user_id = CASE WHEN purpose = 'invite' THEN $2 ELSE user_id END, ended_at = CASE WHEN purpose <> 'invite' THEN $3::timestamptz END
WHERE user_id = $1 AND ended_at IS NULL

-- name: make_operator
-- Makes a user an operator of this server.
UPDATE app_user SET operator = true WHERE id = $1

-- name: is_member
-- Whether a user is a member of any account.
SELECT EXISTS (SELECT FROM membership WHERE user_id = $1)

-- name: purge_users
-- Deletes users who signed up before a time and never verified the e-mail, without memberships, tokens and keys.
DELETE FROM app_user u WHERE verified_at IS NULL AND created_at < $1
    AND NOT EXISTS (SELECT FROM membership m WHERE m.user_id = u.id) AND NOT EXISTS (SELECT FROM sign_in_token t WHERE t.user_id = u.id)
    AND NOT EXISTS (SELECT FROM api_key k WHERE k.created_by = u.id) AND NOT EXISTS (SELECT FROM management_key k WHERE k.created_by = u.id)

-- name: find_identity
-- The user of an identity at another service; no row for an unknown one.
SELECT user_id FROM user_identity WHERE issuer = $1 AND subject = $2

-- name: add_identity
-- Links an identity at another service to a user.
INSERT INTO user_identity (issuer, subject, user_id, created_at) VALUES ($1, $2, $3, $4)

-- name: identities
-- A user's identities at other services, oldest first.
SELECT issuer, subject, created_at FROM user_identity WHERE user_id = $1 ORDER BY created_at, issuer, subject

-- name: drop_identity
-- Unlinks an identity of a user.
DELETE FROM user_identity WHERE user_id = $1 AND issuer = $2 AND subject = $3

-- name: drop_identities
-- Unlinks all identities of a user.
DELETE FROM user_identity WHERE user_id = $1

-- name: add_session
-- Adds a session by its hash.
INSERT INTO user_session (id, hash, user_id, created_at, seen_at, expires_at, address, agent) VALUES ($1, $2, $3, $4, $4, $5, $6, $7)

-- name: session
-- An open session and its user; $2 is now, $3 the time since which it must have been used.
SELECT s.id, s.seen_at, u.id AS user_id, u.created_at, u.email, u.name, u.password, u.verified_at, u.locale, u.seen_locale, u.operator, u.totp_at
FROM user_session s JOIN app_user u ON u.id = s.user_id
WHERE s.hash = $1 AND s.ended_at IS NULL AND s.expires_at > $2 AND s.seen_at > $3

-- name: see_session
-- Records the use of a session.
UPDATE user_session SET seen_at = $2, address = coalesce($3, address) WHERE id = $1

-- name: sessions
-- A user's open sessions, last used first.
SELECT id, created_at, seen_at, expires_at, address, agent FROM user_session
WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2 AND seen_at > $3 ORDER BY seen_at DESC, id

-- name: end_session
-- Ends a session of a user; returns no row if the user has no such open session.
UPDATE user_session SET ended_at = $3 WHERE id = $1 AND user_id = $2 AND ended_at IS NULL RETURNING id

-- name: end_session_of_hash
-- Ends the session with a hash.
UPDATE user_session SET ended_at = $2 WHERE hash = $1 AND ended_at IS NULL

-- name: end_sessions
-- Ends all sessions of a user.
UPDATE user_session SET ended_at = $2 WHERE user_id = $1 AND ended_at IS NULL

-- name: end_other_sessions
-- Ends all sessions of a user but one.
UPDATE user_session SET ended_at = $3 WHERE user_id = $1 AND id IS DISTINCT FROM $2 AND ended_at IS NULL

-- name: purge_sessions
-- Deletes the sessions that ended, expired or became idle before a time.
DELETE FROM user_session WHERE least(ended_at, expires_at, seen_at + $2::interval) < $1

-- name: add_token
-- Adds a token by its hash.
INSERT INTO sign_in_token (id, hash, purpose, user_id, created_at, expires_at, password, referral, account_id, role, invited_by, email)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- name: use_token
-- Uses up a token; returns no row for one that is unknown, used, expired or for another purpose.
UPDATE sign_in_token SET ended_at = $3 WHERE hash = $1 AND purpose = $2 AND ended_at IS NULL AND expires_at > $3
RETURNING id, purpose, user_id, created_at, password, referral, account_id, role, invited_by, email

-- name: invited_to
-- The account that a token invites to.
SELECT account_id FROM sign_in_token WHERE hash = $1

-- name: end_tokens
-- Ends a user's tokens for a purpose.
UPDATE sign_in_token SET ended_at = $3 WHERE user_id = $1 AND purpose = $2 AND ended_at IS NULL

-- name: end_later_tokens
-- Ends a user's tokens for a purpose that were made after one.
UPDATE sign_in_token SET ended_at = $4 WHERE user_id = $1 AND purpose = $2 AND id > $3 AND ended_at IS NULL

-- name: purge_tokens
-- Deletes tokens that ended or expired before a time, which is another one for invitations.
DELETE FROM sign_in_token WHERE least(ended_at, expires_at) < CASE WHEN account_id IS NULL THEN $1::timestamptz ELSE $2 END

-- name: count_attempt
-- Counts an attempt in its window, and begins a new window if it is over.
INSERT INTO sign_in_attempt AS a (scope, subject, began_at, attempts) VALUES ($1, $2, $3, 1)
ON CONFLICT (scope, subject) DO UPDATE SET
    attempts = CASE WHEN a.began_at + $4::interval <= $3 THEN 1 ELSE a.attempts + 1 END,
    began_at = CASE WHEN a.began_at + $4::interval <= $3 THEN $3 ELSE a.began_at END
RETURNING attempts, began_at

-- name: forget_attempts
-- Forgets attempts after a success.
DELETE FROM sign_in_attempt WHERE scope = $1 AND subject = $2

-- name: purge_attempts
-- Deletes windows that began before a time.
DELETE FROM sign_in_attempt WHERE began_at < $1

-- name: totp
-- The sealed secret of a user's authenticator app.
SELECT totp, totp_key_id, totp_at, totp_last FROM app_user WHERE id = $1 FOR NO KEY UPDATE

-- name: set_totp
-- Stores an authenticator app, which must be confirmed by a code.
UPDATE app_user SET totp = $2, totp_key_id = $3, totp_at = NULL, totp_last = 0 WHERE id = $1

-- name: confirm_totp
-- Confirms an authenticator app: sign-ins need its code from now on.
UPDATE app_user SET totp_at = $2 WHERE id = $1

-- name: drop_totp
-- Removes an authenticator app.
UPDATE app_user SET totp = NULL, totp_key_id = NULL, totp_at = NULL WHERE id = $1

-- name: use_totp
-- Marks the code of a counter as used; returns no row if it, or a later one, was used before.
UPDATE app_user SET totp_last = $2 WHERE id = $1 AND totp_last < $2 RETURNING id

-- name: add_recovery_codes
-- Replaces a user's recovery codes.
WITH gone AS (DELETE FROM recovery_code WHERE user_id = $1)
INSERT INTO recovery_code (user_id, hash) SELECT $1, unnest($2::bytea[])

-- name: use_recovery_code
-- Marks a recovery code as used; returns no row if it is unknown or was used before.
UPDATE recovery_code SET used_at = $3 WHERE user_id = $1 AND hash = $2 AND used_at IS NULL RETURNING user_id

-- name: drop_recovery_codes
-- Deletes a user's recovery codes.
DELETE FROM recovery_code WHERE user_id = $1

-- name: add_mail
-- Adds a mail to a user, due at once.
INSERT INTO user_mail (id, user_id, kind, at, sealed, seal_key_id, next_look_at) VALUES ($1, $2, $3, $4, $5, $6, $4)

-- name: claim_mails
-- Claims due mails: sets the time of their next try, so that another process follows if this one dies.
UPDATE user_mail m SET tries = m.tries + 1, next_look_at = $1 + CASE m.tries WHEN 0 THEN interval '1 minute' WHEN 1 THEN interval '5 minutes' ELSE interval '15 minutes' END
FROM app_user u WHERE u.id = m.user_id AND m.id IN (
    SELECT id FROM user_mail WHERE next_look_at <= $1 ORDER BY next_look_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING m.id, u.email, m.kind, m.at, m.sealed, m.seal_key_id, m.state, m.tries, m.fault

-- name: set_mail
-- Records the result of a try. A mail that still waits keeps the time of its next try.
UPDATE user_mail SET state = $2, fault = $3, sent_at = CASE WHEN $2 = 'sent' THEN $4::timestamptz END,
    sealed = CASE WHEN $2 <> 'sent' THEN sealed END, next_look_at = CASE WHEN $2 = 'waiting' THEN next_look_at END
WHERE id = $1

-- name: mails
-- A page of the mails that were not sent, newest first: those before $2, or the latest.
SELECT m.id, u.email, m.kind, m.at, m.sealed, m.seal_key_id, m.state, m.tries, m.fault
FROM user_mail m JOIN app_user u ON u.id = m.user_id WHERE m.state <> 'sent' AND ($2::uuid IS NULL OR m.id < $2) ORDER BY m.id DESC LIMIT $1

-- name: purge_mails
-- Deletes mails from before a time.
DELETE FROM user_mail WHERE at < $1
