-- Signed roots: their making, from entries since the last cuts, and their reading.

-- name: lock
-- Waits until no other process signs, and keeps others from it.
SELECT pg_advisory_lock(1953527667)

-- name: try_lock
-- The same without waiting; false if another process signs.
SELECT pg_try_advisory_lock(1953527667)

-- name: unlock
-- Lets the next process sign.
SELECT pg_advisory_unlock(1953527667)

-- name: last_root
-- The latest root.
SELECT * FROM signed_root ORDER BY number DESC LIMIT 1

-- name: one_root
-- A root by its number.
SELECT * FROM signed_root WHERE number = $1

-- name: root_page
-- A page of the roots after one.
SELECT * FROM signed_root WHERE number > $1 ORDER BY number LIMIT $2

-- name: cut_page
-- A page of a root's cuts, from a place on.
SELECT * FROM signed_cut WHERE root = $1 AND place >= $2 ORDER BY place LIMIT $3

-- name: cut_of
-- The cut that covers an entry of an account.
SELECT * FROM signed_cut WHERE account_id = $1 AND to_seq >= $2 ORDER BY to_seq LIMIT 1

-- name: grown
-- The accounts of a page of wallets that have entries since their last cut, each with its wallet's and that cut's state.
SELECT w.account_id, w.seq, w.step, w.chain, w.spent, coalesce(c.to_seq, 0) AS from_seq, coalesce(c.step, 0) AS from_step,
       coalesce(c.chain, decode(repeat('00', 32), 'hex')) AS from_chain
FROM (SELECT account_id, seq, step, chain, spent FROM wallet WHERE account_id > $1 ORDER BY account_id LIMIT $2) w
LEFT JOIN LATERAL (SELECT to_seq, step, chain FROM signed_cut c WHERE c.account_id = w.account_id ORDER BY to_seq DESC LIMIT 1) c ON true
WHERE w.seq > coalesce(c.to_seq, 0) ORDER BY 1

-- name: page_end
-- The last account of a page of wallets.
SELECT max(account_id::text)::uuid FROM (SELECT account_id FROM wallet WHERE account_id > $1 ORDER BY account_id LIMIT $2) w

-- name: digests
-- The digests of a page of an account's entries, with the position after each.
SELECT seq, step, pos + CASE type WHEN 'usage' THEN amount ELSE 0 END AS spent,
       entry_digest(type, provider, reference, id, account_id, seq, pos, amount, fee, vendor_cost, over, at, detail_digest, price_version) AS digest
FROM entry WHERE account_id = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4

-- name: line
-- The digest of an account's line up to a position.
SELECT line_digest($1, $2)

-- name: add_root
-- Adds a root.
INSERT INTO signed_root (number, made_at, cuts, entries, previous, tree, key_id, signature) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: add_cut
-- Adds a cut of a root.
INSERT INTO signed_cut (account_id, from_seq, to_seq, step, spent, chain, line, tree, root, place, path)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
