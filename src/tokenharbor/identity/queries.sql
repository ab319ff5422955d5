-- Accounts, users, memberships, API keys and credentials.

-- name: add_account
-- Adds an account; a trigger adds its wallet.
INSERT INTO account (id, created_at, name, edition) VALUES ($1, $2, $3, $4)

-- name: add_membership
-- Adds a member to an account.
INSERT INTO membership (account_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)

-- name: account
-- An account with its members' e-mails; no row for an unknown one.
SELECT a.id, a.created_at, a.name, a.region, a.edition, a.plan, a.rpm, a.tpm, a.concurrency, a.key_rpm, a.key_tpm,
       a.key_concurrency, a.daily, a.monthly, a.daily_budget, a.monthly_budget, a.free_models, a.shared_cache,
       a.semantic_cache, a.semantic_compared, a.semantic_stopped_at, a.semantic_requests,
       array_remove(array_agg(u.email ORDER BY m.created_at, u.id), NULL) AS emails
FROM account a LEFT JOIN membership m ON m.account_id = a.id LEFT JOIN app_user u ON u.id = m.user_id
WHERE a.id = $1 GROUP BY a.id

-- name: accounts
-- A page of the accounts after an id, with their members' e-mails, oldest first.
SELECT a.id, a.created_at, a.name, a.region, a.edition, a.plan, a.rpm, a.tpm, a.concurrency, a.key_rpm, a.key_tpm,
       a.key_concurrency, a.daily, a.monthly, a.daily_budget, a.monthly_budget, a.free_models, a.shared_cache,
       a.semantic_cache, a.semantic_compared, a.semantic_stopped_at, a.semantic_requests,
       array_remove(array_agg(u.email ORDER BY m.created_at, u.id), NULL) AS emails
FROM account a LEFT JOIN membership m ON m.account_id = a.id LEFT JOIN app_user u ON u.id = m.user_id
WHERE a.id > $1 GROUP BY a.id ORDER BY a.id LIMIT $2

-- name: lock_account
-- Locks an account's row until the transaction ends; returns no row for an unknown account.
SELECT id FROM account WHERE id = $1 FOR NO KEY UPDATE

-- name: change_account
-- Stores an account's plan, limits and consent; triggers update its keys and wallet.
UPDATE account SET (plan, rpm, tpm, concurrency, key_rpm, key_tpm, key_concurrency, daily, monthly, free_models)
    = ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
WHERE id = $1

-- name: change_budgets
-- Stores an account's own budgets; triggers update its wallet and the audit log.
UPDATE account SET (daily_budget, monthly_budget) = ($2, $3) WHERE id = $1

-- name: share_cache
-- Stores whether an account's keys and end users share cached answers; triggers update its keys and the audit log.
UPDATE account SET shared_cache = $2 WHERE id = $1 RETURNING id

-- name: add_account_change
-- Records a change.
INSERT INTO account_change (id, account_id, user_id, at, actor, field, before, after, wording, subject, address)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: account_changes
-- All changes of an account, oldest first.
SELECT at, actor, field, before, after, wording, subject, address FROM account_change WHERE account_id = $1 ORDER BY seq

-- name: changes_since
-- The changes of an account since a time, oldest first.
SELECT at, actor, field, before, after, wording, subject, address FROM account_change WHERE account_id = $1 AND at >= $2 ORDER BY seq

-- name: consent
-- The latest consent to free models.
SELECT at, actor, field, before, after, wording, subject, address FROM account_change
WHERE account_id = $1 AND field = 'free_models' AND after = 'on' ORDER BY seq DESC LIMIT 1

-- name: set_actor
-- Sets the actor, address and time of the changes in this transaction, for the audit log.
SELECT set_config('tokenharbor.actor', $1, true), set_config('tokenharbor.address', $2, true), set_config('tokenharbor.at', $3, true)

-- name: changes_page
-- A page of an account's changes before one, newest first.
SELECT id, at, actor, field, before, after, wording, subject, address FROM account_change
WHERE account_id = $1 AND ($2::uuid IS NULL OR seq < (SELECT c.seq FROM account_change c WHERE c.id = $2 AND c.account_id = $1)) ORDER BY seq DESC LIMIT $3

-- name: names
-- The names of those ids that belong to people, or to an account's keys, management keys and invitations.
SELECT show_id('user', id) AS id, email AS name FROM app_user WHERE id = ANY ($2)
UNION ALL SELECT show_id('key', id), name FROM api_key WHERE account_id = $1 AND id = ANY ($2)
UNION ALL SELECT show_id('mkey', id), name FROM management_key WHERE account_id = $1 AND id = ANY ($2)
UNION ALL SELECT show_id('inv', t.id), u.email FROM sign_in_token t JOIN app_user u ON u.id = t.user_id WHERE t.account_id = $1 AND t.id = ANY ($2)

-- name: user_changes
-- All changes of a user, oldest first.
SELECT at, actor, field, before, after, wording, subject, address FROM account_change WHERE user_id = $1 ORDER BY seq

