-- What the books are asked to do: one call each, for many requests at once or for one account.

-- name: place_holds
-- Holds what fits, in order of arrival.
SELECT place_holds($1, $2, $3, $4, $5, $6, $7)

-- name: end_requests
-- Settles.
SELECT end_requests($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)

-- name: release_requests
-- Releases, and ends the tasks that the released had.
SELECT release_requests($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)

-- name: drop_holds
-- Gives holds back without a word about their requests.
SELECT drop_holds($1, $2)

-- name: lock_free
-- Locks the wallets that nobody else has locked, in order.
SELECT account_id FROM wallet WHERE account_id = ANY ($1) ORDER BY account_id FOR NO KEY UPDATE SKIP LOCKED

-- name: lock_all
-- Locks wallets in order, waiting for each.
SELECT account_id FROM wallet WHERE account_id = ANY ($1) ORDER BY account_id FOR NO KEY UPDATE

-- name: unknown_accounts
-- Those of the ids that have no wallet.
SELECT x.id FROM unnest($1::uuid[]) x (id) WHERE NOT EXISTS (SELECT FROM wallet WHERE account_id = x.id)

-- name: standing_holds
-- Holds that stand already.
SELECT request_id, account_id, amount FROM hold WHERE request_id = ANY ($1)

-- name: ended_requests
-- What became of requests that were settled, or released at a loss.
SELECT id, account_id, type, amount, fee, over FROM entry WHERE id = ANY ($1) AND id BETWEEN $2 AND $3

-- name: written_requests
-- Requests that have their row.
SELECT id FROM request WHERE account_id = ANY ($1) AND id = ANY ($2) AND id BETWEEN $3 AND $4
