-- Users, their sessions, tokens and second factors.

-- name: find_user
-- By e-mail; no row comes back for an unknown one.
SELECT id, created_at, email, name, password, verified_at, locale, seen_locale, operator, totp_at FROM app_user WHERE email = $1

-- name: user
-- By id.
SELECT id, created_at, email, name, password, verified_at, locale, seen_locale, operator, totp_at FROM app_user WHERE id = $1

-- name: lock_user
-- Nobody else's to change until the transaction ends.
SELECT id, created_at, email, name, password, verified_at, locale, seen_locale, operator, totp_at FROM app_user WHERE id = $1 FOR NO KEY UPDATE

-- name: ensure_user
-- The user of an e-mail, made if there is none.
INSERT INTO app_user (id, created_at, email, seen_locale) VALUES ($1, $2, $3, $4)
ON CONFLICT (email) DO UPDATE SET email = excluded.email RETURNING id

-- name: verify_user
-- The e-mail is theirs; the first time stands.
UPDATE app_user SET verified_at = least(verified_at, $2) WHERE id = $1

-- name: set_password
-- In place of the one before.
UPDATE app_user SET password = $2 WHERE id = $1

-- name: change_user
-- What users say of themselves.
UPDATE app_user SET name = $2, locale = $3 WHERE id = $1

-- name: see_locale
-- They use the pages in it.
UPDATE app_user SET seen_locale = $2 WHERE id = $1

-- name: set_email
-- Another address from now on, which is theirs.
UPDATE app_user SET email = $2, verified_at = least(verified_at, $3) WHERE id = $1

-- name: free_email
-- An address of somebody who has not shown that it is theirs, and is a member of nothing, is nobody's; no row comes back where it is somebody's.
UPDATE app_user u SET email = NULL WHERE email = $1 AND verified_at IS NULL AND NOT operator
    AND NOT EXISTS (SELECT FROM membership m WHERE m.user_id = u.id) RETURNING id

-- name: move_invitations
-- Open ones to an address, to whoever has it now; what else was sent to who had it before opens nothing.
UPDATE sign_in_token SET user_id = CASE WHEN purpose = 'invite' THEN $2 ELSE user_id END, ended_at = CASE WHEN purpose <> 'invite' THEN $3::timestamptz END
WHERE user_id = $1 AND ended_at IS NULL

-- name: make_operator
-- A user who operates this server.
UPDATE app_user SET operator = true WHERE id = $1

-- name: is_member
-- Whether a user is a member of any account.
SELECT EXISTS (SELECT FROM membership WHERE user_id = $1)

-- name: purge_users
-- Who signed up and never showed that the e-mail is theirs, is invited nowhere and has no mail under way.
DELETE FROM app_user u WHERE verified_at IS NULL AND created_at < $1
    AND NOT EXISTS (SELECT FROM membership m WHERE m.user_id = u.id) AND NOT EXISTS (SELECT FROM sign_in_token t WHERE t.user_id = u.id)
    AND NOT EXISTS (SELECT FROM api_key k WHERE k.created_by = u.id) AND NOT EXISTS (SELECT FROM management_key k WHERE k.created_by = u.id)

-- name: find_identity
-- Whose a person at another service is; no row comes back for an unknown one.
SELECT user_id FROM user_identity WHERE issuer = $1 AND subject = $2

-- name: add_identity
-- A person at another service is this user.
INSERT INTO user_identity (issuer, subject, user_id, created_at) VALUES ($1, $2, $3, $4)

-- name: identities
-- Who a user is at other services, oldest first.
SELECT issuer, subject, created_at FROM user_identity WHERE user_id = $1 ORDER BY created_at, issuer, subject

-- name: drop_identity
-- A user is not this person at another service.
DELETE FROM user_identity WHERE user_id = $1 AND issuer = $2 AND subject = $3

-- name: drop_identities
-- A user is nobody at any other service.
DELETE FROM user_identity WHERE user_id = $1

-- name: add_session
-- A session, by its hash.
INSERT INTO user_session (id, hash, user_id, created_at, seen_at, expires_at, address, agent) VALUES ($1, $2, $3, $4, $4, $5, $6, $7)

-- name: session
-- A session that is neither ended nor expired ($2 is now, $3 since when it must have been seen), and its user.
SELECT s.id, s.seen_at, u.id AS user_id, u.created_at, u.email, u.name, u.password, u.verified_at, u.locale, u.seen_locale, u.operator, u.totp_at
FROM user_session s JOIN app_user u ON u.id = s.user_id
WHERE s.hash = $1 AND s.ended_at IS NULL AND s.expires_at > $2 AND s.seen_at > $3

-- name: see_session
-- It was used.
UPDATE user_session SET seen_at = $2, address = coalesce($3, address) WHERE id = $1

-- name: sessions
-- A user's that are open, the one used last first.
SELECT id, created_at, seen_at, expires_at, address, agent FROM user_session
WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2 AND seen_at > $3 ORDER BY seen_at DESC, id

-- name: end_session
-- One of a user's; no row comes back where it is not theirs, or ended.
UPDATE user_session SET ended_at = $3 WHERE id = $1 AND user_id = $2 AND ended_at IS NULL RETURNING id

-- name: end_session_of_hash
-- The one that a browser shows.
UPDATE user_session SET ended_at = $2 WHERE hash = $1 AND ended_at IS NULL

-- name: end_sessions
-- All of a user's.
UPDATE user_session SET ended_at = $2 WHERE user_id = $1 AND ended_at IS NULL