-- name: forget_addresses
-- Erases the IP addresses of changes from before a time.
UPDATE account_change SET address = NULL WHERE at < $1 AND address IS NOT NULL

-- name: plans
-- The number of accounts of each stated plan.
SELECT plan, count(*) AS accounts FROM account WHERE plan <> '' GROUP BY plan ORDER BY plan

-- name: account_of
-- The account that a user owns; the oldest of several.
SELECT m.account_id FROM app_user u JOIN membership m ON m.user_id = u.id
WHERE u.email = $1 AND m.role = 'owner' ORDER BY m.created_at, m.account_id LIMIT 1

-- name: has_keys
-- Whether a key was ever issued.
SELECT EXISTS (SELECT FROM api_key)

-- name: add_key
-- Adds a key; a trigger adds its meter. Returns no row for an unknown account.
-- The rows of account and wallet are locked, so that a concurrent change of their limits either precedes the key or updates it, too.
INSERT INTO api_key (id, account_id, name, hash, hash_key_id, first4, last4, models, providers, denied_providers,
                     networks, quota, daily, monthly, created_at, expires_at, rpm, tpm, concurrency, label)
SELECT $1, a.id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20
FROM account a JOIN wallet w ON w.account_id = a.id WHERE a.id = $2 FOR SHARE
RETURNING id

-- name: keys
-- An account's keys, oldest first, without deleted ones.
SELECT id, account_id, name, label, first4, last4, models, providers, denied_providers, networks, quota, daily, monthly,
       rpm, tpm, concurrency, created_at, expires_at, revoked_at
FROM api_key WHERE account_id = $1 AND deleted_at IS NULL ORDER BY created_at, id

-- name: count_keys
-- The number of an account's keys, without deleted ones.
SELECT count(*) FROM api_key WHERE account_id = $1 AND deleted_at IS NULL

-- name: key
-- A key, unless it was deleted.
SELECT id, account_id, name, label, first4, last4, models, providers, denied_providers, networks, quota, daily, monthly,
       rpm, tpm, concurrency, created_at, expires_at, revoked_at
FROM api_key WHERE id = $1 AND deleted_at IS NULL

-- name: lock_key
-- A key, locked until the transaction ends; no row for an unknown one.
SELECT id, account_id, name, label, first4, last4, models, providers, denied_providers, networks, quota, daily, monthly,
       rpm, tpm, concurrency, created_at, expires_at, revoked_at
FROM api_key WHERE id = $1 FOR NO KEY UPDATE

-- name: change_key
-- Stores a key's rules; a trigger updates its meter.
UPDATE api_key SET (name, models, providers, denied_providers, networks, quota, daily, monthly, expires_at, rpm, tpm, concurrency, label)
    = ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
WHERE id = $1

-- name: key_labels
-- The labels of an account's keys, deleted ones included.
SELECT id, label FROM api_key WHERE account_id = $1 AND label <> ''

-- name: revoke_key
-- Revokes a key; the time of the first revocation stands. Returns no row for an unknown key.
UPDATE api_key SET revoked_at = least(revoked_at, $2) WHERE id = $1 RETURNING account_id, revoked_at

-- name: delete_key
-- Removes a key from lists.
UPDATE api_key SET deleted_at = $2 WHERE id = $1

-- name: changed_keys
-- The keys that changed after a change's number, in order. A change of an account counts as one of its keys (number_account_change).
SELECT k.change, k.hash, k.id, k.account_id, k.models, k.providers, k.denied_providers, k.networks, k.expires_at, k.revoked_at,
       k.rpm, k.tpm, k.concurrency, a.plan, a.rpm AS account_rpm, a.tpm AS account_tpm, a.concurrency AS account_concurrency,
       a.key_rpm, a.key_tpm, a.key_concurrency, a.free_models, w.topped_up, a.volume,
       a.shared_cache, a.semantic_cache, a.semantic_compared, a.semantic_epoch, a.semantic_requests
FROM api_key k JOIN account a ON a.id = k.account_id JOIN wallet w ON w.account_id = k.account_id
WHERE k.change > $1 ORDER BY k.change LIMIT $2

-- name: add_made_once
-- Records the thing made for an idempotency key; returns no row if the key was used before.
INSERT INTO made_once (account_id, idempotency_key, made, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING made

-- name: made_once
-- The thing made for an idempotency key.
SELECT made FROM made_once WHERE account_id = $1 AND idempotency_key = $2

-- name: set_credential
-- Stores a provider's credential in place of the one before.
INSERT INTO credential (provider, sealed, seal_key_id, changed_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (provider) DO UPDATE
SET sealed = excluded.sealed, seal_key_id = excluded.seal_key_id, changed_at = excluded.changed_at

-- name: credential_change
-- The number of the last change of a credential; 0 if there was none.
SELECT coalesce(max(change), 0) FROM credential

-- name: credentials
-- All credentials, sealed.
SELECT provider, sealed, seal_key_id FROM credential ORDER BY provider
