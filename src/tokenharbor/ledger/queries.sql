-- The operations of the request book: one call each, for a batch of requests or for some accounts.

-- name: place_holds
-- Places the holds of a batch in order of arrival, as far as limits and balances admit them. Arrays come as text.
SELECT place_holds($1::text::uuid[], $2::text::uuid[], $3::text::int[], $4::text::int[], $5::text::bigint[],
    $6::text::bigint[], $7::text::int[], $8, $9, $10::text::uuid[], $11::text::int[], $12::text::bigint[],
    $13::text::bigint[], $14::text::int[])

-- name: place_holds_again
-- Places holds again that a restart of the database has lost.
SELECT place_holds_again($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: end_requests
-- Settles requests.
SELECT end_requests($1, $2::text::uuid[], $3::text::uuid[], $4::text::int[], $5::text::int[], $6, $7::text::text[],
    $8::text::text[], $9::text::text[], $10::text::text[], $11::text::bytea[], $12::text::uuid[], $13::text::int[],
    $14::text::int[], $15::text::bigint[], $16::text::text[], $17::text::int[], $18, $19::text::bigint[], $20::text::bigint[],
    $21::text::bigint[], $22::text::bigint[], $23::text::bigint[], $24::text::boolean[])

-- name: release_requests
-- Releases requests, and ends their tasks.
SELECT release_requests($1, $2::text::uuid[], $3::text::uuid[], $4::text::int[], $5::text::int[], $6, $7::text::text[],
    $8::text::text[], $9::text::text[], $10::text::text[], $11::text::bytea[], $12::text::uuid[], $13::text::int[],
    $14::text::int[], $15::text::bigint[], $16::text::text[], $17::text::int[], $18, $19::text::bigint[], $20::text::bigint[],
    $21::text::bigint[], $22::text::bigint[], $23::text::bigint[], $24::text::boolean[])

-- name: drop_holds
-- Gives holds back and records nothing about their requests.
SELECT drop_holds($1, $2)

-- name: lock_free
-- Locks in order the wallets that no other session has locked.
SELECT account_id FROM wallet WHERE account_id = ANY ($1) ORDER BY account_id FOR NO KEY UPDATE SKIP LOCKED

-- name: is_locked_by_others
-- Whether a session other than this one and process $2 has locked one of the wallets.
WITH free AS MATERIALIZED (SELECT account_id FROM wallet WHERE account_id = ANY ($1) ORDER BY account_id FOR NO KEY UPDATE SKIP LOCKED)
SELECT EXISTS (SELECT FROM wallet w WHERE account_id = ANY ($1) AND NOT EXISTS (SELECT FROM free f WHERE f.account_id = w.account_id)
    AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = $2 AND a.backend_xid = w.xmax))

-- name: lock_all
-- Locks wallets in order, waiting for each.
SELECT account_id FROM wallet WHERE account_id = ANY ($1) ORDER BY account_id FOR NO KEY UPDATE

-- name: unknown_accounts
-- The accounts that have no wallet.
SELECT x.id FROM unnest($1::uuid[]) x (id) WHERE NOT EXISTS (SELECT FROM wallet WHERE account_id = x.id)

-- name: standing_holds
-- The holds of some requests that stand.
SELECT request_id, account_id, amount FROM hold WHERE request_id = ANY ($1)

-- name: ended_requests
-- The entries of requests that were settled, or released at a loss.
SELECT id, account_id, type, amount, fee, over FROM entry WHERE id = ANY ($1) AND id BETWEEN $2 AND $3

-- name: written_requests
-- The requests that have a row.
SELECT id FROM request WHERE account_id = ANY ($1) AND id = ANY ($2) AND id BETWEEN $3 AND $4