-- name: end_other_sessions
-- All of a user's but one.
UPDATE user_session SET ended_at = $3 WHERE user_id = $1 AND id IS DISTINCT FROM $2 AND ended_at IS NULL

-- name: purge_sessions
-- With addresses and agents: what ended, expired or was seen last before a time.
DELETE FROM user_session WHERE least(ended_at, expires_at, seen_at + $2::interval) < $1

-- name: add_token
-- A token, by its hash.
INSERT INTO sign_in_token (id, hash, purpose, user_id, created_at, expires_at, password, referral, account_id, role, invited_by, email)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- name: use_token
-- Once, before it expires, for its purpose only.
UPDATE sign_in_token SET ended_at = $3 WHERE hash = $1 AND purpose = $2 AND ended_at IS NULL AND expires_at > $3
RETURNING id, purpose, user_id, created_at, password, referral, account_id, role, invited_by, email

-- name: end_tokens
-- All of a user's for a purpose.
UPDATE sign_in_token SET ended_at = $3 WHERE user_id = $1 AND purpose = $2 AND ended_at IS NULL

-- name: end_later_tokens
-- A user's for a purpose that were made after one.
UPDATE sign_in_token SET ended_at = $4 WHERE user_id = $1 AND purpose = $2 AND id > $3 AND ended_at IS NULL

-- name: purge_tokens
-- Those that opened nothing any more before a time.
DELETE FROM sign_in_token WHERE least(ended_at, expires_at) < $1

-- name: count_attempt
-- One more in its window, which begins anew once it is over.
INSERT INTO sign_in_attempt AS a (scope, subject, began_at, attempts) VALUES ($1, $2, $3, 1)
ON CONFLICT (scope, subject) DO UPDATE SET
    attempts = CASE WHEN a.began_at + $4::interval <= $3 THEN 1 ELSE a.attempts + 1 END,
    began_at = CASE WHEN a.began_at + $4::interval <= $3 THEN $3 ELSE a.began_at END
RETURNING attempts, began_at

-- name: forget_attempts
-- They led to success.
DELETE FROM sign_in_attempt WHERE scope = $1 AND subject = $2

-- name: purge_attempts
-- Windows that began before a time.
DELETE FROM sign_in_attempt WHERE began_at < $1

-- name: totp
-- The sealed secret of a user's authenticator app.
SELECT totp, totp_key_id, totp_at, totp_last FROM app_user WHERE id = $1 FOR NO KEY UPDATE

-- name: set_totp
-- Set up, to be confirmed by a code.
UPDATE app_user SET totp = $2, totp_key_id = $3, totp_at = NULL, totp_last = 0 WHERE id = $1

-- name: confirm_totp
-- It is asked for from now on.
UPDATE app_user SET totp_at = $2 WHERE id = $1

-- name: drop_totp
-- It is not asked for any more.
UPDATE app_user SET totp = NULL, totp_key_id = NULL, totp_at = NULL WHERE id = $1

-- name: use_totp
-- Its code of a counter, and none before it, is used; no row comes back where one was.
UPDATE app_user SET totp_last = $2 WHERE id = $1 AND totp_last < $2 RETURNING id

-- name: add_recovery_codes
-- In place of those before.
WITH gone AS (DELETE FROM recovery_code WHERE user_id = $1)
INSERT INTO recovery_code (user_id, hash) SELECT $1, unnest($2::bytea[])

-- name: use_recovery_code
-- Once; no row comes back where it is none, or was used.
UPDATE recovery_code SET used_at = $3 WHERE user_id = $1 AND hash = $2 AND used_at IS NULL RETURNING user_id

-- name: drop_recovery_codes
-- All of a user's.
DELETE FROM recovery_code WHERE user_id = $1

-- name: add_mail
-- A mail to a user, due at once.
INSERT INTO user_mail (id, user_id, kind, at, sealed, seal_key_id, next_look_at) VALUES ($1, $2, $3, $4, $5, $6, $4)

-- name: claim_mails
-- Those that are due; the time of the next try is set at once, so that who dies is followed by another.
UPDATE user_mail m SET tries = m.tries + 1, next_look_at = $1 + CASE m.tries WHEN 0 THEN interval '1 minute' WHEN 1 THEN interval '5 minutes' ELSE interval '15 minutes' END
FROM app_user u WHERE u.id = m.user_id AND m.id IN (
    SELECT id FROM user_mail WHERE next_look_at <= $1 ORDER BY next_look_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING m.id, u.email, m.kind, m.at, m.sealed, m.seal_key_id, m.state, m.tries, m.fault

-- name: set_mail
-- What became of a try. A mail that still waits keeps the time of its next one.
UPDATE user_mail SET state = $2, fault = $3, sent_at = CASE WHEN $2 = 'sent' THEN $4::timestamptz END,
    sealed = CASE WHEN $2 <> 'sent' THEN sealed END, next_look_at = CASE WHEN $2 = 'waiting' THEN next_look_at END
WHERE id = $1

-- name: mails
-- Some that did not leave, newest first: those before one ($2), or the last.
SELECT m.id, u.email, m.kind, m.at, m.sealed, m.seal_key_id, m.state, m.tries, m.fault
FROM user_mail m JOIN app_user u ON u.id = m.user_id WHERE m.state <> 'sent' AND ($2::uuid IS NULL OR m.id < $2) ORDER BY m.id DESC LIMIT $1

-- name: purge_mails
-- Those of before a time.
DELETE FROM user_mail WHERE at < $1
